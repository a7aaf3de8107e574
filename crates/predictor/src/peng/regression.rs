//! Growth to the end of training, by averaged ridge regressions.
//!
//! Every admissible subset of the features gives one ridge regression (Hoerl and Kennard, Technometrics 12, 1970)
//! whose penalty has the least generalised cross-validation error s² (Golub, Heath and Wahba, Technometrics 21,
//! 1979). The regressions are averaged with weights proportional to s^-n·e^-p for p features, and the spread
//! between them enters the variance. All of it follows from the moments: no curve is looked at again.

use super::features::MOST;
use super::moments::Moments;

type Matrix = [[f64; MOST]; MOST];
type Vector = [f64; MOST];

const PENALTIES: [f64; 7] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
/// No growth is known better than this, in u.
const LEAST: f64 = 0.02;
/// Added to the standard deviation of a feature, so that one that hardly varies does not blow up.
const SLACK: f64 = 0.05;

/// A Student t distribution on the scale u.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub mean: f64,
    /// Scale, not standard deviation.
    pub scale: f64,
    pub freedom: f64,
}

/// What one ridge regression says of the curve in question.
struct Model {
    /// Generalised cross-validation error, a variance.
    error: f64,
    mean: f64,
    variance: f64,
}

/// Predicts the growth of a curve from its first `count` features. The moments must hold at least 4 curves.
pub(super) fn predict(moments: &Moments, features: &Vector, count: usize) -> Spread {
    let n = moments.n;
    let sd: Vector = std::array::from_fn(|i| (moments.scatter(i, i) / n).sqrt() + SLACK);
    let x: Vector = std::array::from_fn(|i| (features[i] - moments.mean(i)) / sd[i]);
    let largest = ((n - 3.0) / 2.0).floor().max(1.0) as u32;
    let mut models: Vec<(f64, Model)> = Vec::with_capacity(1 << count);
    for subset in (0u32..1 << count).filter(|s| s.count_ones() <= largest) {
        let model = ridge(moments, &x, &sd, subset);
        models.push((-n / 2.0 * model.error.ln() - f64::from(subset.count_ones()), model));
    }
    let top = models.iter().map(|m| m.0).fold(f64::NEG_INFINITY, f64::max);
    let (mut total, mut mean) = (0.0, 0.0);
    for (weight, model) in &mut models {
        *weight = (*weight - top).exp();
        total += *weight;
        mean += *weight * model.mean;
    }
    mean /= total;
    let variance =
        models.iter().map(|(w, m)| w * (m.variance + (m.mean - mean).powi(2))).sum::<f64>() / total;
    Spread { mean, scale: variance.sqrt().max(LEAST), freedom: (n - 2.0).max(3.0) }
}

/// The ridge regression on a subset of the standardised features, with the best penalty.
fn ridge(moments: &Moments, x: &Vector, sd: &Vector, subset: u32) -> Model {
    let mut chosen = [0; MOST];
    let mut k = 0;
    for i in (0..MOST).filter(|i| subset >> i & 1 == 1) {
        chosen[k] = i;
        k += 1;
    }
    let (mut gram, mut cross, mut point) = ([[0.0; MOST]; MOST], [0.0; MOST], [0.0; MOST]);
    for a in 0..k {
        let i = chosen[a];
        point[a] = x[i];
        cross[a] = moments.scatter(i, MOST) / sd[i];
        for b in 0..=a {
            gram[a][b] = moments.scatter(i, chosen[b]) / (sd[i] * sd[chosen[b]]);
        }
    }
    let penalties = if k == 0 { &PENALTIES[..1] } else { &PENALTIES[..] };
    let each = penalties.iter().map(|&penalty| solve(moments, &gram, &cross, &point, k, penalty));
    let first = Model { error: f64::INFINITY, mean: moments.mean(MOST), variance: LEAST };
    each.fold(first, |best, model| if model.error < best.error { model } else { best })
}

/// (G + penalty·I)·beta = g, and what follows from it.
fn solve(moments: &Moments, gram: &Matrix, cross: &Vector, point: &Vector, k: usize, penalty: f64) -> Model {
    let n = moments.n;
    let l = cholesky(gram, penalty, k);
    let (w, v) = (forward(&l, cross, 0, k), forward(&l, point, 0, k));
    let beta = backward(&l, &w, k);
    let mut inverse_trace = 0.0;
    for j in 0..k {
        let mut unit = [0.0; MOST];
        unit[j] = 1.0;
        inverse_trace += dot(&forward(&l, &unit, j, k), &forward(&l, &unit, j, k), k);
    }
    // |z - X·beta|² = z'z - g'beta - penalty·beta'beta.
    let residual = moments.scatter(MOST, MOST) - dot(&w, &w, k) - penalty * dot(&beta, &beta, k);
    let freedom = 1.0 + k as f64 - penalty * inverse_trace;
    let error = (residual.max(0.0) / n / (1.0 - freedom / n).max(0.1).powi(2)).max(LEAST * LEAST);
    Model {
        error,
        mean: moments.mean(MOST) + dot(&beta, point, k),
        variance: error * (1.0 + 1.0 / n + dot(&v, &v, k)),
    }
}

fn dot(a: &Vector, b: &Vector, k: usize) -> f64 {
    a[..k].iter().zip(&b[..k]).map(|(a, b)| a * b).sum()
}

/// L of L·L' = G + penalty·I, whose diagonal is at least the root of the penalty.
fn cholesky(gram: &Matrix, penalty: f64, k: usize) -> Matrix {
    let mut l = [[0.0; MOST]; MOST];
    for i in 0..k {
        for j in 0..=i {
            let sum = gram[i][j] - dot(&l[i], &l[j], j);
            l[i][j] = if i == j { (sum + penalty).max(penalty).sqrt() } else { sum / l[j][j] };
        }
    }
    l
}

/// L·w = g, where g is 0 before `from`.
fn forward(l: &Matrix, g: &Vector, from: usize, k: usize) -> Vector {
    let mut w = [0.0; MOST];
    for i in from..k {
        w[i] = (g[i] - dot(&l[i], &w, i)) / l[i][i];
    }
    w
}

/// L'·b = w.
fn backward(l: &Matrix, w: &Vector, k: usize) -> Vector {
    let mut b = [0.0; MOST];
    for i in (0..k).rev() {
        let done: f64 = (i + 1..k).map(|j| l[j][i] * b[j]).sum();
        b[i] = (w[i] - done) / l[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty curves whose growth is 1 - 0.5·level, with levels from -1 to 1 and a second feature of no use.
    fn line() -> Moments {
        let mut moments = Moments::default();
        for i in 0..20 {
            let level = -1.0 + f64::from(i) / 9.5;
            let useless = f64::from(i * 7 % 20) / 10.0;
            moments.add(&[level, useless, 0.0, 0.0, 0.0, 0.0, 0.0], 1.0 - 0.5 * level, 1.0);
        }
        moments
    }

    #[test]
    fn it_recovers_a_line_and_widens_away_from_what_it_has_seen() {
        let spread = |level: f64| predict(&line(), &[level, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 4);
        let (inside, outside) = (spread(0.5), spread(8.0));
        assert!((inside.mean - 0.75).abs() < 0.02, "{inside:?}");
        assert!(outside.scale > 1.5 * inside.scale, "{outside:?} against {inside:?}");
        assert!((inside.freedom - 18.0).abs() < 1e-12);
    }

    #[test]
    fn features_that_never_vary_do_no_harm() {
        let mut moments = Moments::default();
        for growth in [0.1, 0.2, 0.3, 0.4] {
            moments.add(&[1.0; MOST], growth, 1.0);
        }
        let spread = predict(&moments, &[1.0; MOST], MOST);
        assert!((spread.mean - 0.25).abs() < 1e-9 && spread.scale.is_finite(), "{spread:?}");
    }
}
