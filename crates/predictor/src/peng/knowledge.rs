//! What curves taught, by step.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::{Features, MOST, PLAIN, Seen};
use super::likeness::{Likeness, Predicted};
use super::moments::Moments;
use super::regression::{self, HUNDREDTH, Spread};
use super::scale;
use super::variance::Variance;
use crate::possible::{number, sum, that, within};
use crate::{Impossible, Observation, Target};

/// Fewer curves than this cannot be regressed on.
const LEAST: f64 = 4.0;
/// A chance this close to 0 or 1 is taken for it.
const NEGLIGIBLE: f64 = 1e-3;
/// A stopped curve says how shorter ones go on where it has at most this share of their variance left.
const RESOLVED: f64 = 0.7;

/// Sufficient statistics of the curves: two kilobytes for each step, and a few numbers for each stopped job.
///
/// Which jobs are completed is no chance: those that were promising after step m and disappointed later were stopped,
/// so the completed ones alone would say that promising curves go on better than they do. A stopped job is therefore
/// counted too, at the steps before its last ones, with the end that is expected of it and the variance of that
/// (Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1977, with one expectation for each ending).
///
/// An earlier search is either like this one, and its curves are worth as much as the search's own, or it is not, and
/// they are worth nothing. Predictions are averaged over both.
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
    likeness: Likeness,
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

    /// What both say.
    fn merged(&self, other: &Self) -> Self {
        Self {
            plain: self.plain.merged(&other.plain),
            trained: self.trained.merged(&other.trained),
            least: self.least.min(other.least),
        }
    }

    fn check(&self) -> Result<(), Impossible> {
        within("plain", self.plain.check())?;
        within("trained", self.trained.check())?;
        let known = self.least == f64::INFINITY || number("least", self.least).is_ok();
        that(known, "least", self.least, "a growth, or infinity where no curve is completed")
    }

    /// Whether most of the curves have training accuracies.
    fn mostly_trained(&self) -> bool {
        self.trained.n >= self.plain.n / 2.0
    }
}

/// A curve so far, as the moments of its step see it.
struct Prefix {
    /// Place of its step, from 0.
    place: usize,
    features: Features,
}

impl Prefix {
    fn of(curve: &[Observation], seen: &Seen, target: Target) -> Self {
        Self { place: place(&curve[curve.len() - 1], target), features: seen.features(curve) }
    }

    /// All prefixes of a curve, from one point on.
    fn all(curve: &[Observation], target: Target) -> Vec<Self> {
        let of = |(last, features)| Self { place: place(last, target), features };
        curve.iter().zip(Features::of_prefixes(curve)).map(of).collect()
    }

    /// Its entry, made if need be.
    fn entry<'a>(&self, steps: &'a mut Vec<Step>) -> &'a mut Step {
        if steps.len() <= self.place {
            steps.resize_with(self.place + 1, Step::default);
        }
        &mut steps[self.place]
    }
}

fn place(last: &Observation, target: Target) -> usize {
    target.step(last.epoch).max(1) as usize - 1
}

impl Knowledge {
    /// Refuses numbers that curves cannot have taught.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        for (name, steps) in [("steps", &self.steps), ("coming", &self.coming), ("earlier", &self.earlier)] {
            for (i, step) in steps.iter().enumerate() {
                within(format_args!("{name}[{i}]"), step.check())?;
            }
        }
        for (job, known) in &self.stopped {
            let field = format!("stopped[{job}]");
            within(&field, number("end", known.end))?;
            within(&field, sum("variance", known.variance))?;
        }
        within("variance", self.variance.check())?;
        within("earlier_variance", self.earlier_variance.check())?;
        within("likeness", self.likeness.check())
    }

    /// Learns from a completed curve, from each of its prefixes.
    pub(super) fn complete(&mut self, job: i64, curve: &[Observation], target: Target) {
        let end = scale::to(curve[curve.len() - 1].val_acc);
        let prefixes = Prefix::all(curve, target);
        let predicted = self.predicted(&prefixes);
        let ends = self.winsorized(end, &predicted);
        self.variance = self.compared(self.variance, curve.len(), end, &predicted);
        self.likeness.add(end, predicted.get(1..).unwrap_or_default());
        self.take_back(job, &prefixes);
        for (prefix, end) in prefixes.iter().zip(ends) {
            prefix.entry(&mut self.coming).add(&prefix.features, end);
        }
        self.steps.clone_from(&self.coming);
    }

    /// Learns from a stopped curve as far as its end can be told.
    pub(super) fn stop(&mut self, job: i64, curve: &[Observation], target: Target) {
        let prefixes = Prefix::all(curve, target);
        self.take_back(job, &prefixes);
        let Some((whole, shorter)) = prefixes.split_last() else { return };
        let Some(spread) = self.spread(whole) else { return };
        let variance = spread.variance();
        let resolved =
            |prefix: &&Prefix| self.spread(prefix).is_some_and(|s| variance <= RESOLVED * s.variance());
        let lengths = shorter.iter().take_while(resolved).count();
        let known = Supposed { end: spread.mean, variance, lengths };
        for prefix in &shorter[..lengths] {
            prefix.entry(&mut self.coming).suppose(&prefix.features, known);
        }
        if lengths > 0 {
            self.stopped.insert(job, known);
        }
    }

    /// Takes back what a job taught when it was stopped.
    pub(super) fn forget(&mut self, job: i64, curve: &[Observation], target: Target) {
        self.take_back(job, &Prefix::all(curve, target));
    }

    /// Takes back what a job taught when it was stopped; its curve is at least as long now.
    fn take_back(&mut self, job: i64, prefixes: &[Prefix]) {
        let Some(known) = self.stopped.remove(&job) else { return };
        for prefix in prefixes.iter().take(known.lengths) {
            prefix.entry(&mut self.coming).take_back(&prefix.features, known);
        }
    }

    /// What is predicted for the prefixes of a curve but for the whole of it.
    fn predicted(&self, prefixes: &[Prefix]) -> Vec<Predicted> {
        let warm = !self.earlier.is_empty();
        let each = |prefix: &Prefix| Predicted {
            own: self.regressed(prefix, false),
            with: if warm { self.regressed(prefix, true) } else { None },
        };
        prefixes.split_last().map_or_else(Vec::new, |(_, shorter)| shorter.iter().map(each).collect())
    }

    /// The end of a completed curve for each of its prefixes, winsorized from below: no lower than the lowest hundredth of
    /// what was predicted (Huber, Robust Statistics, Wiley 1981, chapter 7). One network that collapses would widen the
    /// intervals of all others, upwards too, while one that rises beyond all that was expected tells how far others may.
    fn winsorized(&self, end: f64, predicted: &[Predicted]) -> Vec<f64> {
        let lowest = |p: &Predicted| {
            let spread = self.weighed(self.average(|| p.own, || p.with)?);
            Some(spread.mean - spread.quantile(HUNDREDTH) * spread.scale)
        };
        predicted.iter().map(|p| lowest(p).map_or(end, |lowest| end.max(lowest))).collect()
    }

    /// The variance after what was predicted for the prefixes of a completed curve has been compared with its end.
    fn compared(&self, mut variance: Variance, points: usize, end: f64, predicted: &[Predicted]) -> Variance {
        for p in predicted.iter().skip(1) {
            if let Some(spread) = self.average(|| p.own, || p.with) {
                let squared = (end - spread.mean).powi(2) / spread.variance();
                variance.add_error(spread.mean, squared, points);
            }
        }
        variance.add_end(end);
        variance
    }

    /// Learns from a completed curve of an earlier search, before any of this one.
    pub(super) fn add_earlier(&mut self, curve: &[Observation], target: Target) {
        let end = scale::to(curve[curve.len() - 1].val_acc);
        let prefixes = Prefix::all(curve, target);
        let predicted = self.predicted(&prefixes);
        let ends = self.winsorized(end, &predicted);
        self.earlier_variance = self.compared(self.earlier_variance, curve.len(), end, &predicted);
        for (prefix, end) in prefixes.iter().zip(ends) {
            prefix.entry(&mut self.earlier).add(&prefix.features, end);
        }
    }

    /// Chance (0 to 1) that the earlier search is like this one; 0 without one.
    pub(super) fn alike(&self) -> f64 {
        if self.earlier.is_empty() { 0.0 } else { self.likeness.chance() }
    }

    /// Where the curve will end, on the scale u; none before 4 curves are known at its step.
    pub(super) fn predict(&self, curve: &[Observation], seen: &Seen, target: Target) -> Option<Spread> {
        self.spread(&Prefix::of(curve, seen, target))
    }

    /// The same of a prefix.
    fn spread(&self, prefix: &Prefix) -> Option<Spread> {
        self.even(prefix).map(|spread| self.weighed(spread))
    }

    /// Wider or narrower, by the level that is predicted.
    fn weighed(&self, spread: Spread) -> Spread {
        let factor = self.variance.factor(&self.earlier_variance, self.alike(), spread.mean);
        Spread { scale: spread.scale * factor, ..spread }
    }

    /// The same with one variance for all.
    fn even(&self, prefix: &Prefix) -> Option<Spread> {
        self.average(|| self.regressed(prefix, false), || self.regressed(prefix, true))
    }

    /// The average of what is predicted by the own curves and with an earlier search; asked of neither in vain.
    fn average(
        &self,
        own: impl FnOnce() -> Option<Spread>,
        with: impl FnOnce() -> Option<Spread>,
    ) -> Option<Spread> {
        let alike = self.alike();
        let own = if alike < 1.0 - NEGLIGIBLE { own() } else { None };
        if alike < NEGLIGIBLE || (own.is_none() && alike < 0.5) {
            return own;
        }
        let with = with()?;
        Some(own.map_or(with, |own| with.averaged(own, alike)))
    }

    /// The same by the search's own curves alone, or as if those of the earlier search were its own.
    fn regressed(&self, prefix: &Prefix, with_earlier: bool) -> Option<Spread> {
        let Prefix { place, features } = prefix;
        let nothing = Step::default();
        let own = self.steps.get(*place).unwrap_or(&nothing);
        let step = if with_earlier {
            Cow::Owned(own.merged(self.earlier.get(*place).unwrap_or(&nothing)))
        } else {
            Cow::Borrowed(own)
        };
        let (known, count) = if features.trained && step.mostly_trained() {
            (&step.trained, MOST)
        } else {
            (&step.plain, PLAIN)
        };
        if known.n < LEAST {
            return None;
        }
        let growth = regression::predict(known, &features.values, count);
        // A network that never learns lies far from those that finished; extrapolated, it would fall.
        let mean = growth.mean.max(step.least.min(features.recent_growth()));
        let factor = if with_earlier { self.likeness.factor() } else { 1.0 };
        Some(Spread { mean: features.level + mean, scale: factor * growth.scale, ..growth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target { epochs: 6.0, interval: 1.0 };

    /// From this level by this growth to the end, unevenly.
    fn curve(level: f64, growth: f64) -> Vec<Observation> {
        let share = |x: i32| f64::from(x - 1) / 5.0 + 0.02 * f64::from((x * 7 + level as i32 * 5) % 3);
        (1..=6).map(|x| Observation::new(f64::from(x), level + growth * share(x))).collect()
    }

    #[test]
    fn a_completed_curve_is_compared_with_what_was_predicted_before_it_moved_the_odds() {
        let mut knowledge = Knowledge::default();
        for i in 0..20 {
            knowledge.add_earlier(&curve(50.0 + f64::from(i), 16.0 + 2.0 * f64::from(i % 5)), TARGET);
        }
        for i in 0..5 {
            knowledge.complete(i64::from(i), &curve(50.0 + f64::from(i), 25.0 + f64::from(i % 3)), TARGET);
        }
        let (before, next) = (knowledge.clone(), curve(54.0, 20.0));
        knowledge.complete(5, &next, TARGET);
        let said = before.predicted(&Prefix::all(&next, TARGET));
        let expected = before.compared(before.variance, next.len(), scale::to(next[5].val_acc), &said);
        let (then, now) = (before.alike(), knowledge.alike());
        assert!((now - then).abs() > 0.01, "the odds stood still: {then:.3}, then {now:.3}");
        assert_eq!(knowledge.variance, expected);
    }
}
