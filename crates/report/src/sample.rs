//! Tests of two samples, paired and not, and what they are about in points.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};
use statrs::stats_tests::ttest_onesample::ttest_onesample;
use statrs::stats_tests::{Alternative, NaNPolicy};

/// A sample in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation; 0 of one value.
    pub deviation: f64,
    /// Smallest.
    pub least: f64,
    /// A quarter is below.
    pub lower_quartile: f64,
    /// Half is below.
    pub median: f64,
    /// Three quarters are below.
    pub upper_quartile: f64,
    /// Largest.
    pub largest: f64,
}

/// What a test says about the difference of two samples, first less second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Values, or pairs, behind it.
    pub pairs: usize,
    /// Mean difference.
    pub mean: f64,
    /// 95 % interval of the mean difference.
    pub interval: Option<(f64, f64)>,
    /// p of Student's t: Welch's for unpaired samples, of the differences for paired ones.
    pub p_mean: Option<f64>,
    /// p of the rank test: Mann and Whitney's U for unpaired samples, Wilcoxon's signed ranks for paired ones.
    pub p_rank: Option<f64>,
    /// Chance that a value of the first is above one of the second (a tie counts half); for pairs, their share.
    pub superiority: f64,
}

impl Sample {
    /// None of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, largest) = (*sorted.first()?, *sorted.last()?);
        let (mean, variance) = moments(values);
        // Linear interpolation between order statistics (type 7 of Hyndman and Fan, 1996).
        let quantile = |share: f64| {
            let at = share * (sorted.len() - 1) as f64;
            let (below, rest) = (sorted[at as usize], at.fract());
            below + rest * (sorted[at.ceil() as usize] - below)
        };
        Some(Self {
            count: values.len(),
            mean,
            deviation: variance.sqrt(),
            least,
            lower_quartile: quantile(0.25),
            median: quantile(0.5),
            upper_quartile: quantile(0.75),
            largest,
        })
    }
}

/// Mean and unbiased variance; variance 0 of one value.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, if n > 1.0 { squares / (n - 1.0) } else { 0.0 })
}

impl Difference {
    /// Of two samples that have nothing to do with each other. None if one is empty.
    pub fn unpaired(first: &[f64], second: &[f64]) -> Option<Self> {
        if first.is_empty() || second.is_empty() {
            return None;
        }
        let (n, m) = (first.len() as f64, second.len() as f64);
        let wins = superiority(first, second);
        let p_rank = if first.len().max(second.len()) <= 20 {
            mannwhitneyu(first, second, MannWhitneyUMethod::Automatic, Alternative::TwoSided)
                .ok()
                .map(|(_, p)| p)
        } else {
            rank_sum(first, second, wins)
        };
        let (mean, interval, p_mean) = welch(first, second);
        let superiority = wins / (n * m);
        Some(Self { pairs: first.len() + second.len(), mean, interval, p_mean, p_rank, superiority })
    }

    /// Of pairs. None without any.
    pub fn paired(pairs: &[(f64, f64)]) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
        if differences.is_empty() {
            return None;
        }
        let n = differences.len() as f64;
        let (mean, variance) = moments(&differences);
        let spread = variance > 0.0 && n > 2.0;
        let p_mean = spread
            .then(|| ttest_onesample(differences.clone(), 0.0, Alternative::TwoSided, NaNPolicy::Error).ok())
            .flatten()
            .map(|(_, p)| p);
        let interval = spread
            .then(|| half_width(variance / n, n - 1.0))
            .flatten()
            .map(|half| (mean - half, mean + half));
        let above = differences
            .iter()
            .map(|d| {
                if *d > 0.0 {
                    1.0
                } else if *d < 0.0 {
                    0.0
                } else {
                    0.5
                }
            })
            .sum::<f64>();
        Some(Self {
            pairs: pairs.len(),
            mean,
            interval,
            p_mean,
            p_rank: wilcoxon(&differences),
            superiority: above / n,
        })
    }
}

fn half_width(squared_error: f64, freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(0.975) * squared_error.sqrt())
}

/// Mean difference, its interval, and p (Welch, Biometrika 34, 1947).
fn welch(first: &[f64], second: &[f64]) -> (f64, Option<(f64, f64)>, Option<f64>) {
    let ((a, va), (b, vb)) = (moments(first), moments(second));
    let (n, m) = (first.len() as f64, second.len() as f64);
    let (ea, eb) = (va / n, vb / m);
    let mean = a - b;
    if n < 2.0 || m < 2.0 || ea + eb <= 0.0 {
        return (mean, None, None);
    }
    let freedom = (ea + eb) * (ea + eb) / (ea * ea / (n - 1.0) + eb * eb / (m - 1.0));
    let interval = half_width(ea + eb, freedom).map(|half| (mean - half, mean + half));
    let t = mean / (ea + eb).sqrt();
    let p = StudentsT::new(0.0, 1.0, freedom).ok().map(|d| 2.0 * d.cdf(-t.abs()));
    (mean, interval, p)
}

/// Pairs of one value of each in which the first is larger; ties count half.
fn superiority(first: &[f64], second: &[f64]) -> f64 {
    let mut sorted = second.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above = |v: &f64| {
        let below = sorted.partition_point(|s| s < v);
        let up_to = sorted.partition_point(|s| s <= v);
        f64::midpoint(below as f64, up_to as f64)
    };
    first.iter().map(above).sum()
}

/// p of Mann and Whitney's U, given U, by the normal approximation with corrections for ties and continuity: the one of
/// the library takes seconds on 100,000 values. None if all values are the same.
fn rank_sum(first: &[f64], second: &[f64], wins: f64) -> Option<f64> {
    let (n, m) = (first.len() as f64, second.len() as f64);
    let mut all: Vec<f64> = first.iter().chain(second).copied().collect();
    all.sort_by(f64::total_cmp);
    let cubes =
        all.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|tied| tied.len() as f64).map(|t| t * t * t - t);
    let ties = cubes.sum::<f64>() / ((n + m) * (n + m - 1.0));
    let variance = n * m / 12.0 * (n + m + 1.0 - ties);
    let distance = ((wins - n * m / 2.0).abs() - 0.5).max(0.0);
    (variance > 0.0).then(|| (2.0 * Normal::standard().cdf(-distance / variance.sqrt())).min(1.0))
}

/// p of Wilcoxon's signed-rank test by the normal approximation with corrections for ties and continuity (Pratt's zeros
/// left out). None for fewer than ten differences that are not 0: the approximation is poor there.
fn wilcoxon(differences: &[f64]) -> Option<f64> {
    let mut by_size: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if by_size.len() < 10 {
        return None;
    }
    by_size.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = by_size.len() as f64;
    let (mut positive, mut ties, mut before) = (0.0, 0.0, 0.0);
    for tied in by_size.chunk_by(|a, b| a.abs().total_cmp(&b.abs()).is_eq()) {
        let count = tied.len() as f64;
        positive += (before + f64::midpoint(count, 1.0)) * tied.iter().filter(|d| **d > 0.0).count() as f64;
        ties += count * count * count - count;
        before += count;
    }
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    let distance = ((positive - n * (n + 1.0) / 4.0).abs() - 0.5).max(0.0);
    Some((2.0 * Normal::standard().cdf(-distance / variance.sqrt())).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 12] = [71.2, 70.1, 69.8, 74.5, 72.2, 68.9, 73.3, 70.7, 71.9, 72.8, 69.1, 75.0];
    const B: [f64; 12] = [70.2, 69.9, 70.3, 73.1, 71.0, 68.0, 72.5, 70.9, 70.4, 71.1, 68.8, 73.2];

    fn close(found: Option<f64>, expected: f64, what: &str) {
        let found = found.unwrap_or(f64::NAN);
        assert!(
            (found - expected).abs() < 5e-4 * expected.abs().max(1.0),
            "{what}: {found}, expected {expected}"
        );
    }

    #[test]
    fn tests_agree_with_scipy() {
        let unpaired = Difference::unpaired(&A, &B).unwrap();
        close(unpaired.p_mean, 0.268_159_6, "ttest_ind(equal_var=False)");
        close(unpaired.p_rank, 0.370_844_3, "mannwhitneyu(method='asymptotic')");
        close(rank_sum(&A, &B, superiority(&A, &B)), 0.370_844_3, "the same, for large samples");
        close(rank_sum(&[1.0, 2.0, 2.0, 3.0], &[2.0, 3.0, 4.0], 2.5), 0.266_379_9, "the same, with ties");
        let pairs: Vec<_> = A.into_iter().zip(B).collect();
        let paired = Difference::paired(&pairs).unwrap();
        close(paired.p_mean, 0.002_478_32, "ttest_rel");
        close(paired.p_rank, 0.010_787_45, "wilcoxon(correction=True, method='approx')");
        close(Some(paired.superiority), 10.0 / 12.0, "two of twelve are below");
    }

    #[test]
    fn a_sample_in_a_few_numbers() {
        let s = Sample::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(
            (s.count, s.mean, s.lower_quartile, s.median, s.upper_quartile),
            (4, 2.5, 1.75, 2.5, 3.25)
        );
        assert_eq!(Sample::of(&[]), None);
        assert_eq!(Difference::paired(&[]), None);
        assert_eq!(Difference::unpaired(&[1.0], &[1.0]).unwrap().p_mean, None, "one value has no spread");
    }
}
