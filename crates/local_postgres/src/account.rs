//! The user that Postgres runs as, what belongs to this user, and the programs that run as this user.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, lchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::getuid;

use crate::error::{ServerError, last_lines};

/// The user that Postgres runs as.
pub(crate) struct Account {
    other: Option<Other>,
}

/// Another user than the one that runs this process, which is root.
struct Other {
    name: &'static str,
    uid: u32,
    gid: u32,
}

impl Account {
    pub(crate) fn current() -> Self {
        let other = getuid().is_root().then(|| {
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let known = ["postgres", "nobody"].into_iter().find_map(|name| entry(&passwd, name));
            known.unwrap_or(Other { name: "nobody", uid: 65534, gid: 65534 })
        });
        Self { other }
    }

    fn uid(&self) -> u32 {
        self.other.as_ref().map_or_else(|| getuid().as_raw(), |other| other.uid)
    }

    /// Makes the directory of everything, or checks that nobody but the user and root can exchange what is in it.
    pub(crate) fn home(&self, home: &Path) -> Result<(), ServerError> {
        let failed = ServerError::io(home);
        if let Some(parent) = home.parent() {
            // Open to all as far as the umask lets them be: the user has to pass.
            fs::create_dir_all(parent).map_err(ServerError::io(parent))?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(home).map_err(&failed)?;
        let found = fs::metadata(home).map_err(&failed)?;
        if found.uid() == self.uid() {
            return Ok(());
        }
        if found.uid() != 0 {
            return Err(self.foreign(home, found.uid()));
        }
        // A directory of root's that others may enter, such as /srv, stays root's.
        match &self.other {
            Some(user) if found.mode() & 0o001 == 0 => {
                chown(home, Some(user.uid), Some(user.gid)).map_err(&failed)
            }
            _ => Ok(()),
        }
    }

    /// Makes a directory that only the user may enter. One that somebody else made, or a link, is refused: `/tmp` is open to
    /// all.
    pub(crate) fn private_dir(&self, dir: &Path) -> Result<(), ServerError> {
        let failed = ServerError::io(dir);
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let found = fs::symlink_metadata(dir).map_err(&failed)?;
        if !found.is_dir() || ![self.uid(), getuid().as_raw()].contains(&found.uid()) {
            return Err(self.foreign(dir, found.uid()));
        }
        self.own(dir).map_err(&failed)?;
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(&failed)?;
        }
        Ok(())
    }

    /// Gives the user what root has made.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        self.other.as_ref().map_or(Ok(()), |user| lchown(path, Some(user.uid), Some(user.gid)))
    }

    fn foreign(&self, path: &Path, owner: u32) -> ServerError {
        ServerError::Foreign { path: path.to_owned(), owner, uid: self.uid() }
    }

    /// Checks that the user may enter a directory of root's.
    pub(crate) fn check_entry(&self, home: &Path) -> Result<(), ServerError> {
        let Some(other) = &self.other else { return Ok(()) };
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "cd \"$1\"", "sh"]).arg(home);
        match self.run(&mut shell) {
            Err(ServerError::Program { .. }) => {
                Err(ServerError::Closed { home: home.to_owned(), user: other.name })
            }
            done => done.map(drop),
        }
    }

    /// Has a command run as the user, in a directory that any user may enter, and with no setting of another server.
    pub(crate) fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some(other) = &self.other {
            command.uid(other.uid).gid(other.gid);
        }
        command.current_dir("/").env_remove("PGDATA").env("LC_ALL", "C")
    }

    /// Runs a program to its end, and returns what it printed.
    pub(crate) fn run(&self, command: &mut Command) -> Result<String, ServerError> {
        let program =
            Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let output = self
            .prepare(command)
            .output()
            .map_err(|source| ServerError::Io { path: PathBuf::from(&program), source })?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(ServerError::Program { program, output: last_lines(&text, 5) })
    }
}

fn entry(passwd: &str, name: &'static str) -> Option<Other> {
    let fields: Vec<_> =
        passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').collect();
    Some(Other { name, uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

/// Whether the process runs as root, where Postgres needs another user.
pub fn is_root() -> bool {
    getuid().is_root()
}
