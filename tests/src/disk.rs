//! A small disk, to be filled.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of 256 kB, unmounted with this value.
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// A new one; `None` where this user may not mount; CI always may.
    pub fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"], dir.path());
        if !mounted && std::env::var_os("CI").is_none() {
            eprintln!("skipped: only root may mount a small file system");
            return None;
        }
        assert!(mounted, "CI runs as root");
        Some(Self(dir))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its URL, as of a checkpoint store.
    pub fn url(&self) -> String {
        format!("file://{}", self.0.path().display())
    }

    /// Mounts it again with other options, such as `ro`.
    pub fn remount(&self, how: &str) {
        assert!(mount(&["-o", &format!("remount,{how}")], self.0.path()));
    }

    /// Takes all the space that is left, and returns the file that holds it.
    pub fn fill(&self) -> PathBuf {
        let ballast = self.0.path().join("ballast");
        let error = fs::write(&ballast, vec![1; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a worker that the failing test did not end may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    Command::new("mount").args(arguments).arg(at).status().is_ok_and(|status| status.success())
}
