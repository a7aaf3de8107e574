//! A durable private server for one test or benchmark.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use local_postgres::{Server, Status};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to go or to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of its own, to be killed, restarted or locked; stopped and removed with this value.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    // Dropped after the server has stopped.
    _home: tempfile::TempDir,
}

impl Postgres {
    /// A server that runs.
    ///
    /// # Panics
    /// If there is no Postgres on this machine, as all of these.
    pub fn start() -> Self {
        let postgres = Self::stopped();
        postgres.restart();
        postgres
    }

    /// A server that nobody has started yet.
    ///
    /// # Panics
    /// If there is no room for its files.
    pub fn stopped() -> Self {
        // Another user runs the server where the tests run as root.
        let open = fs::Permissions::from_mode(0o755);
        let home = tempfile::Builder::new().prefix("peng-own-").permissions(open).tempdir();
        let home = home.expect("a directory for the server");
        Self { server: Server::at(home.path().join("home")), _home: home }
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Ends all its processes as a loss of power would.
    ///
    /// # Panics
    /// If it does not run, or does not go.
    pub fn kill(&self) {
        let Ok(Status::Up(postmaster)) = self.server.status() else { panic!("Postgres does not run") };
        let postmaster = Pid::from_raw(postmaster).expect("the number of a process");
        let backends = children(postmaster);
        kill_process(postmaster, Signal::KILL).expect("the postmaster can be killed");
        for backend in backends {
            // It may have ended by itself.
            let _ = kill_process(backend, Signal::KILL);
        }
        patiently(|| match self.server.status() {
            Ok(Status::Up(pid)) => Err(format!("process {pid} of the killed server is still there")),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        });
    }

    /// Starts it, again or for the first time.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self) {
        patiently(|| self.server.up().map(drop).map_err(|error| error.to_string()));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What counts has been asserted.
        let _ = self.server.down();
    }
}

fn patiently(mut done: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(state) = done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {state}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{0}/task/{0}/children", parent.as_raw_nonzero());
    let list = fs::read_to_string(tasks).expect("the kernel lists children");
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
