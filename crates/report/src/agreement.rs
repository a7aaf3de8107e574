//! Predicted against true, in a few figures.

use std::{panic, thread};

use predictor::{Measures, rank};
use serde::Serialize;

use crate::basis::Basis;
use crate::cell::Cell;
use crate::known::Known;
use crate::shares;
use crate::table::Fact;

/// Predicted against true.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Jobs behind it.
    pub jobs: i64,
    /// The measures of the predictor.
    #[serde(flatten)]
    pub measures: Measures,
    /// Spearman's rho of the last observed accuracy at the same epochs: the baseline.
    pub spearman_last_observed: Option<f64>,
    /// Whether it is known which of the best were kept.
    #[serde(skip)]
    knows_the_kept: bool,
}

impl Agreement {
    pub(crate) fn of(known: &[Known], max_epochs: f64, basis: &Basis) -> Self {
        let outcomes: Vec<_> = known.iter().map(|k| k.outcome(max_epochs)).collect();
        let (observed, truth): (Vec<f64>, Vec<f64>) =
            known.iter().filter_map(|k| Some((k.observed_fitness?, k.true_fitness))).unzip();
        let (measures, spearman_last_observed) = thread::scope(|scope| {
            let baseline = scope.spawn(|| rank::spearman(&observed, &truth));
            let measures = Measures::of(&outcomes);
            (measures, baseline.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
        });
        Self::with(known.len(), measures, spearman_last_observed, basis)
    }

    /// Of measures that were taken over so many jobs.
    pub(crate) fn with(
        jobs: usize,
        measures: Measures,
        spearman_last_observed: Option<f64>,
        basis: &Basis,
    ) -> Self {
        let knows_the_kept = basis.knows_the_kept();
        let measures = if knows_the_kept { measures } else { shares::without_kept(measures) };
        let measures = shares::without_few(measures, jobs);
        Self { jobs: jobs as i64, measures, spearman_last_observed, knows_the_kept }
    }

    /// What to say where there is no prediction to judge.
    pub(crate) fn undecided(&self) -> Option<String> {
        let none = self.jobs > 0 && self.measures.terminated_percent == Some(0.0);
        none.then(|| format!("For none of these {} was there a decision to stop before the last epoch: there is no prediction to judge.", self.jobs))
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        if self.undecided().is_some() {
            return vec![];
        }
        let m = &self.measures;
        let percent = |share: f64| Cell::Number(100.0 * share, 0);
        let jobs = self.jobs;
        let stopped = (m.terminated_percent.unwrap_or(0.0) * jobs as f64 / 100.0).round() as i64;
        vec![
            Fact::new(
                "mae",
                "mean absolute error of what the search ranks by",
                Cell::two(m.mae),
                "points",
                jobs,
            ),
            Fact::new("bias", "bias (predicted less true)", Cell::two(m.bias), "points", jobs),
            Fact::new(
                "coverage_80",
                "truth inside the 80 % interval",
                m.coverage_80.map_or(Cell::Empty, percent),
                "%",
                stopped,
            ),
            Fact::new(
                "spearman",
                "rank correlation (Spearman), predicted and true",
                Cell::two(m.spearman),
                "",
                jobs,
            ),
            Fact::new(
                "spearman_last_observed",
                "the same for the last observed accuracy",
                Cell::two(self.spearman_last_observed),
                "",
                jobs,
            ),
            Fact::new("kendall", "rank correlation (Kendall tau-b)", Cell::two(m.kendall), "", jobs),
            self.kept(
                "overlap_10",
                "top 10 % by prediction that are in the true top 10 %",
                0.10,
                m.overlap_10,
            ),
            self.kept("overlap_25", "the same for the top 25 %", 0.25, m.overlap_25),
            Fact::new(
                "regret_1",
                "true best less the best that was found",
                Cell::two(m.regret_1),
                "points",
                jobs,
            ),
        ]
    }

    /// A share of the best that was found, with its interval.
    fn kept(&self, key: &'static str, label: &str, share: f64, overlap: Option<f64>) -> Fact {
        if !self.knows_the_kept {
            return Fact::new(key, label, Cell::Empty, "", self.jobs);
        }
        let jobs = self.jobs as usize;
        let value = shares::cell(overlap, share, jobs, |overlap| Cell::Number(100.0 * overlap, 0));
        let unit = if overlap.is_some() { "%" } else { "" };
        let interval = Cell::Interval(shares::interval(overlap, share, jobs), 0);
        Fact { interval, ..Fact::new(key, label, value, unit, self.jobs) }
    }
}
