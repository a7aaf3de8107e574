//! What a checkpoint holds, told by its size and its SHA-256, in memory of one piece.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::error::Failure;

/// Size and checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub bytes: i64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, SHA-256 {}", self.bytes, self.sha256)
    }
}

/// A local file that is read or written from its beginning to its end, hashed on the way.
pub struct HashedFile {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl HashedFile {
    /// A file to read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Self::new(path, File::open(path))
    }

    /// An empty file to write.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        Self::new(path, File::create(path))
    }

    fn new(path: &Path, file: io::Result<File>) -> Result<Self, Failure> {
        let file = file.map_err(|source| Failure::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, hash: Sha256::new(), bytes: 0 })
    }

    /// Reads the next so many bytes; fewer only at the end.
    pub fn read(&mut self, bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut piece = Vec::with_capacity(bytes);
        let read = (&self.file).take(bytes as u64).read_to_end(&mut piece);
        read.map_err(|source| self.failure(source))?;
        self.add(&piece);
        Ok(piece)
    }

    /// Writes a piece at the end.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.file.write_all(piece).map_err(|source| self.failure(source))?;
        self.add(piece);
        Ok(())
    }

    /// What was read or written.
    pub fn content(self) -> Content {
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Content { bytes: self.bytes as i64, sha256 }
    }

    fn add(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
    }

    fn failure(&self, source: io::Error) -> Failure {
        Failure::File { path: self.path.clone(), source }
    }
}
