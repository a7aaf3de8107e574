//! Objects that no row points to: left by a worker that died between writing and committing, or by an attempt that
//! another one has replaced.

use diesel::{PgConnection, QueryResult};
use object_store::path::Path as Key;
use store::checkpoint::{self, Owner};

/// A checkpoint in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its search.
    pub search_id: i64,
    /// Whose it is.
    pub owner: Owner,
    /// Its size.
    pub bytes: u64,
    /// Number of the file that a write has left half done, in a directory; `None` for a whole one.
    pub fragment: Option<u32>,
}

impl Object {
    /// Reads `search/job/step-fence.ckpt`; `None` for what is no checkpoint.
    pub(crate) fn read(prefix: &Key, key: &Key, bytes: u64) -> Option<Self> {
        let mut parts = key.prefix_match(prefix)?;
        let (search, job, file) = (parts.next()?, parts.next()?, parts.next()?);
        let (step, fence) = file.as_ref().strip_suffix(".ckpt")?.split_once('-')?;
        let owner = Owner {
            job_id: job.as_ref().parse().ok()?,
            step: step.parse().ok()?,
            fence: fence.parse().ok()?,
        };
        let object = Self { search_id: search.as_ref().parse().ok()?, owner, bytes, fragment: None };
        // What does not have its name is somebody else's.
        (parts.next().is_none() && object.key(prefix) == *key).then_some(object)
    }

    /// Where it is in its store.
    pub(crate) fn key(&self, prefix: &Key) -> Key {
        let Owner { job_id, step, fence } = self.owner;
        let name = format!("{}/{job_id}/{step:06}-{fence}.ckpt", self.search_id);
        name.split('/').fold(prefix.clone(), Key::join)
    }
}

/// An object that nothing points to and nothing ever will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    /// The object.
    pub object: Object,
    /// Whether this database knows the attempt that wrote it; if not, it may belong to another database.
    pub known: bool,
}

/// How many objects are looked up in one statement.
const BATCH: usize = 10_000;

/// The orphans among what [`list`](crate::CheckpointStore::list) has found, which has to come before: the database is asked
/// afterwards, so that it knows each attempt that wrote one of the objects. One that still holds its job may yet commit
/// a pointer, and its objects are none.
///
/// # Errors
/// Those of the database.
pub fn orphans(conn: &mut PgConnection, listed: &[Object]) -> QueryResult<Vec<Orphan>> {
    let mut found = Vec::new();
    for batch in listed.chunks(BATCH) {
        let owners: Vec<_> = batch.iter().map(|object| object.owner).collect();
        for orphan in checkpoint::orphans(conn, &owners)? {
            found.push(Orphan { object: batch[orphan.place as usize - 1], known: orphan.known });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_named_as_a_checkpoint_is_one() {
        let prefix = Key::from("a/b");
        let read = |key: &str| Object::read(&prefix, &Key::from(key), 7);
        let owner = Owner { job_id: 2, step: 3, fence: 4 };
        let object = Object { search_id: 1, owner, bytes: 7, fragment: None };
        assert_eq!(read("a/b/1/2/000003-4.ckpt"), Some(object));
        assert_eq!(object.key(&prefix).as_ref(), "a/b/1/2/000003-4.ckpt");
        for (key, why) in [
            ("a/1/2/000003-4.ckpt", "another prefix"),
            ("a/b/1/2/3-4.ckpt", "not padded: somebody else's"),
            ("a/b/1/2/000003-4.ckpt/x", "deeper"),
            ("a/b/1/2/000003-4", "another ending"),
            ("a/b/1/2/000003.ckpt", "no fence"),
            ("a/b/notes/2/000003-4.ckpt", "no search"),
            ("a/b/.probe", "a probe"),
        ] {
            assert_eq!(read(key), None, "{why}");
        }
    }
}
