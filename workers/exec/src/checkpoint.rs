//! A program's checkpoint, file or directory under whatever name, as the one file that the runner keeps.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tar::{Archive, Builder, HeaderMode};

/// Packs a file or a directory, with its name; nothing at all for a program that writes no checkpoints. The archive of
/// the same files is the same to the byte.
pub fn pack(checkpoint: Option<&Path>, into: &Path) -> io::Result<()> {
    let mut archive = Builder::new(File::create(into)?);
    archive.mode(HeaderMode::Deterministic);
    if let Some(path) = checkpoint {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        if path.is_dir() {
            archive.append_dir_all(name, path)?;
        } else {
            archive.append_file(name, &mut File::open(path)?)?;
        }
    }
    archive.into_inner()?;
    Ok(())
}

/// Unpacks into a new directory, and says what the program had named; `None` if it had written no checkpoint.
pub fn unpack(file: &Path, into: &Path) -> io::Result<Option<PathBuf>> {
    fs::create_dir_all(into)?;
    Archive::new(File::open(file)?).unpack(into)?;
    fs::read_dir(into)?.next().map(|entry| entry.map(|entry| entry.path())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_directories_and_nothing_come_back_under_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("model.keras"), b"weights").unwrap();
        fs::create_dir_all(path("state/shards")).unwrap();
        fs::write(path("state/shards/0"), b"zero").unwrap();
        pack(Some(&path("model.keras")), &path("a")).unwrap();
        pack(Some(&path("state")), &path("b")).unwrap();
        pack(None, &path("c")).unwrap();
        let file = unpack(&path("a"), &path("from-a")).unwrap().unwrap();
        assert_eq!(file, path("from-a/model.keras"));
        assert_eq!(fs::read(file).unwrap(), b"weights");
        let state = unpack(&path("b"), &path("from-b")).unwrap().unwrap();
        assert_eq!(fs::read(state.join("shards/0")).unwrap(), b"zero");
        assert_eq!(unpack(&path("c"), &path("from-c")).unwrap(), None);
        assert!(pack(Some(&path("absent")), &path("d")).is_err());
    }
}
