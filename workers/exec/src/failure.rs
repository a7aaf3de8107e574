//! How a program can fail its worker.

use std::{io, os::unix::process::ExitStatusExt as _, path::PathBuf, process::ExitStatus, time::Duration};

use domain::{Owner, for_people};
use runner::TrainError;
use rustix::process::Signal;

use crate::checkpoint::UnpackError;

/// What went wrong between worker and program.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("cannot guard `{program}` against the worker's death: {source}")]
    Guard { program: String, source: io::Error },
    #[error("cannot use `{path}`: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("cannot resume from checkpoint `{path}`: {source}")]
    Resume { path: PathBuf, source: UnpackError },
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
    #[error("the checkpoint of epoch {epoch} cannot be read: `{path}`: {source}")]
    Checkpoint { epoch: f64, path: PathBuf, source: io::Error },
    #[error("hung: the program wrote no line for {} s", .0.as_secs_f64())]
    Hung(Duration),
    #[error("the program ended before its training did ({0})")]
    Exited(ExitStatus),
    #[error("the program could not be started, or a command in it ({0}: not found, or not executable)")]
    NoCommand(ExitStatus),
    #[error("the program was asked to leave from outside, or ended while its worker was leaving ({0})")]
    Signalled(ExitStatus),
    #[error("the program closed its stdout and goes on running")]
    Silent,
    #[error("{message}")]
    Told { message: String, owner: Owner },
    #[error("{0}")]
    Diverged(String),
}

impl Failure {
    /// The end of a program with what else is known: whether it had said hello, and whether its worker is leaving.
    pub fn in_light_of(self, greeted: bool, leaving: bool) -> Self {
        match self {
            // Of a group that is told to leave, one hears the signal, another its child's death, a third leaves with 0.
            Self::Exited(status) if leaving || asks_to_leave(status) => Self::Signalled(status),
            Self::Exited(status) if !greeted && matches!(status.code(), Some(126 | 127)) => {
                Self::NoCommand(status)
            }
            other => other,
        }
    }

    /// Owner of the fault, for all but [`Self::Diverged`], [`Self::Signalled`] and a damaged checkpoint.
    fn owner(&self) -> Owner {
        match self {
            Self::Start { .. }
            | Self::Guard { .. }
            | Self::File { .. }
            | Self::Resume { .. }
            | Self::NoCommand(_) => Owner::Host,
            Self::Checkpoint { source, .. } if !is_named_wrongly(source) => Owner::Host,
            Self::Told { owner, .. } => *owner,
            Self::Exited(status) if !status.success() => Owner::Unknown,
            Self::Hung(_) | Self::Signalled(_) => Owner::Unknown,
            Self::Version { .. }
            | Self::Garbage { .. }
            | Self::NoHello { .. }
            | Self::OutOfTurn { .. }
            | Self::Order { .. }
            | Self::Value { .. }
            | Self::Checkpoint { .. }
            | Self::Exited(_)
            | Self::Silent
            | Self::Diverged(_) => Owner::Job,
        }
    }

    /// For the runner, with the last lines of the program's stderr.
    pub fn with(self, last_lines: &[String]) -> TrainError {
        let mut text = self.to_string();
        if !last_lines.is_empty() && !matches!(self, Self::Diverged(_)) {
            text = format!("{text}; last lines of its stderr:\n{}", last_lines.join("\n"));
        }
        let text = for_people(&text);
        match (&self, self.owner()) {
            (Self::Diverged(_), _) => TrainError::Diverged(text),
            (Self::Signalled(_), _) => TrainError::Signalled(text),
            (Self::Resume { source: UnpackError::Archive(_), .. }, _) => TrainError::Checkpoint(text),
            (_, Owner::Job) => TrainError::Job(text),
            (_, Owner::Host) => TrainError::Host(text),
            (_, Owner::Unknown) => TrainError::Unknown(text),
        }
    }
}

/// Whether a program was ended by a signal that asks to leave; a shell tells of it by an exit code.
fn asks_to_leave(status: ExitStatus) -> bool {
    let number = status.signal().or_else(|| status.code().map(|code| code - 128));
    number.is_some_and(|number| {
        [Signal::HUP, Signal::INT, Signal::TERM].iter().any(|signal| signal.as_raw() == number)
    })
}

/// Whether there is nothing to read under the name: the program's doing, unlike a disk that fails or a lack of handles.
fn is_named_wrongly(error: &io::Error) -> bool {
    // A file of no kind that can be stored has no error of the system.
    error.raw_os_error().is_none()
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
        )
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// The start of a line, for an error.
pub fn excerpt(line: &str) -> String {
    const LONGEST: usize = 160;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
