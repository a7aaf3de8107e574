//! What is wrong with a file of curves.

use std::{
    io,
    path::{Path, PathBuf},
};

/// One bad row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1; the header is line 1.
    pub line: u64,
    /// What was found and what is expected.
    pub message: String,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A column that must be there is not.
    #[error("`{path}`: no column `{column}`; found {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The columns that are there.
        found: String,
    },
    /// One JSON value for all.
    #[error("`{path}` is a JSON array: expected one object a line, as `jq -c '.[]'` writes them")]
    Array {
        /// The file.
        path: PathBuf,
    },
    /// Bad rows. Nothing was stored.
    #[error("`{path}` cannot be used{}", listed(faults, *more))]
    Faults {
        /// The file.
        path: PathBuf,
        /// The first twenty.
        faults: Vec<Fault>,
        /// How many more there are.
        more: usize,
    },
    /// No search can have the name.
    #[error("the name of a search is {found:?}: expected {}", domain::NAMES)]
    Name {
        /// What was given.
        found: String,
    },
    /// No curve of the file can be trained for so long, or for so short.
    #[error(
        "the target is {found} epochs: expected {interval} or more, the interval of `{path}`, and at most a million intervals"
    )]
    Target {
        /// The file.
        path: PathBuf,
        /// What was given.
        found: f64,
        /// The interval.
        interval: f64,
    },
    /// Another search has the name.
    #[error("there is a search `{search}` already, with other content: choose another name")]
    NameTaken {
        /// The name.
        search: String,
    },
    /// The database refused; nothing was stored.
    #[error("cannot store the curves")]
    Query(#[from] diesel::result::Error),
}

/// Faults named one by one; the rest is counted.
const NAMED: usize = 20;

/// The bad rows of one file.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, line: u64, message: impl Into<String>) {
        self.0.push(Fault { line, message: message.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn check(mut self, path: &Path) -> Result<(), ImportError> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort_by_key(|fault| fault.line);
        let more = self.0.len().saturating_sub(NAMED);
        self.0.truncate(NAMED);
        Err(ImportError::Faults { path: path.to_owned(), faults: self.0, more })
    }
}

fn listed(faults: &[Fault], more: usize) -> String {
    let named = faults.iter().map(|fault| format!("\n  line {}: {}", fault.line, fault.message));
    let rest = (more > 0).then(|| format!("\n  and {more} more"));
    named.chain(rest).collect()
}
