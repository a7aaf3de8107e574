//! What curves taught, by step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::{Features, MOST, PLAIN};
use super::moments::Moments;
use super::regression::{self, Spread};
use super::scale;
use super::variance::Variance;
use crate::{Observation, Target};

/// Fewer curves than this cannot be regressed on.
const LEAST: f64 = 4.0;
/// From so many curves of the search on, those of an earlier one say nothing about levels and spreads any more.
const ENOUGH: f64 = 3.0;
/// How many curves those of an earlier search count as from then on, however many they are.
const EARLIER: f64 = 4.0;
/// A stopped curve says how shorter ones go on where it has at most this share of their variance left.
const RESOLVED: f64 = 0.7;

/// Sufficient statistics of the curves: two kilobytes for each step, and a few numbers for each stopped job.
///
/// Which jobs are completed is no chance: those that were promising after step m and disappointed later were stopped,
/// so the completed ones alone would say that promising curves go on better than they do. A stopped job is therefore
/// counted too, at the steps before its last ones, with the end that is expected of it and the variance of that
/// (Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1977, with one expectation for each ending).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Knowledge {
    /// In force since a job was completed last. Entry m - 1 is for curves of m observations.
    steps: Vec<Step>,
    /// With what stopped jobs taught since: in force when the next job is completed, so that chances stand still
    /// until then.
    coming: Vec<Step>,
    /// Of the completed curves of an earlier search.
    earlier: Vec<Step>,
    /// What was taken in of each stopped job, to be taken back when it ends again.
    stopped: BTreeMap<i64, Supposed>,
    variance: Variance,
    earlier_variance: Variance,
    /// Whether there was an earlier search.
    pub(super) warm: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    plain: Moments,
    /// Of the curves with training accuracies.
    trained: Moments,
    /// The least growth from here to the end that a completed curve showed, in u.
    least: f64,
}

/// What a stopped job is expected to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Supposed {
    /// In u.
    end: f64,
    variance: f64,
    /// It was taken in at the lengths from 1 to this one.
    lengths: usize,
}

impl Default for Step {
    fn default() -> Self {
        Self { plain: Moments::default(), trained: Moments::default(), least: f64::INFINITY }
    }
}

impl Step {
    fn add(&mut self, features: &Features, end: f64) {
        let growth = end - features.level;
        self.least = self.least.min(growth);
        self.each(features, |moments| moments.add(&features.values, growth));
    }

    fn suppose(&mut self, features: &Features, known: Supposed) {
        let growth = known.end - features.level;
        self.each(features, |moments| moments.suppose(&features.values, growth, known.variance));
    }

    fn take_back(&mut self, features: &Features, known: Supposed) {
        let growth = known.end - features.level;
        self.each(features, |moments| moments.take_back(&features.values, growth, known.variance));
    }

    /// Does this to the moments that a curve with these features counts in.
    fn each(&mut self, features: &Features, mut to: impl FnMut(&mut Moments)) {
        to(&mut self.plain);
        if features.trained {
            to(&mut self.trained);
        }
    }

    /// Whether most of the curves have training accuracies.
    fn mostly_trained(&self) -> bool {
        self.trained.n >= self.plain.n / 2.0
    }
}

/// The entry of a curve of this length; it is made if need be.
fn entry<'a>(steps: &'a mut Vec<Step>, curve: &[Observation], target: Target) -> &'a mut Step {
    let step = place(curve, target);
    if steps.len() < step {
        steps.resize_with(step, Step::default);
    }
    &mut steps[step - 1]
}

fn place(curve: &[Observation], target: Target) -> usize {
    target.step(curve[curve.len() - 1].epoch).max(1) as usize
}

impl Knowledge {
    /// Learns from a completed curve, from each of its prefixes.
    pub(super) fn complete(&mut self, job: i64, curve: &[Observation], target: Target) {
        let end = scale::to(curve[curve.len() - 1].val_acc);
        self.variance = self.compared(self.variance, curve, end, target);
        self.take_back(job, curve, target);
        for m in 1..curve.len() {
            entry(&mut self.coming, &curve[..m], target).add(&Features::of(&curve[..m]), end);
        }
        self.steps.clone_from(&self.coming);
    }

    /// Learns from a stopped curve as far as its end can be told.
    pub(super) fn stop(&mut self, job: i64, curve: &[Observation], target: Target) {
        self.take_back(job, curve, target);
        let Some(spread) = self.predict(curve, target) else { return };
        let variance = spread.variance();
        let resolved = |m: &usize| {
            let shorter = self.predict(&curve[..*m], target);
            shorter.is_some_and(|s| variance <= RESOLVED * s.variance())
        };
        let lengths = (1..curve.len()).take_while(resolved).count();
        let known = Supposed { end: spread.mean, variance, lengths };
        for m in 1..=lengths {
            entry(&mut self.coming, &curve[..m], target).suppose(&Features::of(&curve[..m]), known);
        }
        if lengths > 0 {
            self.stopped.insert(job, known);
        }
    }

    /// Takes back what a job taught when it was stopped; its curve is at least as long now.
    fn take_back(&mut self, job: i64, curve: &[Observation], target: Target) {
        let Some(known) = self.stopped.remove(&job) else { return };
        for m in 1..=known.lengths.min(curve.len()) {
            entry(&mut self.coming, &curve[..m], target).take_back(&Features::of(&curve[..m]), known);
        }
    }

    /// The variance after what is predicted for each prefix of a completed curve has been compared with its end.
    fn compared(&self, mut variance: Variance, curve: &[Observation], end: f64, target: Target) -> Variance {
        for m in 2..curve.len() {
            if let Some(spread) = self.even(&curve[..m], target) {
                let squared = (end - spread.mean).powi(2) / spread.variance();
                variance.add_error(spread.mean, squared, curve.len());
            }
        }
        variance.add_end(end);
        variance
    }

    /// Learns from a completed curve of an earlier search, before any of this one.
    pub(super) fn add_earlier(&mut self, curve: &[Observation], target: Target) {
        let end = scale::to(curve[curve.len() - 1].val_acc);
        self.earlier_variance = self.compared(self.earlier_variance, curve, end, target);
        for m in 1..curve.len() {
            entry(&mut self.earlier, &curve[..m], target).add(&Features::of(&curve[..m]), end);
        }
        self.warm = true;
    }

    /// Where the curve will end, on the scale u; none before 4 curves are known at its step.
    pub(super) fn predict(&self, curve: &[Observation], target: Target) -> Option<Spread> {
        let spread = self.even(curve, target)?;
        let factor = self.variance.factor(&self.earlier_variance, spread.mean);
        Some(Spread { scale: spread.scale * factor, ..spread })
    }

    /// The same with one variance for all.
    fn even(&self, curve: &[Observation], target: Target) -> Option<Spread> {
        let at = place(curve, target) - 1;
        let nothing = Step::default();
        let own = self.steps.get(at).unwrap_or(&nothing);
        let earlier = self.earlier.get(at).unwrap_or(&nothing);
        let features = Features::of(curve);
        let source = if own.plain.n >= ENOUGH { own } else { earlier };
        let (own_moments, earlier_moments, count) = if features.trained && source.mostly_trained() {
            (&own.trained, &earlier.trained, MOST)
        } else {
            (&own.plain, &earlier.plain, PLAIN)
        };
        let known = own_moments.with(earlier_moments, EARLIER, ENOUGH);
        if known.moments.n < LEAST {
            return None;
        }
        let growth = regression::predict(&known, &features.values, count);
        // A network that never learns lies far from those that finished; extrapolated, it would fall.
        let least = own.least.min(earlier.least);
        let mean = growth.mean.max(least.min(features.recent_growth()));
        Some(Spread { mean: features.level + mean, ..growth })
    }
}
