//! `peng predict`: curves in, predictions and decisions out, without a database.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use predictor::{
    Assessment, Calibration, Decision, End, Ended, Engine, EngineName, Observation, Settings, Target,
};
use serde::{Deserialize, Serialize};

use crate::{
    exit::Exit,
    output::{self, Column, Format, percent},
};

/// Points come as CSV with a header or as JSON lines, with `epoch`, `val_acc`, and where there are any `arch` (a name for
/// the curve), `train_acc`, `train_loss`. Engines learn from the curves that reach the target, in the order in which they
/// do
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Unit {
    /// From 0 to 100
    #[default]
    Percent,
    /// From 0 to 1
    Fraction,
}

/// A line of the input.
#[derive(Debug, Deserialize)]
struct Point {
    #[serde(default)]
    arch: Name,
    epoch: f64,
    val_acc: f64,
    train_acc: Option<f64>,
    train_loss: Option<f64>,
}

/// Names may be numbers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(i64),
}

impl Default for Name {
    fn default() -> Self {
        Self::Text(String::new())
    }
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
    let mut curves = Curves {
        engine,
        unit: args.unit,
        calibration: Calibration::default(),
        all: vec![],
        ids: HashMap::new(),
    };
    let name = args.file.as_deref().map_or("standard input".into(), |file| file.display().to_string());
    let points = points(args.file.as_deref()).with_context(|| format!("cannot read {name}"))?;
    let mut writer = Writer::new(format);
    for (at, point) in points {
        let answer = point.and_then(|point| curves.add(point)).with_context(|| format!("{name}, {at}"))?;
        if args.follow {
            writer.write(&curves.answer(answer)?)?;
        }
    }
    if !args.follow {
        let answers =
            (0..curves.all.len()).map(|id| curves.answer(id)).collect::<anyhow::Result<Vec<_>>>()?;
        output::rows(format, &answers, COLUMNS)?;
    }
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

type Points = Box<dyn Iterator<Item = (String, anyhow::Result<Point>)>>;

/// The points of a file, each with the place where it stands. The first character tells CSV from JSON lines.
fn points(file: Option<&Path>) -> anyhow::Result<Points> {
    let mut input: Box<dyn BufRead> = match file {
        Some(path) => Box::new(BufReader::new(File::open(path)?)),
        None => Box::new(BufReader::new(io::stdin())),
    };
    let json = input.fill_buf()?.trim_ascii_start().starts_with(b"{");
    Ok(if json { json_lines(input) } else { csv_rows(input) })
}

fn json_lines(input: Box<dyn BufRead>) -> Points {
    let lines = input.lines().enumerate().map(|(i, line)| (format!("line {}", i + 1), line));
    let filled = lines.filter(|(_, line)| !line.as_ref().is_ok_and(|line| line.trim().is_empty()));
    Box::new(filled.map(|(at, line)| {
        let point = line.map_err(anyhow::Error::new).and_then(|line| Ok(serde_json::from_str(&line)?));
        (at, point.context("expected an object with epoch and val_acc"))
    }))
}

fn csv_rows(input: Box<dyn BufRead>) -> Points {
    let rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input).into_deserialize();
    Box::new(rows.enumerate().map(|(i, row): (usize, Result<Point, csv::Error>)| {
        let row = row.context("expected columns epoch and val_acc, and perhaps arch, train_acc, train_loss");
        (format!("point {}", i + 1), row)
    }))
}

/// All curves so far, and what the engine has learned from those that are complete.
struct Curves {
    engine: Engine,
    unit: Unit,
    calibration: Calibration,
    all: Vec<(String, Vec<Observation>)>,
    ids: HashMap<String, usize>,
}

impl Curves {
    /// Adds a point, and returns the number of its curve.
    fn add(&mut self, point: Point) -> anyhow::Result<usize> {
        let name = match point.arch {
            Name::Text(text) => text,
            Name::Number(number) => number.to_string(),
        };
        let scale = if self.unit == Unit::Fraction { 100.0 } else { 1.0 };
        let accuracies = [Some(point.val_acc * scale), point.train_acc.map(|accuracy| accuracy * scale)];
        for accuracy in accuracies.into_iter().flatten() {
            if !(0.0..=100.0).contains(&accuracy) {
                bail!("an accuracy of {accuracy} %: expected 0 to 100; say --unit if it is a fraction");
            }
        }
        let [val_acc, train_acc] = accuracies;
        let id = *self.ids.entry(name.clone()).or_insert(self.all.len());
        if id == self.all.len() {
            self.all.push((name, vec![]));
        }
        let (name, curve) = &mut self.all[id];
        curve.push(Observation {
            epoch: point.epoch,
            val_acc: val_acc.unwrap_or_default(),
            train_acc,
            train_loss: point.train_loss,
        });
        let whole = self.engine.target().steps();
        let in_curve = || format!("curve `{name}`");
        // Also checks the curve.
        self.engine.assess(curve, &self.calibration).with_context(in_curve)?;
        if self.engine.target().step(point.epoch) == whole {
            let ended = Ended { job: id as i64, curve, end: End::Completed, cost: None };
            self.engine.learn(&mut self.calibration, &ended).with_context(in_curve)?;
        }
        Ok(id)
    }

    fn answer(&self, id: usize) -> anyhow::Result<Answer> {
        let (arch, curve) = &self.all[id];
        let Assessment { prediction, decision, reason } = self.engine.assess(curve, &self.calibration)?;
        let last = curve.last().context("a curve has a point")?;
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
