//! What is stated of a file of curves.

/// In what the accuracies of a file are. It is stated, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From 0 to 100.
    Percent,
    /// From 0 to 1.
    Fraction,
}

/// What the file does not say of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// Name of the search to be made.
    pub search: &'a str,
    /// In what the accuracies are.
    pub unit: Unit,
    /// Epochs of a full training; the last epoch of the file if left out. Points beyond are not stored.
    pub target: Option<f64>,
    /// Name for the engine that made the recorded predictions; `recorded` if left out, `none` without predictions.
    pub engine: Option<&'a str>,
}
