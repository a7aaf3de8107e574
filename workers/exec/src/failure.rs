//! How a program can fail its worker.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use runner::TrainError;

/// What went wrong between worker and program.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("cannot guard `{program}` against the worker's death: {source}")]
    Guard { program: String, source: io::Error },
    #[error("cannot use `{path}`: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("the program speaks protocol {found}; this worker speaks {}", crate::protocol::VERSION)]
    Version { found: u32 },
    #[error(
        "the program wrote no line of the protocol on stdout: `{line}` ({reason}); print to stderr instead"
    )]
    Garbage { line: String, reason: String },
    #[error("the program's first line was no hello: `{line}`")]
    NoHello { line: String },
    #[error("the program wrote `{line}` without waiting for the answer to its last observation")]
    OutOfTurn { line: String },
    #[error("the observation is out of order: it is of epoch {found}, expected epoch {expected}")]
    Order { found: f64, expected: f64 },
    #[error("the observation of epoch {epoch} has {key} = {found}, expected {expected}")]
    Value { epoch: f64, key: &'static str, found: f64, expected: &'static str },
    #[error("the observation of epoch {epoch} names checkpoint `{path}`, which cannot be read: {source}")]
    Checkpoint { epoch: f64, path: PathBuf, source: io::Error },
    #[error("hung: the program wrote no line for {} s", .0.as_secs_f64())]
    Hung(Duration),
    #[error("the program ended before its training did ({0})")]
    Exited(ExitStatus),
    #[error("the program closed its stdout and goes on running")]
    Silent,
    #[error("{message}")]
    Told { message: String, retry: bool },
    #[error("{0}")]
    Diverged(String),
}

impl Failure {
    /// Whether it may go better next time: a crash, a hang, a full disk; not a fault in the program's own words.
    fn is_retryable(&self) -> bool {
        match self {
            Self::Start { source, .. } => {
                !matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
            }
            Self::Told { retry, .. } => *retry,
            Self::Exited(status) => !status.success(),
            Self::Hung(_) | Self::File { .. } | Self::Guard { .. } => true,
            _ => false,
        }
    }

    /// For the runner, with the last lines of the program's stderr.
    pub fn with(self, last_lines: &[String]) -> TrainError {
        let mut text = self.to_string();
        if !last_lines.is_empty() && !matches!(self, Self::Diverged(_)) {
            text = format!("{text}; last lines of its stderr:\n{}", last_lines.join("\n"));
        }
        match self {
            Self::Diverged(_) => TrainError::Diverged(text),
            failure if failure.is_retryable() => TrainError::Unknown(text),
            _ => TrainError::Job(text),
        }
    }
}

/// The start of a line, for an error.
pub fn excerpt(line: &str) -> String {
    const LONGEST: usize = 160;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
