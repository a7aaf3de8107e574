//! A link between a client and the test server that stands still behind a chosen answer, as for a client that is frozen there.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::TestDatabase;

/// How long a client may take to its next round trip.
const PATIENCE: Duration = Duration::from_secs(60);
/// The server's message that ends a round trip: it waits for the client.
const READY_FOR_QUERY: u8 = b'Z';
/// A type and a length, which counts itself.
const HEADER: usize = 5;

/// A socket whose clients reach a database through it, until one is frozen.
#[derive(Debug)]
pub struct Link {
    dir: tempfile::TempDir,
    url: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

/// Round trips from now on.
#[derive(Debug, Default)]
struct State {
    /// How many are let through before the client is frozen; none: all.
    left: Option<usize>,
    is_frozen: bool,
}

impl Link {
    /// A link that lets everything through.
    ///
    /// # Panics
    /// If there is no room for its socket.
    pub fn to(database: &TestDatabase) -> Self {
        let dir = tempfile::Builder::new().prefix("peng-link-").tempdir().expect("a directory for the link");
        let socket = |dir: &std::path::Path| dir.join(".s.PGSQL.5432");
        let listener = UnixListener::bind(socket(dir.path())).expect("a socket for the link");
        let (state, server) = (Arc::default(), socket(&crate::server().socket_dir()));
        let url = database.url().replace(
            &domain::uri_component(&crate::server().socket_dir().to_string_lossy()),
            &domain::uri_component(&dir.path().to_string_lossy()),
        );
        let link = Self { dir, url, state: Arc::clone(&state) };
        // It ends with the process: a client that is gone ends its own two.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&server).expect("the test server answers");
                let [mut up, mut to_server] =
                    [&client, &server].map(|end| end.try_clone().expect("a handle"));
                thread::spawn(move || {
                    let _gone = io::copy(&mut up, &mut to_server);
                    let _gone = to_server.shutdown(std::net::Shutdown::Both);
                });
                let state = Arc::clone(&state);
                thread::spawn(move || {
                    let _gone = answers(&server, &client, &state);
                    let _gone = client.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        link
    }

    /// URL of the database by way of this link.
    pub fn url(&self) -> &str {
        debug_assert!(self.dir.path().exists(), "the socket lives as long as the link");
        &self.url
    }

    /// Lets so many round trips through, of all that begin from now on; the answer to the last of them is held back.
    pub fn freeze_after(&self, trips: usize) {
        *lock(&self.state.0) = State { left: Some(trips), is_frozen: false };
    }

    /// Waits until a client is frozen; false once `is_done` says that it got through to its end.
    ///
    /// # Panics
    /// If neither happens.
    pub fn await_frozen(&self, is_done: impl Fn() -> bool) -> bool {
        let (state, changed) = &*self.state;
        let (mut state, start) = (lock(state), std::time::Instant::now());
        while !state.is_frozen {
            if is_done() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "the client neither ends nor goes on");
            let look = Duration::from_millis(5);
            state = changed.wait_timeout(state, look).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lets everything through again.
    pub fn thaw(&self) {
        *lock(&self.state.0) = State::default();
        self.state.1.notify_all();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes the server's messages on, one by one.
fn answers(
    mut server: &UnixStream,
    mut client: &UnixStream,
    state: &(Mutex<State>, Condvar),
) -> io::Result<()> {
    let mut message = vec![0; HEADER];
    loop {
        message.resize(HEADER, 0);
        server.read_exact(&mut message)?;
        let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
        message.resize(length + 1, 0);
        server.read_exact(&mut message[HEADER..])?;
        if message[0] == READY_FOR_QUERY {
            hold(state);
        }
        client.write_all(&message)?;
    }
}

/// Holds the end of a round trip back where the client is to be frozen.
fn hold((state, changed): &(Mutex<State>, Condvar)) {
    let mut state = lock(state);
    let Some(left) = &mut state.left else { return };
    *left = left.saturating_sub(1);
    if *left == 0 {
        state.is_frozen = true;
        changed.notify_all();
        let thawed = changed.wait_while(state, |state| state.is_frozen);
        drop(thawed.unwrap_or_else(PoisonError::into_inner));
    }
}
