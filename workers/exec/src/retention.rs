//! Logs and working directories of long ago.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use tracing::{info, warn};

/// How often to look.
const APART: Duration = Duration::from_secs(86_400);

/// Removes what is older than `age` now, and once a day as long as the process lives. What cannot be removed is said and stays.
pub fn start(jobs: PathBuf, age: Duration) -> io::Result<()> {
    let sweep = move || {
        loop {
            match ago(age).map(|before| remove_older(&jobs, before)) {
                Some(Ok(attempts)) if attempts > 0 => {
                    info!(
                        "logs and directories of {attempts} attempts removed, in which nothing was written for long"
                    );
                }
                Some(Err(error)) => warn!("cannot remove old logs in `{}`: {error}", jobs.display()),
                _ => {}
            }
            thread::sleep(APART);
        }
    };
    thread::Builder::new().name("retention".into()).spawn(sweep).map(|_| ())
}

/// A time so long ago; none where there is no such time.
#[expect(clippy::disallowed_methods, reason = "files bear the times of their host")]
fn ago(age: Duration) -> Option<SystemTime> {
    SystemTime::now().checked_sub(age)
}

/// Removes the log and the directory of each attempt in which nothing was written since; returns how many attempts that were.
fn remove_older(jobs: &Path, before: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for job in named(jobs, "job-")? {
        let mut attempts = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
        for path in named(&job, "attempt-")? {
            attempts.entry(path.with_extension("")).or_default().push(path);
        }
        for paths in attempts.values() {
            if paths.iter().any(|path| is_newer(path, before)) {
                continue;
            }
            paths.iter().try_for_each(|path| remove(path))?;
            removed += 1;
        }
        // Fails where something is left in it.
        let _ = fs::remove_dir(&job);
    }
    Ok(removed)
}

/// The entries of a directory whose names begin so; none where it is gone.
fn named(dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let begins =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    Ok(paths.into_iter().filter(begins).collect())
}

/// Whether something at a path or below it was written since; also where that cannot be told.
fn is_newer(path: &Path, since: SystemTime) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return true };
    if meta.modified().map_or(true, |modified| modified >= since) {
        return true;
    }
    meta.is_dir() && named(path, "").map_or(true, |inner| inner.iter().any(|path| is_newer(path, since)))
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        // Another worker of this directory was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Makes a file that was last written so many days ago, and its directory with it.
    fn file(path: &Path, days: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
        let at = ago(DAY * days).unwrap();
        for path in [path, path.parent().unwrap()] {
            fs::File::open(path).unwrap().set_modified(at).unwrap();
        }
    }

    #[test]
    fn an_attempt_goes_as_a_whole_once_nothing_was_written_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (name, days) in [
            ("job-1/attempt-1/checkpoints/w", 40),
            ("job-1/attempt-1.log", 40),
            ("job-2/attempt-1.log", 40),
            ("job-2/attempt-2.log", 1),
            ("job-3/attempt-1.log", 40),
            ("job-3/attempt-1/checkpoints/w", 1),
            ("job-4/attempt-1.log", 1),
            ("job-4/attempt-1/checkpoints/w", 40),
            ("notes/attempt-1.log", 40),
            ("job-5/notes.txt", 40),
        ] {
            file(&path(name), days);
        }
        let old = ago(DAY * 40).unwrap();
        for name in ["job-1/attempt-1", "job-3/attempt-1", "job-4/attempt-1"] {
            fs::File::open(path(name)).unwrap().set_modified(old).unwrap();
        }
        assert_eq!(remove_older(dir.path(), ago(DAY * 30).unwrap()).unwrap(), 2);
        for (name, stays, why) in [
            ("job-1", false, "nothing left in it"),
            ("job-2/attempt-1.log", false, "old"),
            ("job-2/attempt-2.log", true, "new"),
            ("job-3/attempt-1.log", true, "its program writes checkpoints"),
            ("job-4/attempt-1/checkpoints/w", true, "its program says something"),
            ("notes/attempt-1.log", true, "not ours"),
            ("job-5/notes.txt", true, "not ours"),
        ] {
            assert_eq!(path(name).exists(), stays, "{name}: {why}");
        }
        assert_eq!(remove_older(&path("nowhere"), ago(DAY).unwrap()).unwrap(), 0);
    }
}
