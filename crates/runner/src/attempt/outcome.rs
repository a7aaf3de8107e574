//! How an attempt ends.

use std::fmt;

use domain::chain;
use search::LiveError;
use store::job::Outcome;

use crate::{TrainError, known_search::SearchError};

/// How an attempt ends, by who has to answer for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The job ends as was decided after an evaluation interval: completed or terminated.
    Decided(Outcome, i32),
    /// The job is set aside, as was decided after this evaluation interval.
    Frozen(i32),
    /// The job ends otherwise, with the error of a failure.
    Ended(Outcome, Option<String>),
    /// The worker leaves, or the database has lost what was recorded; the job goes on from its checkpoint.
    Released,
    /// An error that may be the job's doing: it is counted, and tried again.
    Crashed {
        /// In words.
        cause: String,
        /// Whether it came before the first interval of the attempt.
        early: bool,
    },
    /// This host's doing: nothing is counted against the job, and the worker steps aside.
    HostFault {
        /// In words.
        cause: String,
        /// Whether the process can no longer use its device.
        device_lost: bool,
    },
    /// The search is for workers of another kind or of a newer version: nothing is counted, and this worker claims no job of it
    /// any more.
    Unsupported(String),
    /// The checkpoint store takes nothing: nothing is counted against the job.
    StoreAway(String),
    /// Another attempt may own the job.
    LeaseLost,
    /// The lease could not be renewed in time; whether the job is still this worker's is not known.
    LeaseUncertain,
}

impl AttemptOutcome {
    /// What an error of the trainer amounts to. `leaving`: the worker leaves, so that a signal was for all of them.
    pub fn of(error: TrainError, early: bool, leaving: bool) -> Self {
        match error {
            TrainError::Diverged(_) => Self::Ended(Outcome::Diverged, None),
            TrainError::Job(cause) => Self::Ended(Outcome::Failed, Some(cause)),
            TrainError::Unsupported(cause) => Self::Unsupported(cause),
            TrainError::Host(cause) => Self::HostFault { cause, device_lost: false },
            TrainError::DeviceLost(cause) => Self::HostFault { cause, device_lost: true },
            TrainError::Signalled(_) if leaving => Self::Released,
            TrainError::Signalled(cause) | TrainError::Checkpoint(cause) | TrainError::Unknown(cause) => {
                Self::Crashed { cause, early }
            }
        }
    }

    /// What becomes of an attempt at a job of a search that is not understood.
    pub fn of_search(error: &SearchError) -> Self {
        let cause = chain(error);
        match error {
            // Another worker may be new enough for it.
            SearchError::Spec(_) => Self::Unsupported(cause),
            SearchError::Scheduler(LiveError::NoWarmStart(_)) => Self::Ended(Outcome::Failed, Some(cause)),
            SearchError::Scheduler(_) => Self::Crashed { cause, early: false },
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided(outcome, _) | Self::Ended(outcome, None) => f.write_str(outcome.as_str()),
            Self::Ended(outcome, Some(error)) => write!(f, "{}: {error}", outcome.as_str()),
            Self::Frozen(_) => f.write_str("the job is set aside"),
            Self::Released => f.write_str("the job is released"),
            Self::Crashed { cause, .. } | Self::StoreAway(cause) => {
                write!(f, "tried again later: {cause}")
            }
            Self::Unsupported(cause) => write!(f, "left to other workers: {cause}"),
            Self::HostFault { cause, .. } => write!(f, "left to other hosts: {cause}"),
            Self::LeaseLost => f.write_str("the lease was lost"),
            Self::LeaseUncertain => f.write_str("the lease could not be renewed"),
        }
    }
}
