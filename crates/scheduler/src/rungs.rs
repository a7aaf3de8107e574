//! Rungs of successive halving.

use std::collections::BTreeMap;

use predictor::{Observation, Target};

/// The steps at which jobs are compared, and the accuracies that they had there.
#[derive(Clone, Debug)]
pub struct Rungs {
    eta: f64,
    /// Lowest rung first: its step, and the accuracy of each job that reached it.
    rungs: Vec<(u32, BTreeMap<i64, f64>)>,
}

impl Rungs {
    /// Rungs at `first` epochs and then a factor `eta` apart, all below the target.
    pub fn new(target: Target, first: f64, eta: f64) -> Self {
        let mut steps = Vec::new();
        let mut epoch = first.max(target.interval);
        while target.step(epoch) < target.steps() {
            steps.push(target.step(epoch));
            epoch *= eta;
        }
        steps.dedup();
        Self { eta, rungs: steps.into_iter().map(|step| (step, BTreeMap::new())).collect() }
    }

    /// How many rungs there are.
    pub fn len(&self) -> usize {
        self.rungs.len()
    }

    /// The rung at a step, counted from 0.
    pub fn at(&self, step: u32) -> Option<usize> {
        self.rungs.iter().position(|rung| rung.0 == step)
    }

    /// Enters the accuracies of a job at all the rungs that its curve has passed; a second one at a rung changes nothing.
    pub fn enter(&mut self, job: i64, curve: &[Observation], target: Target) {
        for (step, there) in &mut self.rungs {
            let at = curve.partition_point(|point| target.step(point.epoch) < *step);
            let Some(point) = curve.get(at) else { return };
            // A curve with gaps may have no point at a rung.
            if target.step(point.epoch) == *step {
                there.entry(job).or_insert(point.val_acc);
            }
        }
    }

    /// Takes a job that was lost out of all rungs.
    pub fn forget(&mut self, job: i64) {
        for rung in &mut self.rungs {
            rung.1.remove(&job);
        }
    }

    /// Rank of a job at a rung, from 1, ties sharing the best, and how many were there.
    pub fn rank(&self, rung: usize, job: i64) -> Option<(usize, usize)> {
        let there = &self.rungs.get(rung)?.1;
        let own = there.get(&job)?;
        Some((1 + there.values().filter(|other| *other > own).count(), there.len()))
    }

    /// The best 1/eta of those at a rung, best first; of equals the earlier job.
    pub fn best(&self, rung: usize) -> Vec<i64> {
        let mut jobs: Vec<(i64, f64)> = self.rungs[rung].1.iter().map(|(&job, &acc)| (job, acc)).collect();
        jobs.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        jobs.truncate((jobs.len() as f64 / self.eta + 1e-9).floor() as usize);
        jobs.into_iter().map(|job| job.0).collect()
    }

    /// Whether a job's rank at a rung lets it pass: no more than 1/eta of those there, itself among them, are better.
    pub fn passes(&self, rung: usize, job: i64) -> bool {
        self.rank(rung, job).is_none_or(|(rank, of)| (rank - 1) as f64 <= of as f64 / self.eta + 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target { epochs: 3.0, interval: 1.0 };

    fn rungs(first: f64, eta: f64, epochs: f64, interval: f64) -> Vec<u32> {
        Rungs::new(Target { epochs, interval }, first, eta).rungs.iter().map(|rung| rung.0).collect()
    }

    /// One rung, with these accuracies of jobs 0, 1, 2 …
    fn filled(accuracies: &[f64]) -> Rungs {
        let mut rungs = Rungs::new(TARGET, 1.0, 3.0);
        for (job, &accuracy) in accuracies.iter().enumerate() {
            rungs.enter(job as i64, &[Observation::new(1.0, accuracy)], TARGET);
        }
        rungs
    }

    #[test]
    fn a_curve_is_entered_at_each_rung_that_it_has_passed() {
        let target = Target { epochs: 20.0, interval: 1.0 };
        let curve: Vec<_> = (1..=11).map(|x| Observation::new(f64::from(x), 10.0 * f64::from(x))).collect();
        let mut rungs = Rungs::new(target, 3.0, 3.0);
        rungs.enter(1, &curve[..2], target);
        assert_eq!(rungs.rank(0, 1), None, "not there yet");
        rungs.enter(1, &curve, target);
        rungs.enter(2, &curve[2..3], target);
        assert_eq!((rungs.rank(0, 1), rungs.rank(1, 1)), (Some((1, 2)), Some((1, 1))), "30 and 90");
    }

    #[test]
    fn rungs_are_a_factor_eta_apart_and_below_the_target() {
        assert_eq!(rungs(3.0, 3.0, 20.0, 1.0), [3, 9]);
        assert_eq!(rungs(3.0, 3.0, 27.0, 1.0), [3, 9], "the target is no rung");
        assert_eq!(rungs(0.0, 1.5, 2.0, 0.5), [1, 2, 3], "0.5, 0.75 and 1.125 (both step 2), 1.6875");
        assert_eq!(rungs(3.0, 3.0, 2.0, 1.0), [0; 0], "a search shorter than the first rung has none");
    }

    #[test]
    fn a_third_of_those_there_is_best_and_of_equals_the_earlier() {
        let table: [(&[f64], &[i64], &str); 5] = [
            (&[50.0, 60.0], &[], "none of two"),
            (&[50.0, 60.0, 40.0], &[1], "one of three"),
            (&[50.0, 60.0, 60.0], &[1], "of equals the earlier"),
            (&[50.0, 60.0, 70.0, 80.0, 90.0], &[4], "one of five"),
            (&[50.0, 60.0, 70.0, 80.0, 90.0, 40.0], &[4, 3], "two of six, best first"),
        ];
        for (accuracies, expected, why) in table {
            assert_eq!(filled(accuracies).best(0), expected, "{why}");
        }
    }

    #[test]
    fn ranks_count_the_better_ones_and_ties_share_the_best() {
        let rungs = filled(&[70.0, 80.0, 70.0, 60.0]);
        let ranks: Vec<_> = (0..5).map(|job| rungs.rank(0, job)).collect();
        assert_eq!(ranks, [Some((2, 4)), Some((1, 4)), Some((2, 4)), Some((4, 4)), None]);
    }

    #[test]
    fn a_job_passes_while_no_more_than_a_third_are_better() {
        let table: [(&[f64], bool, &str); 6] = [
            (&[5.0], true, "the first"),
            (&[50.0, 40.0], false, "one of two is better"),
            (&[50.0, 50.0], true, "a tie"),
            (&[50.0, 30.0, 40.0], true, "one of three is better, which is a third"),
            (&[50.0, 60.0, 30.0, 40.0], false, "two of four are"),
            (&[50.0, 60.0, 30.0, 20.0, 10.0, 40.0], true, "two of six are"),
        ];
        for (accuracies, expected, why) in table {
            assert_eq!(filled(accuracies).passes(0, accuracies.len() as i64 - 1), expected, "{why}");
        }
    }

    #[test]
    fn a_job_is_entered_once_and_can_be_forgotten() {
        let mut rungs = filled(&[70.0, 80.0, 60.0]);
        rungs.enter(0, &[Observation::new(1.0, 99.0)], TARGET);
        assert_eq!(rungs.best(0), [1]);
        rungs.forget(1);
        assert_eq!((rungs.rank(0, 0), rungs.rank(0, 1)), (Some((1, 2)), None));
    }
}
