//! Each training by its own curve: the engine says when it stops, and nothing is ever frozen.

use predictor::{Calibration, End, Ended, Engine, Prediction};

use crate::{Decision, Ledger, Next, Scheduler, SchedulerError, State, Verdict};

/// An engine that stops trainings for good: `penguin-*`, `median`, `menndl`, `last`, `none`, and `peng` where nothing can be
/// taken up again, since there are no checkpoints.
#[derive(Debug)]
pub struct Single {
    engine: Engine,
    calibration: Calibration,
}

impl Single {
    /// What was learned before (`warm_start`) stands in the calibration.
    pub fn new(engine: Engine, calibration: Calibration) -> Self {
        Self { engine, calibration }
    }
}

impl Scheduler for Single {
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        let end = match entry.state() {
            State::Completed => End::Completed,
            State::Stopped | State::Frozen => {
                let Some(prediction) = self.estimate(ledger, job)? else { return Ok(()) };
                End::Stopped { fitness: prediction.fitness }
            }
            State::Running | State::Lost => return Ok(()),
        };
        let ended = Ended { job, curve: entry.curve().points(), end, cost: entry.cost() };
        Ok(self.engine.learn(&mut self.calibration, &ended)?)
    }

    fn decide(&mut self, ledger: &Ledger, job: i64, _: bool) -> Result<Verdict, SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        let said = self.engine.assess_grown(entry.curve(), entry.cost(), &self.calibration);
        let decision = match said.decision {
            predictor::Decision::Continue => Decision::Continue,
            predictor::Decision::Stop => Decision::Stop,
        };
        Ok(Verdict { decision, prediction: said.prediction, reason: said.reason })
    }

    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
        Ok(match (ledger.waiting(), ledger.running()) {
            (0, 0) => Next::Done,
            (0, _) => Next::Wait,
            _ => Next::Start,
        })
    }

    fn estimate(&self, ledger: &Ledger, job: i64) -> Result<Option<Prediction>, SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        Ok(self.engine.assess_grown(entry.curve(), entry.cost(), &self.calibration).prediction)
    }
}
