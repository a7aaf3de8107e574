//! The time-limited right of a worker to a job.

use uuid::Uuid;

use crate::{Fence, JobId};

/// One attempt's right to one job. The fence alone would not do: after a fail-over that lost the last commits two workers may
/// have been given the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// Number of the attempt.
    pub fence: Fence,
    /// The worker process that holds it.
    pub worker_id: Uuid,
}
