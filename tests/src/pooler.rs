//! PgBouncer in transaction mode, where each transaction may get another session.

use std::{
    fs,
    os::unix::{fs::MetadataExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use store::Database;

use crate::{Lab, Role, wait};

/// A PgBouncer in front of a laboratory's server, with a few sessions for all; ended with this value.
pub struct Pooler {
    child: Child,
    program: &'static str,
    /// The user that runs the server: like Postgres, PgBouncer does not run as root.
    owner: Option<(u32, u32)>,
    /// For users with the rights of workers, and of who submits.
    urls: [String; 2],
    home: tempfile::TempDir,
}

impl Pooler {
    /// One with so many sessions of each user; `None` where it is not installed. CI always has it.
    pub fn start(lab: &Lab, sessions: u32) -> Option<Self> {
        let programs = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];
        let Some(program) = programs.into_iter().find(|program| Path::new(program).exists()) else {
            assert!(std::env::var_os("CI").is_none(), "PgBouncer is not installed: ops/setup.sh --yes");
            eprintln!("skipped: PgBouncer is not installed (ops/setup.sh installs it)");
            return None;
        };
        let target = lab.url();
        let socket = target.split_once("host=").unwrap().1.split('&').next().unwrap();
        let database = target.split_once(":///").unwrap().1.split('?').next().unwrap();
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        // Its user has to enter the directory.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(
            dir.join("pgbouncer.ini"),
            format!(
                "[databases]\n{database} = host={socket}\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {0}\n\
                 listen_port = 6432\nauth_type = trust\nauth_file = {0}/users\npool_mode = transaction\n\
                 default_pool_size = {sessions}\n",
                dir.display()
            ),
        )
        .unwrap();
        let urls = [Role::Worker, Role::Submit].map(|role| lab.url_as(role));
        let users = urls.each_ref().map(|url| format!("\"{}\" \"\"\n", user(url))).concat();
        fs::write(dir.join("users"), users).unwrap();
        let owner = fs::metadata(socket).unwrap();
        let owner = local_postgres::is_root().then(|| (owner.uid(), owner.gid()));
        let urls = urls.map(|url| url.replace(socket, &format!("{}&port=6432", dir.display())));
        let pooler = Self { child: spawn(program, owner, dir), program, owner, urls, home };
        pooler.await_answer();
        Some(pooler)
    }

    /// Where workers find it.
    pub fn url(&self) -> &str {
        &self.urls[0]
    }

    /// Where who submits finds it.
    pub fn url_to_submit(&self) -> &str {
        &self.urls[1]
    }

    /// Ends it as the kernel would when memory runs out.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.child = spawn(self.program, self.owner, self.home.path());
        self.await_answer();
    }

    fn await_answer(&self) {
        wait("PgBouncer to answer", || {
            let log = fs::read_to_string(self.home.path().join("pgbouncer.log")).unwrap_or_default();
            Database::new(self.url()).unwrap().connect().map(drop).map_err(|error| format!("{error}\n{log}"))
        });
    }
}

fn user(url: &str) -> &str {
    url.split_once("user=").unwrap().1.split('&').next().unwrap()
}

fn spawn(program: &str, owner: Option<(u32, u32)>, dir: &Path) -> Child {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = owner {
        command.uid(uid).gid(gid);
    }
    let log = fs::File::create(dir.join("pgbouncer.log")).unwrap();
    let ini = dir.join("pgbouncer.ini");
    command.arg(ini).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have left already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
