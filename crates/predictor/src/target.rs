//! What is predicted.

use crate::SettingsError;

/// What is predicted: the accuracy after `epochs`, from points every `interval` epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The full budget of a job, `e_pred`, in epochs.
    pub epochs: f64,
    /// The evaluation interval E, in epochs.
    pub interval: f64,
}

impl Target {
    /// How many observations a full curve has.
    pub fn steps(self) -> u32 {
        self.step(self.epochs)
    }

    /// The number of the observation at an epoch, counted from 1.
    pub fn step(self, epoch: f64) -> u32 {
        (epoch / self.interval).round() as u32
    }

    pub(crate) fn check(self) -> Result<(), SettingsError> {
        if !(self.interval.is_finite() && self.interval > 0.0) {
            return Err(SettingsError::new("interval", self.interval, "a number of epochs above 0"));
        }
        if !(self.epochs >= self.interval && self.epochs / self.interval <= 1e6) {
            let allowed = "at least one interval and at most a million";
            return Err(SettingsError::new("max_epochs", self.epochs, allowed));
        }
        Ok(())
    }
}
