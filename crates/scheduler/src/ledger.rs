//! What the trainings of a search have shown, and where each of them stands.

use std::collections::BTreeMap;

use predictor::{Curve, CurveError, Observation};

/// Where a job stands. A job that was never claimed is in no ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A worker trains it.
    Running,
    /// Set aside at its checkpoint, without an ending.
    Frozen,
    /// Trained to the end.
    Completed,
    /// Stopped for good by the scheduler.
    Stopped,
    /// Failed, diverged or cancelled: it teaches nothing.
    Lost,
}

/// One job of a search.
#[derive(Clone, Debug)]
pub struct Job {
    curve: Curve,
    state: State,
    cost: Option<f64>,
    resumed: usize,
}

impl Job {
    /// All its observations.
    pub fn curve(&self) -> &Curve {
        &self.curve
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// FLOPs, or another cost that the search minimises beside the fitness.
    pub fn cost(&self) -> Option<f64> {
        self.cost
    }

    /// How often it was taken up again.
    pub fn resumed(&self) -> usize {
        self.resumed
    }

    /// The last validation accuracy, in per cent.
    pub fn last(&self) -> Option<f64> {
        self.curve.points().last().map(|o| o.val_acc)
    }
}

/// The jobs of one search, as a scheduler sees them: a fold over what the search's tables say, in the order in which it was
/// committed, or over what a simulation does.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    jobs: BTreeMap<i64, Job>,
    /// Jobs that were never claimed.
    waiting: usize,
    running: usize,
    /// In the order in which they were first claimed.
    order: Vec<i64>,
    /// Those that came first, if somebody else has said so.
    first: Option<Vec<i64>>,
}

/// What cannot have happened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LedgerError {
    /// An observation, a freeze or an end of a job that was never started.
    #[error("job {0} was never started")]
    Unknown(i64),
    /// A point that cannot follow those before it.
    #[error("the curve of job {job} is damaged")]
    Curve {
        /// The job.
        job: i64,
        /// How.
        source: CurveError,
    },
}

impl Ledger {
    /// Says how many jobs wait to be claimed for the first time.
    pub fn set_waiting(&mut self, jobs: usize) {
        self.waiting = jobs;
    }

    /// A worker has claimed a job, for the first time or again. `cost`: see [`Job::cost`].
    pub fn start(&mut self, job: i64, cost: Option<f64>) {
        if !self.jobs.contains_key(&job) {
            self.order.push(job);
        }
        let entry = self.jobs.entry(job).or_insert_with(|| Job {
            curve: Curve::default(),
            state: State::Lost,
            cost,
            resumed: 0,
        });
        entry.resumed += usize::from(entry.state == State::Frozen);
        if entry.state != State::Running {
            entry.state = State::Running;
            self.running += 1;
        }
    }

    /// The newest point of a job's curve.
    ///
    /// # Errors
    /// A job that was never started, or a point that cannot follow the last; nothing is then changed.
    pub fn observe(&mut self, job: i64, point: Observation) -> Result<(), LedgerError> {
        let entry = self.jobs.get_mut(&job).ok_or(LedgerError::Unknown(job))?;
        entry.curve.push(point).map_err(|source| LedgerError::Curve { job, source })
    }

    /// A job is frozen, has ended, or is lost.
    ///
    /// # Errors
    /// A job that was never started.
    pub fn settle(&mut self, job: i64, state: State) -> Result<(), LedgerError> {
        let entry = self.jobs.get_mut(&job).ok_or(LedgerError::Unknown(job))?;
        // Fewer may be said to run, for now, than are known to: see `set_running`.
        self.running = self.running.saturating_sub(usize::from(entry.state == State::Running));
        self.running += usize::from(state == State::Running);
        entry.state = state;
        Ok(())
    }

    /// A frozen job that was [started](Self::start) was not taken up after all.
    pub fn put_back(&mut self, job: i64) {
        if let Some(entry) = self.jobs.get_mut(&job).filter(|entry| entry.state == State::Running) {
            entry.state = State::Frozen;
            entry.resumed = entry.resumed.saturating_sub(1);
            self.running = self.running.saturating_sub(1);
        }
    }

    /// A job that was started.
    pub fn job(&self, job: i64) -> Option<&Job> {
        self.jobs.get(&job)
    }

    /// All jobs that were started, by their ids.
    pub fn jobs(&self) -> impl Iterator<Item = (i64, &Job)> {
        self.jobs.iter().map(|(&id, job)| (id, job))
    }

    /// The frozen jobs, by their ids.
    pub fn frozen(&self) -> impl Iterator<Item = (i64, &Job)> {
        self.jobs().filter(|(_, job)| job.state == State::Frozen)
    }

    /// How many jobs wait to be claimed for the first time.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many jobs workers train now.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many jobs the search has, claimed or not.
    pub fn len(&self) -> usize {
        self.jobs.len() + self.waiting
    }

    /// Whether the search has no job at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a running job has no more observations than this one, so that it will run at least as long.
    pub(crate) fn has_behind(&self, job: i64) -> bool {
        let points = |entry: &Job| entry.curve.points().len();
        let Some(own) = self.job(job).map(points) else { return false };
        self.jobs.values().any(|entry| entry.state == State::Running && points(entry) <= own)
    }

    /// Replaces the curve of a job, where what was observed of it is another one now.
    ///
    /// # Errors
    /// As [`Ledger::observe`]; the points before the damaged one are then its curve.
    pub fn replace(&mut self, job: i64, curve: &[Observation]) -> Result<(), LedgerError> {
        let entry = self.jobs.get_mut(&job).ok_or(LedgerError::Unknown(job))?;
        if !curve.starts_with(entry.curve.points()) {
            entry.curve = Curve::default();
        }
        for point in &curve[entry.curve.points().len()..] {
            entry.curve.push(*point).map_err(|source| LedgerError::Curve { job, source })?;
        }
        Ok(())
    }

    /// Says how many jobs workers train now, where that is known from elsewhere: some that are known to run may have ended
    /// since.
    pub fn set_running(&mut self, jobs: usize) {
        self.running = jobs;
    }

    /// Says which jobs came first and are not lost, where that is known from elsewhere.
    pub fn set_first(&mut self, jobs: Vec<i64>) {
        self.first = Some(jobs);
    }

    /// Whether a job is one of the first so many that are not lost.
    pub(crate) fn is_among_first(&self, job: i64, many: usize) -> bool {
        if let Some(first) = &self.first {
            return first.iter().take(many).any(|id| *id == job);
        }
        let kept = self.order.iter().filter(|id| self.jobs[id].state != State::Lost);
        kept.take(many).any(|id| *id == job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(ledger: &Ledger) -> Vec<(i64, State, usize)> {
        ledger.jobs().map(|(id, job)| (id, job.state(), job.resumed())).collect()
    }

    #[test]
    fn a_job_goes_from_state_to_state_and_is_counted_once() {
        let mut ledger = Ledger::default();
        ledger.set_waiting(2);
        assert_eq!((ledger.len(), ledger.running(), ledger.is_empty()), (2, 0, false));
        ledger.start(7, Some(3.0));
        ledger.set_waiting(1);
        ledger.start(7, None);
        assert_eq!(
            (ledger.len(), ledger.running(), ledger.waiting()),
            (2, 1, 1),
            "claimed again while it ran"
        );
        assert_eq!(ledger.job(7).and_then(Job::cost), Some(3.0), "the cost is that of its first start");
        ledger.settle(7, State::Frozen).unwrap();
        ledger.settle(7, State::Frozen).unwrap();
        assert_eq!((ledger.running(), ledger.frozen().count()), (0, 1));
        ledger.start(7, None);
        assert_eq!(states(&ledger), [(7, State::Running, 1)]);
        ledger.put_back(7);
        assert_eq!((states(&ledger), ledger.running()), (vec![(7, State::Frozen, 0)], 0));
        ledger.put_back(7);
        ledger.start(7, None);
        ledger.settle(7, State::Completed).unwrap();
        assert_eq!((states(&ledger), ledger.running()), (vec![(7, State::Completed, 1)], 0));
    }

    #[test]
    fn fewer_jobs_may_be_said_to_run_than_are_known_to() {
        let mut ledger = Ledger::default();
        for job in [1, 2] {
            ledger.start(job, None);
        }
        ledger.set_running(0);
        ledger.settle(1, State::Completed).unwrap();
        ledger.settle(2, State::Frozen).unwrap();
        ledger.start(2, None);
        ledger.set_running(0);
        ledger.put_back(2);
        assert_eq!(ledger.running(), 0);
    }

    #[test]
    fn only_a_frozen_job_is_taken_up() {
        let mut ledger = Ledger::default();
        for state in [State::Lost, State::Stopped, State::Running] {
            ledger.start(1, None);
            ledger.settle(1, state).unwrap();
        }
        ledger.start(1, None);
        assert_eq!(states(&ledger), [(1, State::Running, 0)], "started anew, not taken up");
    }

    #[test]
    fn what_cannot_have_happened_changes_nothing() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.observe(1, Observation::new(1.0, 50.0)), Err(LedgerError::Unknown(1)));
        assert_eq!(ledger.settle(1, State::Lost), Err(LedgerError::Unknown(1)));
        ledger.start(1, None);
        ledger.observe(1, Observation::new(1.0, 50.0)).unwrap();
        let error = ledger.observe(1, Observation::new(1.0, 51.0)).unwrap_err();
        assert_eq!(error.to_string(), "the curve of job 1 is damaged");
        assert_eq!(ledger.job(1).and_then(Job::last), Some(50.0));
    }

    #[test]
    fn jobs_are_counted_in_the_order_of_their_first_start() {
        let mut ledger = Ledger::default();
        for job in [30, 10, 20] {
            ledger.start(job, None);
        }
        let among = |ledger: &Ledger, many| [30, 10, 20].map(|job| ledger.is_among_first(job, many));
        assert_eq!(among(&ledger, 2), [true, true, false]);
        ledger.settle(10, State::Lost).unwrap();
        assert_eq!(among(&ledger, 2), [true, false, true], "a lost job gives its place away");
        ledger.start(10, None);
        assert_eq!(among(&ledger, 2), [true, true, false], "and has it again once it runs");
        ledger.set_first(vec![7, 20, 30]);
        assert_eq!(among(&ledger, 2), [false, false, true], "somebody knows better");
    }

    #[test]
    fn a_job_behind_is_one_that_runs_and_has_as_few_points() {
        let mut ledger = Ledger::default();
        for (job, points) in [(1, 3), (2, 3), (3, 4)] {
            ledger.start(job, None);
            (1..=points).for_each(|e| ledger.observe(job, Observation::new(f64::from(e), 50.0)).unwrap());
        }
        ledger.settle(1, State::Frozen).unwrap();
        assert!(ledger.has_behind(1), "job 2 has as many");
        ledger.settle(2, State::Frozen).unwrap();
        assert!(!ledger.has_behind(1), "job 3 is ahead");
        assert!(!ledger.has_behind(9), "never started");
    }
}
