//! The server: its directory, and how it starts and ends.

use std::{
    fs,
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    path::{self, Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};

use crate::{
    account::Account,
    binaries::Binaries,
    cluster,
    error::{ServerError, last_lines},
    lock,
    postmaster::{Postmaster, remove_if_reused},
    socket::{self, PORT},
};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);
/// Postgres takes paths of up to 1023 bytes; its files lie below.
const LONGEST_HOME: usize = 900;

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

/// A private server: its directory holds `postgres/` (the data), `run/` (the socket), `postgres.log` and `postgres.lock`.
#[derive(Debug, Clone)]
pub struct Server {
    home: PathBuf,
    durable: bool,
    address: String,
}

impl Server {
    /// The server whose directory is `home`.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        // The server works in another directory.
        let home = path::absolute(&home).unwrap_or(home);
        Self { home, durable: true, address: String::new() }
    }

    /// For tests: commits are not flushed to disk.
    pub fn not_durable(mut self) -> Self {
        self.durable = false;
        self
    }

    /// For tests: listens on an address too when it is started the next time.
    pub fn listening_on(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
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

    /// The directory of its socket.
    pub fn socket_dir(&self) -> PathBuf {
        socket::dir(&self.home)
    }

    /// Whether `up` has ever made its data.
    pub fn exists(&self) -> bool {
        self.data().join("PG_VERSION").exists() || socket::file(&self.socket_dir()).exists()
    }

    /// URL of its database `peng`.
    pub fn url(&self) -> String {
        self.url_of("peng")
    }

    /// URL of one of its databases.
    pub fn url_of(&self, database: &str) -> String {
        let host = domain::uri_component(&self.socket_dir().to_string_lossy());
        format!("postgresql:///{database}?host={host}&user=peng")
    }

    /// Makes the data directory if it is not there, starts the server if it does not run, and returns whether it had
    /// to be started. While another process does so it is waited for.
    ///
    /// # Errors
    /// [`ServerError`], each with what to do.
    pub fn up(&self) -> Result<bool, ServerError> {
        self.check_home()?;
        if let Some(postmaster) = Postmaster::of(&self.data())?
            && postmaster.is_ready
        {
            return self.check_running(&postmaster).map(|()| false);
        }
        let account = Account::current();
        account.home(&self.home)?;
        let _lock = lock::acquire(&self.home, &account)?;
        if let Some(postmaster) = self.settled()? {
            return self.check_running(&postmaster).map(|()| false);
        }
        let binaries = Binaries::find(self.version()?.as_deref(), &self.data())?;
        account.check_entry(&self.home)?;
        account.private_dir(&self.socket_dir())?;
        cluster::sweep(&self.home);
        if fs::read_dir(self.data()).is_ok_and(|mut entries| entries.next().is_some()) {
            cluster::check(&self.data())?;
        } else {
            cluster::make(&self.home, &self.data(), &self.settings(), self.durable, &binaries, &account)?;
        }
        self.start(&binaries, &account)?;
        Ok(true)
    }

    /// Stops the server, where it is starting too; returns whether it ran. Sessions are ended, transactions rolled back.
    ///
    /// # Errors
    /// [`ServerError::Stop`] for a server of another user, [`ServerError::Slow`] if it does not stop.
    pub fn down(&self) -> Result<bool, ServerError> {
        if !self.home.exists() {
            return Ok(false);
        }
        let _lock = lock::acquire(&self.home, &Account::current())?;
        let Some(postmaster) = Postmaster::of(&self.data())? else { return Ok(false) };
        let pid = postmaster.number();
        // A fast shutdown. Where it has just ended by itself, so much the better.
        match kill_process(postmaster.pid, Signal::INT) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(ServerError::Stop { pid, source: error.into() }),
        }
        let start = Instant::now();
        while Postmaster::of(&self.data())?.is_some() {
            self.check_patience(start, pid, "stopping")?;
        }
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
        let postmaster = Postmaster::of(&self.data())?;
        Ok(postmaster.map_or(Status::Down, |postmaster| Status::Up(postmaster.number())))
    }

    fn data(&self) -> PathBuf {
        self.home.join("postgres")
    }

    fn version(&self) -> Result<Option<String>, ServerError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ServerError::io(&path)(error)),
        }
    }

    /// Refuses a home that Postgres, its files or a URL cannot name.
    fn check_home(&self) -> Result<(), ServerError> {
        let name = self.home.to_str();
        let why = match name {
            None => "its name is not UTF-8",
            Some(name) if name.contains(char::is_control) => "its name holds a control character",
            Some(name) if name.len() > LONGEST_HOME => "its name is longer than 900 bytes",
            Some(_) if !self.home.is_absolute() => "the working directory, below which it lies, has gone",
            Some(_) => return Ok(()),
        };
        Err(ServerError::Unusable { home: self.home.clone(), why })
    }

    /// The server, once it neither starts nor stops.
    fn settled(&self) -> Result<Option<Postmaster>, ServerError> {
        let start = Instant::now();
        loop {
            match Postmaster::of(&self.data())? {
                Some(postmaster) if !postmaster.is_ready => {
                    self.check_patience(start, postmaster.number(), "starting or stopping")?;
                }
                settled => return Ok(settled),
            }
        }
    }

    fn check_patience(&self, start: Instant, pid: i32, state: &'static str) -> Result<(), ServerError> {
        let seconds = start.elapsed().as_secs();
        if start.elapsed() > PATIENCE {
            return Err(ServerError::Slow { pid, state, seconds, log: self.log() });
        }
        thread::sleep(LOOK);
        Ok(())
    }

    /// Checks that a server listens where it should and nowhere else.
    fn check_running(&self, postmaster: &Postmaster) -> Result<(), ServerError> {
        let (dir, pid, socket) = (self.data(), postmaster.number(), socket::file(&self.socket_dir()));
        if !postmaster.address.is_empty() && self.address.is_empty() {
            return Err(ServerError::Exposed { dir, pid, address: postmaster.address.clone() });
        }
        if socket.exists() { Ok(()) } else { Err(ServerError::NoSocket { dir, pid, socket }) }
    }

    /// Starts the server and waits until it takes connections. Not by pg_ctl, which hands paths to a shell.
    fn start(&self, binaries: &Binaries, account: &Account) -> Result<(), ServerError> {
        let socket = self.socket_dir();
        for lock in [self.data().join("postmaster.pid"), socket.join(format!(".s.PGSQL.{PORT}.lock"))] {
            remove_if_reused(&lock)?;
        }
        let failed = ServerError::io(&self.log());
        let mut options = fs::OpenOptions::new();
        let log = options.create(true).append(true).mode(0o600).open(self.log()).map_err(&failed)?;
        let before = log.metadata().map_err(&failed)?.len();
        let mut command = binaries.program("postgres");
        command.arg("-D").arg(self.data());
        // Before all settings in files, whoever wrote them.
        for (name, value) in [
            ("listen_addresses", self.address.as_str()),
            ("port", &PORT.to_string()),
            ("unix_socket_directories", &socket::setting(&socket)),
            ("unix_socket_permissions", "0700"),
        ] {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // Ctrl-C on the terminal of whoever starts it is not for the server.
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(&failed)?).stderr(log).process_group(0);
        let spawned = account.prepare(&mut command).spawn();
        let postmaster =
            self.await_start(spawned.map_err(ServerError::io(Path::new("postgres")))?, before)?;
        self.check_running(&postmaster)
    }

    fn await_start(&self, mut server: Child, before: u64) -> Result<Postmaster, ServerError> {
        let start = Instant::now();
        let pid = server.id() as i32;
        loop {
            if let Some(postmaster) = Postmaster::of(&self.data())?
                && postmaster.is_ready
                && postmaster.number() == pid
            {
                return Ok(postmaster);
            }
            if server.try_wait().map_err(ServerError::io(Path::new("postgres")))?.is_some() {
                let log = fs::read(self.log()).unwrap_or_default();
                let said = String::from_utf8_lossy(log.get(before as usize..).unwrap_or_default());
                let output = last_lines(&said, 5);
                return Err(ServerError::Program { program: "postgres".to_owned(), output });
            }
            self.check_patience(start, pid, "starting")?;
        }
    }

    /// What stands in `postgresql.conf`, for whoever starts the server by hand.
    fn settings(&self) -> String {
        let socket = socket::setting(&self.socket_dir()).replace('\\', "\\\\").replace('\'', "''");
        let mut text = format!(
            "listen_addresses = ''\nport = {PORT}\n\
             unix_socket_directories = '{socket}'\nunix_socket_permissions = 0700\nmax_connections = 200\n\
             shared_buffers = '256MB'\nmax_wal_size = '2GB'\nwal_compression = on\njit = off\n"
        );
        if !self.durable {
            text.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
        }
        text
    }
}
