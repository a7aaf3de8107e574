//! Runs a scheduler over recorded curves as if they were live, with as many workers as are wanted.

use std::collections::VecDeque;

use predictor::{Outcome, Prediction, Target, replay::Recorded};

use crate::{Decision, Ledger, LedgerError, Next, Scheduler, SchedulerError, State, Verdict};

/// How a search is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// Slots that train at the same time; at least 1.
    pub workers: usize,
    /// How many intervals it takes to take up a frozen job: its checkpoint is fetched and unpacked.
    pub restart: usize,
    /// The full budget and the interval.
    pub target: Target,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// The job's id.
    pub job: i64,
    /// What was decided after each of its observations but a last one at the target epoch.
    pub verdicts: Vec<Verdict>,
    /// How it ended, for [`predictor::Measures::of`].
    pub outcome: Outcome,
    /// How often it was taken up again.
    pub resumed: usize,
}

/// What became of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The jobs, in the order given.
    pub jobs: Vec<Simulated>,
    /// How long it took, in intervals.
    pub time: usize,
    /// How long it takes the same workers to train all jobs to the end, in intervals.
    pub untouched: usize,
}

impl Simulation {
    /// How often jobs were taken up again.
    pub fn restarts(&self) -> usize {
        self.jobs.iter().map(|job| job.resumed).sum()
    }

    /// The time that untouched trainings take, over the time taken.
    pub fn speed(&self) -> f64 {
        self.untouched as f64 / self.time as f64
    }
}

/// Why a search cannot be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimulationError {
    /// A curve that is damaged or empty.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The scheduler cannot answer.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// A recorded curve without a point up to the target epoch.
    #[error("job {0} has no observation up to the target epoch")]
    Empty(i64),
}

/// A slot that trains.
#[derive(Clone, Copy)]
struct Slot {
    at: usize,
    /// Intervals until it has fetched its checkpoint.
    pause: usize,
}

/// Simulates one search: the jobs wait in the order given, every interval takes as long as any other, and what happens at the
/// same time happens in the order of the slots.
///
/// # Errors
/// [`SimulationError`].
pub fn simulate(
    scheduler: &mut dyn Scheduler,
    jobs: &[&Recorded],
    setup: &Setup,
) -> Result<Simulation, SimulationError> {
    let target = setup.target;
    let length = |r: &Recorded| r.curve.iter().filter(|o| target.step(o.epoch) <= target.steps()).count();
    let lengths: Vec<usize> = jobs.iter().map(|r| length(r)).collect();
    if let Some(at) = lengths.iter().position(|&length| length == 0) {
        return Err(SimulationError::Empty(jobs[at].job));
    }
    let mut verdicts: Vec<Vec<Verdict>> = vec![Vec::new(); jobs.len()];
    let mut ledger = Ledger::default();
    let mut waiting: VecDeque<usize> = (0..jobs.len()).collect();
    ledger.set_waiting(waiting.len());
    let place = |job: i64| jobs.iter().position(|r| r.job == job).expect("a job of the ledger");
    let mut slots: Vec<Option<Slot>> = vec![None; setup.workers.max(1)];
    let mut time = 0;
    loop {
        for slot in slots.iter_mut().filter(|slot| slot.is_none()) {
            let (at, pause) = match scheduler.next(&ledger)? {
                Next::Start => (waiting.pop_front().expect("a job that waits"), 0),
                Next::Resume(job) => (place(job), setup.restart),
                Next::Wait | Next::Done => break,
            };
            ledger.start(jobs[at].job, jobs[at].cost);
            ledger.set_waiting(waiting.len());
            *slot = Some(Slot { at, pause });
        }
        if slots.iter().all(Option::is_none) {
            break;
        }
        time += 1;
        for slot in &mut slots {
            let Some(Slot { at, pause }) = slot else { continue };
            if *pause > 0 {
                *pause -= 1;
                continue;
            }
            let (at, job) = (*at, jobs[*at].job);
            let points = ledger.job(job).map_or(0, |entry| entry.curve().points().len());
            ledger.observe(job, jobs[at].curve[points])?;
            if points + 1 == lengths[at] {
                ledger.settle(job, State::Completed)?;
                scheduler.learn(&ledger, job)?;
                *slot = None;
                continue;
            }
            scheduler.learn(&ledger, job)?;
            let verdict = scheduler.decide(&ledger, job, true)?;
            let state = match verdict.decision {
                Decision::Continue => None,
                Decision::Freeze => Some(State::Frozen),
                Decision::Stop => Some(State::Stopped),
            };
            verdicts[at].push(verdict);
            if let Some(state) = state {
                ledger.settle(job, state)?;
                scheduler.learn(&ledger, job)?;
                *slot = None;
            }
        }
    }
    let mut simulated = Vec::with_capacity(jobs.len());
    for ((recorded, verdicts), &length) in jobs.iter().zip(verdicts).zip(&lengths) {
        let entry = ledger.job(recorded.job).ok_or(LedgerError::Unknown(recorded.job))?;
        let completed = entry.state() == State::Completed;
        let estimate = if completed { None } else { scheduler.estimate(&ledger, recorded.job)? };
        simulated.push(Simulated {
            job: recorded.job,
            verdicts,
            outcome: outcome(recorded, entry.curve().points().len(), length, estimate, target),
            resumed: entry.resumed(),
        });
    }
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let untouched = jobs.len().div_ceil(setup.workers.max(1)) * longest;
    Ok(Simulation { jobs: simulated, time, untouched })
}

fn outcome(
    recorded: &Recorded,
    trained: usize,
    length: usize,
    estimate: Option<Prediction>,
    target: Target,
) -> Outcome {
    let (last, reached) = (recorded.curve[length - 1], recorded.curve[trained - 1]);
    Outcome {
        fitness: estimate.map_or(reached.val_acc, |p| p.fitness),
        truth: last.val_acc,
        epochs: reached.epoch,
        budget: last.epoch.min(target.epochs),
        terminated: trained < length,
        interval_80: estimate.and_then(|p| p.interval_80),
        interval_90: estimate.and_then(|p| p.interval_90),
    }
}
