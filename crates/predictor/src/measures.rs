//! How good a predictor was: the measures that replays, reports and benchmarks share.

use serde::{Deserialize, Serialize};

use crate::rank;

/// One job of a search as it went, with what training to the end would have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What the search believes: the prediction of a terminated job, the last accuracy of a completed one.
    pub fitness: f64,
    /// The accuracy at the end of the full budget, in per cent.
    pub truth: f64,
    /// Epochs trained.
    pub epochs: f64,
    /// Epochs of the full budget.
    pub budget: f64,
    /// Whether the predictor stopped it.
    pub terminated: bool,
    /// The interval of the prediction on which a terminated job was stopped.
    pub interval_80: Option<(f64, f64)>,
    /// The same for 90 %.
    pub interval_90: Option<(f64, f64)>,
}

/// Measures over the jobs of one search, or their means over several. None where a measure has no value, such as
/// the coverage of an engine without intervals. Accuracies and their differences are in points.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// 100·(1 - epochs trained / epochs of the full budgets).
    pub epochs_saved_percent: Option<f64>,
    /// Share of the jobs that the predictor stopped.
    pub terminated_percent: Option<f64>,
    /// Mean epoch at which those were stopped.
    pub mean_stop_epoch: Option<f64>,
    /// Mean |fitness - truth| over all jobs; completed ones have no error.
    pub mae: Option<f64>,
    /// Mean of fitness - truth over all jobs.
    pub bias: Option<f64>,
    /// Spearman's rho between fitness and truth over all jobs.
    pub spearman: Option<f64>,
    /// Kendall's tau-b between fitness and truth over all jobs.
    pub kendall: Option<f64>,
    /// Share (0 to 1) of the best 5 % by fitness that belong to the true best 5 %. Whoever ties with the last of
    /// those belongs to them.
    pub overlap_5: Option<f64>,
    /// The same at 10 %.
    pub overlap_10: Option<f64>,
    /// The same at 20 %.
    pub overlap_20: Option<f64>,
    /// The same at 25 %.
    pub overlap_25: Option<f64>,
    /// The best true accuracy less the best true accuracy among the best 1 % by fitness.
    pub regret_1: Option<f64>,
    /// The same at 5 %.
    pub regret_5: Option<f64>,
    /// Mean true accuracy of the true best 10 % less that of the best 10 % by fitness.
    pub best_mean_gap_10: Option<f64>,
    /// Share (0 to 1) of the terminated jobs whose truth lies in their 80 % interval.
    pub coverage_80: Option<f64>,
    /// The same for 90 %.
    pub coverage_90: Option<f64>,
    /// Mean width of the 80 % intervals.
    pub width_80: Option<f64>,
}

impl Measures {
    /// Measures one search. All are none for no job.
    pub fn of(jobs: &[Outcome]) -> Self {
        Self::with_best(jobs).0
    }

    /// Measures one search, and keeps its best for other shares of them.
    pub fn with_best(jobs: &[Outcome]) -> (Self, Best) {
        let fitness: Vec<f64> = jobs.iter().map(|j| j.fitness).collect();
        let truth: Vec<f64> = jobs.iter().map(|j| j.truth).collect();
        let stopped: Vec<&Outcome> = jobs.iter().filter(|j| j.terminated).collect();
        let best = Best::new(&fitness, &truth);
        let over = |f: &dyn Fn(&Outcome) -> f64| mean(stopped.iter().map(|j| f(j)));
        let covered = |interval: &dyn Fn(&Outcome) -> Option<(f64, f64)>| {
            let inside = |j: &&Outcome| interval(j).map(|(l, h)| f64::from(l <= j.truth && j.truth <= h));
            mean(stopped.iter().filter_map(inside))
        };
        let budget: f64 = jobs.iter().map(|j| j.budget).sum();
        let epochs: f64 = jobs.iter().map(|j| j.epochs).sum();
        let measures = Self {
            epochs_saved_percent: (budget > 0.0).then(|| 100.0 * (1.0 - epochs / budget)),
            terminated_percent: mean(jobs.iter().map(|j| 100.0 * f64::from(j.terminated))),
            mean_stop_epoch: over(&|j| j.epochs),
            mae: mean(jobs.iter().map(|j| (j.fitness - j.truth).abs())),
            bias: mean(jobs.iter().map(|j| j.fitness - j.truth)),
            spearman: rank::spearman(&fitness, &truth),
            kendall: rank::kendall(&fitness, &truth),
            overlap_5: best.overlap(0.05),
            overlap_10: best.overlap(0.10),
            overlap_20: best.overlap(0.20),
            overlap_25: best.overlap(0.25),
            regret_1: best.regret(0.01),
            regret_5: best.regret(0.05),
            best_mean_gap_10: best.mean_gap(0.10),
            coverage_80: covered(&|j| j.interval_80),
            coverage_90: covered(&|j| j.interval_90),
            width_80: mean(stopped.iter().filter_map(|j| j.interval_80.map(|(l, h)| h - l))),
        };
        (measures, best)
    }

    /// The mean of each measure over those searches in which it has a value.
    pub fn mean(of: &[Self]) -> Self {
        let each = |f: &dyn Fn(&Self) -> Option<f64>| mean(of.iter().filter_map(f));
        Self {
            epochs_saved_percent: each(&|m| m.epochs_saved_percent),
            terminated_percent: each(&|m| m.terminated_percent),
            mean_stop_epoch: each(&|m| m.mean_stop_epoch),
            mae: each(&|m| m.mae),
            bias: each(&|m| m.bias),
            spearman: each(&|m| m.spearman),
            kendall: each(&|m| m.kendall),
            overlap_5: each(&|m| m.overlap_5),
            overlap_10: each(&|m| m.overlap_10),
            overlap_20: each(&|m| m.overlap_20),
            overlap_25: each(&|m| m.overlap_25),
            regret_1: each(&|m| m.regret_1),
            regret_5: each(&|m| m.regret_5),
            best_mean_gap_10: each(&|m| m.best_mean_gap_10),
            coverage_80: each(&|m| m.coverage_80),
            coverage_90: each(&|m| m.coverage_90),
            width_80: each(&|m| m.width_80),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// How the best by fitness compare with the truly best, at any share. Ties with the last of the truly best belong to
/// them.
#[derive(Clone, Debug)]
pub struct Best {
    /// Best fitness first; among equals the earlier job.
    by_fitness: Vec<f64>,
    by_truth: Vec<f64>,
}

impl Best {
    /// Sorts the jobs once, for all shares.
    pub fn new(fitness: &[f64], truth: &[f64]) -> Self {
        let mut jobs: Vec<(f64, f64)> = fitness.iter().copied().zip(truth.iter().copied()).collect();
        jobs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let by_fitness = jobs.into_iter().map(|job| job.1).collect();
        let mut by_truth = truth.to_vec();
        by_truth.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { by_fitness, by_truth }
    }

    /// How many jobs a share of them is, at least one.
    fn count(&self, share: f64) -> Option<usize> {
        // 1e-9: 0.05 of 100 are 5 jobs, not 6.
        let count = (share * self.by_truth.len() as f64 - 1e-9).ceil().max(1.0) as usize;
        (!self.by_truth.is_empty()).then_some(count)
    }

    /// Share (0 to 1) of the best by fitness that belong to the truly best. None for no job.
    pub fn overlap(&self, share: f64) -> Option<f64> {
        let k = self.count(share)?;
        let least = self.by_truth[k - 1];
        Some(self.by_fitness[..k].iter().filter(|&&t| t >= least).count() as f64 / k as f64)
    }

    /// The best true accuracy less the best true accuracy among the best by fitness, in points.
    pub fn regret(&self, share: f64) -> Option<f64> {
        let k = self.count(share)?;
        let found = self.by_fitness[..k].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(self.by_truth[0] - found)
    }

    /// Mean true accuracy of the truly best less that of the best by fitness, in points.
    pub fn mean_gap(&self, share: f64) -> Option<f64> {
        let k = self.count(share)?;
        Some(mean(self.by_truth[..k].iter().copied())? - mean(self.by_fitness[..k].iter().copied())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(fitness: f64, truth: f64, epochs: f64) -> Outcome {
        let interval = |half: f64| (epochs < 10.0).then_some((fitness - half, fitness + half));
        Outcome {
            fitness,
            truth,
            epochs,
            budget: 10.0,
            terminated: epochs < 10.0,
            interval_80: interval(1.0),
            interval_90: interval(2.0),
        }
    }

    fn close(found: Option<f64>, expected: f64, what: &str) {
        let found = found.unwrap_or_else(|| panic!("{what}: none"));
        assert!((found - expected).abs() < 1e-9, "{what}: {found}, expected {expected}");
    }

    #[test]
    fn a_search_of_four_jobs() {
        let jobs = [
            outcome(80.0, 80.0, 10.0),
            outcome(82.0, 79.0, 5.0),
            outcome(70.0, 70.5, 3.0),
            outcome(60.0, 61.5, 2.0),
        ];
        let m = Measures::of(&jobs);
        close(m.epochs_saved_percent, 50.0, "20 of 40 epochs");
        close(m.terminated_percent, 75.0, "three of four");
        close(m.mean_stop_epoch, 10.0 / 3.0, "5, 3, 2");
        close(m.mae, (3.0 + 0.5 + 1.5) / 4.0, "the completed job has no error");
        close(m.bias, (3.0 - 0.5 - 1.5) / 4.0, "over- and underpredicted");
        close(m.spearman, 0.8, "one pair swapped");
        close(m.kendall, 2.0 / 3.0, "one of six pairs discordant");
        close(m.overlap_25, 0.0, "the wrong one is first");
        close(m.regret_1, 1.0, "79 instead of 80");
        close(m.best_mean_gap_10, 1.0, "one job is a tenth of four");
        close(m.coverage_80, 1.0 / 3.0, "only the third");
        close(m.coverage_90, 2.0 / 3.0, "and the fourth");
        close(m.width_80, 2.0, "one each side");
    }

    #[test]
    fn ties_with_the_last_true_member_belong_to_the_best() {
        let jobs = [outcome(1.0, 90.0, 10.0), outcome(2.0, 90.0, 10.0), outcome(3.0, 90.0, 10.0)];
        close(Measures::of(&jobs).overlap_5, 1.0, "any of the three is the best");
        close(Measures::of(&jobs).regret_5, 0.0, "any of the three is the best");
        assert_eq!(Measures::of(&jobs).spearman, None, "the truth is constant");
        assert_eq!(Measures::of(&[]), Measures::default());
        assert_eq!(Measures::of(&jobs).coverage_80, None, "nothing was stopped");
    }

    #[test]
    fn a_mean_leaves_out_what_has_no_value() {
        let one = Measures { mae: Some(1.0), bias: Some(2.0), ..Measures::default() };
        let two = Measures { mae: Some(2.0), ..Measures::default() };
        let mean = Measures::mean(&[one, two]);
        assert_eq!((mean.mae, mean.bias, mean.kendall), (Some(1.5), Some(2.0), None));
    }
}
