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

    fn resumes_first(&self) -> bool {
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
