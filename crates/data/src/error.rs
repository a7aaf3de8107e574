use std::fmt::Display;
use std::path::PathBuf;

use domain::Owner;
use thiserror::Error;

/// Why there is no data.
#[derive(Debug, Error)]
pub enum DataError {
    /// A key of the `[data]` table has a value that it cannot have.
    #[error("`data.{key}` is {found}: expected {allowed}")]
    Setting {
        /// The key.
        key: &'static str,
        /// The value found.
        found: String,
        /// What may stand there.
        allowed: String,
    },
    /// A folder of images holds something else than the `[data]` table says: the table may be wrong, or the copy unfinished.
    #[error("the images here do not fit `data.{key}`, which is {found}: expected {allowed}")]
    Unfit {
        /// The key.
        key: &'static str,
        /// Its value, and what is there.
        found: String,
        /// What would fit.
        allowed: String,
    },
    /// A file of the set is in none of the places where it was sought.
    #[error("no `{file}` of data set {set} in {}; {remedy}", list(.sought))]
    Missing {
        /// The set's name.
        set: String,
        /// The file that was sought first.
        file: String,
        /// Folders in which it was sought.
        sought: Vec<PathBuf>,
        /// How to get it.
        remedy: String,
    },
    /// The operating system could not read a file that is there.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is too short or too long.
    #[error("`{}` is damaged: expected {expected} {unit}, found {found}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Size of the official file.
        expected: u64,
        /// Size of this one.
        found: u64,
        /// What was counted: `bytes`, or `bytes after decompression`.
        unit: &'static str,
    },
    /// A file has the right size, but not the content of the official one.
    #[error("`{}` is damaged: its {kind} is {found}, the official file's {expected}; copy it again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// `SHA-256` or `MD5`.
        kind: &'static str,
        /// Checksum of the official file.
        expected: &'static str,
        /// Checksum of this one.
        found: String,
    },
    /// An image that is whole, perhaps, but of no use here.
    #[error("cannot use `{}`: expected {expected}, found {found}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What would do.
        expected: &'static str,
        /// What it is, and what to do.
        found: String,
    },
    /// A file is not in its format.
    #[error("`{}` is damaged: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
}

impl DataError {
    /// Owner of the fault: the job for what its spec says; the host for what its files are, since another may have them whole.
    pub fn owner(&self) -> Owner {
        match self {
            Self::Setting { .. } => Owner::Job,
            Self::Unfit { .. }
            | Self::Missing { .. }
            | Self::Read { .. }
            | Self::Size { .. }
            | Self::Checksum { .. }
            | Self::Image { .. }
            | Self::Format { .. } => Owner::Host,
        }
    }

    pub(crate) fn setting(key: &'static str, found: impl Display, allowed: impl Into<String>) -> Self {
        Self::Setting { key, found: found.to_string(), allowed: allowed.into() }
    }

    /// A setting that was possible until the files were seen.
    pub(crate) fn of_files(self) -> Self {
        match self {
            Self::Setting { key, found, allowed } => Self::Unfit { key, found, allowed },
            other => other,
        }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Format { path: path.into(), reason: reason.into() }
    }
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|f| format!("`{}`", f.display())).collect::<Vec<_>>().join(" or ")
}
