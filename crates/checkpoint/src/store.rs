//! The store: checkpoints go in by file and come back verified.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{Checkpoint, CheckpointKey, Lease, NewCheckpoint, SearchId};
use futures_util::{TryStreamExt as _, future::ready};
use object_store::ObjectStoreExt as _;
use url::Url;
use uuid::Uuid;

use crate::{
    Action, CheckpointError, Object,
    content::Content,
    directory,
    error::Failure,
    location::{Location, shown},
    object::key_of,
    request::{Executor, LISTING, Request, blocking},
    transfer,
};

/// How long to wait for a store to drop the pieces of an upload that failed.
const ABORT: Duration = Duration::from_secs(2);

/// Where the checkpoints of a database are kept. Keys are `database/search/job/step-fence-worker.ckpt`, relative to the
/// store's URL, so that two attempts never write the same object, of whatever database they are.
#[derive(Clone)]
pub struct CheckpointStore {
    pub(crate) location: Arc<Location>,
    executor: Arc<Executor>,
}

impl CheckpointStore {
    /// The store at a URL for the database of that identity, or, for a private one, the directory `checkpoints` of the
    /// user's data directory. A directory is made if it is not there; no server is asked yet.
    ///
    /// # Errors
    /// [`CheckpointError::Unset`] without a URL for a database that is not private, [`CheckpointError::Url`] for one that
    /// names no store, [`CheckpointError::Io`] for a directory that cannot be made, [`CheckpointError::Away`] for one
    /// that hangs.
    pub fn open(
        url: Option<&str>,
        database: Uuid,
        database_is_private: bool,
    ) -> Result<Self, CheckpointError> {
        let url = match url.filter(|url| !url.is_empty()) {
            Some(url) => url.to_owned(),
            None if database_is_private => home(),
            None => return Err(CheckpointError::Unset),
        };
        let executor = Executor::new()
            .map_err(|source| CheckpointError::Io { path: PathBuf::from("runtime"), source })?;
        let request = Request { action: Action::Open, uri: &shown(&url), bytes: 0, abandoned: &never };
        let opening = blocking(move |_| Ok(Location::open(&url, database)));
        let location = executor.run(&request, None, opening)??;
        Ok(Self { location: Arc::new(location), executor: Arc::new(executor) })
    }

    /// Writes and deletes a small object, so that a worker that cannot write says so before it claims a job. `abandoned` is
    /// looked at while it is under way.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn probe(&self, abandoned: &dyn Fn() -> bool) -> Result<(), CheckpointError> {
        // One key for all workers: what a killed one leaves is overwritten by the next.
        let relative = format!("{}/.probe", self.location.database);
        let (key, objects) = (self.location.key(&relative), &self.location.objects);
        self.run(Action::Write, &self.location.uri(&relative), 0, abandoned, async {
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
        search: SearchId,
        lease: Lease,
        step: i32,
        file: &Path,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<NewCheckpoint, CheckpointError> {
        let key = format!("{}/{}", self.location.database, CheckpointKey::new(search, lease, step));
        let Content { bytes, sha256 } = self.write(&key, file, abandoned)?;
        fs::remove_file(file).map_err(|source| CheckpointError::Io { path: file.to_owned(), source })?;
        let uri = self.location.uri(&key);
        Ok(NewCheckpoint { key, uri, bytes, sha256 })
    }

    fn write(
        &self,
        relative: &str,
        file: &Path,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Content, CheckpointError> {
        let io = |source| CheckpointError::Io { path: file.to_owned(), source };
        let size = fs::metadata(file).map_err(io)?.len();
        let uri = self.location.uri(relative);
        if let Some(root) = &self.location.directory {
            let (from, target) = (file.to_owned(), root.join(relative));
            let write = blocking(move |given_up| directory::write(&from, &target, given_up));
            return self.run(Action::Write, &uri, size, abandoned, write);
        }
        let (key, mut unfinished) = (self.location.key(relative), None);
        let upload = transfer::upload(&self.location.objects, &key, file, size, &mut unfinished);
        let written = self.run(Action::Write, &uri, size, abandoned, upload);
        if let Some(mut upload) = unfinished {
            // A store that does not take this either drops the pieces by a rule of the bucket, see docs/jobs.md.
            let _ = self.executor.tidy(ABORT, upload.abort());
        }
        written
    }

    /// Brings a checkpoint into a local file, verified; nothing is left there of one that is not whole. `abandoned` is
    /// looked at while it is under way.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] if size or checksum differ from what was recorded.
    pub fn fetch(
        &self,
        checkpoint: &Checkpoint,
        into: &Path,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError> {
        let fetched = self.read(checkpoint, into, abandoned);
        if fetched.is_err() {
            match fs::remove_file(into) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CheckpointError::Io { path: into.to_owned(), source: error });
                }
                _ => {}
            }
        }
        fetched
    }

    fn read(
        &self,
        checkpoint: &Checkpoint,
        into: &Path,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError> {
        let relative = key_of(checkpoint, self.location.database)?;
        let (key, uri) = (self.location.key(&relative), self.location.uri(&relative));
        let download = transfer::download(&self.location.objects, &key, into.to_owned());
        let found = self.run(Action::Read, &uri, checkpoint.bytes as u64, abandoned, download)?;
        let expected = Content { bytes: checkpoint.bytes, sha256: checkpoint.sha256.clone() };
        if found == expected {
            return Ok(());
        }
        Err(CheckpointError::Damaged { uri, expected: expected.to_string(), found: found.to_string() })
    }

    /// Deletes the object of a checkpoint that no row points to any more. One that is gone already is fine.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn delete(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        self.delete_key(&key_of(checkpoint, self.location.database)?)
    }

    fn delete_key(&self, relative: &str) -> Result<(), CheckpointError> {
        let (key, uri) = (self.location.key(relative), self.location.uri(relative));
        let delete = async { gone(self.location.objects.delete(&key).await) };
        self.run(Action::Delete, &uri, 0, &never, delete)
    }

    /// All checkpoints of the database that are there, whoever points to them, and those that a write has left half done.
    /// About 80 bytes of memory each.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn list(&self) -> Result<Vec<Object>, CheckpointError> {
        let Location { objects, url, .. } = &*self.location;
        let part = self.location.part();
        let listed = objects.list(Some(&part)).map_err(Failure::Store);
        let read = |meta: object_store::ObjectMeta| Object::read(&part, &meta.location, meta.size);
        let found = listed.try_filter_map(|meta| ready(Ok(read(meta)))).try_collect();
        let mut found: Vec<_> = self.run(Action::List, url, LISTING, &never, found)?;
        if let Some(root) = &self.location.directory {
            let dir = root.join(part.as_ref());
            let fragments = blocking(move |_| directory::fragments(&dir).map_err(Failure::Directory));
            let fragments = self.run(Action::List, url, LISTING, &never, fragments)?;
            found.extend(fragments.iter().filter_map(Object::of_fragment));
        }
        Ok(found)
    }

    /// Deletes an object that was listed. One that is gone already is fine.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn collect(&self, object: &Object) -> Result<(), CheckpointError> {
        let relative = self.relative(object);
        let Some(root) = self.location.directory.as_ref().filter(|_| object.fragment.is_some()) else {
            return self.delete_key(&relative);
        };
        // The client of the store does not see these files.
        let path = root.join(&relative);
        let remove = blocking(move |_| match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::Directory(error)),
            _ => Ok(()),
        });
        self.run(Action::Delete, &self.location.uri(&relative), 0, &never, remove)
    }

    /// Where an object is, as its row would say.
    pub fn uri_of(&self, object: &Object) -> String {
        self.location.uri(&self.relative(object))
    }

    fn relative(&self, object: &Object) -> String {
        let whole = format!("{}/{}", self.location.database, object.key);
        object.fragment.map_or(whole.clone(), |number| format!("{whole}#{number}"))
    }

    pub(crate) fn run<T>(
        &self,
        action: Action,
        uri: &str,
        bytes: u64,
        abandoned: &dyn Fn() -> bool,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, CheckpointError> {
        let request = Request { action, uri, bytes, abandoned };
        self.executor.run(&request, self.location.endpoint.as_deref(), work)
    }
}

fn home() -> String {
    let dir = domain::default_home().join("checkpoints");
    Url::from_directory_path(std::path::absolute(&dir).unwrap_or(dir))
        .map_or_else(|()| String::new(), Into::into)
}

/// What is not there need not be deleted.
fn gone(deleted: object_store::Result<()>) -> Result<(), Failure> {
    match deleted {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        done => Ok(done?),
    }
}

fn never() -> bool {
    false
}
