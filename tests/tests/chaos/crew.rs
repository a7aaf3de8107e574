//! The workers of a run, each known to the witness by the name of its sessions, which holds its process.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection as _;
use rustix::process::Signal;
use tests::{Lab, Worker};

use crate::{curves::Source, ended::Ended};

/// Epochs of each job.
pub const EPOCHS: u32 = 12;
/// Evaluation intervals of each job.
pub const STEPS: u32 = 2 * EPOCHS;

/// Workers on hosts that cannot train, at a time.
const TOXIC: usize = 3;

/// The workers of a run.
pub struct Crew<'a> {
    pub lab: &'a Lab,
    pub workers: Vec<Member>,
    /// The newest workers on hosts that cannot train.
    toxic: VecDeque<Worker>,
    /// Logs of all workers that ever ran and could train.
    pub logs: Vec<PathBuf>,
    /// Logs of the others.
    toxic_logs: Vec<PathBuf>,
    pace: Pace,
    recorded: Option<PathBuf>,
}

/// How much is to be done, and how fast.
#[derive(Clone, Copy)]
pub struct Pace {
    pub jobs: u32,
    pub workers: usize,
    pub epoch_seconds: f64,
    /// Time to live of leases, in seconds.
    pub ttl: f64,
    /// How often the database is asked, at the least, in seconds.
    pub poll: f64,
    /// `--hang-after`, in seconds: nothing here hangs, however long the database is away.
    pub hang_after: f64,
    /// What trainings do when leases cannot be renewed: `--on-db-lost`.
    pub on_db_lost: &'static str,
}

/// A worker that can train.
pub struct Member {
    pub worker: Worker,
    /// When it goes on, if it is stopped.
    stopped: Option<Instant>,
}

impl Member {
    /// Its id, as it says it when it enters.
    pub fn id(&self) -> String {
        let log = self.worker.log();
        let (before, _) = log.split_once(": class default").unwrap();
        before.rsplit(' ').next().unwrap().to_owned()
    }

    /// Lets it go on if it is stopped.
    pub fn wake(&mut self) {
        if self.stopped.take().is_some() {
            self.worker.signal(Signal::CONT);
        }
    }

    /// Waits until the database knows it.
    pub fn await_entrance(&self) {
        tests::wait("a worker to enter", || {
            let log = self.worker.log();
            if log.contains(": class default") { Ok(()) } else { Err(log) }
        });
    }
}

/// What a worker lacks.
#[derive(Clone, Copy)]
pub enum Lack {
    Program,
    Scratch,
}

impl<'a> Crew<'a> {
    /// Workers with their jobs before them, and a witness.
    pub fn begin(lab: &'a Lab, pace: Pace) -> Self {
        assert!(lab.peng(&["db", "migrate"]).status.success());
        lab.connect().batch_execute(include_str!("witness.sql")).unwrap();
        lab.submit(&format!(
            "name = \"chaos\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
             [budget]\njobs = {}\nmax_epochs = {EPOCHS}\ninterval = 0.5\n[predictor]\nengine = \"none\"\n",
            pace.jobs
        ));
        fs::create_dir(scratch(lab)).unwrap();
        let recorded =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/curves/icpp23-1e15-full.csv");
        let recorded = recorded.exists().then_some(recorded);
        let mut crew = Self {
            lab,
            workers: vec![],
            toxic: VecDeque::new(),
            logs: vec![],
            toxic_logs: vec![],
            pace,
            recorded,
        };
        (0..pace.workers).for_each(|_| crew.join(&[]));
        crew
    }

    /// Where the replayed curves come from.
    pub fn source(&self) -> Source {
        self.recorded.as_ref().map_or(Source::MadeUp, |file| Source::read(file).unwrap())
    }

    /// Starts another worker behind a command such as `ip netns exec`.
    pub fn join(&mut self, behind: &[&str]) {
        let worker = self.start(behind);
        self.workers.push(Member { worker, stopped: None });
    }

    /// Ends a worker as the kernel would when memory runs out, and starts another one in its place.
    pub fn replace(&mut self, which: usize) {
        self.workers[which].worker.kill();
        self.workers[which].stopped = None;
        self.workers[which].worker = self.start(&[]);
    }

    fn start(&mut self, behind: &[&str]) -> Worker {
        let mut command = self.command("peng-replay-worker", behind);
        command.arg("--scratch").arg(scratch(self.lab));
        self.replaying(&mut command);
        let worker = self.lab.spawn(command);
        self.logs.push(worker.log_file().to_owned());
        worker
    }

    fn replaying(&self, command: &mut Command) {
        command.args(["--epoch-seconds", &self.pace.epoch_seconds.to_string()]);
        if let Some(curves) = &self.recorded {
            command.arg("--curves").arg(curves);
        }
    }

    fn command(&self, binary: &str, behind: &[&str]) -> Command {
        let plain = self.lab.command(binary);
        let environment = plain.get_envs().filter_map(|(key, value)| Some((key, value?)));
        let mut command = Command::new("sh");
        command.args(["-c", "PGAPPNAME=peng-$$ exec \"$0\" \"$@\""]).args(behind).arg(plain.get_program());
        command.envs(environment).current_dir(self.lab.dir.path());
        let Pace { ttl, poll, hang_after, on_db_lost, .. } = self.pace;
        command.args([
            "--lease-ttl",
            &ttl.to_string(),
            "--poll",
            &poll.to_string(),
            "--on-db-lost",
            on_db_lost,
        ]);
        command.args(["--hang-after", &hang_after.to_string()]);
        command
    }

    /// Starts a worker on a host that cannot train; the oldest of several such is killed for it.
    pub fn join_toxic(&mut self, lack: Lack) {
        if self.toxic.len() == TOXIC {
            self.toxic.pop_front().unwrap().kill();
        }
        let worker = match lack {
            Lack::Program => self.without_program(),
            Lack::Scratch => self.without_scratch(),
        };
        self.toxic_logs.push(worker.log_file().to_owned());
        self.toxic.push_back(worker);
    }

    fn without_program(&self) -> Worker {
        let mut command = self.command("peng-exec-worker", &[]);
        command.arg("--scratch").arg(scratch(self.lab)).args([
            "--host-faults",
            "1000000",
            "--",
            "/nowhere/train",
        ]);
        self.lab.spawn(command)
    }

    fn without_scratch(&self) -> Worker {
        let gone = tempfile::tempdir().unwrap();
        let mut command = self.command("peng-replay-worker", &[]);
        command.arg("--scratch").arg(gone.path()).args(["--host-faults", "1000000"]);
        self.replaying(&mut command);
        let worker = self.lab.spawn(command);
        tests::wait("a worker to make its scratch directory", || match entries(gone.path()) {
            0 => Err(worker.log()),
            _ => Ok(()),
        });
        worker
    }

    /// Stops a worker as a debugger or a full machine would.
    pub fn stop(&mut self, which: usize, pause: Duration) {
        let member = &mut self.workers[which];
        member.worker.signal(Signal::STOP);
        member.stopped = Some(Instant::now() + pause);
    }

    /// Whether a worker is stopped.
    pub fn is_stopped(&self, which: usize) -> bool {
        self.workers[which].stopped.is_some()
    }

    /// How many are.
    pub fn stopped(&self) -> usize {
        self.workers.iter().filter(|member| member.stopped.is_some()).count()
    }

    /// Lets those go on whose pause is over by then.
    pub fn wake(&mut self, by: Instant) {
        self.workers
            .iter_mut()
            .filter(|member| member.stopped.is_some_and(|until| until <= by))
            .for_each(Member::wake);
    }

    /// Lets the workers finish in peace and leave; a last one then finds nothing to do, and sweeps up behind the killed ones.
    pub fn settle(&mut self) -> Ended {
        self.wake(Instant::now() + Duration::from_secs(3600));
        let when_over = self.lab.count("result");
        for ended in when_over..i64::from(self.pace.jobs) {
            self.lab.wait_for("result", ended + 1);
        }
        for worker in self.toxic.iter_mut().chain(self.workers.iter_mut().map(|member| &mut member.worker)) {
            worker.signal(Signal::TERM);
            assert_eq!(worker.join(), Some(0), "{}", worker.log());
        }
        let mut last = self.command("peng-replay-worker", &[]);
        last.arg("--once").arg("--scratch").arg(scratch(self.lab));
        let mut last = self.lab.spawn(last);
        assert_eq!(last.join(), Some(0), "{}", last.log());
        assert_eq!(entries(&scratch(self.lab)), 0, "scratch directories stay behind");
        for log in &self.logs {
            assert!(!text(log).contains("a slot ended early"), "{}", text(log));
        }
        let lost = self.lab.count("attempt WHERE \"end\" = 'lost'");
        let said = |words: &str| self.logs.iter().map(|log| text(log).matches(words).count()).sum();
        let refused: Vec<_> =
            self.toxic_logs.iter().map(|log| text(log).matches("left to other hosts").count()).collect();
        // Pauses that double to five minutes leave no room for more in half an hour.
        assert!(refused.iter().all(|&times| times <= 20), "they do not step aside: {refused:?}");
        Ended {
            jobs: self.pace.jobs,
            when_over,
            lost,
            woken: said("dropped, another"),
            full: said("No space left on device"),
            refused: refused.iter().sum(),
        }
    }
}

/// The log of a worker.
pub fn text(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned()
}

fn scratch(lab: &Lab) -> PathBuf {
    lab.dir.path().join("scratch")
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}
