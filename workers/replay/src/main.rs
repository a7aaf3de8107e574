//! `peng-replay-worker`: for evaluation, load tests and demos without training.
#![warn(clippy::print_stdout, clippy::print_stderr)] // `stdio` does it, and knows of closed pipes.

mod backend;
mod curves;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// A worker that trains nothing: each job replays a learning curve, recorded or made up from its genome and seed
#[derive(Debug, Parser)]
#[command(name = "peng-replay-worker", version)]
struct Cli {
    #[command(flatten)]
    options: runner::Options,

    /// Recorded curves to draw from: CSV or JSON lines with arch, epoch, val_acc and optionally train_acc, in per cent, as
    /// `peng curve import` reads them
    #[arg(long, value_name = "FILE")]
    curves: Option<PathBuf>,

    /// Seconds that an epoch takes
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    epoch_seconds: f64,

    /// Jobs at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    slots: u16,
}

fn main() -> ExitCode {
    runner::init_logs();
    match run(stdio::parse()) {
        Ok(left) => ExitCode::from(left.code),
        Err(error) => {
            stdio::message(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<runner::ExitStatus> {
    let source = match &cli.curves {
        Some(file) => curves::Source::read(file)?,
        None => curves::Source::MadeUp,
    };
    anyhow::ensure!(
        cli.epoch_seconds.is_finite() && cli.epoch_seconds >= 0.0,
        "--epoch-seconds is {}: expected 0 or more",
        cli.epoch_seconds
    );
    let source = std::sync::Arc::new(source);
    let backends =
        (0..cli.slots).map(|_| backend::Replay::new(std::sync::Arc::clone(&source), cli.epoch_seconds));
    runner::run(cli.options, backends.collect())
}
