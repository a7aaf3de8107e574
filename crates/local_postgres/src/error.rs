//! Why a private server cannot be started or stopped.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::version::OLDEST;

/// Why the private server cannot be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No binaries on this machine.
    #[error(
        "no PostgreSQL server binaries (version {OLDEST} or newer) on PATH, by pg_config, or in /usr/lib/postgresql: \
         install them (Debian and Ubuntu: `ops/setup.sh`, or `apt-get install postgresql`), or set DATABASE_URL"
    )]
    NoBinaries,
    /// The data directory belongs to another major version.
    #[error(
        "`{dir}` was made by PostgreSQL {version}, whose binaries are not on this machine: install postgresql-{version}"
    )]
    OtherVersion {
        /// The data directory.
        dir: PathBuf,
        /// Its major version.
        version: String,
    },
    /// No server can have its files there.
    #[error("{home:?} cannot hold a private Postgres: {why}: set PENG_HOME to another directory")]
    Unusable {
        /// The directory of everything.
        home: PathBuf,
        /// What is wrong with its name.
        why: &'static str,
    },
    /// Somebody else could exchange what is in a directory.
    #[error(
        "`{path}` is no directory of user {uid}, who is to run Postgres, but belongs to user {owner}: remove it, give it to \
         that user with chown, or set PENG_HOME to another directory"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        uid: u32,
    },
    /// The user that runs Postgres instead of root cannot get there.
    #[error(
        "Postgres does not run as root, and user {user}, who is to run it, may not enter `{home}`: let others enter the \
         directories above it (chmod o+x), or set PENG_HOME to another directory, such as /var/lib/peng"
    )]
    Closed {
        /// The directory of everything.
        home: PathBuf,
        /// The user.
        user: &'static str,
    },
    /// A data directory that was never finished, or is none of ours.
    #[error(
        "`{dir}` is no whole data directory of peng, as after an initdb that was killed: move it away, and `peng db up` makes \
         a new one"
    )]
    NotWhole {
        /// The data directory.
        dir: PathBuf,
    },
    /// A server runs there that does not listen on our socket.
    #[error(
        "PostgreSQL (process {pid}) runs on `{dir}` without the socket `{socket}`: `peng db down` stops it, then \
         `peng db up` starts it with the socket"
    )]
    NoSocket {
        /// The data directory.
        dir: PathBuf,
        /// The process.
        pid: i32,
        /// The socket.
        socket: PathBuf,
    },
    /// A server runs there that somebody has started with an open port.
    #[error(
        "PostgreSQL (process {pid}) on `{dir}` listens on {address}, where everybody may come in: `peng db down` stops it, \
         then `peng db up` starts it without a port"
    )]
    Exposed {
        /// The data directory.
        dir: PathBuf,
        /// The process.
        pid: i32,
        /// What it listens on.
        address: String,
    },
    /// It takes its time, as after a crash with much to recover.
    #[error(
        "PostgreSQL (process {pid}) is still {state} after {seconds} s: `{log}` says why; try again later"
    )]
    Slow {
        /// The process.
        pid: i32,
        /// What it does.
        state: &'static str,
        /// How long it was waited for.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// The server is another user's.
    #[error("cannot stop PostgreSQL (process {pid}): {source}; the user who started it, or root, can")]
    Stop {
        /// The process.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// A file or directory could not be made or read.
    #[error(
        "cannot use `{path}`: {source}; a private Postgres needs a directory that its user may write: PENG_HOME names \
         another one, DATABASE_URL another database"
    )]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of Postgres failed.
    #[error("`{program}` failed: {output}")]
    Program {
        /// initdb, postgres, …
        program: String,
        /// Its last lines.
        output: String,
    },
}

impl ServerError {
    /// What a failure with a file is.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

/// The end of what a program has printed.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
