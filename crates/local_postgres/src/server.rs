//! The server: its directory, its data, its socket, its process.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::{Pid, test_kill_process};

use crate::{
    account::Account,
    binaries::Binaries,
    error::{ServerError, last_lines},
};

const PORT: u16 = 5432;
/// The longest path of a Unix socket that Linux takes, less its final zero.
const LONGEST_SOCKET: usize = 107;

/// What `peng db status` says of a private server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Never started.
    Absent,
    /// Its data are there; it does not run.
    Down,
    /// It runs, as this process.
    Up(i32),
}

/// A private server: its directory holds `postgres/` (the data), `run/` (the socket) and `postgres.log`.
#[derive(Debug, Clone)]
pub struct Server {
    home: PathBuf,
    durable: bool,
}

impl Server {
    /// The server whose directory is `home`.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), durable: true }
    }

    /// For tests: commits are not flushed to disk.
    pub fn not_durable(mut self) -> Self {
        self.durable = false;
        self
    }

    /// The directory of everything.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The log of the server.
    pub fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// Whether `up` has ever made its data.
    pub fn exists(&self) -> bool {
        self.data().join("PG_VERSION").exists() || self.socket_dir().join(format!(".s.PGSQL.{PORT}")).exists()
    }

    /// URL of its database `peng`.
    pub fn url(&self) -> String {
        self.url_of("peng")
    }

    /// URL of one of its databases.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgresql:///{database}?host={}&user=peng", self.socket_dir().display())
    }

    /// Makes the data directory if it is not there, starts the server if it does not run, and returns whether it had
    /// to be started.
    ///
    /// # Errors
    /// [`ServerError`], each with what to do.
    pub fn up(&self) -> Result<bool, ServerError> {
        let account = Account::current();
        self.make_dirs(&account)?;
        let binaries = Binaries::find(self.version()?.as_deref(), &self.data())?;
        if let Status::Up(pid) = self.status()? {
            if self.socket_dir().join(format!(".s.PGSQL.{PORT}")).exists() {
                return Ok(false);
            }
            return Err(ServerError::Occupied { dir: self.data(), pid });
        }
        if self.version()?.is_none() {
            self.initialise(&binaries, &account)?;
        }
        let log = self.log();
        account
            .run(
                binaries
                    .program("pg_ctl")
                    .arg("-D")
                    .arg(self.data())
                    .arg("-l")
                    .arg(log)
                    .args(["-w", "-t", "120", "start"]),
            )
            .map_err(|error| self.explain(error))?;
        Ok(true)
    }

    /// Stops the server; returns whether it ran. Sessions are ended, transactions rolled back.
    ///
    /// # Errors
    /// [`ServerError::Program`] if it does not stop.
    pub fn down(&self) -> Result<bool, ServerError> {
        let Status::Up(_) = self.status()? else {
            return Ok(false);
        };
        let binaries = Binaries::find(self.version()?.as_deref(), &self.data())?;
        let account = Account::current();
        account
            .run(binaries.program("pg_ctl").arg("-D").arg(self.data()).args(["-m", "fast", "-w", "stop"]))?;
        Ok(true)
    }

    /// Whether it runs. A stale `postmaster.pid` counts as down.
    ///
    /// # Errors
    /// [`ServerError::Io`] if the data directory cannot be read.
    pub fn status(&self) -> Result<Status, ServerError> {
        if self.version()?.is_none() {
            return Ok(Status::Absent);
        }
        let path = self.data().join("postmaster.pid");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Status::Down),
            Err(source) => return Err(ServerError::Io { path, source }),
        };
        let pid =
            text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()).and_then(Pid::from_raw);
        let alive =
            pid.filter(|pid| test_kill_process(*pid) != Err(rustix::io::Errno::SRCH) && is_postgres(*pid));
        Ok(alive.map_or(Status::Down, |pid| Status::Up(pid.as_raw_nonzero().get())))
    }

    fn data(&self) -> PathBuf {
        self.home.join("postgres")
    }

    /// `run/` beside the data, or a short name in the temporary directory where the path would be too long.
    fn socket_dir(&self) -> PathBuf {
        let near = self.home.join("run");
        if near.as_os_str().len() + ".s.PGSQL.5432.lock".len() < LONGEST_SOCKET {
            return near;
        }
        let digest = <sha2::Sha256 as sha2::Digest>::digest(near.as_os_str().as_encoded_bytes());
        let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        env::temp_dir().join(format!("peng-{short}"))
    }

    fn version(&self) -> Result<Option<String>, ServerError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ServerError::Io { path, source }),
        }
    }

    fn make_dirs(&self, account: &Account) -> Result<(), ServerError> {
        for dir in [self.home.clone(), self.socket_dir()] {
            let failed = |source| ServerError::Io { path: dir.clone(), source };
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
            account.own(&dir).map_err(failed)?;
        }
        Ok(())
    }

    fn initialise(&self, binaries: &Binaries, account: &Account) -> Result<(), ServerError> {
        // The socket stands in a directory that only its owner can enter, so `trust` admits nobody else.
        let mut command = binaries.program("initdb");
        command.args([
            "--username=peng",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--data-checksums",
        ]);
        if !self.durable {
            command.arg("--no-sync");
        }
        account.run(command.arg("-D").arg(self.data()))?;
        let path = self.data().join("postgresql.conf");
        let failed = |source| ServerError::Io { path: path.clone(), source };
        let mut text = fs::read_to_string(&path).map_err(failed)?;
        text.push_str(&self.settings());
        fs::write(&path, text).map_err(failed)?;
        account.run(
            binaries.program("postgres").arg("--single").arg("-D").arg(self.data()).arg("postgres").stdin(
                // Single-user mode makes the database without a server to wait for.
                sql_file("CREATE DATABASE peng\n").map_err(failed)?,
            ),
        )
    }

    fn settings(&self) -> String {
        let socket = self.socket_dir().display().to_string().replace('\'', "''");
        let mut text = format!(
            "\n# Written by peng: a private server, on a socket only.\nlisten_addresses = ''\nport = {PORT}\n\
             unix_socket_directories = '{socket}'\nunix_socket_permissions = 0700\nmax_connections = 200\n\
             shared_buffers = '256MB'\nmax_wal_size = '2GB'\nwal_compression = on\njit = off\n"
        );
        if !self.durable {
            text.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
        }
        text
    }

    /// `pg_ctl` only says that the server did not start: its log says why.
    fn explain(&self, error: ServerError) -> ServerError {
        match (error, fs::read_to_string(self.log())) {
            (ServerError::Program { program, output }, Ok(log)) => {
                ServerError::Program { program, output: format!("{output}\n{}", last_lines(&log, 5)) }
            }
            (error, _) => error,
        }
    }
}

fn sql_file(sql: &str) -> io::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    io::Write::write_all(&mut writer, sql.as_bytes())?;
    Ok(Stdio::from(reader))
}

/// After a reboot another program may have the number that `postmaster.pid` still names; and a process that was killed
/// keeps its number until its parent looks, which in a container may be never.
fn is_postgres(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let is_alive = |status: String| {
        let name = status.strip_prefix("Name:\t").unwrap_or_default();
        (name.starts_with("postgres") || name.starts_with("postmaster")) && !status.contains("\nState:\tZ")
    };
    status.map_or(true, is_alive)
}
