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
        self.running -= usize::from(entry.state == State::Running);
        self.running += usize::from(state == State::Running);
        entry.state = state;
        Ok(())
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
        if entry.curve.points() != curve {
            entry.curve = Curve::default();
            for point in curve {
                entry.curve.push(*point).map_err(|source| LedgerError::Curve { job, source })?;
            }
        }
        Ok(())
    }

    /// Says how many jobs workers train now, where that is known from elsewhere.
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
