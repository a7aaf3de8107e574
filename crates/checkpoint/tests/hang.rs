//! A file system that hangs, as NFS without its server does: opening a FIFO waits for a writer who never comes.
#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fs, path::Path, sync::mpsc, time::Duration};

use checkpoint::CheckpointError;
use domain::{Checkpoint, SearchId};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use support::{LEASE, committed, never, open, put};

/// Far above what giving up takes, far below what a store is waited for.
const SOON: Duration = Duration::from_secs(15);

fn make_fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// Whether a thread waits in `open` for the other end of a FIFO. Lets it go.
fn is_awaited(path: &Path) -> bool {
    rustix::fs::open(path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).is_ok()
}

/// Runs a request in a thread that then drops the store, and returns the error once both are done.
fn in_time(ask: impl FnOnce() -> CheckpointError + Send + 'static) -> CheckpointError {
    let (done, waited) = mpsc::channel();
    std::thread::spawn(move || done.send(ask()));
    waited.recv_timeout(SOON).expect("the request is given up, and dropping the store waits for nothing")
}

#[test]
fn a_store_that_hangs_keeps_no_worker_from_leaving() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let row = committed(&put(&store, dir.path(), b"weights"));
    let object = dir.path().join("store").join(row.key.as_ref().unwrap());
    fs::remove_file(&object).unwrap();
    make_fifo(&object);
    let back = dir.path().join("back");
    let error = in_time(move || {
        let error = store.fetch(&row, &back, &|| true).unwrap_err();
        drop(store);
        error
    });
    assert!(matches!(error, CheckpointError::Abandoned { .. }), "{error}");
    assert!(is_awaited(&object), "the thread hangs in it all the while");
}

#[test]
fn a_scratch_file_that_hangs_keeps_no_worker_from_leaving() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let file = dir.path().join("fifo");
    make_fifo(&file);
    let awaited = file.clone();
    let error = in_time(move || {
        let error = store.put(SearchId(1), LEASE, 4, &file, &|| true).unwrap_err();
        drop(store);
        error
    });
    assert!(matches!(error, CheckpointError::Abandoned { .. }), "{error}");
    assert!(is_awaited(&awaited), "the thread hangs in it all the while");
}

#[test]
fn what_is_given_up_appears_under_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let (store, file) = (open(&root), dir.path().join("fifo"));
    make_fifo(&file);
    let error = store.put(SearchId(1), LEASE, 4, &file, &|| true).unwrap_err();
    assert!(matches!(error, CheckpointError::Abandoned { .. }), "{error}");
    assert_eq!(fragments(&store), 1, "begun");
    assert!(is_awaited(&file));
    // The thread wakes, and learns that nobody waits for it.
    let start = std::time::Instant::now();
    while fragments(&store) > 0 {
        assert!(start.elapsed() < SOON, "what was begun is removed");
        std::thread::yield_now();
    }
    assert_eq!(store.list().unwrap(), []);
    let row = Checkpoint { step: 4, ..committed(&put(&store, dir.path(), b"weights")) };
    store.fetch(&row, &dir.path().join("back"), &never).unwrap();
}

fn fragments(store: &checkpoint::CheckpointStore) -> usize {
    store.list().unwrap().iter().filter(|object| object.fragment.is_some()).count()
}
