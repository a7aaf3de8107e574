use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::DataError;

/// What is known of an official file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Official {
    /// Name, without `.gz`.
    pub name: &'static str,
    /// Bytes, decompressed.
    pub size: u64,
    /// Checksum of the decompressed bytes, where it is known.
    pub checksum: Option<Checksum>,
}

/// Hexadecimal, lower case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Checksum {
    Sha256(&'static str),
    Md5(&'static str),
}

impl Checksum {
    pub(crate) fn verify(self, path: &Path, bytes: &[u8]) -> Result<(), DataError> {
        let (kind, expected, found) = match self {
            Self::Sha256(expected) => ("SHA-256", expected, hex(&Sha256::digest(bytes))),
            Self::Md5(expected) => ("MD5", expected, hex(&Md5::digest(bytes))),
        };
        if found == expected {
            Ok(())
        } else {
            Err(DataError::Checksum { path: path.to_owned(), kind, expected, found })
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
