//! Reading a file of curves.

use std::{collections::HashMap, path::Path};

use sha2::{Digest as _, Sha256};

use crate::{
    fault::{Faults, ImportError},
    network::{Architecture, architectures, hex},
    request::{Request, Unit},
    sheet::{Row, Sheet, read},
};

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

impl Curves {
    /// Reads `NAME.csv`, and `NAME.archs.csv` if it is there.
    ///
    /// # Errors
    /// See [`crate::import`].
    pub fn read(path: &Path, unit: Unit, target: Option<f64>) -> Result<Self, ImportError> {
        let sheet = Sheet::read(path)?;
        let mut notes = unknown(&sheet);
        let mut grouped = rows(&sheet, unit)?;
        let interval = interval(&grouped);
        number(&mut grouped, interval).check(path)?;
        let last =
            grouped.iter().filter_map(|(_, points)| points.last()).map(|p| p.epoch).fold(0.0, f64::max);
        let target = target.unwrap_or(last);
        cut(&mut grouped, target, &mut notes);
        let labels: Vec<&str> = grouped.iter().map(|(arch, _)| arch.as_str()).collect();
        let (architectures, bytes) = architectures(path, &labels)?;
        let numbers: Option<Vec<i64>> = grouped.iter().map(|(arch, _)| arch.parse().ok()).collect();
        let seeds = numbers.unwrap_or_else(|| (0..grouped.len() as i64).collect());
        let curves = grouped.into_iter().zip(architectures).zip(seeds);
        Ok(Self {
            curves: curves
                .map(|(((_, points), architecture), seed)| Recorded { architecture, seed, points })
                .collect(),
            target,
            interval,
            recorded: sheet.column(&["recorded_converged"]).is_some(),
            notes,
            sha256: hex(&Sha256::new().chain_update(read(path)?).chain_update(bytes).finalize()),
        })
    }

    /// Whether a recorded decision ended a curve before the target.
    pub fn terminates(&self) -> bool {
        self.curves.iter().any(|c| self.state(c) == "terminated")
    }

    /// How the training of a curve ended.
    pub(crate) fn state(&self, curve: &Recorded) -> &'static str {
        match curve.points.last() {
            Some(last) if last.epoch >= self.target - 1e-9 => "completed",
            Some(last) if last.converged == Some(true) => "terminated",
            _ => "cancelled",
        }
    }

    /// What makes two imports the same: both files and all that was stated about them, but for the name.
    pub(crate) fn digest(&self, request: &Request<'_>) -> String {
        let stated = format!("{:?} {} {} {:?}", request.unit, self.target, self.interval, request.engine);
        hex(&Sha256::new().chain_update(&self.sha256).chain_update(stated).finalize())
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
    let names: Vec<&str> = sheet.names.iter().map(String::as_str).filter(|n| !COLUMNS.contains(n)).collect();
    if names.is_empty() { vec![] } else { vec![format!("columns that are not stored: {}", names.join(", "))] }
}

/// The rows by architecture, each value checked.
fn rows(sheet: &Sheet, unit: Unit) -> Result<Grouped, ImportError> {
    let (arch, epoch, val_acc) = (sheet.need("arch")?, sheet.need("epoch")?, sheet.need("val_acc")?);
    let column = |name| sheet.column(&[name]);
    let (train_acc, val_loss, train_loss) = (column("train_acc"), column("val_loss"), column("train_loss"));
    let (seconds, prediction, converged) =
        (column("epoch_seconds"), column("recorded_prediction"), column("recorded_converged"));
    let total = column("cum_seconds");
    let mut faults = Faults::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut grouped: Grouped = Vec::new();
    let mut spent: HashMap<String, f64> = HashMap::new();
    for (line, record) in &sheet.rows {
        let mut row = Row { line: *line, record, unit, faults: &mut faults };
        let label = record.get(arch).unwrap_or_default().to_owned();
        if label.is_empty() {
            row.fault("arch is empty, expected a number or a name".to_owned());
        }
        let mut point = Point {
            step: 0,
            epoch: row.required(epoch, "epoch").unwrap_or(f64::NAN),
            val_acc: row.required(val_acc, "val_acc").map_or(f64::NAN, |v| row.accuracy(v, "val_acc")),
            train_acc: row.optional(train_acc, "train_acc").map(|v| row.accuracy(v, "train_acc")),
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
    let mut faults = Faults::default();
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
        notes.push(format!("{left_out} points beyond the target of {target} epochs are not stored"));
    }
    grouped.retain(|(_, points)| !points.is_empty());
}
