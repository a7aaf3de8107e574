//! Sums over finished curves that all regressions of a step need: O(1) per curve and per decision, however many
//! curves there are.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::features::MOST;

/// Added to a spread, as a standard deviation, so that one of nothing can be divided by.
const SLACK: f64 = 0.05;
/// The features and the growth that is regressed on them.
const WIDTH: usize = MOST + 1;

/// Weighted mean and scatter matrix of (features, growth), updated in place (West, CACM 22, 1979).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    /// Sum of the weights.
    pub n: f64,
    mean: [f64; WIDTH],
    /// Lower triangle by rows.
    scatter: Vec<f64>,
}

/// Moments of the curves of a search and of earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Pooled<'a> {
    pub moments: Cow<'a, Moments>,
    /// How many curves the means rest on.
    pub centre: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0.0, mean: [0.0; WIDTH], scatter: vec![0.0; WIDTH * (WIDTH + 1) / 2] }
    }
}

impl Moments {
    /// Adds one curve.
    pub(super) fn add(&mut self, features: &[f64; MOST], growth: f64) {
        self.weigh(features, growth, 0.0, 1.0);
    }

    /// Adds a curve whose growth is only expected, with this variance: what the scatter would be on average if it
    /// were known.
    pub(super) fn suppose(&mut self, features: &[f64; MOST], growth: f64, variance: f64) {
        self.weigh(features, growth, variance, 1.0);
    }

    /// Takes back what [`Moments::suppose`] added.
    pub(super) fn take_back(&mut self, features: &[f64; MOST], growth: f64, variance: f64) {
        if self.n < 1.5 {
            *self = Self::default();
        } else {
            self.weigh(features, growth, variance, -1.0);
        }
    }

    fn weigh(&mut self, features: &[f64; MOST], growth: f64, variance: f64, weight: f64) {
        let row = |i: usize| if i < MOST { features[i] } else { growth };
        let off: [f64; WIDTH] = std::array::from_fn(|i| row(i) - self.mean[i]);
        let n = self.n + weight;
        let share = weight / n;
        for i in 0..WIDTH {
            for j in 0..=i {
                self.scatter[i * (i + 1) / 2 + j] += weight * (1.0 - share) * off[i] * off[j];
            }
            self.mean[i] += share * off[i];
        }
        self.n = n;
        if let Some(growth) = self.scatter.last_mut() {
            *growth += weight * variance;
        }
    }

    /// These curves and what earlier ones say of them. Another search may have been easier, or have had longer to go:
    /// from it comes how the features and the growth depend on each other, in units of their own spread, and it counts
    /// as `at_most` curves. Means and spread are those of these curves, once there are `enough`.
    pub(super) fn with(&self, earlier: &Self, at_most: f64, enough: f64) -> Pooled<'_> {
        if earlier.n == 0.0 {
            return Pooled { moments: Cow::Borrowed(self), centre: self.n };
        }
        if self.n < enough {
            let pooled = self.merged(earlier);
            return Pooled { centre: pooled.n, moments: Cow::Owned(pooled) };
        }
        let weight = (at_most / earlier.n).min(1.0);
        let units: [f64; WIDTH] = std::array::from_fn(|i| self.spread(i) / earlier.spread(i));
        let mut pooled = self.clone();
        pooled.n += weight * earlier.n;
        for i in 0..WIDTH {
            for j in 0..=i {
                let at = i * (i + 1) / 2 + j;
                pooled.scatter[at] += weight * units[i] * units[j] * earlier.scatter[at];
            }
        }
        Pooled { moments: Cow::Owned(pooled), centre: self.n }
    }

    /// The moments of both.
    fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        merged.n += other.n;
        let share = other.n / merged.n;
        let apart: [f64; WIDTH] = std::array::from_fn(|i| other.mean[i] - self.mean[i]);
        for i in 0..WIDTH {
            for j in 0..=i {
                let at = i * (i + 1) / 2 + j;
                merged.scatter[at] += other.scatter[at] + self.n * share * apart[i] * apart[j];
            }
            merged.mean[i] += share * apart[i];
        }
        merged
    }

    /// Standard deviation of feature i, not quite 0 for one that does not vary.
    fn spread(&self, i: usize) -> f64 {
        (self.scatter(i, i).max(0.0) / self.n + SLACK * SLACK).sqrt()
    }

    /// Mean of feature i, or of the growth at `MOST`.
    pub(super) fn mean(&self, i: usize) -> f64 {
        self.mean[i]
    }

    /// Sum of the weighted products of the centred i and j.
    pub(super) fn scatter(&self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.max(j), i.min(j));
        self.scatter[i * (i + 1) / 2 + j]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feature and growth of three curves.
    const ROWS: [(f64, f64); 3] = [(1.0, 4.0), (2.0, -1.0), (5.0, 3.0)];

    fn of(rows: &[(f64, f64)]) -> Moments {
        let mut moments = Moments::default();
        for (feature, growth) in rows {
            moments.add(&[*feature; MOST], *growth);
        }
        moments
    }

    fn close(found: &Moments, expected: &Moments, what: &str) {
        let pairs = found.scatter.iter().zip(&expected.scatter).chain(found.mean.iter().zip(&expected.mean));
        assert!((found.n - expected.n).abs() < 1e-12, "{what}: {} curves, expected {}", found.n, expected.n);
        for (found, expected) in pairs {
            assert!((found - expected).abs() < 1e-12, "{what}: {found}, expected {expected}");
        }
    }

    #[test]
    fn means_and_scatter_are_those_of_two_passes() {
        let moments = of(&ROWS);
        let mean = |f: &dyn Fn(&(f64, f64)) -> f64| ROWS.iter().map(f).sum::<f64>() / 3.0;
        let (a, b) = (mean(&|r| r.0), mean(&|r| r.1));
        let scatter = 3.0 * mean(&|r| (r.0 - a) * (r.1 - b));
        assert!((moments.mean(0) - a).abs() < 1e-12 && (moments.mean(MOST) - b).abs() < 1e-12);
        assert!((moments.scatter(3, MOST) - scatter).abs() < 1e-12);
        assert!((moments.n - 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_was_supposed_can_be_taken_back() {
        let mut moments = of(&ROWS);
        moments.suppose(&[7.0; MOST], 2.0, 0.5);
        let with = of(&[ROWS[0], ROWS[1], ROWS[2], (7.0, 2.0)]);
        assert!((moments.scatter(MOST, MOST) - with.scatter(MOST, MOST) - 0.5).abs() < 1e-12, "its variance");
        assert!((moments.scatter(0, MOST) - with.scatter(0, MOST)).abs() < 1e-12, "its growth");
        moments.take_back(&[7.0; MOST], 2.0, 0.5);
        close(&moments, &of(&ROWS), "taken back");
        let mut alone = Moments::default();
        alone.suppose(&[7.0; MOST], 2.0, 0.5);
        alone.take_back(&[7.0; MOST], 2.0, 0.5);
        assert_eq!(alone, Moments::default());
    }

    #[test]
    fn earlier_curves_give_slopes_and_neither_level_nor_spread() {
        // The same slope as the search's own, on features and growths ten times as far apart and far away.
        let rows: Vec<(f64, f64)> = ROWS.iter().map(|r| (40.0 + 10.0 * r.0, 900.0 + 10.0 * r.1)).collect();
        let (own, earlier) = (of(&ROWS), of(&rows));
        let pooled = own.with(&earlier, 1.5, 3.0);
        assert_eq!((pooled.centre, &pooled.moments.mean), (3.0, &own.mean));
        assert!((pooled.moments.n - 4.5).abs() < 1e-12, "three curves count as one and a half");
        for (i, j) in [(0, 0), (0, MOST), (MOST, MOST)] {
            let (found, expected) = (pooled.moments.scatter(i, j), 1.5 * own.scatter(i, j));
            assert!((found / expected - 1.0).abs() < 1e-3, "{i}, {j}: {found}, expected {expected}");
        }
        let both = of(&[ROWS[0], ROWS[1], rows[0], rows[1], rows[2]]);
        let two = of(&ROWS[..2]);
        let few = two.with(&earlier, 1.5, 3.0);
        assert_eq!(few.centre, 5.0, "too few for means of their own");
        assert!((few.moments.scatter(0, MOST) / both.scatter(0, MOST) - 1.0).abs() < 1e-12);
        assert!((few.moments.mean(0) - both.mean(0)).abs() < 1e-9);
        close(&own.with(&Moments::default(), 4.0, 3.0).moments, &own, "nothing earlier");
    }
}
