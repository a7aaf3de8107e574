//! Sums over finished curves that all regressions of a step need: O(1) per curve and per decision, however many
//! curves there are.

use serde::{Deserialize, Serialize};

use super::features::MOST;

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

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0.0, mean: [0.0; WIDTH], scatter: vec![0.0; WIDTH * (WIDTH + 1) / 2] }
    }
}

impl Moments {
    /// Adds one curve with a weight above 0.
    pub(super) fn add(&mut self, features: &[f64; MOST], growth: f64, weight: f64) {
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

    #[test]
    fn means_and_scatter_are_those_of_two_passes() {
        let rows = [(1.0, 4.0, 1.0), (2.0, -1.0, 1.0), (5.0, 3.0, 0.25)];
        let mut moments = Moments::default();
        for (feature, growth, weight) in rows {
            moments.add(&[feature; MOST], growth, weight);
        }
        let total = 2.25;
        let mean = |f: &dyn Fn(&(f64, f64, f64)) -> f64| rows.iter().map(|r| r.2 * f(r)).sum::<f64>() / total;
        let (a, b) = (mean(&|r| r.0), mean(&|r| r.1));
        let scatter = total * mean(&|r| (r.0 - a) * (r.1 - b));
        assert!((moments.mean(0) - a).abs() < 1e-12 && (moments.mean(MOST) - b).abs() < 1e-12);
        assert!((moments.scatter(3, MOST) - scatter).abs() < 1e-12);
        assert!((moments.n - total).abs() < 1e-12);
    }
}
