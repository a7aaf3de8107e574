//! One point of a learning curve as it comes in.

/// One point of a curve, checked by itself; accuracies in per cent.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Line in the file, from 1.
    pub line: u64,
    /// Name of the curve: what was trained. Empty where the file has none.
    pub arch: String,
    /// Epochs trained.
    pub epoch: f64,
    /// Validation accuracy.
    pub val_acc: f64,
    /// Training accuracy.
    pub train_acc: Option<f64>,
    /// Validation loss.
    pub val_loss: Option<f64>,
    /// Training loss.
    pub train_loss: Option<f64>,
    /// Seconds of the interval.
    pub seconds: Option<f64>,
    /// Seconds since the start of the training.
    pub total_seconds: Option<f64>,
    /// Recorded prediction; none where it was not finite.
    pub prediction: Option<f64>,
    /// Recorded decision.
    pub converged: Option<bool>,
}
