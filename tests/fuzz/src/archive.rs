//! Checkpoints of `peng-exec-worker`: archives of what a program wrote.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

#[path = "../../../workers/exec/src/checkpoint.rs"]
#[expect(dead_code, reason = "its crate uses more of it")]
mod files;

/// Nothing is written outside of the directory that is unpacked into; what is understood is the same when it is packed and
/// unpacked again.
pub fn check(data: &[u8]) {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = |name: &str| scratch.path().join(name);
    fs::write(path("packed"), data).expect("a file");
    let unpacked = files::unpack(&path("packed"), &path("a/b/into"));
    for (directory, expected) in [(".", vec!["a", "packed"]), ("a", vec!["b"]), ("a/b", vec!["into"])] {
        assert_eq!(names(&path(directory)), expected, "beside the directory");
    }
    assert_eq!(fs::read(path("packed")).expect("the file"), data);
    let Ok(Some(first)) = unpacked else { return };
    assert!(first.starts_with(path("a/b/into")), "{}", first.display());
    let Ok(()) = files::pack(Some(&first), &path("again")) else { return };
    let again = files::unpack(&path("again"), &path("c")).expect("what was packed").expect("a checkpoint");
    assert_eq!(again.file_name(), first.file_name());
    assert_eq!(contents(&again), contents(&first));
}

fn names(directory: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("a name").file_name()).collect();
    names.sort();
    names
}

/// All files by their names within a path, directories with nothing.
fn contents(path: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![path.to_owned()];
    while let Some(next) = open.pop() {
        let name = next.strip_prefix(path).expect("within").to_owned();
        if next.is_dir() {
            open.extend(names(&next).iter().map(|name| next.join(name)));
            found.insert(name, None);
        } else {
            found.insert(name, Some(fs::read(&next).expect("a file")));
        }
    }
    found
}
