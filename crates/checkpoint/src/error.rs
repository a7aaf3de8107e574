//! What may go wrong with a checkpoint, and which of it passes by itself.

use std::{
    fmt, io,
    io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem},
    path::PathBuf,
};

use crate::answer::{Answer, causes};

/// What was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Find the store.
    Open,
    /// Make a checkpoint durable.
    Write,
    /// Bring a checkpoint back.
    Read,
    /// Remove a checkpoint.
    Delete,
    /// See which checkpoints are there.
    List,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open checkpoint store",
            Self::Write => "write checkpoint",
            Self::Read => "read checkpoint",
            Self::Delete => "delete checkpoint",
            Self::List => "list checkpoint store",
        })
    }
}

/// Why a request failed, before it is said what was asked of which store.
#[derive(Debug)]
pub enum Failure {
    /// The store's client says so.
    Store(object_store::Error),
    /// The directory of the store does.
    Directory(io::Error),
    /// The caller's local file does.
    File { path: PathBuf, source: io::Error },
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Why a checkpoint was not written or not read. Shows no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// No URL is given, and other hosts may use the database.
    #[error(
        "no checkpoint store is named: the database is not this host's private one, and workers on other hosts could not \
         see what lies in a local directory; set PENG_CHECKPOINTS to a store that all of them reach, such as \
         file:///shared/path or s3://bucket/prefix"
    )]
    Unset,
    /// The URL names no store.
    #[error("`{url}` is no checkpoint store: {reason}; expected file:///path or s3://bucket/prefix")]
    Url {
        /// As given, without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The store lacks the marker that the workers of the database know theirs by.
    #[error(
        "the checkpoint store {url} is not the one that this database's workers use: `{marker}` is not in it (theirs was \
         first used as {first_url}); all workers of a database must reach the same store: set PENG_CHECKPOINTS"
    )]
    Foreign {
        /// This worker's store.
        url: String,
        /// Key of the marker.
        marker: String,
        /// URL of the right store, as the worker that left the marker reached it.
        first_url: String,
    },
    /// A row says nothing that could be the name of a checkpoint.
    #[error(
        "`{text}` names no checkpoint: expected the key or the URL of search/job/step-fence-worker.ckpt; something \
         other than peng has written it"
    )]
    Name {
        /// What the row says.
        text: String,
    },
    /// There is no such object.
    #[error("cannot read checkpoint `{uri}`: it is not there")]
    Missing {
        /// Which.
        uri: String,
    },
    /// The store says no: waiting helps only if a person changes something.
    #[error("cannot {action} `{uri}`: {reason}")]
    Refused {
        /// What was tried.
        action: Action,
        /// With what.
        uri: String,
        /// What the store says.
        reason: String,
    },
    /// The store cannot be reached, is overloaded, or full: it may go better later.
    #[error("cannot {action} `{uri}` now: {reason}")]
    Away {
        /// What was tried.
        action: Action,
        /// With what.
        uri: String,
        /// What was found instead.
        reason: String,
    },
    /// A local file could not be read or written.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was read is not what was written.
    #[error("checkpoint `{uri}` is damaged: expected {expected}, found {found}")]
    Damaged {
        /// Which.
        uri: String,
        /// Size and checksum that were recorded.
        expected: String,
        /// Those found.
        found: String,
    },
    /// Nobody waits for it any more.
    #[error("gave up to {action} `{uri}`: the attempt is over")]
    Abandoned {
        /// What was tried.
        action: Action,
        /// With what.
        uri: String,
    },
}

impl CheckpointError {
    /// Whether the same may succeed later without anybody changing a setting.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Whether this one checkpoint is lost, so that the one before has to do.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Damaged { .. })
    }

    /// Sorts failures. `endpoint`: whom an object store's client asked, for people; `None` for a directory.
    pub(crate) fn of(action: Action, uri: String, endpoint: Option<&str>, failure: Failure) -> Self {
        match (failure, endpoint) {
            (Failure::File { path, source }, _) => Self::Io { path, source },
            (Failure::Directory(error), _) => in_directory(action, uri, Some(&error), error.to_string()),
            (Failure::Store(object_store::Error::NotFound { .. }), None) if action == Action::Read => {
                Self::Missing { uri }
            }
            (Failure::Store(error), None) => {
                let cause = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
                in_directory(action, uri, cause, cause.map_or_else(|| error.to_string(), ToString::to_string))
            }
            (Failure::Store(error), Some(endpoint)) => in_object_store(action, uri, endpoint, &error),
        }
    }
}

/// A directory: what a person has to mend, and what may pass.
fn in_directory(action: Action, uri: String, cause: Option<&io::Error>, reason: String) -> CheckpointError {
    let refusal = [PermissionDenied, ReadOnlyFilesystem, NotADirectory, IsADirectory, NotFound];
    if cause.is_some_and(|cause| refusal.contains(&cause.kind())) {
        CheckpointError::Refused { action, uri, reason }
    } else {
        CheckpointError::Away { action, uri, reason }
    }
}

fn in_object_store(
    action: Action,
    uri: String,
    endpoint: &str,
    error: &object_store::Error,
) -> CheckpointError {
    use object_store::Error as E;
    let answer = Answer::read(error);
    let reason = format!("{endpoint} says {}", answer.text);
    match error {
        E::NotFound { .. } if action == Action::Read && answer.code != Some("NoSuchBucket") => {
            CheckpointError::Missing { uri }
        }
        E::NotFound { .. } => {
            CheckpointError::Refused { action, uri, reason: format!("{reason}; does the bucket exist?") }
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            let hint = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do";
            CheckpointError::Refused { action, uri, reason: format!("{reason}; {hint}") }
        }
        _ if answer.is_refusal() => CheckpointError::Refused { action, uri, reason },
        _ => CheckpointError::Away { action, uri, reason },
    }
}
