//! When jobs were stopped.

use serde::Serialize;

/// Jobs that the predictor stopped for good at this epoch, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stops {
    /// The epoch.
    pub stop_epoch: f64,
    /// How many.
    pub jobs: i64,
}
