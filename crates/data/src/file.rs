use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::official::{Checksum, Official};
use crate::{DataError, Places, SetName};

/// The content of a file of the official length, and where it was.
#[derive(Debug)]
pub struct Content {
    /// Name of the file in errors.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// That of the official file, where it is known.
    pub(crate) checksum: Option<Checksum>,
}

impl Content {
    /// A content that need not be official.
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes, checksum: None }
    }

    /// Ok if it is the official file. A format that can say what is wrong, and where, is read before.
    pub(crate) fn verify(&self) -> Result<(), DataError> {
        self.checksum.map_or(Ok(()), |checksum| checksum.verify(&self.path, &self.bytes))
    }
}

/// Reads the official files of `set`, one after the other as they are asked for, from the first folder that has the first of
/// them, plain or as `.gz`.
pub(crate) fn read_official(
    set: SetName,
    path: Option<&Path>,
    places: &Places,
) -> Result<impl Iterator<Item = Result<Content, DataError>>, DataError> {
    let files = set.files();
    let sought = places.candidates(path, set.as_str(), set.archive_folder());
    let first = files.first().map_or("", |file| file.name);
    let Some(folder) = sought.iter().find(|folder| locate(folder, first).is_some()).cloned() else {
        let set_name = set.to_string();
        return Err(DataError::Missing { set: set_name, file: first.into(), sought, remedy: set.remedy() });
    };
    Ok(files.iter().map(move |file| read(set, &folder, file)))
}

fn locate(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(format!("{name}.gz")), folder.join(name)].into_iter().find(|path| path.is_file())
}

fn read(set: SetName, folder: &Path, file: &Official) -> Result<Content, DataError> {
    let Some(path) = locate(folder, file.name) else {
        let (sought, remedy) = (vec![folder.to_owned()], set.remedy());
        return Err(DataError::Missing { set: set.to_string(), file: file.name.into(), sought, remedy });
    };
    let compressed = path.extension().is_some_and(|extension| extension == "gz");
    let unit = if compressed { "bytes after decompression" } else { "bytes" };
    let (bytes, end) = read_up_to(&path, compressed, file.size)?;
    if bytes.len() as u64 != file.size {
        return Err(DataError::Size { path, expected: file.size, found: bytes.len() as u64, unit });
    }
    end.map_err(|error| DataError::format(&path, error.to_string()))?;
    Ok(Content { path, bytes, checksum: file.checksum })
}

/// At most `size + 1` bytes of the file, and how its compressed stream ended. A stream that breaks off or does not
/// decode gives what was decoded before that.
fn read_up_to(path: &Path, compressed: bool, size: u64) -> Result<(Vec<u8>, io::Result<()>), DataError> {
    let failed = |source| DataError::Read { path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let mut bytes = Vec::with_capacity(size as usize + 1);
    if !compressed {
        file.take(size + 1).read_to_end(&mut bytes).map_err(failed)?;
        return Ok((bytes, Ok(())));
    }
    match GzDecoder::new(file).take(size + 1).read_to_end(&mut bytes) {
        Ok(_) => Ok((bytes, Ok(()))),
        Err(e) if is_damage(&e) => Ok((bytes, Err(e))),
        Err(e) => Err(failed(e)),
    }
}

/// Whether the decoder found fault with the bytes, rather than the system with the file.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}
