//! What completed curves taught, by step.

use serde::{Deserialize, Serialize};

use super::features::{Features, MOST, PLAIN};
use super::moments::Moments;
use super::regression::{self, Spread};
use super::scale;
use super::variance::Variance;
use crate::{Observation, Target};

/// Fewer curves than this cannot be regressed on.
const LEAST: f64 = 4.0;

/// Sufficient statistics of the completed curves: a few kilobytes, however many there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Knowledge {
    /// Entry m - 1 is for curves of m observations.
    steps: Vec<Step>,
    variance: Variance,
    /// Completed curves, those of an earlier search by their weight.
    pub(super) curves: f64,
    /// Whether some are of an earlier search.
    pub(super) warm: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    plain: Moments,
    /// Of the curves with training accuracies.
    trained: Moments,
    /// The least growth from here to the end that a curve showed, in u.
    least: f64,
}

impl Default for Step {
    fn default() -> Self {
        Self { plain: Moments::default(), trained: Moments::default(), least: f64::INFINITY }
    }
}

impl Knowledge {
    /// Learns from a completed curve, from each of its prefixes.
    pub(super) fn add(&mut self, curve: &[Observation], weight: f64, target: Target) {
        let end = scale::to(curve[curve.len() - 1].val_acc);
        for m in 2..curve.len() {
            if let Some(spread) = self.even(&curve[..m], target) {
                // The variance of a Student t is a little above its squared scale.
                let expected = spread.scale.powi(2) * spread.freedom / (spread.freedom - 2.0).max(1.0);
                let squared = (end - spread.mean).powi(2) / expected;
                self.variance.add_error(spread.mean, squared, curve.len(), weight);
            }
        }
        self.variance.add_end(end, weight);
        self.curves += weight;
        for m in 1..curve.len() {
            let step = target.step(curve[m - 1].epoch).max(1) as usize;
            if self.steps.len() < step {
                self.steps.resize_with(step, Step::default);
            }
            let features = Features::of(&curve[..m]);
            let at = &mut self.steps[step - 1];
            at.least = at.least.min(end - features.level);
            at.plain.add(&features.values, end - features.level, weight);
            if features.trained {
                at.trained.add(&features.values, end - features.level, weight);
            }
        }
    }

    /// Where the curve will end, on the scale u; none before 4 curves are known at its step.
    pub(super) fn predict(&self, curve: &[Observation], target: Target) -> Option<Spread> {
        let spread = self.even(curve, target)?;
        Some(Spread { scale: spread.scale * self.variance.factor(spread.mean), ..spread })
    }

    /// The same with one variance for all.
    fn even(&self, curve: &[Observation], target: Target) -> Option<Spread> {
        let step = target.step(curve[curve.len() - 1].epoch).max(1) as usize;
        let at = self.steps.get(step - 1)?;
        let features = Features::of(curve);
        let use_training = features.trained && at.trained.n >= at.plain.n / 2.0;
        let (moments, count) = if use_training { (&at.trained, MOST) } else { (&at.plain, PLAIN) };
        if moments.n < LEAST {
            return None;
        }
        let growth = regression::predict(moments, &features.values, count);
        // A network that never learns lies far from those that finished; extrapolated, it would fall.
        let mean = growth.mean.max(at.least.min(features.recent_growth()));
        Some(Spread { mean: features.level + mean, ..growth })
    }
}
