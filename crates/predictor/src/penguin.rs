//! Engines `penguin-v1`, `penguin-v2`, `penguin-v4`: a curve is known when three successive extrapolations agree.
//!
//! PEng4NN (Keller Rorabaugh et al., arXiv 2101.04185; IEEE TPDS 33(11), 2022) and A4NN (ICPP 2023) fit
//! F(x) = a - b^(c - x) after every observation and stop when the last `window` (N = 3) predictions of the final
//! accuracy lie within `threshold` (t = 0.5 points) of their median. Three settings of the original program
//! exist; [`Version`] tells how they differ. The rule is the original's exactly: fed with recorded predictions it
//! gives the recorded flags. The fit is not: SciPy's solver, from fixed start values, now and then fails or stays
//! at a poor local minimum, [`crate::saturation::fit`] finds the least sum of squares. The stop
//! epoch then is the same for 89 to 92 % of the recorded A4NN networks and for 92 to 100 % elsewhere, and a lower
//! sum of squares does not mean a better prediction.
//!
//! NaN accuracies are refused before the fit, and a window shorter than N never agrees (both were faults of the
//! original). Minimum evidence: 2 points for the first prediction (4 with v4), N more or fewer for a stop.
//! Warm-up: none.

use crate::saturation::{self, Bounds, Fit};
use crate::{Assessment, Observation, Prediction, Settings, Target};

/// Which of the original's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 2021-06: tests the asymptote a <= 102.5, on x = 1, 2, 3, …
    V1,
    /// 2022-02, the public main branch: tests F(T), a <= 200, on x = 1, 2, 3, …; an a at its upper bound empties
    /// the window.
    V2,
    /// 2025, A4NN: tests F(T), a <= 200, on x = 0, 1, 2, … from four points; predicts at x = T although the last
    /// trained x is T - 1; a prediction outside of 0 to 100 blocks the stop while it is in the window.
    V4,
}

/// When a window of predictions counts as agreed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Whose rule.
    pub version: Version,
    /// N.
    pub window: usize,
    /// t, in points.
    pub threshold: f64,
}

impl Rule {
    /// Whether the last N of these predictions agree; with fewer, or one that is NaN, they do not. An entry may
    /// be infinite (a failed fit of v4).
    pub fn agrees(&self, predictions: &[f64]) -> bool {
        let Some(window) = predictions.len().checked_sub(self.window).map(|from| &predictions[from..]) else {
            return false;
        };
        let last = window[self.window - 1];
        let in_range = match self.version {
            Version::V1 | Version::V2 => last > 0.0 && last <= 100.0,
            Version::V4 => window.iter().all(|p| (0.0..=100.0).contains(p)),
        };
        let middle = median(window);
        in_range && window.iter().all(|p| (p - middle).abs() <= self.threshold)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Penguin {
    rule: Rule,
    target: Target,
}

impl Penguin {
    pub(crate) fn new(version: Version, settings: &Settings, target: Target) -> Self {
        Self { rule: Rule { version, window: settings.window, threshold: settings.threshold }, target }
    }

    /// Prediction from one prefix of a curve; none where the original appends nothing to its window.
    fn predict(self, prefix: &[Observation]) -> Option<f64> {
        let (least, shift, highest) = match self.rule.version {
            Version::V1 => (2, 0.0, 102.5),
            Version::V2 => (2, 0.0, 200.0),
            Version::V4 => (4, 1.0, 200.0),
        };
        if prefix.len() < least {
            return None;
        }
        let xs: Vec<f64> = prefix.iter().map(|o| (o.epoch / self.target.interval - shift).max(0.0)).collect();
        let ys: Vec<f64> = prefix.iter().map(|o| o.val_acc).collect();
        let fit = saturation::fit(&xs, &ys, Bounds { lowest: 0.5, highest }).ok()?;
        self.quantity(&fit)
    }

    fn quantity(self, fit: &Fit) -> Option<f64> {
        match self.rule.version {
            Version::V1 => Some(fit.asymptote),
            Version::V2 if fit.asymptote >= 199.99 => None,
            Version::V2 | Version::V4 => Some(fit.at(self.target.epochs / self.target.interval)),
        }
    }

    /// Predictions of the last N prefixes, oldest first. Our fit never fails, so that these are the window: a
    /// gap can only be the start of the curve or, in v2, an asymptote at its bound, which empties the window.
    fn window(self, curve: &[Observation]) -> Vec<f64> {
        let from = curve.len().saturating_sub(self.rule.window) + 1;
        let predictions: Vec<_> = (from..=curve.len()).map(|m| self.predict(&curve[..m])).collect();
        let after_gap = predictions.iter().rposition(Option::is_none).map_or(0, |gap| gap + 1);
        predictions[after_gap..].iter().flatten().copied().collect()
    }

    pub(crate) fn assess(self, curve: &[Observation]) -> Assessment {
        let last = curve[curve.len() - 1];
        let window = self.window(curve);
        let at_end = self.target.step(last.epoch) >= self.target.steps();
        let tested = !(at_end && self.rule.version != Version::V4);
        if tested && self.rule.agrees(&window) {
            let fitness = window[window.len() - 1];
            let reason = format!(
                "final {fitness:.2}: the last {} predictions lie within {} of their median",
                self.rule.window, self.rule.threshold
            );
            return Assessment::stop(Prediction::point(fitness), reason);
        }
        if at_end {
            let best = curve.iter().map(|o| o.val_acc).fold(f64::NEG_INFINITY, f64::max);
            let fitness = if self.rule.version == Version::V1 { best } else { last.val_acc };
            return Assessment::train_on(
                Some(Prediction::point(fitness)),
                "trained to the end without agreement",
            );
        }
        let Some(&newest) = window.last() else {
            return Assessment::train_on(None, format!("no prediction from {} points", curve.len()));
        };
        let reason = format!("final {newest:.2}: {} predictions, not yet in agreement", window.len());
        Assessment::train_on(Some(Prediction::point(newest)), reason)
    }
}
