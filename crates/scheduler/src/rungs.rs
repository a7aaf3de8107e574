//! Rungs of successive halving.

use std::collections::BTreeMap;

use predictor::Target;

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

    /// Enters the accuracy of a job at a rung; a second one of the same job changes nothing.
    pub fn enter(&mut self, rung: usize, job: i64, accuracy: f64) {
        self.rungs[rung].1.entry(job).or_insert(accuracy);
    }

    /// Takes a job that was lost out of all rungs.
    pub fn forget(&mut self, job: i64) {
        for rung in &mut self.rungs {
            rung.1.remove(&job);
        }
    }

    /// Rank of a job at a rung, from 1, ties sharing the best, and how many were there.
    pub fn rank(&self, rung: usize, job: i64) -> Option<(usize, usize)> {
        let there = &self.rungs[rung].1;
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
