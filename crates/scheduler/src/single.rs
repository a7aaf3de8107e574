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

#[cfg(test)]
mod tests {
    use predictor::{EngineName, Observation, Settings, Target};

    use super::*;

    fn single(engine: EngineName) -> Single {
        let settings = Settings { engine, stop_at: Some(3.0), ..Settings::default() };
        let engine = Engine::new(&settings, Target { epochs: 10.0, interval: 1.0 }).unwrap();
        Single::new(engine, Calibration::default())
    }

    fn observe(ledger: &mut Ledger, job: i64, accuracies: &[f64]) {
        ledger.start(job, None);
        for (i, &accuracy) in accuracies.iter().enumerate() {
            ledger.observe(job, Observation::new(i as f64 + 1.0, accuracy)).unwrap();
        }
    }

    #[test]
    fn it_says_what_its_engine_says() {
        let (mut single, mut ledger) = (single(EngineName::Last), Ledger::default());
        observe(&mut ledger, 1, &[10.0, 20.0]);
        assert_eq!(single.decide(&ledger, 1, true).unwrap().decision, Decision::Continue);
        ledger.observe(1, Observation::new(3.0, 30.0)).unwrap();
        let verdict = single.decide(&ledger, 1, true).unwrap();
        let said =
            single.engine.assess(ledger.job(1).unwrap().curve().points(), &single.calibration).unwrap();
        assert_eq!((verdict.decision, verdict.reason), (Decision::Stop, said.reason));
        assert_eq!(
            (verdict.prediction, single.estimate(&ledger, 1).unwrap()),
            (said.prediction, said.prediction)
        );
    }

    /// `median` learns from completed jobs alone; five of them are needed.
    #[test]
    fn completed_jobs_teach_its_engine_and_lost_ones_do_not() {
        for (state, expected) in [(State::Completed, Decision::Stop), (State::Lost, Decision::Continue)] {
            let (mut single, mut ledger) = (single(EngineName::Median), Ledger::default());
            for job in 0..5 {
                observe(&mut ledger, job, &[50.0; 10]);
                single.learn(&ledger, job).unwrap();
                ledger.settle(job, state).unwrap();
                single.learn(&ledger, job).unwrap();
            }
            observe(&mut ledger, 9, &[40.0; 6]);
            assert_eq!(single.decide(&ledger, 9, true).unwrap().decision, expected, "{state:?}");
        }
    }

    #[test]
    fn nothing_is_ever_taken_up() {
        let (mut single, mut ledger) = (single(EngineName::None), Ledger::default());
        ledger.set_waiting(1);
        assert_eq!(single.next(&ledger), Ok(Next::Start));
        observe(&mut ledger, 1, &[50.0]);
        ledger.set_waiting(0);
        assert_eq!(single.next(&ledger), Ok(Next::Wait));
        ledger.settle(1, State::Frozen).unwrap();
        single.learn(&ledger, 1).unwrap();
        assert_eq!(single.next(&ledger), Ok(Next::Done));
    }
}
