//! The store: checkpoints go in by file and come back verified.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{TryStreamExt as _, future::ready};
use object_store::{ObjectStoreExt as _, path::Path as Key};
use sha2::{Digest as _, Sha256};
use store::{
    Lease,
    checkpoint::{Checkpoint, Owner},
    curve::NewCheckpoint,
};
use url::Url;
use uuid::Uuid;

use crate::{Action, CheckpointError, Object, location::Location};

/// What a request that moves nothing may take; with it, a store that hangs is an outage like one that is not there.
const PATIENCE: Duration = Duration::from_secs(30);
/// The slowest store that is waited for, in bytes a second.
const SLOWEST: u64 = 500_000;
/// A listing may take as long as moving so many bytes: an hour.
const LISTING: u64 = SLOWEST * 3600;
/// How often a running request looks whether anybody still waits for it.
const LOOK: Duration = Duration::from_millis(100);

/// Where the checkpoints of a database are kept. Keys are `database/search/job/step-fence.ckpt`, so that two attempts never
/// write the same object, of whatever database they are.
#[derive(Clone)]
pub struct CheckpointStore {
    location: Arc<Location>,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl CheckpointStore {
    /// The part of a database, by its [`identity`](store::identity), in the store at a URL, or in the directory `checkpoints`
    /// of the user's data directory. A directory is made if it is not there; no server is asked yet.
    ///
    /// # Errors
    /// [`CheckpointError::Url`] for a URL that names no store, [`CheckpointError::Io`] for a directory that cannot be
    /// made.
    pub fn open(url: Option<&str>, database: Uuid) -> Result<Self, CheckpointError> {
        let location = match url {
            Some(url) => Location::open(url, database),
            None => Location::open(&home(), database),
        }?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|source| CheckpointError::Io { path: PathBuf::from("runtime"), source })?;
        Ok(Self { location: Arc::new(location), runtime: Arc::new(runtime) })
    }

    /// Writes and deletes a small object, so that a worker that cannot write says so before it claims a job. `abandoned` is
    /// looked at while it is under way.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn probe(&self, abandoned: &dyn Fn() -> bool) -> Result<(), CheckpointError> {
        // One key for all workers: what a killed one leaves is overwritten by the next.
        let key = self.location.prefix.clone().join(".probe");
        let (uri, objects) = (self.uri(&key), &self.location.objects);
        self.run(Action::Write, &uri, 0, abandoned, async {
            objects.put(&key, "peng".into()).await?;
            gone(objects.delete(&key).await)
        })
    }

    /// Makes a file of the scratch directory durable as the checkpoint of a step, and removes it. `abandoned` is looked
    /// at while it is under way.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing points to what may have been written.
    pub fn put(
        &self,
        search: i64,
        lease: Lease,
        step: i32,
        file: &Path,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<NewCheckpoint, CheckpointError> {
        let io = |source| CheckpointError::Io { path: file.to_owned(), source };
        let content = fs::read(file).map_err(io)?;
        let sha256 = digest(&content);
        let bytes = content.len() as i64;
        let owner = Owner { job_id: lease.job_id, step, fence: lease.fence };
        let object = Object { search_id: search, owner, bytes: bytes as u64, fragment: None };
        let key = object.key(&self.location.prefix);
        let uri = self.uri(&key);
        let put = self.location.objects.put(&key, content.into());
        self.run(Action::Write, &uri, bytes as u64, abandoned, put)?;
        fs::remove_file(file).map_err(io)?;
        Ok(NewCheckpoint { uri, bytes, sha256 })
    }

    /// Brings a checkpoint into a local file, verified. `abandoned` is looked at while it is under way.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] if size or checksum differ from what was recorded.
    pub fn fetch(
        &self,
        checkpoint: &Checkpoint,
        into: &Path,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError> {
        let uri = &checkpoint.uri;
        let key = self.key(uri)?;
        let get = async { self.location.objects.get(&key).await?.bytes().await };
        let content = self.run(Action::Read, uri, checkpoint.bytes as u64, abandoned, get)?;
        let found = digest(&content);
        if found != checkpoint.sha256 || content.len() as i64 != checkpoint.bytes {
            return Err(CheckpointError::Damaged {
                uri: uri.clone(),
                expected: format!("{} bytes, SHA-256 {}", checkpoint.bytes, checkpoint.sha256),
                found: format!("{} bytes, SHA-256 {found}", content.len()),
            });
        }
        fs::write(into, content).map_err(|source| CheckpointError::Io { path: into.to_owned(), source })
    }

    /// Deletes an object that no row points to any more. One that is gone already is fine.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn delete(&self, uri: &str) -> Result<(), CheckpointError> {
        let key = self.key(uri)?;
        let delete = async { gone(self.location.objects.delete(&key).await) };
        self.run(Action::Delete, uri, 0, &never, delete)
    }

    /// All checkpoints of the database that are there, whoever points to them, and those that a write has left half done.
    /// About 60 bytes of memory each.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`]; [`CheckpointError::Io`] for a directory that cannot be
    /// read.
    pub fn list(&self) -> Result<Vec<Object>, CheckpointError> {
        let Location { objects, prefix, .. } = &*self.location;
        let listed = objects.list(Some(prefix));
        let read = |meta: object_store::ObjectMeta| Object::read(prefix, &meta.location, meta.size);
        let found = listed.try_filter_map(|meta| ready(Ok(read(meta)))).try_collect();
        let mut found: Vec<_> = self.run(Action::List, &self.uri(prefix), LISTING, &never, found)?;
        found.extend(self.location.fragments()?);
        Ok(found)
    }

    /// Deletes an object that was listed. One that is gone already is fine.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`]; [`CheckpointError::Io`] for a file that cannot be deleted.
    pub fn collect(&self, object: &Object) -> Result<(), CheckpointError> {
        let uri = self.uri_of(object);
        let Some(root) = self.location.directory.as_ref().filter(|_| object.fragment.is_some()) else {
            return self.delete(&uri);
        };
        // The client of the store does not see these files.
        let path = root.join(&uri[self.location.base.len() + 1..]);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CheckpointError::Io { path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Where an object is, as its row would say.
    pub fn uri_of(&self, object: &Object) -> String {
        let whole = self.uri(&object.key(&self.location.prefix));
        object.fragment.map_or(whole.clone(), |number| format!("{whole}#{number}"))
    }

    /// Runs a request that moves so many bytes for as long as that may take, or until nobody waits for it.
    fn run<T>(
        &self,
        action: Action,
        uri: &str,
        bytes: u64,
        abandoned: &dyn Fn() -> bool,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, CheckpointError> {
        let limit = PATIENCE + Duration::from_secs(bytes / SLOWEST);
        let uri = uri.to_owned();
        self.runtime.block_on(async {
            let mut request = std::pin::pin!(request);
            let start = tokio::time::Instant::now();
            while start.elapsed() < limit {
                match tokio::time::timeout(LOOK, &mut request).await {
                    Ok(done) => {
                        let endpoint = self.location.endpoint.as_deref();
                        return done.map_err(|error| CheckpointError::of(action, &uri, endpoint, &error));
                    }
                    Err(_) if abandoned() => return Err(CheckpointError::Abandoned { action, uri }),
                    Err(_) => {}
                }
            }
            let reason = format!("no answer for {} s", limit.as_secs());
            Err(CheckpointError::Away { action, uri, reason })
        })
    }

    fn uri(&self, key: &Key) -> String {
        format!("{}/{key}", self.location.base)
    }

    fn key(&self, uri: &str) -> Result<Key, CheckpointError> {
        let base = &self.location.base;
        let bad = |reason: String| CheckpointError::Url { url: uri.to_owned(), reason };
        let key = uri.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        let key = key.ok_or_else(|| bad(format!("it is not in this worker's checkpoint store {base}")))?;
        Key::parse(key).map_err(|error| bad(error.to_string()))
    }
}

fn home() -> String {
    let dir = domain::default_home().join("checkpoints");
    Url::from_directory_path(std::path::absolute(&dir).unwrap_or(dir))
        .map_or_else(|()| String::new(), Into::into)
}

/// What is not there need not be deleted.
fn gone(deleted: object_store::Result<()>) -> object_store::Result<()> {
    match deleted {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        done => done,
    }
}

fn never() -> bool {
    false
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> CheckpointStore {
        CheckpointStore::open(Some(&format!("file://{}/store", dir.display())), Uuid::nil()).unwrap()
    }

    fn put(store: &CheckpointStore, dir: &Path, content: &[u8]) -> NewCheckpoint {
        fs::write(dir.join("new"), content).unwrap();
        store.put(1, Lease { job_id: 2, fence: 3 }, 4, &dir.join("new"), &never).unwrap()
    }

    fn committed(new: &NewCheckpoint) -> Checkpoint {
        Checkpoint { step: 1, uri: new.uri.clone(), bytes: new.bytes, sha256: new.sha256.clone() }
    }

    #[test]
    fn what_is_put_comes_back_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.probe(&never).unwrap();
        let (file, back) = (dir.path().join("new"), dir.path().join("back"));
        fs::write(&file, b"weights").unwrap();
        let new = store.put(1, Lease { job_id: 2, fence: 3 }, 4, &file, &never).unwrap();
        assert!(!file.exists(), "the scratch file goes");
        store.fetch(&committed(&new), &back, &never).unwrap();
        assert_eq!(fs::read(&back).unwrap(), b"weights");

        let path = Url::parse(&new.uri).unwrap().to_file_path().unwrap();
        for (content, why) in [(&b"weigh"[..], "truncated"), (b"weightz", "changed")] {
            fs::write(&path, content).unwrap();
            let error = store.fetch(&committed(&new), &back, &never).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{why}: {error}");
        }
        store.delete(&new.uri).unwrap();
        store.delete(&new.uri).unwrap();
        let error = store.fetch(&committed(&new), &back, &never).unwrap_err();
        assert!(matches!(error, CheckpointError::Missing { .. }), "{error}");
    }

    #[test]
    fn databases_with_one_store_never_meet() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("file://{}", dir.path().display());
        let stores = [1, 2].map(|i| CheckpointStore::open(Some(&url), Uuid::from_u128(i)).unwrap());
        let news =
            [(&stores[0], &b"one"[..]), (&stores[1], b"other")].map(|(s, text)| put(s, dir.path(), text));
        for (store, new) in stores.iter().zip(&news) {
            let listed = store.list().unwrap();
            let listed: Vec<_> = listed.iter().map(|o| store.uri_of(o)).collect();
            assert_eq!(listed, std::slice::from_ref(&new.uri));
            store.fetch(&committed(new), &dir.path().join("back"), &never).unwrap();
        }
    }

    #[test]
    fn what_a_killed_write_left_is_listed_and_collected() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        assert_eq!(store.list().unwrap(), [], "nothing was ever written");
        let new = put(&store, dir.path(), b"weights");
        let whole = Url::parse(&new.uri).unwrap().to_file_path().unwrap();
        let half = whole.with_file_name("000005-3.ckpt#1");
        let other = whole.with_file_name("notes#1");
        for file in [&half, &other] {
            fs::write(file, b"wei").unwrap();
        }
        let listed = store.list().unwrap();
        assert_eq!(
            listed.iter().map(|o| (o.owner.step, o.bytes, o.fragment)).collect::<Vec<_>>(),
            [(4, 7, None), (5, 3, Some(1)),]
        );
        store.collect(&listed[1]).unwrap();
        store.collect(&listed[1]).unwrap();
        assert_eq!([&whole, &half, &other].map(|file| file.exists()), [true, false, true]);
        store.collect(&listed[0]).unwrap();
        assert!(!whole.exists());
    }

    #[test]
    fn a_store_that_cannot_be_is_refused_without_its_secrets() {
        for (url, expected) in [
            ("checkpoints", "is no checkpoint store"),
            ("ftp://host/x", "`ftp:` is not supported"),
            ("gs://bucket/x", "expected file:///path or s3://bucket/prefix"),
            ("s3:///x", "it names no bucket"),
            ("file:///dev/null/x", "/dev/null/x"),
            ("s3://key:s3cret@bucket/x", "s3://***@bucket/x"),
            ("s3://s3cret@bucket/x", "AWS_ACCESS_KEY_ID"),
            ("s3://bucket/x?aws_secret_access_key=s3cret", "AWS_SECRET_ACCESS_KEY"),
            ("s3//key:s3cret@bucket", "is no checkpoint store"),
        ] {
            let error = CheckpointStore::open(Some(url), Uuid::nil()).err().expect(url);
            assert!(error.to_string().contains(expected), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}: {error:?}");
        }
    }
}
