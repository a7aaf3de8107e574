//! A process that outlives its worker by a moment, to kill the programs that a worker killed by SIGKILL leaves behind.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::{
    consts::{SIGHUP, TERM_SIGNALS},
    flag,
};
use tracing::warn;

/// The worker's end of the guard. The guard reads `+GROUP` and `-GROUP` on its stdin, which no other process holds (Rust
/// opens pipes close-on-exec): it ends when the worker ends, however that came.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    process: Child,
    groups: BTreeSet<i32>,
}

impl Guard {
    /// Starts it, from the worker's own executable, in a process group of its own: Ctrl-C on a terminal spares it.
    ///
    /// # Errors
    /// The system has no process or pipe to spare.
    pub fn start() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Inner { process: spawn()?, groups: BTreeSet::new() }))))
    }

    /// One that guards nothing: the executable of a test is no worker.
    #[cfg(test)]
    pub fn idle() -> Self {
        let process = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        Self(Arc::new(Mutex::new(Inner { process, groups: BTreeSet::new() })))
    }

    /// From now on the group is killed if the worker dies. A guard that somebody killed is replaced.
    ///
    /// # Errors
    /// The guard has gone and no other can be started: the group is not guarded.
    pub fn watch(&self, group: Pid) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let group = group.as_raw_nonzero().get();
        inner.groups.insert(group);
        let told = inner.tell(&format!("+{group}\n")).or_else(|error| inner.replace(&error));
        if told.is_err() {
            inner.groups.remove(&group);
        }
        told
    }

    /// The group is no more. To be called before its leader is reaped: afterwards the number may be another's.
    pub fn forget(&self, group: Pid) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let group = group.as_raw_nonzero().get();
        inner.groups.remove(&group);
        // A guard that cannot be told has gone and kills nothing; the next `watch` replaces it.
        let _gone = inner.tell(&format!("-{group}\n"));
    }
}

impl Inner {
    fn tell(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.process.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(line.as_bytes())
    }

    fn replace(&mut self, error: &io::Error) -> io::Result<()> {
        let old = std::mem::replace(&mut self.process, spawn()?);
        warn!("the guard of the programs, process {}, has gone ({error}): started another", old.id());
        // Reaps it: it ends at the end of its stdin, if it did not before.
        let _status = old.wait_with_output();
        let all: String = self.groups.iter().map(|group| format!("+{group}\n")).collect();
        self.tell(&all)
    }
}

fn spawn() -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    // It needs nothing of the environment, least of all the database's password.
    command.arg0("peng-exec-worker").arg("guard").env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
}

/// The guard itself: reads until the worker ends, then kills the groups that are left. Signals that ask to leave do not end it:
/// a supervisor sends them to all processes of a worker at once, and the worker's programs are to be guarded while it leaves.
pub fn run() -> io::Result<()> {
    for signal in TERM_SIGNALS.iter().chain(&[SIGHUP]) {
        flag::register(*signal, Arc::new(AtomicBool::new(false)))?;
    }
    let left = left(io::stdin().lock());
    for group in &left {
        // Nobody left is as good.
        let _ = kill_process_group(*group, Signal::KILL);
    }
    if !left.is_empty() {
        let groups: Vec<_> = left.iter().map(|group| group.as_raw_nonzero().to_string()).collect();
        // The worker's log may have ended with the worker.
        let _ =
            writeln!(io::stderr(), "guard: the worker has died; killed its programs {}", groups.join(", "));
    }
    Ok(())
}

/// The groups named by `+` and not by a later `-`. What is no such line is passed over: half a line was never meant.
fn left(lines: impl BufRead) -> Vec<Pid> {
    let mut groups = BTreeSet::new();
    for line in lines.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        match line.split_at_checked(1).and_then(|(sign, rest)| Some((sign, rest.parse::<i32>().ok()?))) {
            // To the system, 1 would mean every process.
            Some(("+", group)) if group > 1 => drop(groups.insert(group)),
            Some(("-", group)) => drop(groups.remove(&group)),
            _ => {}
        }
    }
    groups.into_iter().filter_map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_and_not_withdrawn_is_left() {
        let table: [(&str, &[i32], &str); 5] = [
            ("", &[], "no program ran"),
            ("+7\n+8\n-7\n", &[8], "one ended"),
            ("+7\n-7\n+7\n", &[7], "the number came again"),
            ("+1\n+0\n+-5\n+x\n\n-3\n", &[], "numbers that would hit others"),
            ("+70\n-70\n+7", &[7], "the last line lacks its end"),
        ];
        for (lines, expected, why) in table {
            let found: Vec<_> = left(lines.as_bytes()).iter().map(|pid| pid.as_raw_nonzero().get()).collect();
            assert_eq!(found, expected, "{why}");
        }
    }
}
