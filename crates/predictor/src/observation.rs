//! One point of a learning curve, and what makes a list of them a curve.

use serde::{Deserialize, Serialize};

/// One point of a learning curve. Accuracies are in per cent (a fraction 0.71 is read as 0.71 %).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Epochs trained so far; the first point of a curve is at the evaluation interval E, not at 0.
    pub epoch: f64,
    /// Validation accuracy, in per cent.
    pub val_acc: f64,
    /// Training accuracy, in per cent, where the trainer reports it.
    pub train_acc: Option<f64>,
    /// Training loss, where the trainer reports it.
    pub train_loss: Option<f64>,
}

impl Observation {
    /// A point of which only the validation accuracy (per cent) is known.
    pub fn new(epoch: f64, val_acc: f64) -> Self {
        Self { epoch, val_acc, train_acc: None, train_loss: None }
    }

    /// Checks that the point can follow one at epoch `before` (0 for the first): its epoch lies above that, and every
    /// number is finite. `point` is its place in the curve, from 1, for the error.
    ///
    /// # Errors
    /// Names the number at fault.
    pub fn check(&self, point: usize, before: f64) -> Result<(), CurveError> {
        let numbers = [
            ("epoch", Some(self.epoch)),
            ("val_acc", Some(self.val_acc)),
            ("train_acc", self.train_acc),
            ("train_loss", self.train_loss),
        ];
        for (quantity, number) in numbers {
            if let Some(found) = number.filter(|n| !n.is_finite()) {
                return Err(CurveError::NotFinite { point, epoch: self.epoch, quantity, found });
            }
        }
        if self.epoch <= before {
            return Err(CurveError::Order { point, before, found: self.epoch });
        }
        Ok(())
    }
}

/// Why a list of observations is not a learning curve.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CurveError {
    /// A number that is NaN or infinite.
    #[error("point {point} of the curve (epoch {epoch}): {quantity} is {found}, expected a finite number")]
    NotFinite {
        /// Counted from 1.
        point: usize,
        /// The epoch of the point, which may be the number at fault.
        epoch: f64,
        /// The field of [`Observation`].
        quantity: &'static str,
        /// What was found there.
        found: f64,
    },
    /// Epochs that do not rise from point to point, or do not start above 0.
    #[error(
        "point {point} of the curve: epoch {found} does not follow epoch {before}; epochs must rise from above 0"
    )]
    Order {
        /// Counted from 1.
        point: usize,
        /// The epoch of the point before it, 0 for the first.
        before: f64,
        /// The epoch at fault.
        found: f64,
    },
    /// An ended job without any observation.
    #[error("job {job} ended without an observation: there is nothing to learn from it")]
    Empty {
        /// The job's id.
        job: i64,
    },
}

/// Checks that epochs rise from above 0 and that every number is finite.
pub(crate) fn check(curve: &[Observation]) -> Result<(), CurveError> {
    let mut before = 0.0;
    for (point, observation) in (1..).zip(curve) {
        observation.check(point, before)?;
        before = observation.epoch;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_refused_by_point_and_name() {
        let good = Observation::new(1.0, 50.0);
        let table: [(Vec<Observation>, &str, &str); 5] = [
            (vec![Observation::new(1.0, f64::NAN)], "val_acc is NaN", "NaN accuracy"),
            (vec![good, Observation::new(f64::INFINITY, 1.0)], "epoch is inf", "infinite epoch"),
            (vec![good, Observation::new(1.0, 1.0)], "epoch 1 does not follow epoch 1", "same epoch twice"),
            (vec![Observation::new(0.0, 1.0)], "point 1", "epoch 0 is before any training"),
            (
                vec![Observation { train_acc: Some(f64::NAN), ..good }],
                "train_acc is NaN",
                "NaN training accuracy",
            ),
        ];
        for (curve, expected, why) in table {
            let message = check(&curve).unwrap_err().to_string();
            assert!(message.contains(expected), "{why}: {message}");
        }
        assert_eq!(check(&[good, Observation::new(1.5, -3.0)]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
    }
}
