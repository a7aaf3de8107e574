//! Checkpoints, durable before a row points to them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use object_store::{ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, path::Path as Key};
use sha2::{Digest as _, Sha256};
use store::{Lease, checkpoint::Checkpoint, curve::NewCheckpoint};
use url::Url;

/// Why a checkpoint was not written or not read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The URL names no store.
    #[error("`{url}` is no checkpoint store: {reason}; expected file:///path or the URL of an object store")]
    Url {
        /// As given.
        url: String,
        /// Why.
        reason: String,
    },
    /// The store refuses.
    #[error("cannot {action} checkpoint `{uri}`: {source}")]
    Store {
        /// write, read, or delete.
        action: &'static str,
        /// Which.
        uri: String,
        /// Why.
        source: object_store::Error,
    },
    /// A local file could not be read or written.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was read is not what was written.
    #[error("checkpoint `{uri}` is damaged: expected {expected}, found {found}")]
    Damaged {
        /// Which.
        uri: String,
        /// Size and checksum that were recorded.
        expected: String,
        /// Those found.
        found: String,
    },
}

/// Where checkpoints are kept. Keys are `search/job/step-fence`, so that two attempts never write the same object.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    url: Url,
    objects: Arc<dyn ObjectStore>,
    prefix: Key,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl CheckpointStore {
    /// The store at a URL; a directory is made if it is not there.
    ///
    /// # Errors
    /// [`CheckpointError::Url`] for a URL that names no store, [`CheckpointError::Io`] for a directory that cannot be
    /// made.
    pub fn open(url: &str) -> Result<Self, CheckpointError> {
        let bad = |reason: String| CheckpointError::Url { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.map_err(|source| CheckpointError::Io { path: url.into(), source })?);
        let (objects, prefix): (Arc<dyn ObjectStore>, _) = if parsed.scheme() == "file" {
            let dir = parsed.to_file_path().map_err(|()| bad("not a path".to_owned()))?;
            fs::create_dir_all(&dir).map_err(|source| CheckpointError::Io { path: dir.clone(), source })?;
            let local = LocalFileSystem::new_with_prefix(&dir).map_err(|error| bad(error.to_string()))?;
            (Arc::new(local.with_fsync(true)), Key::default())
        } else {
            let settings = std::env::vars().map(|(key, value)| (key.to_ascii_lowercase(), value));
            let (objects, prefix) =
                object_store::parse_url_opts(&parsed, settings).map_err(|error| bad(error.to_string()))?;
            (Arc::from(objects), prefix)
        };
        let mut url = parsed;
        url.set_query(None);
        Ok(Self { url, objects, prefix, runtime })
    }

    /// Writes and deletes a small object, so that a worker that cannot write says so before it claims a job.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn probe(&self) -> Result<(), CheckpointError> {
        let key = self.prefix.clone().join(format!(".probe-{}", uuid::Uuid::new_v4()));
        let failed = |source| CheckpointError::Store { action: "write", uri: self.uri(&key), source };
        self.runtime.block_on(async {
            self.objects.put(&key, "peng".into()).await.map_err(failed)?;
            self.objects.delete(&key).await.map_err(failed)
        })
    }

    /// Makes a file of the scratch directory durable as the checkpoint of a step, and removes it.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing points to what may have been written.
    pub fn put(
        &self,
        search: i64,
        lease: Lease,
        step: i32,
        file: &Path,
    ) -> Result<NewCheckpoint, CheckpointError> {
        let io = |source| CheckpointError::Io { path: file.to_owned(), source };
        let content = fs::read(file).map_err(io)?;
        let sha256 = digest(&content);
        let bytes = content.len() as i64;
        let name = format!("{search}/{}/{step:06}-{}.ckpt", lease.job_id, lease.fence);
        let key = name.split('/').fold(self.prefix.clone(), object_store::path::Path::join);
        let uri = self.uri(&key);
        let put = self.runtime.block_on(self.objects.put(&key, content.into()));
        put.map_err(|source| CheckpointError::Store { action: "write", uri: uri.clone(), source })?;
        fs::remove_file(file).map_err(io)?;
        Ok(NewCheckpoint { uri, bytes, sha256 })
    }

    /// Brings a checkpoint into a local file, verified.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] if size or checksum differ from what was recorded.
    pub fn fetch(&self, checkpoint: &Checkpoint, into: &Path) -> Result<(), CheckpointError> {
        let uri = &checkpoint.uri;
        let failed = |source| CheckpointError::Store { action: "read", uri: uri.clone(), source };
        let key = self.key(uri)?;
        let content =
            self.runtime.block_on(async { self.objects.get(&key).await?.bytes().await }).map_err(failed)?;
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
    /// [`CheckpointError::Store`].
    pub fn delete(&self, uri: &str) -> Result<(), CheckpointError> {
        let key = self.key(uri)?;
        match self.runtime.block_on(self.objects.delete(&key)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(CheckpointError::Store { action: "delete", uri: uri.to_owned(), source }),
        }
    }

    fn base(&self) -> String {
        let mut base = self.url.clone();
        base.set_path("");
        if self.url.scheme() == "file" {
            self.url.as_str().trim_end_matches('/').to_owned()
        } else {
            base.as_str().trim_end_matches('/').to_owned()
        }
    }

    fn uri(&self, key: &Key) -> String {
        format!("{}/{key}", self.base())
    }

    fn key(&self, uri: &str) -> Result<Key, CheckpointError> {
        let key = uri.strip_prefix(&self.base()).map(|rest| rest.trim_start_matches('/'));
        let bad = |reason: String| CheckpointError::Url { url: uri.to_owned(), reason };
        let key =
            key.ok_or_else(|| bad(format!("it is not in this worker's checkpoint store {}", self.base())))?;
        Key::parse(key).map_err(|error| bad(error.to_string()))
    }
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(new: &NewCheckpoint) -> Checkpoint {
        Checkpoint { step: 1, uri: new.uri.clone(), bytes: new.bytes, sha256: new.sha256.clone() }
    }

    #[test]
    fn what_is_put_comes_back_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(&format!("file://{}/store", dir.path().display())).unwrap();
        store.probe().unwrap();
        let (file, back) = (dir.path().join("new"), dir.path().join("back"));
        fs::write(&file, b"weights").unwrap();
        let new = store.put(1, Lease { job_id: 2, fence: 3 }, 4, &file).unwrap();
        assert!(!file.exists(), "the scratch file goes");
        store.fetch(&committed(&new), &back).unwrap();
        assert_eq!(fs::read(&back).unwrap(), b"weights");

        let path = Url::parse(&new.uri).unwrap().to_file_path().unwrap();
        for (content, why) in [(&b"weigh"[..], "truncated"), (b"weightz", "changed")] {
            fs::write(&path, content).unwrap();
            let error = store.fetch(&committed(&new), &back).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{why}: {error}");
        }
        store.delete(&new.uri).unwrap();
        store.delete(&new.uri).unwrap();
        assert!(store.fetch(&committed(&new), &back).is_err());
    }

    #[test]
    fn a_store_that_cannot_be_is_refused() {
        for url in ["checkpoints", "ftp://host/x", "file:///dev/null/x"] {
            assert!(CheckpointStore::open(url).is_err(), "{url}");
        }
    }
}
