//! Sums over finished curves that all regressions of a step need: O(1) per curve and per decision, however many
//! curves there are.

use serde::{Deserialize, Serialize};

use super::features::MOST;

/// Features and the growth that is regressed on them.
const WIDTH: usize = MOST + 1;

/// Weighted mean and scatter matrix of (features, growth), updated in place (Welford; West, CACM 22, 1979).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    /// Sum of the weights.
    pub n: f64,
    mean: [f64; WIDTH],
    /// Lower triangle by rows.
    scatter: [f64; WIDTH * (WIDTH + 1) / 2],
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0.0, mean: [0.0; WIDTH], scatter: [0.0; WIDTH * (WIDTH + 1) / 2] }
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
