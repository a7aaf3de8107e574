//! The scratch directory of a worker, and those that killed workers have left.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::Context as _;
use tempfile::TempDir;
use tracing::{info, warn};

const PREFIX: &str = "peng-worker-";
/// Locked by its worker, for as long as that lives.
const LOCK: &str = "lock";

/// A directory for files on their way to the checkpoint store and back; gone with this value.
pub struct Scratch {
    dir: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one in `parent`, or in the system's directory for temporary files, and removes those there that killed workers
    /// of this user have left: each may hold a checkpoint.
    ///
    /// # Errors
    /// If the directory cannot be made or locked.
    pub fn new(parent: Option<&Path>) -> anyhow::Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let made = Self::make(&parent);
        let made =
            made.with_context(|| format!("cannot make a scratch directory in `{}`", parent.display()))?;
        if let Err(error) = sweep(&parent) {
            warn!("cannot look for what killed workers left in `{}`: {error}", parent.display());
        }
        Ok(made)
    }

    fn make(parent: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Locked before it bears its name, so that nobody finds it there and unlocked.
        let early = dir.path().join("early");
        let lock = File::create(&early)?;
        lock.lock()?;
        fs::rename(early, dir.path().join(LOCK))?;
        Ok(Self { dir, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) || !is_own(&entry) {
            continue;
        }
        // No lock yet, or none any more: a worker that begins or leaves.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            match fs::remove_dir_all(entry.path()) {
                Ok(()) => info!("removed `{}`, which a killed worker had left", entry.path().display()),
                Err(error) => warn!("cannot remove `{}` of a killed worker: {error}", entry.path().display()),
            }
        }
    }
    Ok(())
}

/// A directory of this user, and no link to one.
fn is_own(entry: &fs::DirEntry) -> bool {
    entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_worker_left_goes_and_what_a_living_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let new = || Scratch::new(Some(parent.path())).unwrap();
        let living = new();
        let killed = new();
        let left = killed.path().to_owned();
        fs::write(left.join("1-1-1"), b"weights").unwrap();
        // As a kill does: the lock goes, the directory does not.
        let Scratch { dir, _lock: lock } = killed;
        std::mem::forget(dir);
        let others = parent.path().join("peng-worker-unlocked");
        fs::create_dir(&others).unwrap();
        drop(new());
        assert!(left.exists(), "its worker lives");
        drop(lock);
        drop(new());
        assert_eq!([left.as_path(), living.path(), &others].map(Path::exists), [false, true, true]);
        drop(living);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "the one that was never locked");
    }
}
