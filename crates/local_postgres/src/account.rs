//! The user that Postgres runs as, and the programs that run as this user.

use std::{
    env, fs, io,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::getuid;

use crate::error::{ServerError, last_lines};

/// The user that Postgres runs as.
pub(crate) struct Account {
    other: Option<(u32, u32)>,
}

impl Account {
    pub(crate) fn current() -> Self {
        let other = getuid().is_root().then(|| {
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            ["postgres", "nobody"].iter().find_map(|name| ids(&passwd, name)).unwrap_or((65534, 65534))
        });
        Self { other }
    }

    pub(crate) fn own(&self, dir: &Path) -> io::Result<()> {
        match self.other {
            Some((uid, gid)) if fs::metadata(dir)?.uid() != uid => {
                std::os::unix::fs::chown(dir, Some(uid), Some(gid))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn run(&self, command: &mut Command) -> Result<(), ServerError> {
        let program =
            Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((uid, gid)) = self.other {
            command.uid(uid).gid(gid);
        }
        // A server that inherits a pipe would hold it open for as long as it runs: output goes to a file.
        let failed = |source| ServerError::Io { path: PathBuf::from(&program), source };
        let output = unlinked_file().map_err(failed)?;
        command.stdout(output.try_clone().map_err(failed)?).stderr(output.try_clone().map_err(failed)?);
        let status =
            command.current_dir("/").env_remove("PGDATA").env("LC_ALL", "C").status().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        let mut text = String::new();
        let mut output = output;
        io::Seek::rewind(&mut output)
            .and_then(|()| io::Read::read_to_string(&mut output, &mut text))
            .map_err(failed)?;
        Err(ServerError::Program { program, output: last_lines(&text, 5) })
    }
}

fn unlinked_file() -> io::Result<fs::File> {
    let path = env::temp_dir().join(format!("peng-output-{}", uuid::Uuid::new_v4()));
    let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let fields: Vec<_> =
        passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// Whether the process runs as root, where Postgres needs another user.
pub fn is_root() -> bool {
    getuid().is_root()
}
