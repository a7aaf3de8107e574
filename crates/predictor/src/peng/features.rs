//! What a curve looks like after m observations.

use super::scale;
use crate::Observation;

/// Most features a curve has.
pub(super) const MOST: usize = 7;
/// The first of them need the validation accuracy alone.
pub(super) const PLAIN: usize = 4;

/// How much less each earlier best accuracy counts for the level than the one after it.
const FADING: f64 = 0.7;

/// Features of a curve, on the scale u.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    /// Fading mean of the best validation accuracy after each point: the level that the growth to the end is added
    /// to. One point alone says less of where a network stands than what it has shown all along.
    pub level: f64,
    /// Level, how far the best accuracy lies above it, how far the median of the last three lies below the best,
    /// slope of the last five; then training accuracy, its growth since half, and itself in units of 20 points.
    pub values: [f64; MOST],
    /// Whether the curve has a training accuracy at every point.
    pub trained: bool,
}

impl Features {
    /// From a curve of at least one point.
    pub(super) fn of(curve: &[Observation]) -> Self {
        let (level, best) = level(curve);
        let lag = best - scale::to(middle(&curve[curve.len().saturating_sub(3)..]));
        let mut values = [level, best - level, lag, slope(curve), 0.0, 0.0, 0.0];
        let trained = curve.iter().all(|o| o.train_acc.is_some());
        let half = (curve.len() / 2).max(1);
        if let (Some(now), Some(then)) = (curve[curve.len() - 1].train_acc, curve[half - 1].train_acc) {
            values[4] = scale::to(now);
            values[5] = values[4] - scale::to(then);
            values[6] = now / 20.0;
        }
        Self { level, values, trained }
    }

    /// Growth from the level to the median of the last three accuracies, in u.
    pub(super) fn recent_growth(&self) -> f64 {
        self.values[1] - self.values[2]
    }
}

/// Mean of u of the best validation accuracy after each point, the newest with the most weight; and u of the best of all.
fn level(curve: &[Observation]) -> (f64, f64) {
    let (mut sum, mut weights) = (0.0, 0.0);
    let (mut best, mut u) = (f64::NEG_INFINITY, 0.0);
    for o in curve {
        if o.val_acc > best {
            best = o.val_acc;
            u = scale::to(best);
        }
        sum = FADING * sum + u;
        weights = FADING * weights + 1.0;
    }
    (sum / weights, u)
}

/// The best validation accuracy.
pub(super) fn best(points: &[Observation]) -> f64 {
    points.iter().map(|o| o.val_acc).fold(f64::NEG_INFINITY, f64::max)
}

/// Median of the validation accuracies of one to three points.
fn middle(points: &[Observation]) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|o| o.val_acc).collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

/// Least-squares slope of the last five points, in tenths of u per point; 0 for one point.
fn slope(curve: &[Observation]) -> f64 {
    let recent = &curve[curve.len().saturating_sub(5)..];
    let middle = (recent.len() as f64 - 1.0) / 2.0;
    let (mut up, mut down) = (0.0, 0.0);
    for (i, o) in recent.iter().enumerate() {
        let t = i as f64 - middle;
        up += t * scale::to(o.val_acc);
        down += t * t;
    }
    if down > 0.0 { 10.0 * up / down } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_small_curves() {
        let u = scale::to;
        let risen = (0.7 * u(50.0) + u(75.0)) / 1.7;
        let table: [(&[f64], [f64; PLAIN], &str); 4] = [
            (&[50.0], [u(50.0), 0.0, 0.0, 0.0], "one point has only a level"),
            (
                &[50.0, 75.0],
                [risen, u(75.0) - risen, u(75.0) - u(62.5), 10.0 * (u(75.0) - u(50.0))],
                "the level follows a rise",
            ),
            (
                &[75.0, 50.0],
                [u(75.0), 0.0, u(75.0) - u(62.5), 10.0 * (u(50.0) - u(75.0))],
                "the level does not fall",
            ),
            (&[60.0, 60.0, 60.0, 60.0], [u(60.0), 0.0, 0.0, 0.0], "flat"),
        ];
        for (accuracies, expected, why) in table {
            let curve: Vec<_> =
                accuracies.iter().enumerate().map(|(i, &a)| Observation::new(i as f64 + 1.0, a)).collect();
            let features = Features::of(&curve);
            assert!(!features.trained, "{why}");
            for (found, expected) in features.values.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{why}: {:?}, expected {expected:?}",
                    features.values
                );
            }
        }
    }

    #[test]
    fn training_accuracy_counts_only_where_every_point_has_it() {
        let point = |epoch, train_acc| Observation { train_acc, ..Observation::new(epoch, 50.0) };
        assert!(Features::of(&[point(1.0, Some(60.0)), point(2.0, Some(80.0))]).trained);
        assert!(!Features::of(&[point(1.0, None), point(2.0, Some(80.0))]).trained);
    }
}
