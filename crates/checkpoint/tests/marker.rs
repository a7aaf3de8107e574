//! Workers of one database that reach different stores are told apart when they start.
#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fs, os::unix::fs::symlink};

use checkpoint::{CheckpointError, CheckpointStore};
use domain::StoreMarker;
use support::{DATABASE, never, open};
use uuid::Uuid;

/// Starts a worker: the database keeps the first marker that it is offered.
fn start(store: &CheckpointStore, kept: &mut Option<StoreMarker>) -> Result<(), CheckpointError> {
    if kept.is_none() {
        *kept = Some(store.mark(&never)?);
    }
    store.verify(kept.as_ref().unwrap(), &never)
}

#[test]
fn two_hosts_whose_stores_are_different_directories_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["a", "b"].map(|name| open(&dir.path().join(name)));
    let mut kept = None;
    start(&ours, &mut kept).unwrap();
    start(&ours, &mut kept).unwrap();
    let error = start(&theirs, &mut kept).unwrap_err();
    assert!(matches!(error, CheckpointError::Foreign { .. }), "{error}");
    assert!(!error.is_outage() && !error.is_loss(), "waiting does not help");
    let text = error.to_string();
    let name = |name: &str| format!("file://{}", dir.path().join(name).display());
    let marker = format!("{DATABASE}/.peng-store/{}", kept.unwrap().id);
    for expected in
        [name("a"), name("b"), marker, "must reach the same store".into(), "PENG_CHECKPOINTS".into()]
    {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
    assert!(!dir.path().join(format!("b/{DATABASE}")).exists(), "the wrong one is left as it is");
}

#[test]
fn another_way_to_the_same_directory_is_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = None;
    start(&open(&dir.path().join("a")), &mut kept).unwrap();
    symlink(dir.path().join("a"), dir.path().join("b")).unwrap();
    start(&open(&dir.path().join("b")), &mut kept).unwrap();
}

#[test]
fn two_first_workers_that_start_at_once_agree() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = [open(dir.path()), open(dir.path())];
    // Both have seen a database that knows no marker; it keeps the first.
    let (kept, lost) = (one.mark(&never).unwrap(), other.mark(&never).unwrap());
    assert_ne!(kept, lost);
    for store in [one, other] {
        store.verify(&kept, &never).unwrap();
    }
}

#[test]
fn a_marker_is_of_one_database_and_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let marker = store.mark(&never).unwrap();
    let file = dir.path().join(format!("{DATABASE}/.peng-store/{}", marker.id));
    assert_eq!(fs::read_to_string(file).unwrap(), format!("{}\n", marker.url), "for people");
    assert_eq!(store.list().unwrap(), []);
    let url = format!("file://{}", dir.path().display());
    let other = CheckpointStore::open(Some(&url), Uuid::from_u128(9), false).unwrap();
    assert!(matches!(other.verify(&marker, &never), Err(CheckpointError::Foreign { .. })));
}
