//! Checkpoints larger than what a process may hold.
#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{env, fs, path::Path, process::Command};

use domain::SearchId;
use support::{LEASE, committed, never, open};

/// Directory of the child process that this test runs itself in.
const DIR: &str = "PENG_TEST_MEMORY_DIR";
const SIZE: u64 = 256 << 20;
/// Well below one checkpoint.
const MOST: u64 = 64 << 20;

#[test]
fn a_checkpoint_is_never_held_in_memory() {
    if let Ok(dir) = env::var(DIR) {
        return there_and_back(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child
        .args(["--exact", "a_checkpoint_is_never_held_in_memory", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn there_and_back(dir: &Path) {
    let (store, file, back) = (open(&dir.join("store")), dir.join("new"), dir.join("back"));
    fs::File::create(&file).unwrap().set_len(SIZE).unwrap();
    let new = store.put(SearchId(1), LEASE, 4, &file, &never).unwrap();
    store.fetch(&committed(&new), &back, &never).unwrap();
    assert_eq!(fs::metadata(&back).unwrap().len(), SIZE);
    let peak = peak();
    assert!(peak < MOST, "{} MiB at the peak", peak >> 20);
}

/// Most memory that this process has ever held, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
