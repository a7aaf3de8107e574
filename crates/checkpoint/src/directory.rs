//! Files of a store that is a directory, in the order that makes them durable: temporary name, sync, rename, sync of the
//! directory. The client of object stores would open its temporary file where no time limit reaches it.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    content::{Content, HashedFile},
    error::Failure,
};

/// How much is moved at once.
const PIECE: usize = 1 << 20;

/// Copies a local file to a name in the store, where it appears whole or not at all.
pub fn write(from: &Path, target: &Path, given_up: &AtomicBool) -> Result<Content, Failure> {
    let (mut staged, path) = stage(target).map_err(Failure::Directory)?;
    let written = fill(&mut staged, from, given_up).and_then(|content| {
        publish(&staged, &path, target).map_err(Failure::Directory)?;
        Ok(content)
    });
    if written.is_err() {
        // Where that fails too, `peng db gc` finds the file by its name.
        let _ = fs::remove_file(&path);
    }
    written
}

/// Copies an opened file of the store to a local one.
pub fn read(mut from: &File, into: &Path, given_up: &AtomicBool) -> Result<Content, Failure> {
    let mut into = HashedFile::create(into)?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).map_err(Failure::Directory)?;
        proceed(given_up)?;
        if read == 0 {
            return Ok(into.content());
        }
        into.write(&piece[..read])?;
    }
}

fn fill(staged: &mut File, from: &Path, given_up: &AtomicBool) -> Result<Content, Failure> {
    let mut from = HashedFile::open(from)?;
    loop {
        let piece = from.read(PIECE)?;
        proceed(given_up)?;
        if piece.is_empty() {
            return Ok(from.content());
        }
        staged.write_all(&piece).map_err(Failure::Directory)?;
    }
}

/// An error, which nobody will see, once the request is given up.
fn proceed(given_up: &AtomicBool) -> Result<(), Failure> {
    if given_up.load(Ordering::Relaxed) {
        return Err(Failure::Directory(ErrorKind::Interrupted.into()));
    }
    Ok(())
}

/// A new file `target#n`, in a directory that is made if it is not there.
fn stage(target: &Path) -> io::Result<(File, PathBuf)> {
    target.parent().map_or(Ok(()), make)?;
    let mut number = 1_u32;
    loop {
        let mut path = OsString::from(target);
        path.push(format!("#{number}"));
        match File::create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            created => return created.map(|file| (file, path.into())),
        }
    }
}

/// Makes a directory and those above it, each of them a durable entry of its parent.
fn make(dir: &Path) -> io::Result<()> {
    let Some(parent) = dir.parent().filter(|_| !dir.is_dir()) else { return Ok(()) };
    make(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync(parent),
    }
}

fn publish(staged: &File, path: &Path, target: &Path) -> io::Result<()> {
    staged.sync_all()?;
    fs::rename(path, target)?;
    target.parent().map_or(Ok(()), sync)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A file that a write has left half done, as that of a worker which is killed does: `name#n`.
pub struct Fragment {
    /// Path of the whole file, below the directory that was searched.
    pub whole: String,
    pub number: u32,
    pub bytes: u64,
}

/// All fragments below a directory; none where that is not there.
pub fn fragments(root: &Path) -> io::Result<Vec<Fragment>> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in entries(&dir)? {
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            } else {
                found.extend(fragment(root, &entry));
            }
        }
    }
    Ok(found)
}

/// A file as a fragment, if it is one and still there.
fn fragment(root: &Path, entry: &fs::DirEntry) -> Option<Fragment> {
    let path = entry.path();
    let (whole, number) = path.strip_prefix(root).ok()?.to_str()?.rsplit_once('#')?;
    let bytes = entry.metadata().ok()?.len();
    Some(Fragment { whole: whole.into(), number: number.parse().ok()?, bytes })
}

/// What is in a directory; nothing where it is not there.
fn entries(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read?.collect(),
    }
}
