//! Comparison at the same step: which trainings lead, and how likely that still is at the end, before any has ended.
//!
//! How far the levels of all curves have moved against each other since half of the points tells how far they may still move:
//! as much with each doubling of the epochs, as if ln(epochs) were the time of a random walk. The bar is the level of the last
//! of the best share at that step, among the jobs that reached it and those that were set aside before it, which count as worse.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::scale;
use crate::{Curve, Prediction, Settings, Target};

/// Fewer curves than this say nothing of how levels move.
const LEAST: usize = 5;
/// No level is known better than this, in u.
const SMALLEST: f64 = 0.02;

/// The levels of the jobs of a search at each step, running ones included.
#[derive(Clone, Debug)]
pub struct Peers {
    target: Target,
    keep: f64,
    /// By step, from 1: the level of each job that has reached it.
    steps: Vec<BTreeMap<i64, f64>>,
}

impl Peers {
    /// Nothing is known yet.
    pub fn new(settings: &Settings, target: Target) -> Self {
        Self { target, keep: settings.keep, steps: Vec::new() }
    }

    /// Takes in the newest point of a job's curve.
    pub fn add(&mut self, job: i64, curve: &Curve) {
        let Some(last) = curve.points().last() else { return };
        let step = self.target.step(last.epoch).max(1) as usize;
        if self.steps.len() < step {
            self.steps.resize_with(step, BTreeMap::new);
        }
        let level = curve.seen().features(curve.points()).level;
        self.steps[step - 1].insert(job, level);
    }

    /// Takes out a job that is lost.
    pub fn forget(&mut self, job: i64) {
        for step in &mut self.steps {
            step.remove(&job);
        }
    }

    /// How a job stands among those that have reached its step: its prediction is its level there, its chance that it is among
    /// the best share at the end. None while too few have come so far.
    pub fn assess(&self, job: i64) -> Option<Prediction> {
        let step = self.steps.iter().rposition(|levels| levels.contains_key(&job))? + 1;
        let (now, before) = (&self.steps[step - 1], &self.steps[step.div_ceil(2) - 1]);
        if now.len() < LEAST || step < 2 {
            return None;
        }
        let level = now[&job];
        let moved: Vec<f64> = now.iter().filter_map(|(job, level)| Some(level - before.get(job)?)).collect();
        let n = moved.len() as f64;
        if moved.len() < LEAST {
            return None;
        }
        let mean = moved.iter().sum::<f64>() / n;
        let variance = moved.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let left = (f64::from(self.target.steps()) / step as f64).ln().max(0.0);
        let passed = (step as f64 / step.div_ceil(2) as f64).ln();
        let sd = (variance * left / passed).sqrt().max(SMALLEST);
        let came = self.steps.first().map_or(now.len(), BTreeMap::len).max(now.len());
        let places = ((self.keep * came as f64 - 1e-9).ceil() as usize).clamp(1, now.len());
        let mut levels: Vec<f64> = now.values().copied().collect();
        levels.sort_by(|a, b| b.total_cmp(a));
        let t = StudentsT::new(0.0, 1.0, (n - 1.0).max(3.0)).expect("3 degrees of freedom or more");
        let chance = t.sf((levels[places - 1] - level) / sd);
        Some(Prediction { chance: Some(chance), ..Prediction::point(scale::from(level)) })
    }
}
