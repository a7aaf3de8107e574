//! Hyperband (Li et al., JMLR 18, 2018, arXiv 1603.06560), asynchronous: brackets of successive halving that differ in their
//! first rung take jobs in turn.

use std::collections::BTreeMap;

use predictor::{Settings, Target};

use crate::{Asha, Ledger, Next, Scheduler, SchedulerError, Variant, Verdict};

/// One bracket for each first rung below the target: `warm_up` epochs times 1, eta, eta² …
#[derive(Debug)]
pub struct Hyperband {
    brackets: Vec<Asha>,
    /// The bracket of each job.
    of: BTreeMap<i64, usize>,
}

impl Hyperband {
    /// See [`Asha::new`].
    pub fn new(settings: &Settings, target: Target) -> Self {
        let first = settings.warm_up.unwrap_or(3.0);
        let rungs = std::iter::successors(Some(first), |epoch| Some(epoch * settings.eta));
        let bracket = |epoch| {
            let settings = predictor::Settings { warm_up: Some(epoch), ..settings.clone() };
            Asha::new(&settings, target, Variant::Promotion)
        };
        let brackets =
            rungs.take_while(|&epoch| epoch == first || epoch < target.epochs).map(bracket).collect();
        Self { brackets, of: BTreeMap::new() }
    }

    fn bracket(&mut self, job: i64) -> &mut Asha {
        let next = self.of.len() % self.brackets.len();
        &mut self.brackets[*self.of.entry(job).or_insert(next)]
    }
}

impl Scheduler for Hyperband {
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError> {
        self.bracket(job).learn(ledger, job)
    }

    fn decide(&mut self, ledger: &Ledger, job: i64, may_freeze: bool) -> Result<Verdict, SchedulerError> {
        self.bracket(job).decide(ledger, job, may_freeze)
    }

    fn watches_running(&self) -> bool {
        true
    }

    fn freezes(&self) -> bool {
        true
    }

    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
        let mut said = Next::Done;
        for bracket in &mut self.brackets {
            said = bracket.next(ledger)?;
            if matches!(said, Next::Resume(_)) {
                break;
            }
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use predictor::Observation;

    use super::*;
    use crate::{Decision, State};

    const TARGET: Target = Target { epochs: 40.0, interval: 1.0 };

    #[test]
    fn brackets_begin_later_and_later_and_at_least_one_is_there() {
        let table = [(40.0, 3.0, 3), (27.0, 3.0, 2), (20.0, 3.0, 2), (2.0, 3.0, 1), (40.0, 1.0, 4)];
        for (epochs, warm_up, expected) in table {
            let settings = Settings { warm_up: Some(warm_up), ..Settings::default() };
            let hyperband = Hyperband::new(&settings, Target { epochs, ..TARGET });
            assert_eq!(hyperband.brackets.len(), expected, "{epochs} epochs, first rung {warm_up}");
        }
    }

    /// Brackets begin at epochs 3, 9 and 27. The first job of a bracket, and alone there, is set aside at its first rung.
    #[test]
    fn jobs_go_to_the_brackets_in_turn() {
        let (mut hyperband, mut ledger) = (Hyperband::new(&Settings::default(), TARGET), Ledger::default());
        ledger.set_waiting(4);
        for (job, first) in [(0, 3), (1, 9), (2, 27), (3, 3)] {
            assert_eq!(hyperband.next(&ledger), Ok(Next::Start));
            ledger.start(job, None);
            ledger.set_waiting(3 - job as usize);
            let mut epoch = 0;
            loop {
                epoch += 1;
                ledger.observe(job, Observation::new(f64::from(epoch), 50.0)).unwrap();
                hyperband.learn(&ledger, job).unwrap();
                if hyperband.decide(&ledger, job, true).unwrap().decision == Decision::Freeze {
                    break;
                }
            }
            assert_eq!(epoch, first, "job {job}");
            ledger.settle(job, State::Frozen).unwrap();
            hyperband.learn(&ledger, job).unwrap();
        }
        assert_eq!(hyperband.next(&ledger), Ok(Next::Done), "two of one bracket are no three");
    }

    #[test]
    fn a_frozen_job_of_any_bracket_is_taken_up_before_a_new_one_starts() {
        let settings = Settings { warm_up: Some(15.0), ..Settings::default() };
        let (mut hyperband, mut ledger) = (Hyperband::new(&settings, TARGET), Ledger::default());
        assert_eq!(hyperband.brackets.len(), 1);
        hyperband.brackets.push(Asha::new(
            &Settings { warm_up: Some(20.0), ..settings },
            TARGET,
            Variant::Promotion,
        ));
        // Jobs 1, 3 and 5 are of the second bracket; the best of three may go on.
        for job in 0..6 {
            ledger.start(job, None);
            let last = if job % 2 == 0 { 14 } else { 20 };
            for epoch in 1..=last {
                ledger.observe(job, Observation::new(f64::from(epoch), 50.0 - job as f64)).unwrap();
                hyperband.learn(&ledger, job).unwrap();
            }
            ledger.settle(job, State::Frozen).unwrap();
            hyperband.learn(&ledger, job).unwrap();
        }
        ledger.set_waiting(1);
        assert_eq!(hyperband.next(&ledger), Ok(Next::Resume(1)));
        ledger.start(1, None);
        assert_eq!(hyperband.next(&ledger), Ok(Next::Start));
    }
}
