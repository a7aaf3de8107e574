//! An S3 server on loopback that checks signatures, goes away and comes back with what it holds.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread::JoinHandle,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    s3_error,
    service::S3ServiceBuilder,
};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, sync::oneshot};

/// The bucket.
pub const BUCKET: &str = "peng";
/// The secret of its key.
pub const SECRET: &str = "s3cret-of-the-test";

/// The server; its objects are files, and gone with this value.
pub struct Server {
    dir: tempfile::TempDir,
    address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Server {
    /// A server with an empty bucket, on a free port.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let mut server = Self { dir, address: ([127, 0, 0, 1], 0).into(), running: None };
        server.restart();
        server
    }

    /// Goes away: connections break, new ones are refused.
    pub fn stop(&mut self) {
        if let Some(Running { thread, stop }) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// Comes back where it was.
    pub fn restart(&mut self) {
        let (root, address) = (self.dir.path().to_owned(), self.address);
        let (stop, stopped) = oneshot::channel();
        let (bound, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(&root, address, &bound, stopped));
        });
        self.address = ready.recv().unwrap();
        self.running = Some(Running { thread, stop });
    }

    /// Accepts connections and answers none, as behind a network that swallows packets.
    pub fn stall(&mut self) {
        self.stop();
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _listener = listener;
            let _dropped = stopped.blocking_recv();
        });
        self.running = Some(Running { thread, stop });
    }

    /// Points a command to a prefix of a bucket on it, with credentials.
    pub fn configure<'a>(&self, command: &'a mut Command, bucket: &str) -> &'a mut Command {
        command
            .env("PENG_CHECKPOINTS", format!("s3://{bucket}/checkpoints"))
            .env("AWS_ENDPOINT", format!("http://{}", self.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "tester")
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
    }

    /// Where it keeps its buckets.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The file of each object, in the order of their names.
    pub fn objects(&self) -> Vec<PathBuf> {
        let mut files = files(&self.dir.path().join(BUCKET));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "ckpt"));
        files.sort();
        files
    }
}

/// Files of uploads in pieces, under the root of a server, that were neither completed nor aborted.
pub fn unfinished(root: &Path) -> Vec<PathBuf> {
    let mut files = files(root);
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".upload")));
    files
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `s3s-fs` makes a bucket that is not there; S3 does not.
struct OneBucket;

#[async_trait::async_trait]
impl S3Access for OneBucket {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        match request.s3_path().get_bucket_name() {
            Some(BUCKET) => Ok(()),
            _ => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
        }
    }
}

/// Serves until the channel closes.
async fn serve(
    root: &Path,
    address: SocketAddr,
    bound: &mpsc::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) {
    let listener = TcpListener::bind(address).await.unwrap();
    bound.send(listener.local_addr().unwrap()).unwrap();
    let mut builder = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("tester", SECRET));
    builder.set_access(OneBucket);
    let service = builder.build().into_shared();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let http = Builder::new(TokioExecutor::new());
                // A client that leaves is no fault of the server.
                let _ended = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    // All connections end with the runtime.
    let _dropped = stopped.await;
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
