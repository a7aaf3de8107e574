//! A running program: its process group, its lines, its end.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::{
    environment::Environment,
    failure::{Failure, excerpt},
    guard::Guard,
    protocol::{Answer, Order, parse},
    record::Record,
    user::User,
};

/// Longest line of a program, in bytes.
const LONGEST: u64 = 1 << 20;
/// Between SIGTERM and SIGKILL.
const TERM: Duration = Duration::from_secs(2);
/// How long what an ended program wrote last may take to arrive. A process that left its group may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);

/// What to run, the same for every job.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub program: Vec<String>,
    /// All that it gets beside what is told of its attempt.
    pub environment: Environment,
    /// Who it runs as, if not as its worker does.
    pub user: Option<User>,
    /// Longest time without a line.
    pub timeout: Duration,
    /// How long a program that was told to stop may take.
    pub stop_grace: Duration,
}

/// A process in a group of its own. Dropping it kills the group, and so does the worker's death.
#[derive(Debug)]
pub struct Program {
    child: Child,
    guard: Guard,
    orders: Option<Sender<Order>>,
    lines: Receiver<Result<String, Failure>>,
    record: Record,
    /// Closes when its stderr has been read to the end.
    logged: Receiver<()>,
    /// When it was seen to have ended.
    ended: Option<Instant>,
    status: Option<ExitStatus>,
}

/// How a program that was asked to leave did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// By itself.
    Itself(ExitStatus),
    /// After SIGTERM.
    Terminated,
    /// Only by SIGKILL.
    Killed,
}

impl Program {
    /// Starts it in a working directory.
    pub fn start(
        recipe: &Recipe,
        guard: &Guard,
        directory: &Path,
        environment: &[(String, String)],
        record: Record,
    ) -> Result<Self, Failure> {
        let (name, arguments) = recipe.program.split_first().expect("clap asks for a program");
        let mut command = Command::new(name);
        command.args(arguments).current_dir(directory).process_group(0);
        command.env_clear().envs(recipe.environment.passed.iter().map(|(key, value)| (key, value)));
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        if let Some(user) = &recipe.user {
            user.run(&mut command);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| Failure::Start { program: name.clone(), source })?;
        let group = Pid::from_child(&child);
        if let Err(source) = guard.watch(group) {
            // Nobody left is as good.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.wait();
            return Err(Failure::Guard { program: name.clone(), source });
        }
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (orders, outbox) = unbounded();
        let (inbox, lines) = bounded(64);
        stdin.map(|stdin| thread::spawn(move || write(stdin, &outbox)));
        stdout.map(|stdout| thread::spawn(move || read(stdout, &inbox)));
        let log = record.clone();
        let (reading, logged) = bounded(0);
        stderr.map(|stderr| {
            thread::spawn(move || {
                let _reading: Sender<()> = reading;
                log.copy(stderr);
            })
        });
        Ok(Self {
            child,
            guard: guard.clone(),
            orders: Some(orders),
            lines,
            record,
            logged,
            ended: None,
            status: None,
        })
    }

    /// Sends a line. A program that no longer reads is found when its answer is awaited.
    pub fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Its next line that is not for the log; `None` if `interrupted` says so first.
    pub fn receive(
        &mut self,
        timeout: Duration,
        interrupted: impl Fn() -> bool,
    ) -> Result<Option<Answer>, Failure> {
        let mut since = Instant::now();
        while !interrupted() {
            if self.is_over() {
                return Err(self.gone());
            }
            match self.lines.recv_timeout(TICK) {
                Ok(line) => match self.understand(&line?)? {
                    Answer::Log { .. } => since = Instant::now(),
                    answer => return Ok(Some(answer)),
                },
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) if since.elapsed() > timeout => {
                    return Err(Failure::Hung(timeout));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(None)
    }

    /// Whether it has waited for its turn: until it is answered, it may write to the log and nothing else.
    pub fn has_waited(&self) -> Result<(), Failure> {
        while let Ok(line) = self.lines.try_recv() {
            let line = line?;
            if !matches!(self.understand(&line)?, Answer::Log { .. }) {
                return Err(Failure::OutOfTurn { line: excerpt(&line) });
            }
        }
        Ok(())
    }

    fn understand(&self, line: &str) -> Result<Answer, Failure> {
        let garbage = |error: serde_json::Error| Failure::Garbage {
            line: excerpt(line),
            reason: excerpt(&error.to_string()),
        };
        let answer = parse(line).map_err(garbage)?;
        if let Answer::Log { message } = &answer {
            self.record.write(format!("{message}\n").as_bytes());
        }
        Ok(answer)
    }

    /// Whether it ended so long ago that nothing of it is still on its way. Its end counts, not that of its stdout, which a
    /// process that it started may hold open: those of its group are killed with it, and of others nothing is awaited.
    fn is_over(&mut self) -> bool {
        if self.ended.is_none() && self.has_exited() {
            self.signal(Signal::KILL);
            self.ended = Some(Instant::now());
        }
        self.ended.is_some_and(|ended| ended.elapsed() >= LAST_WORDS)
    }

    /// It has ended, or its stdout has: then most likely it has, too.
    fn gone(&mut self) -> Failure {
        self.wait(Duration::from_secs(5)).map_or(Failure::Silent, Failure::Exited)
    }

    /// Asks it to leave: by a line and the end of its stdin, after the grace period by SIGTERM, in the end by SIGKILL.
    pub fn leave(&mut self, reason: &str, grace: Duration) -> Leave {
        self.send(Order::Stop { reason: reason.to_owned() });
        self.close();
        if let Some(status) = self.wait(grace) {
            return Leave::Itself(status);
        }
        self.signal(Signal::TERM);
        let how = if self.wait(TERM).is_some() { Leave::Terminated } else { Leave::Killed };
        self.kill();
        how
    }

    /// Ends its stdin, as the death of the worker would.
    pub fn close(&mut self) {
        self.orders = None;
    }

    /// Waits for its end, so long at most. Whatever it left behind in its group is killed with it.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while self.status.is_none() {
            // Nothing it still says matters, but it must not block on a full pipe.
            while self.lines.try_recv().is_ok() {}
            if self.has_exited() {
                self.kill();
            } else if Instant::now() >= end {
                break;
            } else {
                thread::sleep(TICK);
            }
        }
        self.status
    }

    /// Looks without reaping, so that the number of the group stays its own until the group is killed.
    fn has_exited(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), look), Ok(None))
    }

    /// Sends a signal to all of its group.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            // Nobody left is as good.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }

    fn kill(&mut self) {
        if self.status.is_none() {
            self.signal(Signal::KILL);
            self.guard.forget(Pid::from_child(&self.child));
            self.status = self.child.wait().ok();
            // Nothing is ever sent: this returns when the reader has ended, or gives up.
            let _ended = self.logged.recv_timeout(LAST_WORDS);
            self.record.close();
        }
    }

    /// The log of its stderr.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn write(mut stdin: ChildStdin, orders: &Receiver<Order>) {
    for order in orders {
        let mut line = serde_json::to_vec(&order).expect("an order has only strings as keys");
        line.push(b'\n');
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return; // The program no longer reads.
        }
    }
}

fn read(stdout: impl Read, lines: &Sender<Result<String, Failure>>) {
    let mut stdout = BufReader::new(stdout);
    let mut is_first = true;
    loop {
        let mut line = Vec::new();
        match (&mut stdout).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        // Some write a byte order mark before their first letter.
        let unmarked = text.strip_prefix('\u{feff}').filter(|_| is_first);
        let text = unmarked.unwrap_or(&text).trim();
        is_first = false;
        let too_long = line.len() as u64 == LONGEST && line.last() != Some(&b'\n');
        let said = if too_long {
            Err(Failure::Garbage { line: excerpt(text), reason: format!("longer than {LONGEST} bytes") })
        } else {
            Ok(text.to_owned())
        };
        if !text.is_empty() && lines.send(said).is_err() {
            return;
        }
    }
}

/// The command with the files it names made absolute, for it runs in another directory: `python train.py` finds its
/// script, `./train` itself.
pub fn located(command: Vec<String>) -> Vec<String> {
    let absolute = |(i, word): (usize, String)| {
        let names_file = Path::new(&word).is_file() && (i > 0 || word.contains('/'));
        let path = names_file.then(|| std::path::absolute(&word).ok()).flatten();
        path.map_or(word, |path| path.display().to_string())
    };
    command.into_iter().enumerate().map(absolute).collect()
}
