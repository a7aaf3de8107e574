//! A small file system in memory, to be filled.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of so many mebibytes; unmounted with this value.
#[derive(Debug)]
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    ///
    /// # Panics
    /// If there is no directory to mount it on.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("peng-disk-").tempdir().expect("a directory to mount on");
        let options = format!("size={mebibytes}m,mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the space that is left.
    ///
    /// # Panics
    /// If it cannot be written for another reason.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("the disk can be written");
        let full = loop {
            if let Err(error) = ballast.write_all(&[1; 1 << 12]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }

    /// Gives the space back.
    ///
    /// # Panics
    /// If nobody took it.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("the disk was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that the failing test did not end may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
