//! What an engine says about a curve.

use serde::{Deserialize, Serialize};

/// Where the training is expected to end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Validation accuracy at the target epoch, in per cent; what the search ranks the network by.
    pub fitness: f64,
    /// Holds the true value in 80 of 100 cases, in per cent; none for engines without a distribution.
    pub interval_80: Option<(f64, f64)>,
    /// Holds the true value in 90 of 100 cases.
    pub interval_90: Option<(f64, f64)>,
    /// Probability (0 to 1) that the final fitness clears the bar of the search; orders promotions.
    pub chance: Option<f64>,
}

impl Prediction {
    /// A bare value without distribution.
    pub fn point(fitness: f64) -> Self {
        Self { fitness, interval_80: None, interval_90: None, chance: None }
    }
}

/// What the worker should do with the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Train on.
    Continue,
    /// Nothing worth its price would be learned by training on.
    Stop,
}

/// An engine's answer after one observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// None where the engine has no opinion yet.
    pub prediction: Option<Prediction>,
    /// Continue or stop.
    pub decision: Decision,
    /// Why, for the person who reads the job's log.
    pub reason: String,
}

impl Assessment {
    pub(crate) fn train_on(prediction: Option<Prediction>, reason: impl Into<String>) -> Self {
        Self { prediction, decision: Decision::Continue, reason: reason.into() }
    }

    pub(crate) fn stop(prediction: Prediction, reason: impl Into<String>) -> Self {
        Self { prediction: Some(prediction), decision: Decision::Stop, reason: reason.into() }
    }
}
