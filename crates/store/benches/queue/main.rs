//! The speed of the queue, each figure beside its baseline in the same run, on a durable private server of its own.
//!
//! `cargo bench -p peng-store --bench queue -- [claim] [mixed] [snapshot] [drain] [wake] [record] [enqueue] [prune]
//! [--seconds 10] [--jobs 1000,100000,1000000] [--clients 1,4,16] [--no-flush]`

#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod bare;
mod bench;
mod bulk;
mod prune;
mod queue;
mod record;
mod wake;

use std::time::Duration;

/// Rounds in which own statements and bare ones take turns.
pub const ROUNDS: u64 = 3;

/// What is measured, and how large.
pub struct Options {
    names: Vec<String>,
    /// Of one measurement.
    pub seconds: u64,
    /// Waiting jobs.
    pub jobs: Vec<usize>,
    /// Sessions.
    pub clients: Vec<usize>,
    /// Whether commits wait for the disk.
    flush: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let list = |text: String| text.split(',').map(|n| n.parse().unwrap()).collect::<Vec<usize>>();
        let mut options = Self {
            names: Vec::new(),
            seconds: 10,
            jobs: vec![1_000, 100_000, 1_000_000],
            clients: vec![1, 4, 16],
            flush: true,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--seconds" => options.seconds = arguments.next().unwrap().parse().unwrap(),
                "--jobs" => options.jobs = list(arguments.next().unwrap()),
                "--clients" => options.clients = list(arguments.next().unwrap()),
                "--no-flush" => options.flush = false,
                name => options.names.push(name.to_owned()),
            }
        }
        options
    }

    /// Of one measurement.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() {
    let options = Options::parse(std::env::args().skip(1));
    let server = bench::Bench::new(options.flush);
    let all: [(&str, fn(&bench::Bench, &Options)); 8] = [
        ("claim", queue::claim),
        ("mixed", queue::mixed),
        ("snapshot", queue::snapshot),
        ("drain", queue::drain),
        ("wake", wake::latency),
        ("record", record::record),
        ("enqueue", bulk::enqueue),
        ("prune", prune::prune),
    ];
    for (name, run) in all {
        if options.names.is_empty() || options.names.iter().any(|n| n == name) {
            println!("## {name}");
            run(&server, &options);
        }
    }
}
