//! What the end-to-end tests share: a laboratory with a database of its own, the real binaries, and ways to wait that
//! say what they last saw.
#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use rustix::process::{Pid, Signal, kill_process};
use store::Database;
use testing::TestDatabase;

pub use testing::Postgres;

mod role;

pub mod disk;
pub mod pooler;
pub mod s3;

pub use role::Role;

/// How long a test waits for what should come.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A specification of a search named `s`, which no predictor ends.
pub fn spec(strategy: &str, jobs: u32, max_epochs: u32) -> String {
    format!(
        "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"{strategy}\"\n\
         [budget]\njobs = {jobs}\nmax_epochs = {max_epochs}\n[predictor]\nengine = \"none\"\n"
    )
}

/// A database, a checkpoint store and a place for files, all gone with this value; and the binaries of this build.
pub struct Lab {
    url: String,
    /// Identity of the database, once it has the roles that go with it.
    identity: OnceCell<String>,
    /// Dropped with the laboratory, where it is not on a server of its own.
    _database: Option<TestDatabase>,
    /// Files of the test.
    pub dir: tempfile::TempDir,
}

impl Lab {
    /// An empty laboratory.
    #[expect(clippy::new_without_default, reason = "it starts processes")]
    pub fn new() -> Self {
        let database = TestDatabase::new();
        let lab = Self::on(database.url());
        Self { _database: Some(database), ..lab }
    }

    /// A laboratory whose database is elsewhere.
    pub fn on(url: String) -> Self {
        Self { url, identity: OnceCell::new(), _database: None, dir: tempfile::tempdir().unwrap() }
    }

    /// A laboratory on a server of its own.
    pub fn on_own(postgres: &Postgres) -> Self {
        let lab = Self::on(postgres.url());
        lab.text(&["db", "migrate"]);
        lab
    }

    /// Where its database is, for its owner.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its database is, for a user who has the role: the owner while there is no role, or no database.
    pub fn url_as(&self, role: Role) -> String {
        if self.identity.get().is_none()
            && let Some(identity) = role::make_users(&self.url)
        {
            self.identity.set(identity).unwrap();
        }
        self.identity.get().map_or_else(|| self.url.clone(), |identity| role.url(&self.url, identity))
    }

    /// A session of the owner of the database.
    pub fn connect(&self) -> PgConnection {
        Database::new(&self.url).unwrap().connect().unwrap()
    }

    /// A command of this build, in this laboratory, with the rights that it needs: `peng` those of who submits, workers their own.
    /// Nothing of the caller's environment names another database.
    pub fn command(&self, binary: &str) -> Command {
        let role = if binary == "peng" { Role::Submit } else { Role::Worker };
        let mut command = Command::new(Self::binary(binary));
        command
            .env("DATABASE_URL", self.url_as(role))
            .env("PENG_CHECKPOINTS", format!("file://{}/checkpoints", self.dir.path().display()))
            .env("PENG_HOME", self.dir.path())
            .env("PENG_DATA_DIR", self.dir.path())
            .env("PENG_LOG", "info")
            .env("PENG_LEASE_TTL", "3")
            .env("PENG_POLL", "0.1")
            .env("NO_COLOR", "1")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Where a binary of this build lies.
    pub fn binary(name: &str) -> PathBuf {
        // target/debug/deps/test-hash -> target/debug/name
        let path = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join(name);
        assert!(path.exists(), "`{}` is not built: cargo build --workspace", path.display());
        path
    }

    /// Writes a file of the laboratory.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs `peng` with the rights that the command needs, and returns what it printed.
    pub fn peng(&self, arguments: &[&str]) -> Output {
        self.peng_as(Role::of(arguments), arguments)
    }

    /// Runs `peng` with the rights of a role, and returns what it printed.
    pub fn peng_as(&self, role: Role, arguments: &[&str]) -> Output {
        self.command("peng").env("DATABASE_URL", self.url_as(role)).args(arguments).output().unwrap()
    }

    /// Runs `peng`, which must succeed, and reads its JSON.
    pub fn peng_json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.peng(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "peng {arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs `peng`, which must succeed, and returns what it printed for people.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.peng(arguments);
        assert!(output.status.success(), "peng {arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Submits a specification.
    pub fn submit(&self, spec: &str) {
        let file = self.file("spec.toml", spec);
        let output = self.peng(&["search", "submit", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// Starts a worker whose log goes to a file of the laboratory.
    pub fn worker(&self, binary: &str, arguments: &[&str]) -> Worker {
        self.spawn_with(self.command(binary), arguments)
    }

    /// Starts a worker of another database.
    pub fn worker_at(&self, url: &str, binary: &str, arguments: &[&str]) -> Worker {
        let mut command = self.command(binary);
        command.env("DATABASE_URL", url);
        self.spawn_with(command, arguments)
    }

    fn spawn_with(&self, mut command: Command, arguments: &[&str]) -> Worker {
        command.args(arguments);
        self.spawn(command)
    }

    /// Starts a command of this laboratory as a worker.
    pub fn spawn(&self, mut command: Command) -> Worker {
        let log =
            self.dir.path().join(format!("worker-{}.log", fs::read_dir(self.dir.path()).unwrap().count()));
        let file = fs::File::create(&log).unwrap();
        command.stdout(Stdio::null()).stderr(file);
        Worker { child: command.spawn().unwrap(), log }
    }

    /// One number from the database.
    pub fn count(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = sql_types::BigInt)]
            n: i64,
        }
        sql_query(format!("SELECT count(*) AS n FROM {sql}"))
            .get_result::<Row>(&mut self.connect())
            .unwrap()
            .n
    }

    /// Waits until a count is at least so large.
    pub fn wait_for(&self, sql: &str, at_least: i64) {
        wait(sql, || {
            let count = self.count(sql);
            if count >= at_least { Ok(()) } else { Err(format!("{count} of {at_least}")) }
        });
    }
}

impl Lab {
    /// Checks that every job of a search is trained to its end with a whole curve, and that nothing was counted against any.
    pub fn assert_whole(&self, jobs: i64, epochs: i64) {
        assert_eq!(self.count("result WHERE outcome = 'completed'"), jobs, "one result per job");
        let whole = format!(
            "(SELECT job_id FROM observation GROUP BY job_id HAVING count(*) = {epochs} AND max(step) = {epochs}) AS whole"
        );
        assert_eq!(self.count(&whole), jobs, "whole curves");
        self.assert_unharmed();
        assert_eq!(self.count("lease"), 0);
    }

    /// Checks that no job has failed, and that no crash and no loss is counted against any.
    pub fn assert_unharmed(&self) {
        assert_eq!(self.count("job WHERE crashes > 0 OR losses > 0 OR state = 'failed'"), 0);
        assert_eq!(self.count("attempt WHERE \"end\" IN ('lost', 'retried')"), 0);
    }
}

/// Waits for a condition; says what it last saw when it does not come.
pub fn wait(what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(()) => return,
            Err(state) if start.elapsed() > PATIENCE => panic!("waited in vain for {what}: {state}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// What a command printed on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A worker process; killed with this value.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as the kernel would when memory runs out.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Seconds of a processor that it has used.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, which may hold anything, user and system time are the 12th and 13th field, in hundredths.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// Waits until it leaves and returns its exit code.
    pub fn join(&mut self) -> Option<i32> {
        let mut code = None;
        wait("a worker to leave", || match self.child.try_wait().unwrap() {
            Some(status) => {
                code = status.code();
                Ok(())
            }
            None => Err(tail(&self.log)),
        });
        code
    }

    /// Waits until its log says something.
    pub fn wait_for(&self, text: &str) {
        wait(text, || if self.log().contains(text) { Ok(()) } else { Err(tail(&self.log)) });
    }

    /// How often its log says something.
    pub fn said(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Where its log is.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have left already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
