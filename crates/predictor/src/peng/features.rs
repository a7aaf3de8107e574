//! What a curve looks like after m observations.

use crate::Observation;

use super::scale;

/// Most features a curve has.
pub(super) const MOST: usize = 6;
/// Features that need the validation accuracy alone.
pub(super) const PLAIN: usize = 3;

/// Features of a curve, on the scale u.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    /// u of the best validation accuracy so far: the level that the growth to the end is added to.
    pub level: f64,
    /// The `PLAIN` ones first; those of the training accuracy after them.
    pub values: [f64; MOST],
    /// Whether the curve has training accuracies at every point.
    pub trained: bool,
}

impl Features {
    /// From a curve of at least one point.
    pub(super) fn of(curve: &[Observation]) -> Self {
        let half = &curve[..(curve.len() / 2).max(1)];
        let best = |points: &[Observation]| points.iter().map(|o| o.val_acc).fold(f64::NEG_INFINITY, f64::max);
        let level = scale::to(best(curve));
        let growth = level - scale::to(best(half));
        let lag = level - scale::to(middle(&curve[curve.len().saturating_sub(3)..]));
        let mut values = [level, growth, lag, 0.0, 0.0, 0.0];
        let trained = curve.iter().all(|o| o.train_acc.is_some());
        if trained {
            let at = |o: &Observation| scale::to(o.train_acc.unwrap_or(0.0));
            let now = at(&curve[curve.len() - 1]);
            values[3] = now;
            values[4] = now - at(&half[half.len() - 1]);
            values[5] = curve.iter().map(at).sum::<f64>() / curve.len() as f64;
        }
        Self { level, values, trained }
    }
}

/// Median of the validation accuracies of one to three points.
fn middle(points: &[Observation]) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|o| o.val_acc).collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}
