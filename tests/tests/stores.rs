//! Workers of one database reach one checkpoint store, whatever they call it.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use tests::{Lab, Worker, spec};

const REPLAY: &str = "peng-replay-worker";
const EPOCHS: i64 = 12;

fn worker(lab: &Lab, store: &Path, arguments: &[&str]) -> Worker {
    let mut command = lab.command(REPLAY);
    command.args(arguments).env("PENG_CHECKPOINTS", url(store));
    lab.spawn(command)
}

fn url(store: &Path) -> String {
    format!("file://{}", store.display())
}

/// A job that a killed worker has brought half of the way, with its checkpoints in a directory.
fn half_way() -> (Lab, std::path::PathBuf) {
    let lab = Lab::new();
    lab.submit(&spec("random", 1, EPOCHS as u32));
    let store = lab.dir.path().join("store");
    let mut first = worker(&lab, &store, &["--epoch-seconds", "0.1"]);
    lab.wait_for("checkpoint WHERE step = 4", 1);
    first.kill();
    (lab, store)
}

fn assert_resumed(lab: &Lab, store: &Path) {
    let steps = lab.count("observation");
    let mut next = worker(lab, store, &["--once"]);
    assert_eq!(next.join(), Some(0), "{}", next.log());
    assert!(next.log().contains(&format!("job 1: resumed after epoch {steps}.0")), "{}", next.log());
    assert_eq!(lab.count("observation"), EPOCHS);
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
}

#[test]
fn a_worker_with_another_store_is_refused_by_a_sentence_that_names_both() {
    let (lab, store) = half_way();
    let other = lab.dir.path().join("other");
    let mut second = worker(&lab, &other, &["--once"]);
    assert_eq!(second.join(), Some(1), "{}", second.log());
    let log = second.log();
    let expected =
        format!("the checkpoint store {} is not the one that this database's workers use", url(&other));
    assert!(log.contains(&expected), "{log}");
    assert!(log.contains(&format!("first used as {}", url(&store))), "{log}");
    assert!(log.contains("set PENG_CHECKPOINTS"), "{log}");
    assert_eq!((lab.count("worker"), lab.count("attempt")), (1, 1), "it does not register");
    assert_resumed(&lab, &store);
}

#[test]
fn a_remote_database_without_a_named_store_is_refused() {
    let lab = Lab::new();
    lab.submit(&spec("random", 1, 2));
    let mut command = lab.command(REPLAY);
    command.arg("--once").env_remove("PENG_CHECKPOINTS");
    let mut worker = lab.spawn(command);
    assert_eq!(worker.join(), Some(1), "{}", worker.log());
    assert!(worker.log().contains("no checkpoint store is named"), "{}", worker.log());
    assert!(
        worker.log().contains("set PENG_CHECKPOINTS to a store that all of them reach"),
        "{}",
        worker.log()
    );
    assert_eq!((lab.count("worker"), lab.count("attempt")), (0, 0));
}

#[test]
fn the_same_directory_by_a_symbolic_link_is_the_same_store() {
    let (lab, store) = half_way();
    let link = lab.dir.path().join("link");
    symlink(&store, &link).unwrap();
    assert_resumed(&lab, &link);
}

#[test]
fn the_same_directory_under_another_mount_point_is_the_same_store() {
    let (lab, store) = half_way();
    let Some(mount) = BindMount::of(&store) else { return };
    assert_resumed(&lab, mount.0.path());
}

/// A directory under a second name, unmounted with this value.
struct BindMount(tempfile::TempDir);

impl BindMount {
    /// `None` where this user may not mount; CI always may.
    fn of(dir: &Path) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").arg("--bind").args([dir, at.path()]).status();
        if !mounted.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI runs as root");
            eprintln!("skipped: only root may mount");
            return None;
        }
        Some(Self(at))
    }
}

impl Drop for BindMount {
    fn drop(&mut self) {
        // Lazily: a worker that the failing test did not end may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_store_that_lost_its_marker_is_refused() {
    let (lab, store) = half_way();
    let database = fs::read_dir(&store).unwrap().next().unwrap().unwrap().path();
    fs::rename(database.join(".peng-store"), database.join("lost")).unwrap();
    let mut second = worker(&lab, &store, &["--once"]);
    assert_eq!(second.join(), Some(1), "{}", second.log());
    fs::rename(database.join("lost"), database.join(".peng-store")).unwrap();
    assert_resumed(&lab, &store);
}
