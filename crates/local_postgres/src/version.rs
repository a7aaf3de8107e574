//! Versions of Postgres.

use std::{path::Path, process::Command};

/// Oldest major version that peng works with.
pub const OLDEST: u32 = 15;

/// Major version of the programs in a directory: `postgres (PostgreSQL) 15.18 (Debian …)` gives 15.
pub(crate) fn major(dir: &Path) -> Option<u32> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.split(['.', 'd', 'r', 'b']).next()?.parse().ok())
}
