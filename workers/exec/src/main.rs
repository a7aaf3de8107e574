//! `peng-exec-worker`: claims jobs and trains them with a program of yours, in any language.
#![warn(clippy::print_stdout, clippy::print_stderr)] // `stdio` does it, and knows of closed pipes.

mod access;
mod backend;
mod check;
mod checkpoint;
mod environment;
mod failure;
mod guard;
mod patience;
mod program;
mod protocol;
mod record;
mod retention;
mod session;
#[cfg(test)]
mod tests;
mod user;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use access::Access;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use patience::{Keep, Patience};
use signal_hook::flag;
use tracing::debug;

/// A worker that trains with any program that speaks JSON lines on stdin and stdout: docs/exec-protocol.md
#[derive(Debug, Parser)]
#[command(
    name = "peng-exec-worker",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program against a scripted worker, without a database, and say what it does wrong
    Check(check::Check),
    /// Started by the worker itself: kills the programs that a killed worker leaves behind
    #[command(hide = true)]
    Guard,
    /// Started by the worker itself, as another user: packs what that user's program named as its checkpoint
    #[command(hide = true)]
    Pack {
        /// Nothing for a program that names none
        checkpoint: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Work {
    #[command(flatten)]
    options: runner::Options,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    access: Access,

    /// Trainings at a time [default: one per device]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    slots: Option<u16>,

    /// GPUs, dealt to the slots in turn: each program sees one, by CUDA_VISIBLE_DEVICES
    #[arg(long, env = "CUDA_VISIBLE_DEVICES", value_name = "LIST", value_delimiter = ',')]
    devices: Vec<String>,

    /// Holds the log of each attempt, and its working directory [default: `jobs` in peng's data directory]
    #[arg(long, env = "PENG_JOBS_DIR", value_name = "DIR")]
    jobs_dir: Option<PathBuf>,

    /// Which working directories stay when their attempt is over; logs always do
    #[arg(long, value_name = "WHICH", default_value = "failed")]
    keep: Keep,

    /// How long logs, and directories that stay, are kept after the last write into them; looked at once a day
    #[arg(long, value_name = "AGE", default_value = "30d", value_parser = humantime::parse_duration)]
    keep_logs: Duration,

    /// Largest log of an attempt
    #[arg(long, value_name = "MIB", default_value_t = 10)]
    log_limit: u64,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

fn main() -> ExitCode {
    runner::init_logs();
    let cli: Cli = stdio::parse();
    let done = match cli.command {
        Some(Command::Check(check)) => hide().and_then(|()| check::run(&check)),
        Some(Command::Guard) => guard::run().map(|()| ExitCode::SUCCESS).context("cannot guard the programs"),
        Some(Command::Pack { checkpoint }) => return ExitCode::from(user::pack(checkpoint.as_deref())),
        None => hide().and_then(|()| run(cli.work)).map(|left| ExitCode::from(left.code)),
    };
    done.unwrap_or_else(|error| {
        stdio::message(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn hide() -> anyhow::Result<()> {
    access::hide().context("cannot hide the worker's memory from its programs")
}

fn run(work: Work) -> anyhow::Result<runner::ExitStatus> {
    let recipe = work.patience.recipe(&work.program, &work.access)?;
    let jobs = work.jobs_dir.unwrap_or_else(|| domain::default_home().join("jobs"));
    let usable = std::fs::create_dir_all(&jobs).and_then(|()| jobs.canonicalize());
    let jobs = usable.with_context(|| format!("cannot use `{}`", jobs.display()))?;
    if let Some(user) = &recipe.user {
        user.check_entry(&jobs)?;
    }
    debug!("the environment of programs: {}", recipe.environment.describe());
    let devices: Vec<_> = work.devices.into_iter().filter(|device| !device.is_empty()).collect();
    let slots = work.slots.unwrap_or_else(|| devices.len().clamp(1, 1024) as u16);
    retention::start(jobs.clone(), work.keep_logs).context("cannot start a thread")?;
    let guard = guard::Guard::start().context("cannot start the guard of the programs")?;
    let leaving = Arc::new(AtomicBool::new(false));
    let slot = |slot: u16| backend::Exec {
        recipe: recipe.clone(),
        guard: guard.clone(),
        jobs: jobs.clone(),
        keep: work.keep,
        log_limit: work.log_limit << 20,
        slot,
        device: devices.get(usize::from(slot) % devices.len().max(1)).cloned(),
        leaving: Arc::clone(&leaving),
    };
    let mut options = work.options;
    // The program's own limit comes first: a program that hangs is killed, the worker goes on.
    options.hang_after = options.hang_after.max(work.patience.timeout * 2);
    for signal in runner::leave_signals() {
        // The runner, which is next, acts on it.
        flag::register(signal, Arc::clone(&leaving)).context("cannot catch signals")?;
    }
    runner::run(options, (0..slots).map(slot).collect())
}
