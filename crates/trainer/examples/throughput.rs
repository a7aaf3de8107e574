//! Images per second in training and in evaluation, against the same network in PyTorch in the same run.
//!
//!     cargo run --release -p peng-trainer --example throughput -- [--threads 1] [--rounds 5] [--only small] [--pytorch .venv/bin/python]
//!
//! Rounds of the two alternate, so that a busy machine is as busy for both; the best round counts, per second of the
//! clock and per second of the processors. `.venv` needs PyTorch of libtorch's version: `pip install torch==2.13.0`.

use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use data::{Part, Shape, Split};
use genome::{Genome, Input, Recipe};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use trainer::{Device, DeviceData, Job, Session};

/// Images in one epoch, and in the validation.
const IMAGES: usize = 2560;

/// Networks, and the images that they see.
const NETWORKS: [(&str, Shape, &str); 2] = [
    (
        "small, 1x28x28",
        Shape { channels: 1, height: 28, width: 28, classes: 10 },
        r#"{"space": "random-cnn", "batch_size": 128, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
            "dense": [{"units": 64, "dropout": 0.3}], "blocks": [
            {"filters": 16, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true,
             "pool": {"kind": "max", "kernel": 2, "stride": 2}},
            {"filters": 32, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true,
             "pool": {"kind": "max", "kernel": 2, "stride": 2}}]}"#,
    ),
    (
        "medium, 3x32x32",
        Shape { channels: 3, height: 32, width: 32, classes: 10 },
        r#"{"space": "random-cnn", "batch_size": 64, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
            "dense": [], "blocks": [
            {"filters": 32, "kernel": 5, "stride": 1, "padding": 2, "batch_norm": true},
            {"filters": 48, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true,
             "pool": {"kind": "max", "kernel": 2, "stride": 2}},
            {"filters": 64, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true,
             "pool": {"kind": "average", "kernel": 2, "stride": 2}},
            {"filters": 96, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true,
             "pool": {"kind": "max", "kernel": 8, "stride": 8}}]}"#,
    ),
];

/// Images per second of the clock and of the processors.
#[derive(Clone, Copy, Default, Deserialize)]
struct Rate {
    clock: f64,
    processors: f64,
    /// Share of the interval that its checkpoint takes the training thread.
    #[serde(default)]
    snapshot: f64,
}

impl Rate {
    fn best(self, other: Self) -> Self {
        Self {
            clock: self.clock.max(other.clock),
            processors: self.processors.max(other.processors),
            snapshot: self.snapshot.max(other.snapshot),
        }
    }
}

struct Options {
    threads: u16,
    rounds: u32,
    pytorch: Option<String>,
    /// Beginning of the name of the networks to run.
    only: String,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { threads: 1, rounds: 5, pytorch: None, only: String::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--threads" => options.threads = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--pytorch" => options.pytorch = Some(value),
            "--only" => options.only = value,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    trainer::set_threads(options.threads);
    println!(
        "{} threads, best of {} rounds, images per second (per processor second)",
        options.threads, options.rounds
    );
    for (name, shape, genome) in NETWORKS.into_iter().filter(|(name, ..)| name.starts_with(&options.only)) {
        let genome: Genome = serde_json::from_str(genome)?;
        let (mut ours, mut theirs) = (Rate::default(), Rate::default());
        for _ in 0..options.rounds {
            ours = ours.best(train(&genome, shape)?);
            if let Some(python) = &options.pytorch {
                theirs = theirs.best(train_with_pytorch(python, &genome, shape, options.threads)?);
            }
        }
        print!("{name:<16} trainer {:>6.0} ({:>6.0})", ours.clock, ours.processors);
        if options.pytorch.is_some() {
            let (clock, processors) = (ours.clock / theirs.clock, ours.processors / theirs.processors);
            print!(
                "  PyTorch {:>6.0} ({:>6.0})  ratio {clock:.2} ({processors:.2})",
                theirs.clock, theirs.processors
            );
        }
        println!("  checkpoint {:.2} % of the interval", 100.0 * ours.snapshot);
    }
    Ok(())
}

/// Images of noise.
fn noise(shape: Shape) -> Split {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let mut part = || Part {
        pixels: (0..IMAGES * shape.image_len()).map(|_| byte()).collect(),
        labels: (0..IMAGES).map(|i| (i % 10) as u16).collect(),
    };
    let channels = shape.channels as usize;
    Split {
        shape,
        train: part(),
        validation: part(),
        mean: vec![0.5; channels],
        std: vec![0.29; channels],
        warnings: vec![],
    }
}

/// Trains and validates for an epoch, after one to warm up.
fn train(genome: &Genome, shape: Shape) -> Result<Rate, Box<dyn Error>> {
    let recipe = Recipe::default();
    let job = Job { genome, recipe: &recipe, seed: 1, max_epochs: 2.0, interval: 1.0 };
    let mut session = Session::start(&job, DeviceData::new(&noise(shape), Device::CPU)?)?;
    let never = AtomicBool::new(false);
    session.advance(&never)?;
    let (started, used) = (Instant::now(), processor_seconds());
    session.advance(&never)?;
    let (clock, processors) = (started.elapsed().as_secs_f64(), processor_seconds() - used);
    let started = Instant::now();
    session.snapshot()?;
    let images = (2 * IMAGES) as f64;
    Ok(Rate {
        clock: images / clock,
        processors: images / processors,
        snapshot: started.elapsed().as_secs_f64() / clock,
    })
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The same, by the Python program beside this one, which gets the layers as JSON.
fn train_with_pytorch(
    python: &str,
    genome: &Genome,
    shape: Shape,
    threads: u16,
) -> Result<Rate, Box<dyn Error>> {
    let Shape { channels, height, width, classes } = shape;
    let plan = genome.plan(Input { channels, height, width, classes })?;
    let recipe = Recipe::default().with_genes(genome);
    let job = serde_json::json!({ "plan": plan, "recipe": recipe, "images": IMAGES, "threads": threads });
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/throughput.py");
    let mut child = Command::new(python).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no pipe to Python")?.write_all(job.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}
