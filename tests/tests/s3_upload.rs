//! Checkpoints too large for one request to an object store.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use checkpoint::{CheckpointError, CheckpointStore};
use domain::{Checkpoint, Fence, JobId, Lease, NewCheckpoint, SearchId};
use tests::{
    s3::{BUCKET, Server, unfinished},
    stderr,
};
use uuid::Uuid;

/// Directory of the child process that a test runs itself in: what a store asks, and how much memory it has, is told by
/// the process.
const DIR: &str = "PENG_TEST_DIR";
/// Where the server of the child keeps its files.
const ROOT: &str = "PENG_TEST_ROOT";
const DATABASE: Uuid = Uuid::from_u128(7);
/// More than so many pieces, by one byte.
const SIZE: u64 = (128 << 20) + 1;
/// Well below one checkpoint.
const MOST: u64 = 96 << 20;

/// The directory of this process, if it is a child.
fn child() -> Option<PathBuf> {
    env::var_os(DIR).map(PathBuf::from)
}

/// Runs a test of this file in a child that knows the server.
fn in_child(test: &str, server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    let child = server.configure(&mut child, BUCKET).env(DIR, dir.path()).env(ROOT, server.root());
    let output = child.args(["--exact", test, "--nocapture"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

fn open() -> CheckpointStore {
    CheckpointStore::open(Some(&env::var("PENG_CHECKPOINTS").unwrap()), DATABASE, false).unwrap()
}

fn put(
    store: &CheckpointStore,
    dir: &Path,
    abandoned: &dyn Fn() -> bool,
) -> Result<NewCheckpoint, CheckpointError> {
    let file = dir.join("new");
    fs::File::create(&file).unwrap().set_len(SIZE).unwrap();
    let lease = Lease { job_id: JobId(2), fence: Fence(3), worker_id: Uuid::from_u128(8) };
    store.put(SearchId(1), lease, 4, &file, abandoned)
}

/// Most memory that this process has ever held, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_large_checkpoint_goes_in_pieces_and_is_never_held_in_memory() {
    if let Some(dir) = child() {
        let (store, back) = (open(), dir.join("back"));
        let NewCheckpoint { key, uri, bytes, sha256 } = put(&store, &dir, &|| false).unwrap();
        let row = Checkpoint { step: 4, key: Some(key), uri, bytes, sha256 };
        store.fetch(&row, &back, &|| false).unwrap();
        assert_eq!(fs::metadata(&back).unwrap().len(), SIZE);
        let peak = peak();
        assert!(peak < MOST, "{} MiB at the peak", peak >> 20);
        return;
    }
    let server = Server::start();
    in_child("a_large_checkpoint_goes_in_pieces_and_is_never_held_in_memory", &server);
    let objects = server.objects();
    assert_eq!(objects.len(), 1, "{objects:?}");
    assert_eq!(fs::metadata(&objects[0]).unwrap().len(), SIZE);
    assert_eq!(unfinished(server.root()), Vec::<PathBuf>::new());
}

#[test]
fn an_upload_that_is_given_up_leaves_no_pieces_on_the_server() {
    if let Some(dir) = child() {
        let root = PathBuf::from(env::var_os(ROOT).unwrap());
        let begun = || unfinished(&root).iter().any(|file| file.to_string_lossy().contains(".part-"));
        let error = put(&open(), &dir, &begun).unwrap_err();
        assert!(matches!(error, CheckpointError::Abandoned { .. }), "{error}");
        return;
    }
    let server = Server::start();
    in_child("an_upload_that_is_given_up_leaves_no_pieces_on_the_server", &server);
    assert_eq!(server.objects(), Vec::<PathBuf>::new());
    // That of the upload itself is left by the server of this test.
    let pieces = || {
        let mut files = unfinished(server.root());
        files.retain(|file| file.to_string_lossy().contains(".part-"));
        files
    };
    tests::wait("the pieces to go", || {
        if pieces().is_empty() { Ok(()) } else { Err(format!("{:?}", pieces())) }
    });
}

#[test]
fn stores_of_one_database_are_told_apart_by_the_marker_in_the_bucket() {
    if child().is_some() {
        let url = env::var("PENG_CHECKPOINTS").unwrap();
        let other = CheckpointStore::open(Some(&format!("{url}/other")), DATABASE, false).unwrap();
        let marker = open().mark(&|| false).unwrap();
        open().verify(&marker, &|| false).unwrap();
        let error = other.verify(&marker, &|| false).unwrap_err();
        assert!(matches!(error, CheckpointError::Foreign { .. }), "{error}");
        assert_eq!(open().list().unwrap(), []);
        // Without its bucket a store is not told apart: it cannot be asked.
        let nowhere = CheckpointStore::open(Some("s3://nowhere/x"), DATABASE, false).unwrap();
        let error = nowhere.verify(&marker, &|| false).unwrap_err();
        assert!(error.to_string().contains("does the bucket exist?"), "{error}");
        return;
    }
    in_child("stores_of_one_database_are_told_apart_by_the_marker_in_the_bucket", &Server::start());
}
