//! `peng predict`: curves in, predictions and decisions out, without a database.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use import::{Point, Points};
use predictor::{
    Assessment, Calibration, Curve, Decision, Engine, EngineName, Observation, Settings, Target,
};
use serde::Serialize;

use crate::{
    exit::Exit,
    output::{self, Column, Format, percent},
    unit::Unit,
};

/// Points come as CSV with a header or as JSON lines, with `epoch`, `val_acc`, and where there are any `arch` (a name for
/// the curve), `train_acc`, `train_loss`. Engines learn from the curves that reach the target, in the order in which they
/// do. Rows that cannot be, as an accuracy of NaN, are named, and nothing is answered
#[derive(Debug, Args)]
pub struct Predict {
    /// The curves; standard input if left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Epochs of a full training, which the prediction is for
    #[arg(long, value_name = "EPOCHS")]
    epochs: f64,
    /// Epochs between two points
    #[arg(long, value_name = "EPOCHS", default_value_t = 1.0)]
    interval: f64,
    /// Which engine
    #[arg(long, value_name = "ENGINE", default_value = "peng")]
    engine: EngineName,
    /// A setting of the engine, as in the `[predictor]` table; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// In what the accuracies are; predictions are always in per cent
    #[arg(long, value_enum, default_value_t)]
    unit: Unit,
    /// Answer each point as it comes, one line each: CSV with `--output csv`, else JSON
    #[arg(long)]
    follow: bool,
}

/// What the engine says of a curve.
#[derive(Debug, Serialize)]
struct Answer {
    arch: String,
    epoch: f64,
    val_acc: f64,
    prediction: Option<f64>,
    low_80: Option<f64>,
    high_80: Option<f64>,
    chance: Option<f64>,
    decision: Decision,
    reason: String,
}

const COLUMNS: &[Column<Answer>] = &[
    ("arch", |a| a.arch.clone()),
    ("#epoch", |a| a.epoch.to_string()),
    ("#val_acc", |a| percent(Some(a.val_acc))),
    ("#predicted", |a| percent(a.prediction)),
    ("#80 % low", |a| percent(a.low_80)),
    ("#high", |a| percent(a.high_80)),
    ("decision", |a| if a.decision == Decision::Stop { "stop" } else { "continue" }.to_owned()),
    ("reason", |a| a.reason.clone()),
];

pub fn run(args: &Predict, format: Format) -> anyhow::Result<Exit> {
    let engine = Engine::new(&settings(args)?, Target { epochs: args.epochs, interval: args.interval })?;
    let mut curves = Curves { engine, calibration: Calibration::default(), all: vec![], ids: HashMap::new() };
    let name = args.file.clone().unwrap_or_else(|| "standard input".into());
    let input: Box<dyn BufRead> = match &args.file {
        Some(path) => Box::new(BufReader::new(
            File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?,
        )),
        None => Box::new(BufReader::new(io::stdin())),
    };
    let points = Points::new(&name, input, args.unit.into())?;
    if args.follow {
        let mut writer = Writer::new(format);
        for point in points {
            let id = curves.add(point?, &name)?;
            writer.write(&curves.answer(id)?)?;
        }
        return Ok(Exit::Ok);
    }
    for point in points.read()? {
        curves.add(point, &name)?;
    }
    let answers = (0..curves.all.len()).map(|id| curves.answer(id)).collect::<anyhow::Result<Vec<_>>>()?;
    output::rows(format, &answers, COLUMNS)?;
    Ok(Exit::Ok)
}

/// The `[predictor]` table that the command line makes.
fn settings(args: &Predict) -> anyhow::Result<Settings> {
    let text = args.settings.join("\n");
    let given: Settings = toml::from_str(&text).or_else(|error| {
        // A word without quotes is meant as a string.
        let quoted: Vec<_> = args.settings.iter().map(|pair| pair.replacen('=', "=\"", 1) + "\"").collect();
        toml::from_str(&quoted.join("\n")).map_err(|_| error)
    })?;
    ensure!(!text.contains("engine"), "the engine is chosen by --engine");
    Ok(Settings { engine: args.engine, ..given })
}

/// All curves so far, and what the engine has learned from those that are complete.
struct Curves {
    engine: Engine,
    calibration: Calibration,
    all: Vec<(String, Curve)>,
    ids: HashMap<String, usize>,
}

impl Curves {
    /// Adds a point, and returns the number of its curve. `file` is for the error.
    fn add(&mut self, point: Point, file: &Path) -> anyhow::Result<usize> {
        let Point { line, arch, epoch, val_acc, train_acc, train_loss, .. } = point;
        let place = || format!("{}, line {line}, curve `{arch}`", file.display());
        let id = *self.ids.entry(arch.clone()).or_insert(self.all.len());
        if id == self.all.len() {
            self.all.push((arch.clone(), Curve::default()));
        }
        let (_, curve) = &mut self.all[id];
        curve.push(Observation { epoch, val_acc, train_acc, train_loss }).with_context(place)?;
        if self.engine.target().step(epoch) == self.engine.target().steps() {
            self.engine.complete(&mut self.calibration, id as i64, curve).with_context(place)?;
        }
        Ok(id)
    }

    fn answer(&self, id: usize) -> anyhow::Result<Answer> {
        let (arch, curve) = &self.all[id];
        let Assessment { prediction, decision, reason } =
            self.engine.assess_grown(curve, None, &self.calibration);
        let last = curve.points().last().context("a curve has a point")?;
        let (low_80, high_80) = prediction.and_then(|p| p.interval_80).unzip();
        Ok(Answer {
            arch: arch.clone(),
            epoch: last.epoch,
            val_acc: last.val_acc,
            prediction: prediction.map(|p| p.fitness),
            low_80,
            high_80,
            chance: prediction.and_then(|p| p.chance),
            decision,
            reason,
        })
    }
}

/// Writes answers one by one.
enum Writer {
    Csv(Box<csv::Writer<stdio::Stdout>>),
    Json(stdio::Stdout),
}

impl Writer {
    fn new(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv(Box::new(csv::Writer::from_writer(stdio::stdout()))),
            _ => Self::Json(stdio::stdout()),
        }
    }

    fn write(&mut self, answer: &Answer) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => {
                writer.serialize(answer)?;
                writer.flush()?;
            }
            Self::Json(out) => {
                writeln!(out, "{}", serde_json::to_string(answer)?)?;
                out.flush()?;
            }
        }
        Ok(())
    }
}
