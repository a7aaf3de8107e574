//! Sums over finished curves that all regressions of a step need: O(1) per curve and per decision, however many
//! curves there are.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::features::MOST;
use crate::Impossible;
use crate::possible::{number, sum, that};

/// The features and the growth that is regressed on them.
const WIDTH: usize = MOST + 1;
/// Numbers in the lower triangle of their scatter matrix.
const TRIANGLE: usize = WIDTH * (WIDTH + 1) / 2;

/// How far below zero sums of squares may lie by rounding, in parts of themselves or of 1.
const ROUNDING: f64 = 1e-6;

/// Weighted mean and scatter matrix of (features, growth), updated in place (West, CACM 22, 1979).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    /// Sum of the weights.
    pub n: f64,
    mean: [f64; WIDTH],
    /// Lower triangle by rows.
    #[serde(deserialize_with = "triangle")]
    scatter: Vec<f64>,
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0.0, mean: [0.0; WIDTH], scatter: vec![0.0; TRIANGLE] }
    }
}

fn triangle<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let scatter = Vec::deserialize(deserializer)?;
    if scatter.len() == TRIANGLE {
        return Ok(scatter);
    }
    Err(D::Error::invalid_length(scatter.len(), &"the lower triangle of a scatter matrix"))
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

    /// The moments of both.
    pub(super) fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        if other.n == 0.0 {
            return merged;
        }
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

    /// Refuses what no curves add up to.
    pub(super) fn check(&self) -> Result<(), Impossible> {
        sum("n", self.n)?;
        for (i, mean) in self.mean.iter().enumerate() {
            number(&format!("mean[{i}]"), *mean)?;
        }
        for (i, product) in self.scatter.iter().enumerate() {
            number(&format!("scatter[{i}]"), *product)?;
        }
        that(
            self.is_scatter(),
            "scatter",
            format_args!("{:?}", self.scatter),
            "a positive semidefinite matrix",
        )
    }

    /// Whether there are points that scatter so, but for rounding: whether the matrix has a Cholesky factor.
    fn is_scatter(&self) -> bool {
        let mut factor = [[0.0; WIDTH]; WIDTH];
        for i in 0..WIDTH {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
                let rest = self.scatter(i, j) - known;
                let rounding = ROUNDING * (1.0 + self.scatter(i, i));
                if i != j {
                    factor[i][j] = rest / factor[j][j];
                } else if rest + rounding > 0.0 {
                    factor[i][i] = (rest + rounding).sqrt();
                } else {
                    return false;
                }
            }
        }
        true
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
    fn a_matrix_of_another_size_is_refused() {
        let moments = of(&ROWS);
        let bytes = postcard::to_stdvec(&moments).unwrap();
        assert_eq!(postcard::from_bytes::<Moments>(&bytes), Ok(moments.clone()));
        let cut = Moments { scatter: moments.scatter[1..].to_vec(), ..moments };
        assert!(postcard::from_bytes::<Moments>(&postcard::to_stdvec(&cut).unwrap()).is_err());
    }

    #[test]
    fn merged_moments_are_those_of_all_curves() {
        let rows = [(7.0, 2.0), (-3.0, 0.5)];
        close(&of(&ROWS).merged(&of(&rows)), &of(&[ROWS[0], ROWS[1], ROWS[2], rows[0], rows[1]]), "both");
        close(&of(&ROWS).merged(&Moments::default()), &of(&ROWS), "nothing added");
        close(&Moments::default().merged(&of(&ROWS)), &of(&ROWS), "added to nothing");
        assert_eq!(Moments::default().merged(&Moments::default()), Moments::default());
    }
}
