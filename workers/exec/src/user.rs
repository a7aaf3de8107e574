//! Programs that run as another user than their worker, which is root.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::{
        fs::{PermissionsExt as _, lchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use nix::unistd::{self, Group};

use crate::{checkpoint::PackError, environment::Environment};

/// Exit code of a packer that could not write.
const CANNOT_WRITE: i32 = 74;

/// A user of this system who is not root.
#[derive(Debug, Clone)]
pub struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
    shell: PathBuf,
}

impl User {
    /// The user `NAME`, or `NAME:GROUP` with another group than its own.
    pub fn find(text: &str) -> anyhow::Result<Self> {
        let own = unistd::geteuid();
        ensure!(
            own.is_root(),
            "--user needs a worker that runs as root; this one runs as user {own}, and so do its programs"
        );
        let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
        let user = unistd::User::from_name(name).with_context(|| format!("cannot look up user `{name}`"))?;
        let Some(user) = user else { bail!("--user: there is no user `{name}` on this host") };
        ensure!(
            !user.uid.is_root(),
            "--user: programs run as root without it; name another user than `{name}`"
        );
        let gid = match group {
            None => user.gid,
            Some(group) => {
                let found =
                    Group::from_name(group).with_context(|| format!("cannot look up group `{group}`"))?;
                found.with_context(|| format!("--user: there is no group `{group}` on this host"))?.gid
            }
        };
        let (uid, gid) = (user.uid.as_raw(), gid.as_raw());
        Ok(Self { name: user.name, uid, gid, home: user.dir, shell: user.shell })
    }

    /// Has a command run as this user, in its group and no other.
    pub fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// What the environment says of this user.
    pub fn describe(&self, environment: &mut Environment) {
        environment.set("USER", &self.name);
        environment.set("LOGNAME", &self.name);
        environment.set("HOME", &self.home);
        environment.set("SHELL", &self.shell);
    }

    /// Lets this user pass through a directory of root's.
    pub fn admit(dir: &Path) -> io::Result<()> {
        fs::set_permissions(dir, Permissions::from_mode(0o711))
    }

    /// Gives this user a directory with all that is in it. From the leaves up: until the last step it is root's, and nobody can
    /// put anything else in its place.
    pub fn own(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() {
            fs::read_dir(path)?.try_for_each(|entry| self.own(&entry?.path()))?;
        }
        lchown(path, Some(self.uid), Some(self.gid))
    }

    /// Checks that this user may enter a directory.
    pub fn check_entry(&self, dir: &Path) -> anyhow::Result<()> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "cd \"$1\"", "sh"]).arg(dir).env_clear().current_dir("/");
        self.run(&mut shell);
        let output = shell.stdin(Stdio::null()).output().context("cannot run /bin/sh")?;
        ensure!(
            output.status.success(),
            "user `{}` may not enter `{}`, where its programs would run: name another place with --jobs-dir, \
             or open the directories above it to others (chmod o+x)",
            self.name,
            dir.display()
        );
        Ok(())
    }

    /// Packs a checkpoint as this user: a program names what it likes, and root could read it.
    pub fn pack(&self, checkpoint: Option<&Path>, into: &Path) -> Result<(), PackError> {
        let file = File::create(into).map_err(PackError::Write)?;
        let mut packer = Command::new("/proc/self/exe");
        packer.arg0("peng-exec-worker").arg("pack").args(checkpoint).env_clear().current_dir("/");
        self.run(&mut packer);
        let output = packer.stdin(Stdio::null()).stdout(file).output().map_err(PackError::Write)?;
        let said = || io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        match (output.status.success(), checkpoint) {
            (true, _) => Ok(()),
            (false, Some(path)) if output.status.code() != Some(CANNOT_WRITE) => {
                Err(PackError::Read { path: path.to_owned(), source: said() })
            }
            _ => Err(PackError::Write(said())),
        }
    }
}

/// The packer itself: writes the archive to its stdout. Returns its exit code.
pub fn pack(checkpoint: Option<&Path>) -> u8 {
    let stdout = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned();
    let packed = stdout
        .map_err(PackError::Write)
        .and_then(|stdout| crate::checkpoint::write(checkpoint, stdout.into()));
    let (error, code) = match packed {
        Ok(()) => return 0,
        Err(PackError::Read { path, source }) => (format!("`{}`: {source}", path.display()), 1),
        Err(PackError::Write(source)) => (source.to_string(), CANNOT_WRITE as u8),
    };
    stdio::message(format_args!("{error}"));
    code
}
