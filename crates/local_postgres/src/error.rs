//! Why a private server cannot be started or stopped.

use std::{io, path::PathBuf};

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
    /// Another server runs there, which does not listen on our socket.
    #[error(
        "another PostgreSQL (process {pid}) already runs on `{dir}`: stop it, or set PENG_HOME to another directory"
    )]
    Occupied {
        /// The data directory.
        dir: PathBuf,
        /// The process.
        pid: i32,
    },
    /// A file or directory could not be made or read.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of Postgres failed.
    #[error("`{program}` failed: {output}")]
    Program {
        /// initdb, pg_ctl, …
        program: String,
        /// Its last lines.
        output: String,
    },
}

/// The end of what a program has printed.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
