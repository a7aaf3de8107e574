//! Asynchronous successive halving (Li et al., MLSys 2020, arXiv 1810.05934), in both of its variants.

use predictor::{Settings, Target};

use crate::rungs::Rungs;
use crate::{Decision, Ledger, Next, Scheduler, SchedulerError, State, Verdict};

/// Which of the two algorithms that are called ASHA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As published (algorithm 2): every job waits at each rung until it is among the best 1/eta there, and whoever is
    /// free takes up the best of the highest rung first.
    Promotion,
    /// As in Ray Tune and Syne Tune: a job goes on at once or is stopped for good, by its rank among those that were
    /// there before.
    Stopping,
}

/// One bracket of successive halving. Rungs learn from running jobs; ties pass; NaN is refused before it is asked.
#[derive(Debug)]
pub struct Asha {
    variant: Variant,
    target: Target,
    rungs: Rungs,
    /// By rung: who was let on from it.
    promoted: Vec<Vec<i64>>,
}

impl Asha {
    /// `settings.warm_up` (3 epochs) is the first rung, `settings.eta` (3) the factor between them.
    pub fn new(settings: &Settings, target: Target, variant: Variant) -> Self {
        let rungs = Rungs::new(target, settings.warm_up.unwrap_or(3.0), settings.eta);
        Self { variant, target, promoted: vec![Vec::new(); rungs.len()], rungs }
    }

    /// The best job of the highest rung that may go on and is frozen.
    fn promotable(&self, may: impl Fn(i64) -> bool) -> Option<(usize, i64)> {
        (0..self.rungs.len()).rev().find_map(|rung| {
            let best = self.rungs.best(rung);
            best.into_iter()
                .find(|job| !self.promoted[rung].contains(job) && may(*job))
                .map(|job| (rung, job))
        })
    }

    /// The rung that a job has just reached.
    fn reached(&self, ledger: &Ledger, job: i64) -> Option<usize> {
        let last = ledger.job(job)?.curve().points().last()?;
        self.rungs.at(self.target.step(last.epoch))
    }
}

impl Scheduler for Asha {
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        if entry.state() == State::Lost {
            self.rungs.forget(job);
        } else if let (Some(rung), Some(accuracy)) = (self.reached(ledger, job), entry.last()) {
            self.rungs.enter(rung, job, accuracy);
        }
        Ok(())
    }

    fn decide(&mut self, ledger: &Ledger, job: i64, may_freeze: bool) -> Result<Verdict, SchedulerError> {
        let prediction = self.estimate(ledger, job)?;
        let Some(rung) = self.reached(ledger, job) else {
            return Ok(Verdict {
                decision: Decision::Continue,
                prediction,
                reason: "between two rungs".into(),
            });
        };
        let (rank, of) = self.rungs.rank(rung, job).unwrap_or((1, 1));
        let reason = format!("rank {rank} of {of} at rung {}", rung + 1);
        let decision = match self.variant {
            Variant::Promotion if may_freeze => match self.promotable(|j| j == job || is_frozen(ledger, j)) {
                Some((of_rung, best)) if best == job => {
                    self.promoted[of_rung].push(job);
                    Decision::Continue
                }
                // Whoever would be taken up at once need not be set aside.
                _ => Decision::Freeze,
            },
            _ if self.rungs.passes(rung, job) => Decision::Continue,
            _ => Decision::Stop,
        };
        Ok(Verdict { decision, prediction, reason })
    }

    fn watches_running(&self) -> bool {
        true
    }

    fn resumes_first(&self) -> bool {
        self.variant == Variant::Promotion
    }

    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
        if let Some((rung, job)) = self.promotable(|job| is_frozen(ledger, job)) {
            self.promoted[rung].push(job);
            return Ok(Next::Resume(job));
        }
        Ok(match (ledger.waiting(), ledger.running()) {
            (0, 0) => Next::Done,
            (0, _) => Next::Wait,
            _ => Next::Start,
        })
    }
}

fn is_frozen(ledger: &Ledger, job: i64) -> bool {
    ledger.job(job).is_some_and(|entry| entry.state() == State::Frozen)
}
