//! Checkpoints: what they are called, and what a row says of one.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{Fence, JobId, Lease, SearchId};

/// Name of a checkpoint within its database's part of a store: `search/job/step-fence-worker.ckpt`. Two attempts never share
/// one, not even two of the same fence after a fail-over that lost commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointKey {
    /// The search.
    pub search_id: SearchId,
    /// The job.
    pub job_id: JobId,
    /// The evaluation interval after which it was taken.
    pub step: i32,
    /// The attempt that wrote it.
    pub fence: Fence,
    /// The worker that wrote it; `None` before version 0.2, whose names end with the fence.
    pub worker_id: Option<Uuid>,
}

impl CheckpointKey {
    /// The name under which an attempt writes the checkpoint of a step.
    pub fn new(search_id: SearchId, lease: Lease, step: i32) -> Self {
        let Lease { job_id, fence, worker_id } = lease;
        Self { search_id, job_id, step, fence, worker_id: Some(worker_id) }
    }
}

impl fmt::Display for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { search_id, job_id, step, fence, worker_id } = self;
        write!(f, "{search_id}/{job_id}/{step:06}-{fence}")?;
        if let Some(worker) = worker_id {
            write!(f, "-{worker}")?;
        }
        f.write_str(".ckpt")
    }
}

/// A text that names no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCheckpointKey;

impl fmt::Display for NoCheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected search/job/step-fence-worker.ckpt")
    }
}

impl std::error::Error for NoCheckpointKey {}

impl FromStr for CheckpointKey {
    type Err = NoCheckpointKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).filter(|key| key.to_string() == text).ok_or(NoCheckpointKey)
    }
}

fn parse(text: &str) -> Option<CheckpointKey> {
    let mut parts = text.split('/');
    let (search, job, file) = (parts.next()?, parts.next()?, parts.next()?);
    let (step, rest) = file.strip_suffix(".ckpt")?.split_once('-')?;
    let (fence, worker) = match rest.split_once('-') {
        None => (rest, None),
        Some((fence, worker)) => (fence, Some(worker.parse().ok()?)),
    };
    parts.next().is_none().then_some(())?;
    Some(CheckpointKey {
        search_id: search.parse().ok()?,
        job_id: job.parse().ok()?,
        step: step.parse().ok()?,
        fence: fence.parse().ok()?,
        worker_id: worker,
    })
}

/// A checkpoint that is durable and that no row points to yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckpoint {
    /// Its name within the store, `database/search/job/step-fence-worker.ckpt`: what is read.
    pub key: String,
    /// Its whole URL, as its writer reaches the store: for people, and for workers of version 0.1.
    pub uri: String,
    /// Its size.
    pub bytes: i64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// A checkpoint that a row points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The evaluation interval after which it was taken.
    pub step: i32,
    /// Its name within the store; version 0.1 wrote only the URL.
    pub key: Option<String>,
    /// Its whole URL, as its writer reached the store.
    pub uri: String,
    /// Its size.
    pub bytes: i64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// A marker in a checkpoint store, by which the workers of a database tell that they all reach the same one. The database
/// keeps it; the store holds an object named after its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreMarker {
    /// Random; names the store, whatever URL leads to it.
    pub id: Uuid,
    /// URL under which the worker that left the marker reached the store: for people.
    pub url: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_comes_back_from_its_text(ids: [i64; 3], step: i32, worker: Option<u128>) {
            let key = CheckpointKey {
                search_id: SearchId(ids[0]),
                job_id: JobId(ids[1]),
                step,
                fence: Fence(ids[2]),
                worker_id: worker.map(Uuid::from_u128),
            };
            let is_name = ids.iter().all(|id| *id >= 0) && step >= 0;
            let read = key.to_string().parse();
            prop_assert!(read == Ok(key) || !is_name, "{} became {:?}", key, read);
        }
    }

    #[test]
    fn only_what_was_named_as_a_checkpoint_is_one() {
        let worker = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
        for (text, is_one, why) in [
            (format!("1/2/000003-4-{worker}.ckpt"), true, "as written"),
            ("1/2/000003-4.ckpt".into(), true, "as version 0.1 wrote"),
            ("1/2/3-4.ckpt".into(), false, "not padded: somebody else's"),
            ("1/2/000003-4.ckpt/x".into(), false, "deeper"),
            ("1/2/000003-4".into(), false, "another ending"),
            ("1/2/000003.ckpt".into(), false, "no fence"),
            ("1/2/000003-4-x.ckpt".into(), false, "no worker"),
            ("notes/2/000003-4.ckpt".into(), false, "no search"),
            (".probe".into(), false, "a probe"),
        ] {
            let read = text.parse::<CheckpointKey>();
            assert_eq!(read.is_ok(), is_one, "{text}: {why}");
            if let Ok(key) = read {
                assert_eq!(key.to_string(), text);
            }
        }
    }
}
