//! Epochs trained and saved, and epochs of the decisions to stop.

use serde::Serialize;

use crate::cell::Cell;
use crate::table::Fact;

/// Epochs trained and saved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epochs {
    /// Jobs that were terminated or completed.
    pub jobs: i64,
    /// Of these, stopped by the predictor.
    pub terminated: i64,
    /// Of these, with a decision to stop, obeyed or not, the last epoch included.
    pub converged: i64,
    /// Of these, with a decision to stop before the last epoch.
    pub stops: i64,
    /// Mean epoch of the first decision to stop.
    pub mean_stop_epoch: Option<f64>,
    /// Median of it.
    pub median_stop_epoch: Option<f64>,
    /// Epochs trained.
    pub epochs_trained: f64,
    /// Epochs had each decision been obeyed.
    pub epochs_if_obeyed: f64,
    /// Epochs of training all to the end.
    pub epochs_full: f64,
    /// Seconds trained and validated.
    pub seconds_trained: f64,
    /// Seconds that completed jobs trained after a decision to stop: measured, not estimated.
    pub seconds_after_stop: f64,
}

/// Jobs whose first decision to stop came at this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stops {
    /// The epoch.
    pub stop_epoch: f64,
    /// How many.
    pub jobs: i64,
}

impl Epochs {
    /// Epochs saved, in per cent of training all to the end; none without jobs.
    pub fn saved_percent(&self) -> Option<f64> {
        (self.epochs_full > 0.0).then(|| 100.0 * (1.0 - self.epochs_trained / self.epochs_full))
    }

    /// What obeying each decision would have saved.
    pub fn would_have_saved_percent(&self) -> Option<f64> {
        (self.epochs_full > 0.0).then(|| 100.0 * (1.0 - self.epochs_if_obeyed / self.epochs_full))
    }

    /// Jobs with a decision to stop, in per cent.
    pub fn converged_percent(&self) -> Option<f64> {
        (self.jobs > 0).then(|| 100.0 * self.converged as f64 / self.jobs as f64)
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        let epochs = |value: f64| Cell::Number(value, usize::from(value.fract() != 0.0));
        let jobs = self.jobs;
        let mut facts = vec![
            Fact::new("epochs_trained", "epochs trained", epochs(self.epochs_trained), "", jobs),
            Fact::new("epochs_full", "epochs of training all to the end", epochs(self.epochs_full), "", jobs),
            Fact::new(
                "epochs_saved_percent",
                "epochs saved",
                Cell::number(self.saved_percent(), 1),
                "%",
                jobs,
            ),
        ];
        if (self.epochs_if_obeyed - self.epochs_trained).abs() > 1e-9 {
            let value = Cell::number(self.would_have_saved_percent(), 1);
            let label = "would have been saved, had each decision been obeyed";
            facts.push(Fact::new("would_have_saved_percent", label, value, "%", jobs));
        }
        facts
    }
}

/// Decimals that epochs need at an interval: 0 for 1, 1 for 0.5.
pub(crate) fn decimals(interval: f64) -> usize {
    (0..3).find(|&d| (interval * 10f64.powi(d)).fract().abs() < 1e-9).unwrap_or(3) as usize
}
