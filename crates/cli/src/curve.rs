//! `peng curve`: learning curves from elsewhere, engines replayed on them, and curves for elsewhere.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use import::Imported;
use predictor::{EngineName, Prefer, Settings};
use report::{Filter, replay};
use store::Stepwise as _;

use crate::{
    db,
    exit::Exit,
    output::{self, Format},
    unit::Unit,
};

/// What to do with learning curves
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store recorded curves as a finished search; twice is a no-op, and nothing is half imported
    Import(Import),
    /// Run engines over the stored curves of a search as if it were live
    Replay(Replay),
    /// Write the curves of a search as CSV that `import` reads, accuracies in per cent
    Export {
        /// Name of the search
        #[arg(long, value_name = "NAME")]
        search: String,
        /// Write here, and the networks to `FILE.archs.csv` beside it; standard output if left out
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// CSV or JSON lines with `arch`, `epoch`, `val_acc`, and where there are any `train_acc`, `val_loss`, `train_loss`, `epoch_seconds` or
/// `cum_seconds`, `recorded_prediction`, `recorded_converged`. `NAME.archs.csv` beside `NAME.csv` describes the networks:
/// `arch`, `genome` or `net`, `flops` or `mflops`, `params`
#[derive(Debug, Args)]
pub struct Import {
    /// The curves
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the search to be made
    #[arg(long, value_name = "NAME")]
    search: String,
    /// In what the accuracies are; it is never guessed
    #[arg(long, value_enum)]
    unit: Unit,
    /// Epochs of a full training; the last epoch of the file if left out
    #[arg(long, value_name = "EPOCHS")]
    target: Option<f64>,
    /// Name for the engine that made the recorded predictions
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
}

/// Nothing is trained and nothing is stored
#[derive(Debug, Args)]
pub struct Replay {
    /// Name of the search
    #[arg(long, value_name = "NAME")]
    search: String,
    /// Which engines, as `peng,penguin-v4,median`
    #[arg(long, value_name = "ENGINES", value_delimiter = ',', required = true, value_parser = engine)]
    engine: Vec<EngineName>,
    /// Average over so many random orders of the jobs; 1 is the order of proposal
    #[arg(long, value_name = "N", default_value_t = 1)]
    orders: usize,
    /// Seed of the random orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Jobs in training at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Share of the best networks that `peng` keeps
    #[arg(long, value_name = "SHARE")]
    keep: Option<f64>,
    /// Chance of losing one of them that `peng` accepts
    #[arg(long, value_name = "CHANCE")]
    risk: Option<f64>,
    /// What workers of `peng` do while little is known: `epochs` has them wait, `time` has them train on what leads
    #[arg(long, value_name = "WHAT", default_value = "epochs", value_parser = prefer)]
    prefer: Prefer,
    /// An earlier search on the same kind of data to begin with
    #[arg(long, value_name = "NAME")]
    warm_start: Option<String>,
    /// Take FLOPs as a second objective
    #[arg(long)]
    cost: bool,
    /// Vary the most telling setting of each engine: what is kept for what is saved
    #[arg(long)]
    tradeoff: bool,
    /// Write the figure of `--tradeoff` to this file
    #[arg(long, value_name = "FILE.svg", requires = "tradeoff")]
    svg: Option<PathBuf>,
    /// Only jobs for which this holds, as `parameters<1000000`; may be repeated
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

fn engine(name: &str) -> Result<EngineName, String> {
    name.parse().map_err(|error: predictor::SettingsError| error.to_string())
}

fn prefer(name: &str) -> Result<Prefer, String> {
    name.parse().map_err(|error: predictor::SettingsError| error.to_string())
}

pub fn run(command: Command, format: Format) -> anyhow::Result<Exit> {
    match command {
        Command::Import(import) => run_import(&import, format),
        Command::Replay(replay) => run_replay(replay, format),
        Command::Export { search, file } => run_export(&search, file, format),
    }
}

fn run_import(args: &Import, format: Format) -> anyhow::Result<Exit> {
    let request = import::Request {
        search: &args.search,
        unit: args.unit.into(),
        target: args.target,
        engine: args.engine.as_deref(),
    };
    let curves = import::check(&args.file, &request)?;
    let imported =
        db::connect_for_long_reads()?.step(|conn| import::store(conn, &args.file, &curves, &request))?;
    let name = &args.search;
    let text = match &imported {
        Imported::Unchanged { jobs } => {
            format!("`{name}` is there already, with the same {jobs} curves: nothing was done")
        }
        Imported::Stored { jobs, observations, cut_off, notes } => {
            let mut lines = vec![format!("stored {observations} points of {jobs} curves as search `{name}`")];
            if *cut_off > 0 {
                lines.push(format!(
                    "{cut_off} curves end before the target without a decision: stored as cancelled, without ground truth"
                ));
            }
            lines.extend(notes.iter().cloned());
            lines.push(format!("next: peng report summary {name}"));
            lines.join("\n")
        }
    };
    output::value(format, &imported, &text)?;
    Ok(Exit::Ok)
}

fn run_replay(args: Replay, format: Format) -> anyhow::Result<Exit> {
    let settings = |&engine: &EngineName| {
        let default = Settings { engine, ..Settings::default() };
        Settings {
            keep: args.keep.unwrap_or(default.keep),
            risk: args.risk.unwrap_or(default.risk),
            prefer: args.prefer,
            ..default
        }
    };
    let request = replay::Request {
        engines: args.engine.iter().map(settings).collect(),
        orders: args.orders,
        seed: args.seed,
        workers: args.workers,
        warm_start: args.warm_start.as_deref(),
        cost: args.cost,
    };
    let filter = Filter::parse(None, &args.conditions)?;
    let conn = &mut db::connect_for_reports()?;
    if args.tradeoff {
        let tradeoff = report::tradeoff(conn, &args.search, &filter, &request)?;
        if let Some(path) = &args.svg {
            std::fs::write(path, tradeoff.figure().svg()?)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        crate::report::write(&tradeoff, format, args.to)?;
    } else {
        crate::report::write(&report::replay(conn, &args.search, &filter, &request)?, format, args.to)?;
    }
    Ok(Exit::Ok)
}

fn run_export(search: &str, file: Option<PathBuf>, format: Format) -> anyhow::Result<Exit> {
    let conn = &mut db::connect_for_reports()?;
    let all = Filter::default();
    let Some(path) = file else {
        let mut out = stdio::stdout();
        report::export_curves(conn, search, &all, &mut out)?;
        out.flush()?;
        return Ok(Exit::Ok);
    };
    let create =
        |path: &PathBuf| File::create(path).with_context(|| format!("cannot write `{}`", path.display()));
    let beside = path.with_extension("archs.csv");
    let points = report::export_curves(conn, search, &all, create(&path)?)?;
    let networks = report::export_networks(conn, search, &all, create(&beside)?)?;
    let text = format!(
        "wrote {points} points to {} and {networks} networks to {}",
        path.display(),
        beside.display()
    );
    output::value(format, &serde_json::json!({ "points": points, "networks": networks }), &text)?;
    Ok(Exit::Ok)
}
