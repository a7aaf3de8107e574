//! Growth to the end of training, by averaged ridge regressions.

use super::features::MOST;
use super::moments::Moments;

/// A Student t distribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub mean: f64,
    /// Scale, not standard deviation.
    pub scale: f64,
    pub freedom: f64,
}

const PENALTIES: [f64; 7] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
const LEAST: f64 = 0.02;

/// One ridge regression on a subset of the features.
struct Model {
    /// Generalised cross-validation error, a variance.
    error: f64,
    mean: f64,
    variance: f64,
}

/// Predicts the growth of a curve with these features.
pub(super) fn predict(moments: &Moments, features: &[f64; MOST], count: usize) -> Spread {
    let n = moments.n;
    let sd: [f64; MOST] = std::array::from_fn(|i| (moments.scatter(i, i) / n).sqrt() + 0.05);
    let x: [f64; MOST] = std::array::from_fn(|i| (features[i] - moments.mean(i)) / sd[i]);
    let largest = (((n - 3.0) / 2.0).floor().max(1.0)) as u32;
    let mut models: Vec<(f64, Model)> = Vec::with_capacity(1 << count);
    for subset in 0u32..1 << count {
        if subset.count_ones() <= largest {
            let model = best_ridge(moments, &x, &sd, subset);
            let size = f64::from(subset.count_ones());
            models.push((-n / 2.0 * model.error.ln() - size, model));
        }
    }
    let top = models.iter().map(|m| m.0).fold(f64::NEG_INFINITY, f64::max);
    let (mut total, mut mean) = (0.0, 0.0);
    for (log, model) in &mut models {
        *log = (*log - top).exp();
        total += *log;
        mean += *log * model.mean;
    }
    mean /= total;
    let variance = models.iter().map(|(w, m)| w * (m.variance + (m.mean - mean).powi(2))).sum::<f64>() / total;
    Spread { mean, scale: variance.sqrt().max(LEAST), freedom: (n - 2.0).max(3.0) }
}

fn best_ridge(moments: &Moments, x: &[f64; MOST], sd: &[f64; MOST], subset: u32) -> Model {
    let mut chosen = [0; MOST];
    let mut k = 0;
    for i in (0..MOST).filter(|i| subset >> i & 1 == 1) {
        chosen[k] = i;
        k += 1;
    }
    let n = moments.n;
    let squares = moments.scatter(MOST, MOST);
    let mut gram = [[0.0; MOST]; MOST];
    let mut cross = [0.0; MOST];
    let mut point = [0.0; MOST];
    for a in 0..k {
        let i = chosen[a];
        point[a] = x[i];
        cross[a] = moments.scatter(i, MOST) / sd[i];
        for b in 0..=a {
            gram[a][b] = moments.scatter(i, chosen[b]) / (sd[i] * sd[chosen[b]]);
        }
    }
    let mut best = Model { error: f64::INFINITY, mean: 0.0, variance: 0.0 };
    for &penalty in if k == 0 { &PENALTIES[..1] } else { &PENALTIES[..] } {
        let l = cholesky(&gram, penalty, k);
        let w = forward(&l, &cross, k);
        let v = forward(&l, &point, k);
        let beta = backward(&l, &w, k);
        let mut inverse_trace = 0.0;
        for j in 0..k {
            let mut unit = [0.0; MOST];
            unit[j] = 1.0;
            inverse_trace += forward(&l, &unit, k).iter().map(|u| u * u).sum::<f64>();
        }
        let freedom = 1.0 + k as f64 - penalty * inverse_trace;
        let (mut explained, mut norm, mut mean, mut leverage) = (0.0, 0.0, moments.mean(MOST), 0.0);
        for j in 0..k {
            explained += w[j] * w[j];
            norm += beta[j] * beta[j];
            mean += beta[j] * point[j];
            leverage += v[j] * v[j];
        }
        // |z - X·beta|² = z'z - g'beta - penalty·beta'beta.
        let residual = (squares - explained - penalty * norm).max(0.0);
        let error = (residual / n / (1.0 - freedom / n).max(0.1).powi(2)).max(LEAST * LEAST);
        if error < best.error {
            best = Model { error, mean, variance: error * (1.0 + 1.0 / n + leverage) };
        }
    }
    best
}

fn cholesky(gram: &[[f64; MOST]; MOST], penalty: f64, k: usize) -> [[f64; MOST]; MOST] {
    let mut l = [[0.0; MOST]; MOST];
    for i in 0..k {
        for j in 0..=i {
            let mut sum = gram[i][j] + if i == j { penalty } else { 0.0 };
            for (a, b) in l[i][..j].iter().zip(&l[j][..j]) {
                sum -= a * b;
            }
            l[i][j] = if i == j { sum.sqrt() } else { sum / l[j][j] };
        }
    }
    l
}

/// L·w = g.
fn forward(l: &[[f64; MOST]; MOST], g: &[f64; MOST], k: usize) -> [f64; MOST] {
    let mut w = [0.0; MOST];
    for i in 0..k {
        let done: f64 = (0..i).map(|j| l[i][j] * w[j]).sum();
        w[i] = (g[i] - done) / l[i][i];
    }
    w
}

/// L'·b = w.
fn backward(l: &[[f64; MOST]; MOST], w: &[f64; MOST], k: usize) -> [f64; MOST] {
    let mut b = [0.0; MOST];
    for i in (0..k).rev() {
        let done: f64 = (i + 1..k).map(|j| l[j][i] * b[j]).sum();
        b[i] = (w[i] - done) / l[i][i];
    }
    b
}
