//! Requests to a store: each is given up in time, and none keeps a process from leaving.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime, time};

use crate::{Action, CheckpointError, error::Failure};

/// What a request that moves nothing may take; with it, a store that hangs is an outage like one that is not there.
const PATIENCE: Duration = Duration::from_secs(30);
/// The slowest store that is waited for, in bytes a second.
const SLOWEST: u64 = 500_000;
/// Bytes that could be moved in the time that a listing may take: an hour.
pub const LISTING: u64 = SLOWEST * 3600;
/// How often a running request looks whether anybody still waits for it.
const LOOK: Duration = Duration::from_millis(100);

/// What is asked of a store.
pub struct Request<'a> {
    pub action: Action,
    pub uri: &'a str,
    /// How much it moves.
    pub bytes: u64,
    /// Whether nobody waits for it any more.
    pub abandoned: &'a dyn Fn() -> bool,
}

/// What runs the requests of a store.
pub struct Executor(Option<runtime::Runtime>);

impl Executor {
    pub fn new() -> io::Result<Self> {
        runtime::Builder::new_current_thread().enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    /// Runs a request for as long as what it moves may take, or until nobody waits for it.
    pub fn run<T>(
        &self,
        request: &Request<'_>,
        endpoint: Option<&str>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, CheckpointError> {
        let (action, uri) = (request.action, request.uri.to_owned());
        let limit = PATIENCE + Duration::from_secs(request.bytes / SLOWEST);
        self.block_on(async {
            let mut work = std::pin::pin!(work);
            let start = time::Instant::now();
            while start.elapsed() < limit {
                match time::timeout(LOOK, &mut work).await {
                    Ok(done) => {
                        return done.map_err(|failure| CheckpointError::of(action, uri, endpoint, failure));
                    }
                    Err(_) if (request.abandoned)() => {
                        return Err(CheckpointError::Abandoned { action, uri });
                    }
                    Err(_) => {}
                }
            }
            let reason = format!("no answer for {} s", limit.as_secs());
            Err(CheckpointError::Away { action, uri, reason })
        })
    }

    /// Runs what tidies up after a request, for so long at most. `None`: it was given up.
    pub fn tidy<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.block_on(async { time::timeout(limit, work).await.ok() })
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is taken only when this is dropped").block_on(work)
    }
}

impl Drop for Executor {
    /// Waits for no thread: one that hangs in a file system ends with the process.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs work on files in a thread of its own, which may hang in it. It gets a flag that is set once its request is given up.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let flag = GivenUp(Arc::new(AtomicBool::new(false)));
    let given_up = Arc::clone(&flag.0);
    match tokio::task::spawn_blocking(move || work(&given_up)).await {
        Ok(done) => done,
        Err(panic) => Err(Failure::Directory(io::Error::other(panic))),
    }
}

/// A flag that is set when the request that holds it is dropped.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
