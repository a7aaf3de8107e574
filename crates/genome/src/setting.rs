use std::fmt::{Debug, Display};

use thiserror::Error;

/// A key of the spec with a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{key}` is {found}: expected {allowed}")]
pub struct SettingError {
    /// The key with its table, for example `space.kernels`.
    pub key: String,
    /// The value found.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
}

impl SettingError {
    /// An error about `key` with the value `found`.
    pub fn new(key: impl Into<String>, found: impl Display, allowed: impl Into<String>) -> Self {
        Self { key: key.into(), found: found.to_string(), allowed: allowed.into() }
    }

    /// Ok if `good`.
    ///
    /// # Errors
    /// The error about `key` otherwise.
    pub fn unless(good: bool, key: &str, found: &impl Debug, allowed: &str) -> Result<(), Self> {
        if good { Ok(()) } else { Err(Self::new(key, format_args!("{found:?}"), allowed)) }
    }
}
