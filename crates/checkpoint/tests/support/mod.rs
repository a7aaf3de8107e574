//! A store in a directory of a test, and what a worker does with it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{fs, path::Path};

use checkpoint::CheckpointStore;
use domain::{Checkpoint, Fence, JobId, Lease, NewCheckpoint, SearchId};
use uuid::Uuid;

pub const DATABASE: Uuid = Uuid::from_u128(7);
pub const WORKER: Uuid = Uuid::from_u128(8);
pub const LEASE: Lease = Lease { job_id: JobId(2), fence: Fence(3), worker_id: WORKER };

/// The store in a directory.
pub fn open(dir: &Path) -> CheckpointStore {
    CheckpointStore::open(Some(&format!("file://{}", dir.display())), DATABASE, false).unwrap()
}

/// Puts a content as the checkpoint of step 4.
pub fn put(store: &CheckpointStore, scratch: &Path, content: &[u8]) -> NewCheckpoint {
    let file = scratch.join("new");
    fs::write(&file, content).unwrap();
    let new = store.put(SearchId(1), LEASE, 4, &file, &never).unwrap();
    assert!(!file.exists(), "the scratch file goes");
    new
}

/// The row of a checkpoint.
pub fn committed(new: &NewCheckpoint) -> Checkpoint {
    let NewCheckpoint { key, uri, bytes, sha256 } = new.clone();
    Checkpoint { step: 4, key: Some(key), uri, bytes, sha256 }
}

pub fn never() -> bool {
    false
}
