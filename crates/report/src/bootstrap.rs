//! Bootstrap intervals: how far a figure would move with other jobs of the same kind.

use std::thread;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A resample is at most this large. Above it the bootstrap is "m out of n" (Bickel, Götze and van Zwet, Statistica
/// Sinica 7, 1997): deviations of resamples of m jobs, times the root of m/n.
const LARGEST: usize = 1_000;

/// The seed: the same jobs give the same intervals.
const SEED: u64 = 0x7065_6e67;

/// How a set of intervals was made, for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bootstrap {
    /// Jobs.
    pub jobs: usize,
    /// Jobs in each resample.
    pub resample: usize,
    /// Resamples.
    pub resamples: usize,
}

impl Bootstrap {
    /// What fits the number of jobs.
    pub fn of(jobs: usize) -> Self {
        let resample = jobs.min(LARGEST);
        Self { jobs, resample, resamples: (400_000 / resample.max(1)).clamp(400, 2_000) }
    }

    /// In words.
    pub fn sentence(self) -> String {
        let Self { jobs, resample, resamples } = self;
        let how = if resample < jobs {
            format!("resamples of {resample} jobs, their deviations scaled to {jobs}")
        } else {
            format!("resamples of all {jobs} jobs")
        };
        format!("Intervals hold the middle 95 % of {resamples} {how}, drawn with replacement.")
    }

    /// The middle 95 % of each of `figures` over the resamples, on all cores. A figure that has no value on more than
    /// half of them has no interval. `figures` gets the numbers of the jobs that were drawn.
    pub fn intervals<const N: usize>(
        self,
        whole: [Option<f64>; N],
        figures: impl Fn(&[usize]) -> [Option<f64>; N] + Sync,
    ) -> [Option<(f64, f64)>; N] {
        if self.jobs < 3 {
            return [None; N];
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let values: Vec<[Option<f64>; N]> = thread::scope(|scope| {
            let work = |thread: usize| {
                let mut rng = ChaCha8Rng::seed_from_u64(SEED);
                let mut drawn = vec![0; self.resample];
                let mut values = Vec::new();
                for turn in 0..self.resamples {
                    rng.set_stream(turn as u64);
                    rng.set_word_pos(0);
                    if turn % threads == thread {
                        drawn.fill_with(|| rng.random_range(0..self.jobs));
                        values.push(figures(&drawn));
                    }
                }
                values
            };
            let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            let joined = handles
                .into_iter()
                .map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.flatten().collect()
        });
        std::array::from_fn(|at| self.middle(whole[at]?, values.iter().filter_map(|v| v[at]).collect()))
    }

    fn middle(self, whole: f64, mut values: Vec<f64>) -> Option<(f64, f64)> {
        if values.len() * 2 < self.resamples {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let scale = (self.resample as f64 / self.jobs as f64).sqrt();
        let (low, high) = (at(0.025), at(0.975));
        if scale < 1.0 {
            Some((whole + (low - whole) * scale, whole + (high - whole) * scale))
        } else {
            Some((low, high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval_of_mean(values: &[f64]) -> (f64, f64) {
        let mean =
            |drawn: &[usize]| [Some(drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64)];
        let all: Vec<usize> = (0..values.len()).collect();
        Bootstrap::of(values.len()).intervals(mean(&all), mean)[0].unwrap()
    }

    #[test]
    fn the_interval_of_a_mean_is_two_standard_errors_each_side() {
        for jobs in [100, 20_000] {
            let values: Vec<f64> = (0..jobs).map(|i| f64::from(i) / f64::from(jobs)).collect();
            let (low, high) = interval_of_mean(&values);
            let expected = 2.0 * 1.96 / 12f64.sqrt() / f64::from(jobs).sqrt();
            assert!(
                (high - low - expected).abs() < 0.15 * expected,
                "{jobs}: {low} to {high}, width {expected}"
            );
            assert!(low < 0.5 && 0.5 < high, "{low} to {high}");
        }
    }

    #[test]
    fn the_same_jobs_give_the_same_interval_and_few_give_none() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0];
        assert_eq!(interval_of_mean(&values), interval_of_mean(&values));
        assert_eq!(Bootstrap::of(2).intervals([Some(1.0)], |_| [Some(1.0)]), [None]);
        assert_eq!(Bootstrap::of(9).intervals([Some(1.0)], |_| [None]), [None], "no value in any resample");
    }
}
