//! The scale on which accuracies are compared: u(y) = -ln(100.02 - y).
//!
//! Near the top, where half of the remaining error matters as much as a point does further down, differences in
//! u are relative differences of the error; at low accuracies u is almost linear. The 0.02 keeps 100 % finite.

const OFFSET: f64 = 0.02;

/// u(y) for an accuracy in per cent; above 100 counts as 100.
pub(super) fn to(accuracy: f64) -> f64 {
    -(100.0 - accuracy.min(100.0) + OFFSET).ln()
}

/// The accuracy of u, between 0 and 100.
pub(super) fn from(u: f64) -> f64 {
    (100.0 + OFFSET - (-u).exp()).clamp(0.0, 100.0)
}
