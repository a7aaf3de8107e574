//! A program's checkpoint, file or directory under whatever name, as the one file that the runner keeps.

use std::{
    error::Error as _,
    fs::{self, File},
    io::{self, Seek as _, Write},
    path::{Component, Path, PathBuf},
};

use tar::{Archive, Builder, HeaderMode};

/// Why a checkpoint could not be packed.
#[derive(Debug)]
pub enum PackError {
    /// This file of it cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// The archive cannot be written.
    Write(io::Error),
}

/// Why a checkpoint could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It is none, or damaged.
    #[error("it is no archive of `peng-exec-worker`, or damaged: {0}")]
    Archive(io::Error),
    /// The system refused to read or write.
    #[error("{0}")]
    File(io::Error),
}

/// Packs a file or a directory, with its name; nothing at all for a program that writes no checkpoints. The archive of
/// the same files is the same to the byte.
pub fn pack(checkpoint: Option<&Path>, into: &Path) -> Result<(), PackError> {
    write(checkpoint, File::create(into).map_err(PackError::Write)?)
}

/// Packs it into a file that is open.
pub fn write(checkpoint: Option<&Path>, into: File) -> Result<(), PackError> {
    let sink = Sink { file: into, is_broken: false };
    let mut archive = Builder::new(sink);
    archive.mode(HeaderMode::Deterministic);
    if let Some(path) = checkpoint {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let appended = append(&mut archive, path, Path::new(name));
        appended.map_err(|(path, source)| {
            if archive.get_ref().is_broken {
                PackError::Write(source)
            } else {
                PackError::Read { path, source }
            }
        })?;
    }
    archive.into_inner().map(drop).map_err(PackError::Write)
}

/// Appends what is at a path, links followed, directories in the order of names; or says which file was in the way.
fn append(archive: &mut Builder<Sink>, path: &Path, name: &Path) -> Result<(), (PathBuf, io::Error)> {
    let in_the_way = |source| (path.to_owned(), source);
    let is_directory = metadata(path).map_err(in_the_way)?.is_dir();
    archive.append_path_with_name(path, name).map_err(in_the_way)?;
    if is_directory {
        let entries = fs::read_dir(path).map_err(in_the_way)?;
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(in_the_way)?;
        names.sort_unstable();
        names.iter().try_for_each(|entry| append(archive, &path.join(entry), &name.join(entry)))?;
    }
    Ok(())
}

/// What a path leads to. The error says where a link to nothing points.
pub fn metadata(path: &Path) -> io::Result<fs::Metadata> {
    fs::metadata(path).map_err(|error| match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => io::Error::new(
            error.kind(),
            format!("it is a link to `{}`, which is not there", target.display()),
        ),
        _ => error,
    })
}

/// A file that remembers whether it was it that failed: `tar` tells errors of reading and of writing alike.
struct Sink {
    file: File,
    is_broken: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file
            .write(bytes)
            .inspect_err(|error| self.is_broken |= error.kind() != io::ErrorKind::Interrupted)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Unpacks into a new directory, and says what the program had named; `None` if it had written no checkpoint.
pub fn unpack(file: &Path, into: &Path) -> Result<Option<PathBuf>, UnpackError> {
    fs::create_dir_all(into).map_err(UnpackError::File)?;
    let archive = File::open(file).map_err(UnpackError::File)?;
    check_entries(&archive).and_then(|()| Archive::new(&archive).unpack(into)).map_err(|error| {
        if is_of_the_system(&error) { UnpackError::File(error) } else { UnpackError::Archive(error) }
    })?;
    let first = fs::read_dir(into).map_err(UnpackError::File)?.next();
    first.map(|entry| entry.map(|entry| entry.path())).transpose().map_err(UnpackError::File)
}

/// Ok if an archive holds files and directories alone, and stands at its beginning again. Nothing else is ever packed, and other
/// entries can lead elsewhere, or be larger than any disk (the holes of a sparse file are written).
fn check_entries(mut archive: &File) -> io::Result<()> {
    for entry in Archive::new(archive).entries_with_seek()? {
        let entry = entry?;
        let (kind, path) = (entry.header().entry_type(), entry.path()?);
        let is_inside =
            path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_inside || !(kind.is_file() || kind.is_dir()) {
            let path = path.display();
            return Err(io::Error::other(format!("`{path}` in it is no file or directory of a checkpoint")));
        }
    }
    archive.rewind()
}

/// Whether the system refused something, rather than `tar` what it read. `tar` wraps both, and keeps the cause.
fn is_of_the_system(error: &io::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    error.raw_os_error().is_some() || cause.is_some_and(is_of_the_system)
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
    }

    /// Whatever order the file system has.
    #[test]
    fn an_archive_is_in_the_order_of_names() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let names: Vec<_> = (10..60).map(|i| format!("state/{i}")).collect();
        for name in names.iter().rev().step_by(2).chain(names.iter().step_by(2)) {
            fs::write(dir.path().join(name), name).unwrap();
        }
        pack(Some(&state), &dir.path().join("packed")).unwrap();
        let mut archive = Archive::new(File::open(dir.path().join("packed")).unwrap());
        let packed =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        assert_eq!(packed.skip(1).collect::<Vec<_>>(), names);
    }

    #[test]
    fn what_cannot_be_packed_is_named_with_the_side_that_failed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("state/shards")).unwrap();
        fs::write(path("state/shards/0"), vec![0; 100_000]).unwrap();
        std::os::unix::fs::symlink("0", path("state/shards/best")).unwrap();
        pack(Some(&path("state")), &path("packed")).unwrap();
        let resumed = unpack(&path("packed"), &path("resumed")).unwrap().unwrap();
        assert_eq!(
            fs::read(resumed.join("shards/best")).unwrap().len(),
            100_000,
            "a link becomes what it leads to"
        );

        let full = pack(Some(&path("state")), Path::new("/dev/full"));
        assert!(matches!(full, Err(PackError::Write(_))), "{full:?}");
        let nowhere = pack(Some(&path("state")), &path("nowhere/packed"));
        assert!(matches!(nowhere, Err(PackError::Write(_))), "{nowhere:?}");

        std::os::unix::fs::symlink("/nonexistent/0", path("state/shards/last")).unwrap();
        let Err(PackError::Read { path: culprit, source }) = pack(Some(&path("state")), &path("packed"))
        else {
            panic!("it was packed")
        };
        assert_eq!(culprit, path("state/shards/last"));
        assert!(source.to_string().contains("a link to `/nonexistent/0`, which is not there"), "{source}");
    }

    #[test]
    fn a_damaged_archive_is_told_from_a_disk_that_refuses() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("state")).unwrap();
        fs::write(path("state/w"), vec![1; 5000]).unwrap();
        pack(Some(&path("state")), &path("packed")).unwrap();
        let whole = fs::read(path("packed")).unwrap();
        let other = |kind| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_path("state").unwrap();
            header.set_link_name("/etc").unwrap();
            header.set_cksum();
            [header.as_bytes().as_slice(), &[0; 1024]].concat()
        };
        for (damaged, why) in [
            (&whole[..700], "cut off"),
            (&[b'x'; 2000], "another format"),
            (b"{}", "no block"),
            (&other(tar::EntryType::Symlink), "a link that leads elsewhere"),
            (&other(tar::EntryType::GNUSparse), "a file with holes"),
        ] {
            fs::write(path("damaged"), damaged).unwrap();
            let error = unpack(&path("damaged"), &path(why));
            assert!(matches!(error, Err(UnpackError::Archive(_))), "{why}: {error:?}");
        }
        fs::create_dir(path("taken")).unwrap();
        fs::write(path("taken/state"), "a file is where a directory should be").unwrap();
        for (from, into) in [("absent", "from-absent"), ("packed", "packed/inside"), ("packed", "taken")] {
            let error = unpack(&path(from), &path(into));
            assert!(matches!(error, Err(UnpackError::File(_))), "{from} into {into}: {error:?}");
        }
    }
}
