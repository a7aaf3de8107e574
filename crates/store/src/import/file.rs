//! Reading a file of curves and the file of architectures beside it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::fault::{Fault, ImportError};
use super::{Request, Unit};

/// Faults named one by one; the rest is counted.
const NAMED: usize = 20;

/// All curves of a file, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// In the order of their first rows.
    pub curves: Vec<Recorded>,
    /// Epochs of a full training.
    pub target: f64,
    /// Epochs between two points.
    pub interval: f64,
    /// Whether the file has predictions and decisions.
    pub recorded: bool,
    /// What was read and is not stored.
    pub notes: Vec<String>,
    /// SHA-256 of both files.
    pub sha256: String,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What was trained.
    pub architecture: Architecture,
    /// The number in column `arch`, or the place of the curve if those are no numbers.
    pub seed: i64,
    /// In the order of epochs, without a gap.
    pub points: Vec<Point>,
}

/// What was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// SHA-256 of the genome as written; of search and label where there is none, which equals no other.
    pub hash: String,
    /// All columns of the file of architectures.
    pub genome: Value,
    /// The genome in one line.
    pub summary: String,
    /// 0 where not given.
    pub parameters: i64,
    /// 0 where not given.
    pub flops: i64,
}

/// One point of a curve; accuracies in per cent.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// From 1.
    pub step: i32,
    /// Epochs trained.
    pub epoch: f64,
    /// Validation accuracy.
    pub val_acc: f64,
    /// Training accuracy.
    pub train_acc: Option<f64>,
    /// Validation loss.
    pub val_loss: Option<f64>,
    /// Training loss.
    pub train_loss: Option<f64>,
    /// Seconds of the interval.
    pub seconds: Option<f64>,
    /// Recorded prediction; none where it was not finite.
    pub prediction: Option<f64>,
    /// Recorded decision.
    pub converged: Option<bool>,
    line: u64,
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, line: u64, message: impl Into<String>) {
        self.0.push(Fault {
            line,
            message: message.into(),
        });
    }

    fn check(mut self, path: &Path) -> Result<(), ImportError> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort_by_key(|fault| fault.line);
        let more = self.0.len().saturating_sub(NAMED);
        self.0.truncate(NAMED);
        Err(ImportError::Faults {
            path: path.to_owned(),
            faults: self.0,
            more,
        })
    }
}

/// A file as rows with named columns.
struct Sheet {
    path: PathBuf,
    names: Vec<String>,
    rows: Vec<(u64, csv::StringRecord)>,
}

/// Counts lines. The position that the reader gives for a record is before the line feed of the line above, where lines
/// end with a carriage return too.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, mut byte: usize) -> u64 {
        while self.bytes.get(byte).is_some_and(u8::is_ascii_whitespace) {
            byte += 1;
        }
        self.line += self.bytes[self.at..byte].split(|b| *b == b'\n').count() as u64 - 1;
        self.at = byte;
        self.line
    }
}

impl Sheet {
    fn read(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = read(path)?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(bytes.as_slice());
        let names = reader.headers().map_err(failed)?;
        let names = names
            .iter()
            .map(|n| n.trim_start_matches('\u{feff}').to_owned())
            .collect();
        let mut lines = Lines {
            bytes: &bytes,
            at: 0,
            line: 1,
        };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(failed)?;
            rows.push((
                lines.of(record.position().map_or(0, csv::Position::byte) as usize),
                record,
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            names,
            rows,
        })
    }

    fn column(&self, names: &[&str]) -> Option<usize> {
        names
            .iter()
            .find_map(|name| self.names.iter().position(|n| n == name))
    }

    fn need(&self, column: &'static str) -> Result<usize, ImportError> {
        self.column(&[column]).ok_or_else(|| ImportError::Column {
            path: self.path.clone(),
            column,
            found: self.names.join(", "),
        })
    }
}

impl Curves {
    /// Reads `NAME.csv`, and `NAME.archs.csv` if it is there.
    ///
    /// # Errors
    /// See [`super::import`].
    pub fn read(path: &Path, unit: Unit, target: Option<f64>) -> Result<Self, ImportError> {
        let sheet = Sheet::read(path)?;
        let mut notes = unknown(&sheet);
        let mut grouped = rows(&sheet, unit)?;
        let interval = interval(&grouped);
        number(&mut grouped, interval).check(path)?;
        let last = grouped
            .iter()
            .filter_map(|(_, points)| points.last())
            .map(|p| p.epoch)
            .fold(0.0, f64::max);
        let target = target.unwrap_or(last);
        cut(&mut grouped, target, &mut notes);
        let (architectures, bytes) = architectures(path, &grouped)?;
        let numbers: Option<Vec<i64>> = grouped.iter().map(|(arch, _)| arch.parse().ok()).collect();
        let seeds = numbers.unwrap_or_else(|| (0..grouped.len() as i64).collect());
        let curves = grouped.into_iter().zip(architectures).zip(seeds);
        Ok(Self {
            curves: curves
                .map(|(((_, points), architecture), seed)| Recorded {
                    architecture,
                    seed,
                    points,
                })
                .collect(),
            target,
            interval,
            recorded: sheet.column(&["recorded_converged"]).is_some(),
            notes,
            sha256: hex(&Sha256::new()
                .chain_update(read(path)?)
                .chain_update(bytes)
                .finalize()),
        })
    }

    /// Whether a recorded decision ended a curve before the target.
    pub fn terminates(&self) -> bool {
        self.curves.iter().any(|c| self.state(c) == "terminated")
    }

    /// How the training of a curve ended.
    pub(super) fn state(&self, curve: &Recorded) -> &'static str {
        match curve.points.last() {
            Some(last) if last.epoch >= self.target - 1e-9 => "completed",
            Some(last) if last.converged == Some(true) => "terminated",
            _ => "cancelled",
        }
    }

    /// What makes two imports the same: both files and all that was stated about them, but for the name.
    pub(super) fn digest(&self, request: &Request<'_>) -> String {
        let stated = format!(
            "{:?} {} {} {:?}",
            request.unit, self.target, self.interval, request.engine
        );
        hex(&Sha256::new()
            .chain_update(&self.sha256)
            .chain_update(stated)
            .finalize())
    }
}

type Grouped = Vec<(String, Vec<Point>)>;

const COLUMNS: [&str; 10] = [
    "arch",
    "epoch",
    "val_acc",
    "train_acc",
    "val_loss",
    "train_loss",
    "epoch_seconds",
    "cum_seconds",
    "recorded_prediction",
    "recorded_converged",
];

fn unknown(sheet: &Sheet) -> Vec<String> {
    let names: Vec<&str> = sheet
        .names
        .iter()
        .map(String::as_str)
        .filter(|n| !COLUMNS.contains(n))
        .collect();
    if names.is_empty() {
        vec![]
    } else {
        vec![format!("columns that are not stored: {}", names.join(", "))]
    }
}

/// The rows by architecture, each value checked.
fn rows(sheet: &Sheet, unit: Unit) -> Result<Grouped, ImportError> {
    let (arch, epoch, val_acc) = (sheet.need("arch")?, sheet.need("epoch")?, sheet.need("val_acc")?);
    let column = |name| sheet.column(&[name]);
    let (train_acc, val_loss, train_loss) = (column("train_acc"), column("val_loss"), column("train_loss"));
    let (seconds, prediction, converged) = (
        column("epoch_seconds"),
        column("recorded_prediction"),
        column("recorded_converged"),
    );
    let total = column("cum_seconds");
    let mut faults = Faults(Vec::new());
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut grouped: Grouped = Vec::new();
    let mut spent: HashMap<String, f64> = HashMap::new();
    for (line, record) in &sheet.rows {
        let mut row = Row {
            line: *line,
            record,
            unit,
            faults: &mut faults,
        };
        let label = record.get(arch).unwrap_or_default().to_owned();
        if label.is_empty() {
            row.fault("arch is empty, expected a number or a name".to_owned());
        }
        let mut point = Point {
            step: 0,
            epoch: row.required(epoch, "epoch").unwrap_or(f64::NAN),
            val_acc: row
                .required(val_acc, "val_acc")
                .map_or(f64::NAN, |v| row.accuracy(v, "val_acc")),
            train_acc: row
                .optional(train_acc, "train_acc")
                .map(|v| row.accuracy(v, "train_acc")),
            val_loss: row.optional(val_loss, "val_loss"),
            train_loss: row.optional(train_loss, "train_loss"),
            seconds: row.optional(seconds, "epoch_seconds"),
            prediction: row.prediction(prediction),
            converged: row.flag(converged),
            line: *line,
        };
        if let Some(cumulative) = row.optional(total, "cum_seconds") {
            let before = spent.insert(label.clone(), cumulative).unwrap_or(0.0);
            point.seconds = point.seconds.or(Some(cumulative - before));
        }
        if point.seconds.is_some_and(|s| s < 0.0) {
            row.fault("seconds are negative or run backwards".to_owned());
        }
        if point.converged == Some(true) && point.prediction.is_none() {
            row.fault("recorded_converged is 1 without a finite recorded_prediction".to_owned());
        }
        let place = *places.entry(label.clone()).or_insert(grouped.len());
        if place == grouped.len() {
            grouped.push((label, Vec::new()));
        }
        grouped[place].1.push(point);
    }
    if grouped.is_empty() {
        faults.add(1, "no row, expected one per architecture and epoch");
    }
    faults.check(&sheet.path)?;
    Ok(grouped)
}

struct Row<'a> {
    line: u64,
    record: &'a csv::StringRecord,
    unit: Unit,
    faults: &'a mut Faults,
}

impl Row<'_> {
    fn fault(&mut self, message: String) {
        self.faults.add(self.line, message);
    }

    fn required(&mut self, at: usize, name: &str) -> Option<f64> {
        let text = self.record.get(at).unwrap_or_default();
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        if number.is_none() {
            self.fault(format!("{name} is `{text}`, expected a number"));
        }
        number
    }

    fn optional(&mut self, at: Option<usize>, name: &str) -> Option<f64> {
        let at = at.filter(|&at| !self.record.get(at).unwrap_or_default().is_empty())?;
        self.required(at, name)
    }

    /// In per cent.
    fn accuracy(&mut self, value: f64, name: &str) -> f64 {
        let (highest, word) = match self.unit {
            Unit::Percent => (100.0, "per cent"),
            Unit::Fraction => (1.0, "a fraction"),
        };
        if !(0.0..=highest).contains(&value) {
            self.fault(format!("{name} is {value}, expected {word} from 0 to {highest}"));
        }
        value * (100.0 / highest)
    }

    /// In per cent; infinite and NaN mean that there was none.
    fn prediction(&mut self, at: Option<usize>) -> Option<f64> {
        let text = at.and_then(|at| self.record.get(at)).unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        let Ok(value) = text.parse::<f64>() else {
            self.fault(format!(
                "recorded_prediction is `{text}`, expected a number, inf or nothing"
            ));
            return None;
        };
        let scale = if self.unit == Unit::Fraction { 100.0 } else { 1.0 };
        Some(value * scale).filter(|v| v.is_finite())
    }

    fn flag(&mut self, at: Option<usize>) -> Option<bool> {
        match at.and_then(|at| self.record.get(at)).unwrap_or_default() {
            "" => None,
            "1" | "true" | "True" => Some(true),
            "0" | "false" | "False" => Some(false),
            text => {
                self.fault(format!("recorded_converged is `{text}`, expected 0 or 1"));
                None
            }
        }
    }
}

/// The smallest distance of two epochs of a curve, 0 counting as its beginning.
fn interval(grouped: &Grouped) -> f64 {
    let gaps = grouped.iter().flat_map(|(_, points)| {
        let before = std::iter::once(0.0).chain(points.iter().map(|p| p.epoch));
        points.iter().zip(before).map(|(p, before)| p.epoch - before)
    });
    gaps.filter(|gap| *gap > 1e-9).fold(f64::INFINITY, f64::min)
}

/// Gives each point its step. Epochs must be 1, 2, 3, … intervals.
fn number(grouped: &mut Grouped, interval: f64) -> Faults {
    let mut faults = Faults(Vec::new());
    for (arch, points) in grouped {
        let mut before = 0;
        for point in points {
            let steps = point.epoch / interval;
            point.step = steps.round() as i32;
            let due = f64::from(before + 1) * interval;
            if (steps - steps.round()).abs() > 1e-6 || point.step != before + 1 {
                faults.add(
                    point.line,
                    format!("epoch {} of architecture {arch}: expected {due}, an interval of {interval} after the one before", point.epoch),
                );
            }
            before = point.step;
        }
    }
    faults
}

/// Leaves out what lies beyond the target.
fn cut(grouped: &mut Grouped, target: f64, notes: &mut Vec<String>) {
    let before: usize = grouped.iter().map(|(_, p)| p.len()).sum();
    for (_, points) in grouped.iter_mut() {
        points.retain(|p| p.epoch <= target + 1e-9);
    }
    let left_out = before - grouped.iter().map(|(_, p)| p.len()).sum::<usize>();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} points beyond the target of {target} epochs are not stored"
        ));
    }
    grouped.retain(|(_, points)| !points.is_empty());
}

/// The architectures of the curves, in their order, and the bytes of the file that describes them.
fn architectures(path: &Path, grouped: &Grouped) -> Result<(Vec<Architecture>, Vec<u8>), ImportError> {
    let beside = path.with_extension("archs.csv");
    if !beside.exists() {
        return Ok((
            grouped.iter().map(|(arch, _)| unnamed(path, arch)).collect(),
            Vec::new(),
        ));
    }
    let sheet = Sheet::read(&beside)?;
    let arch = sheet.need("arch")?;
    let mut faults = Faults(Vec::new());
    let mut described: HashMap<&str, Architecture> = HashMap::new();
    for (line, record) in &sheet.rows {
        let label = record.get(arch).unwrap_or_default();
        if described
            .insert(label, describe(&sheet, *line, record, &mut faults))
            .is_some()
        {
            faults.add(*line, format!("architecture {label} is described twice"));
        }
    }
    let missing = grouped
        .iter()
        .filter(|(label, _)| !described.contains_key(label.as_str()));
    for (label, _) in missing {
        faults.add(1, format!("architecture {label} has a curve and no row here"));
    }
    faults.check(&beside)?;
    Ok((
        grouped
            .iter()
            .map(|(label, _)| described[label.as_str()].clone())
            .collect(),
        read(&beside)?,
    ))
}

fn unnamed(path: &Path, arch: &str) -> Architecture {
    Architecture {
        hash: hex(&Sha256::digest(format!("{}#{arch}", path.display()))),
        genome: serde_json::json!({ "arch": arch }),
        summary: format!("architecture {arch}"),
        parameters: 0,
        flops: 0,
    }
}

fn describe(sheet: &Sheet, line: u64, record: &csv::StringRecord, faults: &mut Faults) -> Architecture {
    let mut row = Row {
        line,
        record,
        unit: Unit::Percent,
        faults,
    };
    let (flops, mflops) = (sheet.column(&["flops"]), sheet.column(&["mflops"]));
    let flops = row
        .optional(flops, "flops")
        .or_else(|| row.optional(mflops, "mflops").map(|m| m * 1e6));
    let parameters = row.optional(sheet.column(&["params", "parameters"]), "params");
    let own = ["arch", "flops", "mflops", "params", "parameters"];
    let words: Vec<String> = sheet
        .names
        .iter()
        .zip(record.iter())
        .filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let genome = sheet
        .column(&["genome", "net"])
        .and_then(|at| record.get(at))
        .filter(|g| !g.is_empty());
    let summary = genome.map_or_else(|| words.join(" "), ToOwned::to_owned);
    let fields = sheet
        .names
        .iter()
        .zip(record.iter())
        .map(|(name, value)| (name.clone(), Value::from(value)));
    Architecture {
        hash: hex(&Sha256::digest(&summary)),
        genome: Value::Object(fields.collect::<Map<_, _>>()),
        summary,
        parameters: parameters.unwrap_or(0.0).round().max(0.0) as i64,
        flops: flops.unwrap_or(0.0).round().max(0.0) as i64,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    fs::read(path).map_err(|error| ImportError::Read {
        path: path.to_owned(),
        source: error.into(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
