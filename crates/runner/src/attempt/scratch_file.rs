//! A file in the making.

use std::path::{Path, PathBuf};

use tracing::warn;

/// A file of the scratch directory, which goes with this value. It may not be there yet, or no more.
#[derive(Debug)]
pub struct ScratchFile(PathBuf);

impl ScratchFile {
    /// Owns a path.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                warn!("cannot remove `{}`: {error}", self.0.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_goes_with_its_owner_whoever_was_faster() {
        let dir = tempfile::tempdir().unwrap();
        for (name, made) in [("made", true), ("never", false)] {
            let file = ScratchFile::new(dir.path().join(name));
            if made {
                std::fs::write(file.path(), b"weights").unwrap();
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
