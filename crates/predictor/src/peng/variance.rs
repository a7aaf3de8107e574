//! Whether networks that end well are predicted better or worse than those that end badly.
//!
//! The regressions of a step know one variance for all. Each completed curve was predicted before it was learned
//! from, and how its squared errors went with the predicted level is remembered over all steps: in some searches
//! the good ones are surer, in others the bad ones are. Few bad ones are ever completed, so until the errors tell
//! otherwise they are presumed to be the less sure: intervals that trust the good ones' errors are too narrow there.

use serde::{Deserialize, Serialize};

use crate::Impossible;
use crate::possible::{number, sum};

/// Slope of the squared errors on the level that evidence of `PRIOR` squared deviations speaks for: a network that is
/// expected to end a standard deviation below the mean of the ends has e^1.25 times the mean's squared error.
const PRESUMED: f64 = -1.25;
const PRIOR: f64 = 20.0;
/// How many curves those of an earlier search like this one count as, at most.
const EARLIER: f64 = 10.0;
/// Fewer ends than this say nothing about levels.
const LEAST: f64 = 3.0;
/// One wild squared error would say more than all others: it counts as this.
pub(super) const WILD: f64 = 6.0;
/// What the errors of one curve count together; they are far from independent.
const PER_CURVE: f64 = 4.0;

/// Mean and scatter of the final accuracies (in u), and the regression of squared errors on the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Variance {
    n: f64,
    mean: f64,
    scatter: f64,
    levels: f64,
    products: f64,
}

impl Variance {
    /// Refuses what no curves add up to.
    pub(super) fn check(&self) -> Result<(), Impossible> {
        sum("n", self.n)?;
        number("mean", self.mean)?;
        sum("scatter", self.scatter)?;
        sum("levels", self.levels)?;
        number("products", self.products)
    }

    /// Takes in a completed curve's end.
    pub(super) fn add_end(&mut self, end: f64) {
        self.n += 1.0;
        let off = end - self.mean;
        self.mean += off / self.n;
        self.scatter += off * (end - self.mean);
    }

    /// Takes in one of the `of` errors of a completed curve, in units of what was expected. The first three curves have
    /// none that count: only those of an earlier search can have predicted them.
    pub(super) fn add_error(&mut self, predicted: f64, squared: f64, of: usize) {
        if self.n < LEAST {
            return;
        }
        let share = PER_CURVE / of as f64;
        let level = self.level(predicted);
        self.levels += share * level * level;
        self.products += share * level * (squared.min(WILD) - 1.0);
    }

    /// Factor of the scale for a network predicted to end at this u, where an earlier search is like this one with a
    /// chance of `alike`. Before three ends are known the earlier search tells it; 1 without one.
    pub(super) fn factor(&self, earlier: &Self, alike: f64, predicted: f64) -> f64 {
        let weight = alike * (EARLIER / earlier.n).min(1.0);
        let products = self.products + weight * earlier.products;
        let levels = self.levels + weight * earlier.levels;
        let ends = if self.n < LEAST { earlier } else { self };
        if ends.n < LEAST {
            return 1.0;
        }
        let slope = (products + PRESUMED * PRIOR) / (levels + PRIOR);
        (slope * ends.level(predicted) / 2.0).clamp(-0.75, 0.75).exp()
    }

    /// In standard deviations of the ends, from -2 to 2.
    fn level(&self, predicted: f64) -> f64 {
        let sd = (self.scatter / self.n).sqrt();
        ((predicted - self.mean) / (sd + 0.05)).clamp(-2.0, 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_follows_where_errors_were_large() {
        let none = Variance::default();
        let factor = |variance: &Variance, predicted| variance.factor(&none, 0.0, predicted);
        let mut presumed = none;
        presumed.add_error(3.0, 6.0, 1);
        assert_eq!(presumed, none, "an error of nobody knows which level");
        assert_eq!(factor(&presumed, 3.0), 1.0, "nothing is known");
        for i in 0..40 {
            presumed.add_end(f64::from(i % 5));
        }
        assert!((factor(&presumed, 2.0) - 1.0).abs() < 1e-12, "the mean");
        assert!(
            factor(&presumed, 0.0) > 1.3 && factor(&presumed, 4.0) < 0.8,
            "the bad ones are the less sure"
        );
        assert!((0.4..2.2).contains(&factor(&presumed, -1e9)), "bounded");
        let learned = |bad: f64, good: f64| {
            let mut variance = presumed;
            for _ in 0..200 {
                variance.add_error(0.0, bad, 1);
                variance.add_error(4.0, good, 1);
            }
            variance
        };
        let (even, good) = (learned(1.0, 1.0), learned(0.2, 3.0));
        assert!(
            (factor(&even, 0.0) - 1.0).abs() < 0.02 && (factor(&even, 4.0) - 1.0).abs() < 0.02,
            "{even:?}"
        );
        assert!(factor(&good, 0.0) < 0.8 && factor(&good, 4.0) > 1.3, "the good ones are, {good:?}");
        // An earlier search counts as far as it is like this one, and as ten curves at most.
        let mut fresh = none;
        let unknown = fresh.factor(&good, 1.0, 4.0);
        assert!((unknown / factor(&good, 4.0) - 1.0).abs() < 0.1, "no end is known here: {unknown}");
        (0..40).for_each(|i| fresh.add_end(f64::from(i % 5)));
        let with = [0.0, 0.5, 1.0].map(|alike| fresh.factor(&good, alike, 4.0));
        assert!((with[0] / factor(&fresh, 4.0) - 1.0).abs() < 1e-12, "unlike: {with:?}");
        assert!(with[1] > 1.2 * with[0] && with[2] > with[1] && with[2] < factor(&good, 4.0), "{with:?}");
        let ten = Variance { n: 10.0, products: good.products / 4.0, levels: good.levels / 4.0, ..good };
        assert_eq!(fresh.factor(&ten, 1.0, 4.0), with[2], "forty curves count as ten");
    }
}
