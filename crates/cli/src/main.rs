//! `peng`: submits searches, watches them, reports on them. One file per noun.
#![warn(clippy::print_stdout, clippy::print_stderr)] // `stdio` does it, and knows of closed pipes.

mod curve;
mod db;
mod exit;
mod garbage;
mod job;
mod output;
mod predict;
mod report;
mod retention;
mod search;
mod unit;
mod watch;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Neural architecture search in which each training decides for itself when to stop
#[derive(Debug, Parser)]
#[command(name = "peng", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    noun: Noun,

    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    output: output::Format,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// The database: a private Postgres, or the one that `DATABASE_URL` names
    #[command(subcommand)]
    Db(db::Command),
    /// Searches: submit, watch, pause, cancel, archive, delete
    #[command(subcommand)]
    Search(search::Command),
    /// Jobs: list, show, retry, cancel
    #[command(subcommand)]
    Job(job::Command),
    /// Worker processes: list, drain
    #[command(subcommand)]
    Worker(worker::Command),
    /// Reports: what was saved, how good the predictions were, the best networks
    #[command(subcommand)]
    Report(report::Command),
    /// Learning curves: import, replay engines on them, export
    #[command(subcommand)]
    Curve(curve::Command),
    /// Predictions and decisions for curves from a file or a pipe, without a database
    Predict(predict::Predict),
}

fn main() -> ExitCode {
    init_logs();
    let cli: Cli = stdio::parse();
    let format = cli.output;
    let done = match cli.noun {
        Noun::Db(command) => db::run(command, format),
        Noun::Search(command) => search::run(command, format),
        Noun::Job(command) => job::run(command, format),
        Noun::Worker(command) => worker::run(command, format),
        Noun::Report(command) => report::run(command, format),
        Noun::Curve(command) => curve::run(command, format),
        Noun::Predict(args) => predict::run(&args, format),
    };
    match done {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            output::error(&error, format);
            ExitCode::FAILURE
        }
    }
}

fn init_logs() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("PENG_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would say on stderr that stderr is closed, and panic.
        .log_internal_errors(false)
        .with_target(false)
        .init();
}
