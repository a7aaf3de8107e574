//! The process of a server, as its data directory tells of it.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::{Pid, test_kill_process};

use crate::error::ServerError;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Postmaster {
    pub(crate) pid: Pid,
    /// Whether it takes connections.
    pub(crate) is_ready: bool,
    /// The first address that it listens on; empty if none.
    pub(crate) address: String,
}

impl Postmaster {
    /// The server of a data directory; none where `postmaster.pid` is stale.
    pub(crate) fn of(data: &Path) -> Result<Option<Self>, ServerError> {
        let path = data.join("postmaster.pid");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ServerError::io(&path)(error)),
        };
        let Some(pid) = pid(&text).filter(|pid| runs_on(*pid, data)) else { return Ok(None) };
        let line = |n: usize| text.lines().nth(n).unwrap_or_default().trim();
        // PostgreSQL's LOCK_FILE_LINE_LISTEN_ADDR and LOCK_FILE_LINE_PM_STATUS.
        let is_ready = matches!(line(7), "ready" | "standby");
        Ok(Some(Self { pid, is_ready, address: line(5).to_owned() }))
    }

    pub(crate) fn number(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

/// Removes a lock file of a server that does not run where some other process has its number, as after a reboot: Postgres
/// would take that process for the server. A number without a process is left to Postgres, which looks for orphans first.
pub(crate) fn remove_if_reused(lock: &Path) -> Result<(), ServerError> {
    let Ok(text) = fs::read_to_string(lock) else { return Ok(()) };
    if pid(&text).is_some_and(exists) {
        fs::remove_file(lock).map_err(ServerError::io(lock))?;
    }
    Ok(())
}

fn pid(lock: &str) -> Option<Pid> {
    Pid::from_raw(lock.lines().next()?.trim().parse().ok()?)
}

fn exists(pid: Pid) -> bool {
    test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

/// Whether a process is the server of a data directory. After a reboot another program may have its number; and a process that
/// was killed keeps its number until its parent looks, which in a container may be never.
fn runs_on(pid: Pid, data: &Path) -> bool {
    let process = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    let (true, Ok(data)) = (exists(pid), fs::metadata(data)) else { return false };
    let Ok(status) = fs::read_to_string(process.join("status")) else {
        // A system without /proc.
        return !Path::new("/proc/self").exists();
    };
    let value = |key| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim();
    if value("State:").starts_with('Z')
        || value("Uid:").split_whitespace().next() != Some(&data.uid().to_string())
    {
        return false;
    }
    match fs::metadata(process.join("cwd")) {
        Ok(cwd) => (cwd.dev(), cwd.ino()) == (data.dev(), data.ino()),
        // Even root may not look everywhere in a container.
        Err(_) => ["postgres", "postmaster"].iter().any(|name| value("Name:").starts_with(name)),
    }
}
