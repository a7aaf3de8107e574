//! Where a URL points: a directory, or a prefix in a bucket.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    path::Path as Key,
};
use url::Url;
use uuid::Uuid;

use crate::{CheckpointError, signature::Sha2};

/// An opened place for the objects of a database.
pub struct Location {
    pub objects: Arc<dyn ObjectStore>,
    /// Its URL, without a slash at the end.
    pub url: String,
    /// Before all keys in a bucket, as the URL says.
    root: Key,
    /// Names the database's part of it.
    pub database: Uuid,
    /// Whom an object store's client asks.
    pub endpoint: Option<String>,
    /// Where the objects are, if they are files.
    pub directory: Option<PathBuf>,
}

impl Location {
    /// Opens what a URL names; asks no server yet.
    pub fn open(text: &str, database: Uuid) -> Result<Self, CheckpointError> {
        let shown = shown(text);
        let bad = |reason: String| CheckpointError::Url { url: shown.clone(), reason };
        let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            let reason = "credentials and settings do not belong into it, where every log shows them: set \
                          AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT and so on";
            return Err(bad(reason.to_owned()));
        }
        match url.scheme() {
            "file" => Self::directory(&url, database, bad),
            "s3" => Self::bucket(&url, database, bad),
            other => Err(bad(format!("`{other}:` is not supported"))),
        }
    }

    /// What a key that is relative to the URL is for the store's client.
    pub fn key(&self, relative: &str) -> Key {
        relative.split('/').fold(self.root.clone(), Key::join)
    }

    /// The database's part.
    pub fn part(&self) -> Key {
        self.root.clone().join(self.database.to_string())
    }

    /// URL of a key.
    pub fn uri(&self, relative: &str) -> String {
        format!("{}/{relative}", self.url)
    }

    /// A directory, made if it is not there.
    fn directory(
        url: &Url,
        database: Uuid,
        bad: impl Fn(String) -> CheckpointError,
    ) -> Result<Self, CheckpointError> {
        let dir: PathBuf = url.to_file_path().map_err(|()| bad("not a path".to_owned()))?;
        fs::create_dir_all(&dir).map_err(|source| CheckpointError::Io { path: dir.clone(), source })?;
        let local = LocalFileSystem::new_with_prefix(&dir).map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            objects: Arc::new(local.with_fsync(true)),
            url: url.as_str().trim_end_matches('/').to_owned(),
            root: Key::default(),
            database,
            endpoint: None,
            directory: Some(dir),
        })
    }

    /// A prefix of a bucket; everything else comes from the usual AWS_ variables.
    fn bucket(
        url: &Url,
        database: Uuid,
        bad: impl Fn(String) -> CheckpointError,
    ) -> Result<Self, CheckpointError> {
        let bucket = url.host_str().filter(|host| !host.is_empty());
        let bucket = bucket.ok_or_else(|| bad("it names no bucket".to_owned()))?;
        let root = Key::from_url_path(url.path()).map_err(|error| bad(error.to_string()))?;
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        let endpoint = endpoint(&builder).map_err(&bad)?;
        let objects = builder
            .with_crypto_provider(Arc::new(Sha2))
            // The caller limits each request by what it moves.
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), "1 day")
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(2),
                    base: 2.0,
                },
                max_retries: 3,
                retry_timeout: Duration::from_secs(10),
            })
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            objects: Arc::new(objects),
            url: format!("s3://{bucket}/{root}").trim_end_matches('/').to_owned(),
            root,
            database,
            endpoint: Some(endpoint),
            directory: None,
        })
    }
}

/// Whom the client will ask, checked.
fn endpoint(builder: &AmazonS3Builder) -> Result<String, String> {
    let value = |key| builder.get_config_value(&key);
    let Some(endpoint) = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint))
    else {
        return Ok("S3".to_owned());
    };
    let url = Url::parse(&endpoint)
        .map_err(|error| format!("AWS_ENDPOINT has to be a URL such as https://host:9000: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "AWS_ENDPOINT must not hold credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into(),
        );
    }
    let plain = value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    if url.scheme() == "http" && plain.is_none_or(|allowed| allowed != "true") {
        return Err(format!(
            "AWS_ENDPOINT={endpoint} is not encrypted: use https, or set AWS_ALLOW_HTTP=true for a network that you trust"
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A URL as it may be shown: without what could be a password, even where it cannot be parsed.
pub fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://***@{after}")
        }
        None => text.to_owned(),
    }
}
