//! A database with a search, a directory, and the worker under test.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use rustix::process::{Pid, Signal, kill_process};
use testing::TestDatabase;

const PATIENCE: Duration = Duration::from_secs(90);

/// A search of some jobs, and where its worker works.
pub struct Bench {
    database: TestDatabase,
    dir: tempfile::TempDir,
}

impl Bench {
    pub fn new(jobs: u32, epochs: u32, engine: &str) -> Self {
        let text = format!(
            "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
             [budget]\njobs = {jobs}\nmax_epochs = {epochs}\n[predictor]\nengine = \"{engine}\"\naudit = 0\n"
        );
        let spec = search::Spec::parse(&text, "spec").unwrap();
        let database = TestDatabase::new();
        let first = search::first_jobs(&spec, vec![]).unwrap();
        search::submit(&mut database.connect(), &spec, &first, None).unwrap();
        Self { database, dir: tempfile::tempdir().unwrap() }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Works with a Python program until the queue is dry; returns the worker's log.
    pub fn work(&self, program: &str, arguments: &[&str]) -> String {
        let mut worker = self.start(program, &[&["--once"], arguments].concat());
        worker.wait();
        worker.log()
    }

    pub fn work_with(&self, program: &[&str], arguments: &[&str]) -> String {
        let mut worker = self.start_with(program, &[&["--once"], arguments].concat());
        worker.wait();
        worker.log()
    }

    pub fn start(&self, program: &str, arguments: &[&str]) -> Worker {
        fs::write(self.dir().join("train.py"), program).unwrap();
        self.start_with(&["python3", "train.py"], arguments)
    }

    fn start_with(&self, program: &[&str], arguments: &[&str]) -> Worker {
        let log = self.dir().join("worker.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_peng-exec-worker"));
        command
            .env("DATABASE_URL", self.database.url())
            .env("PENG_CHECKPOINTS", format!("file://{}/checkpoints", self.dir().display()))
            .env("PENG_JOBS_DIR", self.dir().join("jobs"))
            .env("PENG_LOG", "info")
            .env_remove("CUDA_VISIBLE_DEVICES")
            .current_dir(self.dir())
            .args(["--lease-ttl", "3", "--poll", "0.1"])
            .args(arguments)
            .arg("--")
            .args(program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap());
        Worker { child: command.spawn().unwrap(), log }
    }

    pub fn count(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = sql_types::BigInt)]
            n: i64,
        }
        let sql = format!("SELECT count(*) AS n FROM {sql}");
        sql_query(sql).get_result::<Row>(&mut self.database.connect()).unwrap().n
    }

    pub fn execute(&self, sql: &str) {
        assert_eq!(sql_query(sql).execute(&mut self.database.connect()).unwrap(), 1, "{sql}");
    }

    /// The error of the one job that failed.
    pub fn error(&self) -> String {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = sql_types::Text)]
            error: String,
        }
        let sql = "SELECT error FROM result WHERE outcome = 'failed'";
        sql_query(sql).get_result::<Row>(&mut self.database.connect()).unwrap().error
    }

    pub fn files(&self, prefix: &str) -> Vec<PathBuf> {
        entries(self.dir()).into_iter().filter(|path| name(path).starts_with(prefix)).collect()
    }

    /// Logs of attempts.
    pub fn logs(&self) -> Vec<String> {
        let files = self.attempts().into_iter().filter(|path| path.is_file());
        files.map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    /// Working directories that were kept.
    pub fn directories(&self) -> usize {
        self.attempts().iter().filter(|path| path.is_dir()).count()
    }

    fn attempts(&self) -> Vec<PathBuf> {
        entries(&self.dir().join("jobs")).iter().flat_map(|job| entries(job)).collect()
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// Whether a process of this number still runs.
pub fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie that nobody reaps runs no more.
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Whether a process does something of its own on a signal.
pub fn catches(pid: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
    u64::from_str_radix(caught, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

pub fn signal(pid: &str, signal: Signal) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
}

pub fn wait(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A worker process; killed with this value.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    pub fn wait(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the worker does not leave:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// By SIGKILL: it can do nothing about it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The number of its guard.
    pub fn guard(&self) -> String {
        let parent = format!("PPid:\t{}\n", self.child.id());
        let is_guard = |process: &PathBuf| {
            let read = |file| fs::read_to_string(process.join(file)).unwrap_or_default();
            read("status").contains(&parent) && read("cmdline").ends_with("\0guard\0")
        };
        let found: Vec<_> = entries(Path::new("/proc")).into_iter().filter(is_guard).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        name(&found[0]).to_owned()
    }

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
