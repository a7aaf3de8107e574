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
    /// Of each prefix, from one point on: one pass over the curve for all of them.
    pub(super) fn of_prefixes(curve: &[Observation]) -> impl Iterator<Item = Self> {
        let mut seen = Seen::default();
        (1..=curve.len()).map(move |m| {
            seen.add(&curve[m - 1]);
            seen.features(&curve[..m])
        })
    }

    /// Growth from the level to the median of the last three accuracies, in u.
    pub(super) fn recent_growth(&self) -> f64 {
        self.values[1] - self.values[2]
    }
}

/// What the features need of all points so far, kept point by point: a curve is walked once, however many of its prefixes
/// are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Best validation accuracy, in per cent.
    pub best: f64,
    /// The best on the scale u.
    u: f64,
    /// Fading sum of u of the best after each point, the newest with the most weight.
    sum: f64,
    weights: f64,
    trained: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self { best: f64::NEG_INFINITY, u: 0.0, sum: 0.0, weights: 0.0, trained: true }
    }
}

impl Seen {
    /// All of a curve.
    pub(crate) fn of(curve: &[Observation]) -> Self {
        let mut seen = Self::default();
        for point in curve {
            seen.add(point);
        }
        seen
    }

    /// Takes in the next point.
    pub(crate) fn add(&mut self, point: &Observation) {
        if point.val_acc > self.best {
            self.best = point.val_acc;
            self.u = scale::to(self.best);
        }
        self.sum = FADING * self.sum + self.u;
        self.weights = FADING * self.weights + 1.0;
        self.trained &= point.train_acc.is_some();
    }

    /// The features of the curve, all of whose points have been added. Only the last five points and the one in the middle are
    /// looked at.
    pub(super) fn features(&self, curve: &[Observation]) -> Features {
        let level = self.sum / self.weights;
        let lag = self.u - scale::to(middle(&curve[curve.len().saturating_sub(3)..]));
        let mut values = [level, self.u - level, lag, slope(curve), 0.0, 0.0, 0.0];
        let half = (curve.len() / 2).max(1);
        if let (Some(now), Some(then)) = (curve[curve.len() - 1].train_acc, curve[half - 1].train_acc) {
            values[4] = scale::to(now);
            values[5] = values[4] - scale::to(then);
            values[6] = now / 20.0;
        }
        Features { level, values, trained: self.trained }
    }
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

    fn of(curve: &[Observation]) -> Features {
        Seen::of(curve).features(curve)
    }

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
            let features = of(&curve);
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
    fn the_features_of_prefixes_are_those_of_each_prefix_bit_for_bit() {
        let point = |i: usize| Observation {
            train_acc: (i != 11).then_some(40.0 + i as f64),
            ..Observation::new(i as f64 + 1.0, 50.0 + (i * i * 7 % 31) as f64 / 3.0)
        };
        let curve: Vec<_> = (0..20).map(point).collect();
        let prefixes: Vec<_> = Features::of_prefixes(&curve).collect();
        assert_eq!(prefixes.len(), 20);
        for (m, prefix) in (1..).zip(&prefixes) {
            let alone = of(&curve[..m]);
            assert_eq!(
                (prefix.level, prefix.values, prefix.trained),
                (alone.level, alone.values, alone.trained),
                "{m} points"
            );
        }
    }

    #[test]
    fn training_accuracy_counts_only_where_every_point_has_it() {
        let point = |epoch, train_acc| Observation { train_acc, ..Observation::new(epoch, 50.0) };
        assert!(of(&[point(1.0, Some(60.0)), point(2.0, Some(80.0))]).trained);
        assert!(!of(&[point(1.0, None), point(2.0, Some(80.0))]).trained);
    }
}
