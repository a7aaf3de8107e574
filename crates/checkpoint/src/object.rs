//! Objects of a store that are checkpoints, and which object a row means.

use domain::{Checkpoint, CheckpointKey};
use object_store::path::Path as Key;
use uuid::Uuid;

use crate::{CheckpointError, directory::Fragment};

/// A checkpoint found in the database's part of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub key: CheckpointKey,
    /// Its size.
    pub bytes: u64,
    /// Number of the file that a write has left half done, in a directory; `None` for a whole one.
    pub fragment: Option<u32>,
}

impl Object {
    /// The object with a key; `None` for what is no checkpoint of this part of the store.
    pub(crate) fn read(part: &Key, key: &Key, bytes: u64) -> Option<Self> {
        let name = key.as_ref().strip_prefix(part.as_ref())?.strip_prefix('/')?;
        Some(Self { key: name.parse().ok()?, bytes, fragment: None })
    }

    /// A file that was left half done, found in the database's part; `None` for one that was to be no checkpoint.
    pub(crate) fn of_fragment(file: &Fragment) -> Option<Self> {
        Some(Self { key: file.whole.parse().ok()?, bytes: file.bytes, fragment: Some(file.number) })
    }
}

/// Key of a committed checkpoint, relative to the URL of its store. A row of version 0.1 has only the URL as its writer
/// reached the store: its end is the key, wherever that worker's URL pointed.
pub fn key_of(checkpoint: &Checkpoint, database: Uuid) -> Result<String, CheckpointError> {
    let (found, text) = match &checkpoint.key {
        Some(key) => (is_key(key).then_some(key.as_str()), key),
        None => (end_of_url(&checkpoint.uri, database), &checkpoint.uri),
    };
    found.map(str::to_owned).ok_or_else(|| CheckpointError::Name { text: text.clone() })
}

/// Whether a text is `search/job/step-fence-worker.ckpt`, below the identity of a database or of none.
fn is_key(text: &str) -> bool {
    let is_name = |name: &str| name.parse::<CheckpointKey>().is_ok();
    let below =
        text.split_once('/').is_some_and(|(part, name)| part.parse::<Uuid>().is_ok() && is_name(name));
    below || is_name(text)
}

/// `[database/]search/job/step-fence.ckpt` at the end of a URL.
fn end_of_url(url: &str, database: Uuid) -> Option<&str> {
    let (start, _) = url.rmatch_indices('/').nth(2)?;
    let (base, name) = (&url[..start], &url[start + 1..]);
    name.parse::<CheckpointKey>().ok()?;
    let part = format!("/{database}");
    Some(if base.ends_with(&part) { &url[base.len() - part.len() + 1..] } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: Uuid = Uuid::from_u128(7);

    fn row(key: Option<&str>, uri: &str) -> Checkpoint {
        let (key, uri) = (key.map(str::to_owned), uri.to_owned());
        Checkpoint { step: 3, key, uri, bytes: 7, sha256: String::new() }
    }

    #[test]
    fn only_what_was_named_as_a_checkpoint_of_this_database_is_one() {
        let part = Key::from(format!("a/{DATABASE}"));
        for (key, is_one, why) in [
            (format!("a/{DATABASE}/1/2/000003-4-{DATABASE}.ckpt"), true, "as written"),
            (format!("a/{DATABASE}/1/2/000003-4.ckpt"), true, "as version 0.1 wrote"),
            (format!("a/{DATABASE}1/2/3/000004-5.ckpt"), false, "another part with the same beginning"),
            ("a/1/2/000003-4.ckpt".into(), false, "another part"),
            (format!("a/{DATABASE}/.peng-store/{DATABASE}"), false, "a marker"),
            (format!("a/{DATABASE}/.probe"), false, "a probe"),
        ] {
            let found = Object::read(&part, &Key::from(key.as_str()), 9);
            assert_eq!(found.is_some(), is_one, "{key}: {why}");
            if let Some(object) = found {
                assert_eq!(format!("{part}/{}", object.key), key);
            }
        }
    }

    #[test]
    fn a_row_without_a_key_is_found_by_the_end_of_its_url_whatever_its_writers_base_was() {
        for (uri, expected) in [
            (format!("file:///mnt/a/{DATABASE}/1/2/000003-4.ckpt"), format!("{DATABASE}/1/2/000003-4.ckpt")),
            (format!("s3://b/{DATABASE}/1/2/000003-4.ckpt"), format!("{DATABASE}/1/2/000003-4.ckpt")),
            ("file:///mnt/a/1/2/000003-4.ckpt".into(), "1/2/000003-4.ckpt".into()),
            ("s3://bucket/1/2/000003-4.ckpt".into(), "1/2/000003-4.ckpt".into()),
            (format!("file:///{}/1/2/000003-4.ckpt", Uuid::nil()), "1/2/000003-4.ckpt".into()),
        ] {
            assert_eq!(key_of(&row(None, &uri), DATABASE).unwrap(), expected, "{uri}");
        }
    }

    #[test]
    fn a_key_counts_and_not_the_url_beside_it() {
        for key in [format!("{DATABASE}/1/2/000003-4-{DATABASE}.ckpt"), "1/2/000003-4.ckpt".into()] {
            assert_eq!(key_of(&row(Some(&key), "file:///elsewhere"), DATABASE).unwrap(), key);
        }
    }

    #[test]
    fn a_row_that_names_no_checkpoint_is_not_taken_for_a_lost_one() {
        for (key, uri) in [
            (Some("../../etc/passwd"), ""),
            (Some(""), ""),
            (Some("notes/1/2/000003-4.ckpt"), ""),
            (None, "file:///mnt/weights.pt"),
            (None, ""),
            (None, "1/2/000003-4.ckpt"),
        ] {
            let error = key_of(&row(key, uri), DATABASE).unwrap_err();
            assert!(!error.is_loss() && !error.is_outage(), "{key:?} {uri}: {error}");
            assert!(error.to_string().contains(key.unwrap_or(uri)), "{error}");
        }
    }
}
