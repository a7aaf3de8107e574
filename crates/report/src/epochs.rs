//! Epochs trained and saved, and epochs of the decisions to stop.

use serde::Serialize;

use crate::basis::Basis;
use crate::cell::Cell;
use crate::table::Fact;

/// Epochs trained and saved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epochs {
    /// Jobs that were terminated or completed.
    pub jobs: i64,
    /// Of these, stopped by the predictor.
    pub terminated: i64,
    /// Of these, stopped by the predictor for good, or they would have been; with an engine that judges each job by its own
    /// curve also those with a decision to stop at the last epoch.
    pub converged: i64,
    /// Of these, stopped before the last epoch.
    pub stops: i64,
    /// Mean epoch at which it stopped them.
    pub mean_stop_epoch: Option<f64>,
    /// Median of it.
    pub median_stop_epoch: Option<f64>,
    /// Epochs trained.
    pub epochs_trained: f64,
    /// Of a search that observes: epochs of a terminating one, where they are known.
    pub epochs_if_terminating: Option<f64>,
    /// Epochs of training all to the end.
    pub epochs_full: f64,
    /// Seconds trained and validated, starts of attempts not included.
    pub seconds_trained: f64,
    /// The same of training all to the end: the seconds per epoch of each job, times its full budget.
    pub seconds_full: f64,
    /// Jobs whose seconds are known.
    pub timed: i64,
    /// Seconds that completed jobs trained after a decision to stop: measured, not estimated. None where such a decision is
    /// not final.
    pub seconds_after_stop: Option<f64>,
}

impl Epochs {
    /// Epochs saved, in per cent of training all to the end; none without jobs.
    pub fn saved_percent(&self) -> Option<f64> {
        (self.epochs_full > 0.0).then(|| 100.0 * (1.0 - self.epochs_trained / self.epochs_full))
    }

    /// What a terminating search would have saved, of one that observes.
    pub fn would_have_saved_percent(&self) -> Option<f64> {
        let epochs = self.epochs_if_terminating.filter(|_| self.epochs_full > 0.0)?;
        Some(100.0 * (1.0 - epochs / self.epochs_full))
    }

    /// Jobs that are stopped, in per cent.
    pub fn converged_percent(&self) -> Option<f64> {
        (self.jobs > 0).then(|| 100.0 * self.converged as f64 / self.jobs as f64)
    }

    pub(crate) fn facts(&self, basis: &Basis) -> Vec<Fact> {
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
        if let Some(saved) = self.would_have_saved_percent() {
            let label = match basis {
                Basis::Simulated(_) => "would have been saved by a terminating search (simulated)",
                _ => "would have been saved, had each decision been obeyed",
            };
            let value = Cell::Number(saved, 1);
            facts.push(Fact::new("would_have_saved_percent", label, value, "%", jobs));
        }
        if let Some(play) = basis.play() {
            let (restarts, resumed) = ("restarts in it: frozen jobs taken up", "jobs taken up again in it");
            facts.push(Fact::new("would_have_restarted", restarts, play.restarts.into(), "", jobs));
            facts.push(Fact::new("would_have_resumed", resumed, play.resumed.into(), "", jobs));
            let speed = Cell::Number(play.speed, 2);
            facts.push(Fact::new(
                "would_have_speed",
                "times as fast as training all to the end",
                speed,
                "×",
                jobs,
            ));
        }
        facts
    }
}

/// Decimals that epochs need at an interval: 0 for 1, 1 for 0.5.
pub(crate) fn decimals(interval: f64) -> usize {
    (0..3).find(|&d| (interval * 10f64.powi(d)).fract().abs() < 1e-9).unwrap_or(3) as usize
}
