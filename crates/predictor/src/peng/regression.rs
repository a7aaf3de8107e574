//! Growth to the end of training, by averaged ridge regressions.
//!
//! Every admissible subset of the features gives one ridge regression (Hoerl and Kennard, Technometrics 12, 1970)
//! whose penalty has the least generalised cross-validation error s² (Golub, Heath and Wahba, Technometrics 21,
//! 1979). The regressions are averaged with weights proportional to s^-n·e^-p for p features, and the spread
//! between them enters the variance. All of it follows from the moments: no curve is looked at again.

use statrs::distribution::{Continuous, StudentsT};

use super::features::MOST;
use super::moments::Moments;

type Vector = [f64; MOST];

const PENALTIES: [f64; 7] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
/// A number for each penalty: the regressions under all of them are worked out side by side, in one vector unit.
type Lanes = [f64; LANES];
const LANES: usize = PENALTIES.len();
/// No growth is known better than this, in u.
const LEAST: f64 = 0.01;
/// Added to the standard deviation of a feature, so that one that hardly varies does not blow up.
const SLACK: f64 = 0.05;
/// What a standard normal variable exceeds once in ten, once in twenty and once in a hundred times.
pub(super) const TENTH: f64 = 1.281_551_565_544_600_4;
pub(super) const TWENTIETH: f64 = 1.644_853_626_951_472_2;
pub(super) const HUNDREDTH: f64 = 2.326_347_874_040_841;

/// A Student t distribution on the scale u.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub mean: f64,
    /// Scale, not standard deviation.
    pub scale: f64,
    pub freedom: f64,
}

impl Spread {
    /// A little above the squared scale.
    pub fn variance(self) -> f64 {
        self.scale.powi(2) * self.freedom / (self.freedom - 2.0).max(1.0)
    }

    /// Logarithm of the density at a point.
    pub fn log_density(self, at: f64) -> f64 {
        let t = StudentsT::new(self.mean, self.scale, self.freedom).expect("a positive scale and freedom");
        t.ln_pdf(at)
    }

    /// One of the two, this one with a chance of `share`: a distribution with the mean of both and with the scale that
    /// their scales and their distance make.
    pub fn averaged(self, other: Self, share: f64) -> Self {
        let average = |of: &dyn Fn(Self) -> f64| share * of(self) + (1.0 - share) * of(other);
        let mean = average(&|s| s.mean);
        let variance = average(&|s| s.scale.powi(2) + (s.mean - mean).powi(2));
        Self { mean, scale: variance.sqrt(), freedom: average(&|s| s.freedom) }
    }

    /// The point that a Student t variable exceeds with the probability to which the standard normal one exceeds
    /// `z`, in units of the scale: the expansion 26.7.5 of Abramowitz and Stegun, from 3 degrees of freedom on within
    /// 0.003 to a twentieth and within 0.02 to a hundredth, at a hundredth of the price of inverting the incomplete beta
    /// function.
    pub fn quantile(&self, z: f64) -> f64 {
        let (s, v) = (z * z, self.freedom);
        let terms = [
            (s + 1.0) / 4.0,
            ((5.0 * s + 16.0) * s + 3.0) / 96.0,
            (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
            ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92_160.0,
        ];
        z * (1.0 + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / v))
    }
}

/// What one ridge regression says of the curve in question.
#[derive(Clone, Copy)]
struct Model {
    /// Generalised cross-validation error, a variance.
    error: f64,
    mean: f64,
    variance: f64,
    /// Effective number of coefficients, the constant included.
    coefficients: f64,
}

/// Predicts the growth of a curve from its first `count` features. The moments must hold at least 4 curves.
pub(super) fn predict(moments: &Moments, features: &Vector, count: usize) -> Spread {
    let n = moments.n;
    let largest = ((n - 3.0) / 2.0).floor().max(1.0) as usize;
    let problem = Problem::new(moments, features, count, largest);
    let none = Model { error: f64::INFINITY, mean: 0.0, variance: 0.0, coefficients: 0.0 };
    let mut models = vec![none; 1 << count];
    problem.extend(&mut Chain::default(), 0, 0, &mut models);
    let sizes = (0u32..).map(u32::count_ones);
    let admissible = models.iter().zip(sizes).filter(|(model, _)| model.error.is_finite());
    let log = |(model, size): (&Model, u32)| -n / 2.0 * model.error.ln() - f64::from(size);
    let weights: Vec<(f64, Model)> = admissible.map(|m| (log(m), *m.0)).collect();
    let top = weights.iter().map(|m| m.0).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<(f64, Model)> =
        weights.into_iter().map(|(log, model)| ((log - top).exp(), model)).collect();
    let total: f64 = weights.iter().map(|m| m.0).sum();
    let average = |of: &dyn Fn(&Model) -> f64| weights.iter().map(|(w, m)| w * of(m)).sum::<f64>() / total;
    let mean = average(&|m| m.mean);
    let variance = average(&|m| m.variance + (m.mean - mean).powi(2));
    let freedom = n - 1.0 - average(&|m| m.coefficients);
    Spread { mean, scale: variance.sqrt().max(LEAST), freedom: freedom.max(3.0) }
}

/// The regression of the growth on the standardised features, G = X'X and g = X'z.
struct Problem {
    n: f64,
    count: usize,
    largest: usize,
    gram: [Vector; MOST],
    cross: Vector,
    /// The curve in question.
    point: Vector,
    growth: f64,
    /// z'z.
    squares: f64,
}

/// What follows from one subset of the features. Every subset is reached by adding one feature to a smaller one,
/// which adds one row to the inverse of the factor L of G + penalty·I and one term to all else.
#[derive(Clone, Copy, Default)]
struct Subset {
    /// The feature added last, and all of them as bits.
    feature: usize,
    bits: usize,
    /// The row that it added to the inverse of L.
    row: [Lanes; MOST],
    beta: [Lanes; MOST],
    /// Trace of the inverse of G + penalty·I.
    trace: Lanes,
    /// g'beta, and what the prediction and the leverage of the point come to.
    explained: Lanes,
    predicted: Lanes,
    leverage: Lanes,
}

/// The subset in question, by its size, behind the smaller ones that it was made from.
type Chain = [Subset; MOST + 1];

/// Does the same for each penalty.
fn each(of: impl FnMut(usize)) {
    (0..LANES).for_each(of);
}

impl Problem {
    fn new(moments: &Moments, features: &Vector, count: usize, largest: usize) -> Self {
        let sd: Vector = std::array::from_fn(|i| (moments.scatter(i, i).max(0.0) / moments.n).sqrt() + SLACK);
        let scatter = |i: usize, j: usize| moments.scatter(i, j) / (sd[i] * sd[j]);
        Self {
            n: moments.n,
            count,
            largest,
            gram: std::array::from_fn(|i| std::array::from_fn(|j| scatter(i, j))),
            cross: std::array::from_fn(|i| moments.scatter(i, MOST) / sd[i]),
            point: std::array::from_fn(|i| (features[i] - moments.mean(i)) / sd[i]),
            growth: moments.mean(MOST),
            squares: moments.scatter(MOST, MOST),
        }
    }

    /// Enters the models of the subset of this size, then those of all larger ones with further features `from`
    /// this one on.
    fn extend(&self, chain: &mut Chain, size: usize, from: usize, models: &mut [Model]) {
        models[chain[size].bits] = self.model(&chain[size], size);
        if size < self.largest {
            for feature in from..self.count {
                self.add(chain, size, feature);
                self.extend(chain, size + 1, feature + 1, models);
            }
        }
    }

    /// Adds a feature to the subset of this size.
    fn add(&self, chain: &mut Chain, size: usize, feature: usize) {
        let (smaller, larger) = chain.split_at_mut(size + 1);
        let mut s = Subset { feature, bits: smaller[size].bits | 1 << feature, ..smaller[size] };
        let along = &self.gram[feature];
        // New row of L: l = inverse·a, and what is left of the diagonal.
        let mut row = [[0.0; LANES]; MOST];
        row[size] = [1.0; LANES];
        let mut rest: Lanes = PENALTIES.map(|penalty| along[feature] + penalty);
        for (j, above) in smaller[1..].iter().enumerate() {
            let mut l = [0.0; LANES];
            for (old, of) in above.row[..=j].iter().zip(&smaller[1..]) {
                each(|p| l[p] += old[p] * along[of.feature]);
            }
            each(|p| rest[p] -= l[p] * l[p]);
            for (new, old) in row.iter_mut().zip(&above.row[..=j]) {
                each(|p| new[p] -= l[p] * old[p]);
            }
        }
        let diagonal: Lanes = std::array::from_fn(|p| rest[p].max(PENALTIES[p]).sqrt());
        let (mut w, mut v) = ([0.0; LANES], [0.0; LANES]);
        let chosen = smaller[1..].iter().map(|of| of.feature).chain([feature]);
        for (new, of) in row.iter_mut().zip(chosen) {
            each(|p| {
                new[p] /= diagonal[p];
                w[p] += new[p] * self.cross[of];
                v[p] += new[p] * self.point[of];
                s.trace[p] += new[p] * new[p];
            });
        }
        for (beta, new) in s.beta.iter_mut().zip(&row[..=size]) {
            each(|p| beta[p] += w[p] * new[p]);
        }
        each(|p| {
            s.explained[p] += w[p] * w[p];
            s.predicted[p] += w[p] * v[p];
            s.leverage[p] += v[p] * v[p];
        });
        s.row = row;
        larger[0] = s;
    }

    /// The model of a subset under the penalty with the least error.
    fn model(&self, s: &Subset, size: usize) -> Model {
        let mut norm = [0.0; LANES];
        for beta in &s.beta[..size] {
            each(|p| norm[p] += beta[p] * beta[p]);
        }
        // |z - X·beta|² = z'z - g'beta - penalty·beta'beta.
        let residual = |p: usize| (self.squares - s.explained[p] - PENALTIES[p] * norm[p]).max(0.0);
        let coefficients: Lanes = std::array::from_fn(|p| 1.0 + size as f64 - PENALTIES[p] * s.trace[p]);
        let left = |p: usize| (1.0 - coefficients[p] / self.n).max(0.1);
        let errors: Lanes =
            std::array::from_fn(|p| (residual(p) / self.n / left(p).powi(2)).max(LEAST * LEAST));
        let best = (1..LANES).fold(0, |best, p| if errors[p] < errors[best] { p } else { best });
        // The error already has in it that coefficients are uncertain; the scatter about them has not.
        let scatter = (errors[best] * left(best)).max(LEAST * LEAST);
        let variance = scatter * (1.0 + 1.0 / self.n + s.leverage[best]);
        let mean = self.growth + s.predicted[best];
        Model { error: errors[best], mean, variance, coefficients: coefficients[best] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::moments::Moments;
    use super::*;

    /// Twenty curves whose growth is 1 - 0.5·level, with levels from -1 to 1 and a second feature of no use.
    fn line() -> Moments {
        let mut moments = Moments::default();
        for i in 0..20 {
            let level = -1.0 + f64::from(i) / 9.5;
            let useless = f64::from(i * 7 % 20) / 10.0;
            moments.add(&[level, useless, 0.0, 0.0, 0.0, 0.0, 0.0], 1.0 - 0.5 * level);
        }
        moments
    }

    #[test]
    fn it_recovers_a_line_and_widens_away_from_what_it_has_seen() {
        let spread = |level: f64| predict(&line(), &[level, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 4);
        let (inside, outside) = (spread(0.5), spread(8.0));
        assert!((inside.mean - 0.75).abs() < 0.02, "{inside:?}");
        assert!(outside.scale > 1.5 * inside.scale, "{outside:?} against {inside:?}");
        // Twenty curves, less the constant and a slope, and a penalty that takes a part of the slope back.
        assert!(inside.freedom > 16.0 && inside.freedom < 18.5, "{inside:?}");
    }

    #[test]
    fn the_scale_is_the_prediction_error_of_least_squares() {
        // Eight curves about 1 - 0.3·level, off by 0.1 in turns that no line can follow.
        let off = [1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0].map(|sign| 0.1 * sign);
        let levels: [f64; 8] = std::array::from_fn(|i| i as f64 - 3.5);
        let mut moments = Moments::default();
        for (level, off) in levels.iter().zip(off) {
            moments.add(&[*level, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1.0 - 0.3 * level + off);
        }
        let squares: f64 = levels.iter().map(|l| l * l).sum();
        let scatter = off.iter().map(|o| o * o).sum::<f64>() / 6.0;
        for level in [0.0, 2.0, 5.0] {
            let expected = (scatter * (1.0 + 1.0 / 8.0 + level * level / squares)).sqrt();
            let found = predict(&moments, &[level, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1).scale;
            assert!((found / expected - 1.0).abs() < 0.1, "at {level}: {found}, expected {expected}");
        }
    }

    #[test]
    fn an_average_has_the_mean_of_both_and_their_distance_in_its_scale() {
        let (one, other) =
            (Spread { mean: 0.0, scale: 1.0, freedom: 5.0 }, Spread { mean: 4.0, scale: 2.0, freedom: 25.0 });
        let both = one.averaged(other, 0.75);
        assert_eq!((both.mean, both.freedom), (1.0, 10.0));
        // 3/4·(1 + 1²) + 1/4·(4 + 3²).
        assert!((both.scale - 4.75_f64.sqrt()).abs() < 1e-12, "{both:?}");
        assert_eq!(one.averaged(other, 1.0).scale, 1.0);
        // A Student t density of 3 degrees of freedom is 2/(π·√3) at its mean.
        let wide = Spread { mean: 7.0, scale: 2.0, freedom: 3.0 };
        let expected = (2.0 / (std::f64::consts::PI * 3.0_f64.sqrt()) / 2.0).ln();
        assert!((wide.log_density(7.0) - expected).abs() < 1e-9, "{}", wide.log_density(7.0));
    }

    #[test]
    fn quantiles_are_those_of_student() {
        use statrs::distribution::ContinuousCDF;
        for freedom in [3.0, 3.7, 5.0, 8.0, 30.0, 1e4] {
            let spread = Spread { mean: 0.0, scale: 1.0, freedom };
            let t = StudentsT::new(0.0, 1.0, freedom).unwrap();
            for (z, tail, within) in [(TENTH, 0.1, 3e-3), (TWENTIETH, 0.05, 3e-3), (HUNDREDTH, 0.01, 0.02)] {
                let (found, expected) = (spread.quantile(z), t.inverse_cdf(1.0 - tail));
                assert!((found - expected).abs() < within, "{freedom} degrees: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn features_that_never_vary_do_no_harm() {
        let mut moments = Moments::default();
        for growth in [0.1, 0.2, 0.3, 0.4] {
            moments.add(&[1.0; MOST], growth);
        }
        let spread = predict(&moments, &[1.0; MOST], MOST);
        assert!((spread.mean - 0.25).abs() < 1e-9 && spread.scale.is_finite(), "{spread:?}");
    }
}
