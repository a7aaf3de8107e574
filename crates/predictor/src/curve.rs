//! A curve that grows.

use crate::Observation;
use crate::observation::CurveError;
use crate::peng::Seen;

/// A learning curve that is judged while it grows. Each point is checked when it is added, and what an engine needs of all
/// points is kept beside them: with [`Engine::assess_grown`](crate::Engine::assess_grown) the next decision costs the same
/// whether there are ten points or a million.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    points: Vec<Observation>,
    seen: Seen,
}

impl Curve {
    /// Adds the next point.
    ///
    /// # Errors
    /// A number that is not finite, or an epoch that does not follow the last; the curve is then unchanged.
    pub fn push(&mut self, point: Observation) -> Result<(), CurveError> {
        let before = self.points.last().map_or(0.0, |last| last.epoch);
        point.check(self.points.len() + 1, before)?;
        self.points.push(point);
        self.seen.add(&point);
        Ok(())
    }

    /// All points, in the order of their epochs.
    pub fn points(&self) -> &[Observation] {
        &self.points
    }

    /// What is kept of all points.
    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, End, Ended, Engine, EngineName, Settings, Target};

    const TARGET: Target = Target { epochs: 40.0, interval: 1.0 };

    fn point(job: usize, i: usize) -> Observation {
        let rise = 1.0 - (-0.1 * i as f64).exp();
        let val_acc = 20.0 + (60.0 + job as f64) * rise + (i * 7 % 5) as f64 / 10.0;
        Observation {
            train_acc: Some(val_acc + 1.0),
            train_loss: Some(1.0 - rise),
            ..Observation::new(i as f64, val_acc)
        }
    }

    fn engine(name: EngineName) -> (Engine, Calibration) {
        let settings = Settings { engine: name, startup: Some(4), ..Settings::default() };
        let engine = Engine::new(&settings, TARGET).unwrap();
        let mut calibration = Calibration::default();
        for job in 0..8 {
            let curve: Vec<_> = (1..=40).map(|i| point(job, i)).collect();
            let ended = Ended { job: job as i64, curve: &curve, end: End::Completed, cost: None };
            engine.learn(&mut calibration, &ended).unwrap();
        }
        (engine, calibration)
    }

    #[test]
    fn a_grown_curve_is_judged_as_the_same_curve_given_whole() {
        for name in EngineName::ALL {
            let (engine, mut calibration) = engine(name);
            let mut curve = Curve::default();
            for i in 1..=40 {
                curve.push(point(3, i)).unwrap();
                let whole = engine.assess(curve.points(), &calibration).unwrap();
                assert_eq!(engine.assess_grown(&curve, None, &calibration), whole, "{name}, {i} points");
            }
            let mut same = calibration.clone();
            let ended = Ended { job: 9, curve: curve.points(), end: End::Completed, cost: None };
            engine.learn(&mut same, &ended).unwrap();
            engine.complete(&mut calibration, 9, &curve).unwrap();
            assert_eq!(calibration, same, "{name}");
        }
    }

    /// What is never read cannot make a decision dearer: all points but the newest and the one in the middle, whose training
    /// accuracy counts, are spoiled after they were added.
    #[test]
    fn peng_reads_no_point_again() {
        let (engine, calibration) = engine(EngineName::Peng);
        let mut curve = Curve::default();
        (1..=30).for_each(|i| curve.push(point(3, i)).unwrap());
        let expected = engine.assess_grown(&curve, None, &calibration);
        for (i, point) in curve.points.iter_mut().enumerate().filter(|(i, _)| *i < 25) {
            let train_acc = point.train_acc.filter(|_| i == 14);
            *point = Observation { epoch: f64::NAN, val_acc: f64::NAN, train_acc, train_loss: None };
        }
        assert_eq!(engine.assess_grown(&curve, None, &calibration), expected);
        assert!(engine.assess(curve.points(), &calibration).is_err(), "given whole, it is read whole");
    }

    #[test]
    fn a_point_that_cannot_follow_changes_nothing() {
        let mut curve = Curve::default();
        curve.push(Observation::new(1.0, 50.0)).unwrap();
        for wrong in [Observation::new(1.0, 51.0), Observation::new(2.0, f64::NAN)] {
            assert!(curve.push(wrong).unwrap_err().to_string().starts_with("point 2 of the curve"));
        }
        assert_eq!(curve.points(), [Observation::new(1.0, 50.0)]);
        let engine = Engine::new(&Settings::default(), TARGET).unwrap();
        let mut calibration = Calibration::default();
        assert_eq!(
            engine.complete(&mut calibration, 1, &Curve::default()),
            Err(CurveError::Empty { job: 1 })
        );
        assert_eq!(calibration, Calibration::default());
    }
}
