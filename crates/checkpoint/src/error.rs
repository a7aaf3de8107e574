//! What may go wrong with a checkpoint, and which of it passes by itself.

use std::{
    error::Error as StdError,
    fmt, io,
    io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem},
    path::PathBuf,
};

/// What was to be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make it durable.
    Write,
    /// Bring it back.
    Read,
    /// Remove it.
    Delete,
    /// See what is there.
    List,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Delete => "delete",
            Self::List => "list",
        })
    }
}

/// Why a checkpoint was not written or not read. Shows no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The URL names no store.
    #[error("`{url}` is no checkpoint store: {reason}; expected file:///path or s3://bucket/prefix")]
    Url {
        /// As given, without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// There is no such object.
    #[error("cannot read checkpoint `{uri}`: it is not there")]
    Missing {
        /// Which.
        uri: String,
    },
    /// The store says no: waiting helps only if a person changes something.
    #[error("cannot {action} checkpoint `{uri}`: {reason}")]
    Refused {
        /// What was tried.
        action: Action,
        /// With what.
        uri: String,
        /// What the store says.
        reason: String,
    },
    /// The store cannot be reached, is overloaded, or full: it may go better later.
    #[error("cannot {action} checkpoint `{uri}` now: {reason}")]
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
    #[error("gave up to {action} checkpoint `{uri}`: the attempt is over")]
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

    /// Whether this one checkpoint is lost or lies in another store, so that the one before has to do.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Damaged { .. } | Self::Url { .. })
    }

    /// Sorts what the store's client says. `endpoint`: whom it asked, for people.
    pub(crate) fn of(action: Action, uri: &str, endpoint: Option<&str>, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let uri = uri.to_owned();
        let Some(endpoint) = endpoint else {
            return match (action, error) {
                (Action::Read, E::NotFound { .. }) => Self::Missing { uri },
                _ => local(action, uri, error),
            };
        };
        let answer = Answer::read(error);
        let reason = format!("{endpoint} says {}", answer.text);
        match error {
            E::NotFound { .. } if action == Action::Read && answer.code != Some("NoSuchBucket") => {
                Self::Missing { uri }
            }
            E::NotFound { .. } => {
                Self::Refused { action, uri, reason: format!("{reason}; does the bucket exist?") }
            }
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                let hint = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do";
                Self::Refused { action, uri, reason: format!("{reason}; {hint}") }
            }
            _ if answer.is_refusal() => Self::Refused { action, uri, reason },
            _ => Self::Away { action, uri, reason },
        }
    }
}

/// A directory: what a person has to mend, and what may pass.
fn local(action: Action, uri: String, error: &object_store::Error) -> CheckpointError {
    let cause = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    let reason = cause.map_or_else(|| error.to_string(), ToString::to_string);
    let refusal = [PermissionDenied, ReadOnlyFilesystem, NotADirectory, IsADirectory, NotFound];
    if cause.is_some_and(|cause| refusal.contains(&cause.kind())) {
        CheckpointError::Refused { action, uri, reason }
    } else {
        CheckpointError::Away { action, uri, reason }
    }
}

/// What an object store answered, in few words.
struct Answer<'a> {
    status: Option<u16>,
    code: Option<&'a str>,
    text: String,
}

impl Answer<'static> {
    const CODES: &[&str] = &["NoSuchBucket", "NoSuchKey"];

    /// S3 answers with a page of XML, of which code and message matter; a signature that does not match is answered
    /// with all that was signed. Without an answer the innermost cause says most.
    fn read(error: &object_store::Error) -> Self {
        let whole = error.to_string();
        let between = |from: &str, to: &str| {
            let rest = whole.split_once(from)?.1;
            Some(rest.split_once(to)?.0.trim())
        };
        let status =
            between("status code: ", " ").and_then(|number| number.trim_end_matches(':').parse().ok());
        let named = between("<Code>", "</Code>");
        let text = match (status, named, between("<Message>", "</Message>")) {
            (Some(status), Some(code), Some(message)) => {
                format!("{status} {code}: {}", message.trim_end_matches('.'))
            }
            (Some(status), Some(code), None) => format!("{status} {code}"),
            (Some(status), None, _) => format!("{status}"),
            (None, ..) => causes(error).last().map_or_else(|| whole.clone(), ToString::to_string),
        };
        let code = Self::CODES.iter().copied().find(|code| named == Some(code));
        Self { status, code, text }
    }

    /// Whether the same request would be answered in the same way again.
    fn is_refusal(&self) -> bool {
        self.status.is_some_and(|status| (300..500).contains(&status) && ![408, 425, 429].contains(&status))
    }
}

/// An error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
