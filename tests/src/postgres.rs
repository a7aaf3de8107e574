//! A private Postgres of one test, to be killed, restarted, or locked.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use store::{Server, server::Status};

/// A durable server of its own; stopped and removed with this value.
pub struct Postgres {
    server: Server,
    _home: tempfile::TempDir,
}

impl Postgres {
    /// A server that runs.
    pub fn start() -> Self {
        let postgres = Self::stopped();
        postgres.restart();
        postgres
    }

    /// A server that nobody has started yet.
    pub fn stopped() -> Self {
        // Another user runs the server where the tests run as root.
        let open = fs::Permissions::from_mode(0o755);
        let home = tempfile::Builder::new().prefix("peng-chaos-").permissions(open).tempdir().unwrap();
        let server = Server::at(home.path().join("home"));
        Self { server, _home: home }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Ends all its processes as a loss of power would.
    pub fn kill(&self) {
        let Status::Up(postmaster) = self.server.status().unwrap() else { panic!("Postgres does not run") };
        let postmaster = Pid::from_raw(postmaster).unwrap();
        let backends = children(postmaster);
        kill_process(postmaster, Signal::KILL).unwrap();
        for backend in backends {
            // It may have ended by itself.
            let _ = kill_process(backend, Signal::KILL);
        }
        crate::wait("Postgres to be gone", || match self.server.status().unwrap() {
            Status::Up(pid) => Err(format!("process {pid}")),
            _ => Ok(()),
        });
    }

    /// Starts it, again or for the first time.
    pub fn restart(&self) {
        crate::wait("Postgres to start again", || {
            self.server.up().map(drop).map_err(|error| error.to_string())
        });
    }
}

impl Postgres {
    /// Its rules of who may come in.
    pub fn hba(&self) -> PathBuf {
        self.server.home().join("postgres/pg_hba.conf")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.down();
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{0}/task/{0}/children", parent.as_raw_nonzero());
    let list = fs::read_to_string(tasks).unwrap();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
