//! Which numbers a snapshot may hold: those that an engine can have learned. Others are damage, and would only be noticed
//! in the middle of a decision.

/// A number of a snapshot that no engine can have learned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, expected {allowed}")]
pub struct Impossible {
    /// Where it stands.
    pub field: String,
    /// The number.
    pub found: String,
    /// What could stand there.
    pub allowed: &'static str,
}

/// No sum over curves comes near this; no product of a few such numbers overflows.
const LARGEST: f64 = 1e15;

/// Refuses what is not finite, or larger than any sum over curves.
pub(crate) fn number(field: &str, value: f64) -> Result<(), Impossible> {
    that(value.abs() <= LARGEST, field, value, "a number from -1e15 to 1e15")
}

/// Refuses what a count, a weight or a sum of squares cannot be.
pub(crate) fn sum(field: &str, value: f64) -> Result<(), Impossible> {
    that((0.0..=LARGEST).contains(&value), field, value, "a number from 0 to 1e15")
}

/// Refuses a number for which something else does not hold.
pub(crate) fn that(
    holds: bool,
    field: &str,
    found: impl ToString,
    allowed: &'static str,
) -> Result<(), Impossible> {
    let refused = || Impossible { field: field.to_owned(), found: found.to_string(), allowed };
    if holds { Ok(()) } else { Err(refused()) }
}

/// Checks what stands within a field.
pub(crate) fn within(
    field: impl std::fmt::Display,
    checked: Result<(), Impossible>,
) -> Result<(), Impossible> {
    checked.map_err(|wrong| Impossible { field: format!("{field}.{}", wrong.field), ..wrong })
}
