//! The programs of Postgres on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    error::ServerError,
    version::{OLDEST, major},
};

/// Where initdb, pg_ctl and postgres are.
pub(crate) struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The binaries of major version `version`, or the newest that are here if there is no data directory yet.
    pub(crate) fn find(version: Option<&str>, data: &Path) -> Result<Self, ServerError> {
        let mut found: Vec<(u32, PathBuf)> = candidates()
            .into_iter()
            .filter_map(|dir| Some((major(&dir)?, dir)))
            .filter(|(m, _)| *m >= OLDEST)
            .collect();
        found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        if found.is_empty() {
            return Err(ServerError::NoBinaries);
        }
        let chosen = match version {
            None => found.into_iter().next(),
            Some(version) => found.into_iter().find(|(major, _)| major.to_string() == version),
        };
        chosen.map(|(_, dir)| Self { dir }).ok_or_else(|| ServerError::OtherVersion {
            dir: data.to_owned(),
            version: version.unwrap_or_default().to_owned(),
        })
    }

    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.dir.join(name))
    }
}

fn candidates() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = env::split_paths(&path).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output() {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    if let Ok(entries) = fs::read_dir("/usr/lib/postgresql") {
        dirs.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    dirs.retain(|dir| ["initdb", "pg_ctl", "postgres"].iter().all(|program| dir.join(program).is_file()));
    dirs
}
