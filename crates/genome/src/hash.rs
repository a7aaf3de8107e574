use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Identity of a network within a search: SHA-256 of the canonical form of its genome, 64 lower-case hex digits.
///
/// Two genomes that decode to the same network (nodes in another order, genes that have no effect) share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GenomeHash(String);

/// A text that is not 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not the hash of a genome: expected 64 lower-case hex digits")]
pub struct HashError(String);

impl GenomeHash {
    /// Hash of a canonical form, which must differ between any two networks that differ.
    pub(crate) fn of(canonical: &str) -> Self {
        let digest = Sha256::digest(canonical.as_bytes());
        let hex = |n: u8| char::from_digit(u32::from(n), 16).expect("half a byte is one hex digit");
        Self(digest.iter().flat_map(|&byte| [hex(byte >> 4), hex(byte & 15)]).collect())
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 8 digits, for people to read.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for GenomeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GenomeHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for GenomeHash {
    type Error = HashError;

    fn try_from(text: String) -> Result<Self, HashError> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() == 64 && hex { Ok(Self(text)) } else { Err(HashError(text)) }
    }
}

impl From<GenomeHash> for String {
    fn from(hash: GenomeHash) -> Self {
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_sha256_in_hex() {
        // FIPS 180-2, appendix B.1
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(GenomeHash::of("abc").as_str(), expected);
        assert_eq!(expected.parse::<GenomeHash>().unwrap().short(), "ba7816bf");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "ba78", &"g".repeat(64), &"A".repeat(64)] {
            assert!(text.parse::<GenomeHash>().is_err(), "{text}");
        }
    }
}
