//! `peng-worker-torch`: claims jobs and trains them with libtorch. People start it as `peng-worker`.
#![warn(clippy::print_stdout, clippy::print_stderr)] // `stdio` does it, and knows of closed pipes.

mod backend;

use std::process::ExitCode;

use clap::Parser;
use trainer::Device;

/// A worker that trains networks with libtorch: on a GPU if there is one
#[derive(Debug, Parser)]
#[command(name = "peng-worker", version)]
struct Cli {
    #[command(flatten)]
    options: runner::Options,

    /// What to train on: cpu, cuda, cuda:1 [default: the first GPU, else the processor]
    #[arg(long, env = "PENG_DEVICE")]
    device: Option<String>,

    /// Threads of a training on the processor; with one, a resumed training is bit for bit the uninterrupted one
    #[arg(long, env = "PENG_THREADS", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
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
    let device = cli.device.as_deref().map(str::parse).transpose()?.unwrap_or_else(Device::best);
    runner::run(cli.options, vec![backend::Torch::new(device, cli.threads)])
}
