//! Reading a file of curves.

use std::{collections::HashMap, fs, io::Cursor, path::Path};

use sha2::{Digest as _, Sha256};

use crate::{
    columns::NAMES,
    fault::{Faults, ImportError},
    network::{Architecture, architectures, hex},
    point::Point,
    points::Points,
    request::{Request, Unit},
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

impl Curves {
    /// Reads `NAME.csv`, once, and `NAME.archs.csv` if it is there.
    ///
    /// # Errors
    /// See [`crate::import`].
    pub fn read(path: &Path, unit: Unit, target: Option<f64>) -> Result<Self, ImportError> {
        let bytes = fs::read(path).map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
        let digest = Sha256::new().chain_update(&bytes);
        let points = Points::new(path, Cursor::new(bytes), unit)?;
        let mut notes = unknown(points.names());
        let recorded = points.names().iter().any(|name| name == "recorded_converged");
        let mut grouped = grouped(path, points.read()?)?;
        let interval = interval(&grouped);
        check_epochs(&grouped, interval).check(path)?;
        let last =
            grouped.iter().filter_map(|(_, points)| points.last()).map(|p| p.epoch).fold(0.0, f64::max);
        let target = target.unwrap_or(last);
        check_target(path, target, interval)?;
        cut(&mut grouped, target, &mut notes);
        let seeds = seeds(path, &grouped)?;
        let labels: Vec<&str> = grouped.iter().map(|(arch, _)| arch.as_str()).collect();
        let (architectures, bytes) = architectures(path, &labels)?;
        let curves = grouped.into_iter().zip(architectures).zip(seeds);
        Ok(Self {
            curves: curves
                .map(|(((_, points), architecture), seed)| Recorded { architecture, seed, points })
                .collect(),
            target,
            interval,
            recorded,
            notes,
            sha256: hex(&digest.chain_update(bytes).finalize()),
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

fn unknown(names: &[String]) -> Vec<String> {
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|n| !NAMES.contains(n)).collect();
    if names.is_empty() { vec![] } else { vec![format!("columns that are not stored: {}", names.join(", "))] }
}

/// The points by architecture, in the order of their first rows, with the seconds of each interval.
fn grouped(path: &Path, points: Vec<Point>) -> Result<Grouped, ImportError> {
    let mut faults = Faults::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut grouped: Grouped = Vec::new();
    for mut point in points {
        if point.arch.is_empty() {
            faults.add(point.line, "arch is empty, expected a number or a name");
        }
        let place = *places.entry(point.arch.clone()).or_insert(grouped.len());
        if place == grouped.len() {
            grouped.push((point.arch.clone(), Vec::new()));
        }
        let curve = &mut grouped[place].1;
        if let Some(total) = point.total_seconds {
            let before = curve.iter().rev().find_map(|p| p.total_seconds).unwrap_or(0.0);
            point.seconds = point.seconds.or(Some(total - before));
        }
        if let Some(seconds) = point.seconds.filter(|seconds| *seconds < 0.0) {
            faults.add(
                point.line,
                format!("seconds are negative or run backwards: {seconds} for the interval"),
            );
        }
        curve.push(point);
    }
    faults.check(path)?;
    Ok(grouped)
}

/// The numbers in column `arch`, or the places of the curves if those are no numbers. `1` and `01` are one number and two
/// texts: which is meant is not guessed.
fn seeds(path: &Path, grouped: &Grouped) -> Result<Vec<i64>, ImportError> {
    let numbers: Option<Vec<i64>> = grouped.iter().map(|(arch, _)| arch.parse().ok()).collect();
    let Some(numbers) = numbers else { return Ok((0..grouped.len() as i64).collect()) };
    let mut faults = Faults::default();
    let mut first: HashMap<i64, &(String, Vec<Point>)> = HashMap::new();
    for (number, curve) in numbers.iter().zip(grouped) {
        let (other, points) = *first.entry(*number).or_insert(curve);
        if *other != curve.0 {
            let (line, before) = (curve.1[0].line, points[0].line);
            faults.add(
                line,
                format!("arch is `{}`, expected `{other}` as on line {before}, or a name", curve.0),
            );
        }
    }
    faults.check(path)?;
    Ok(numbers)
}

/// An engine takes at most a million points of a curve.
fn check_target(path: &Path, found: f64, interval: f64) -> Result<(), ImportError> {
    if found >= interval - 1e-9 && found / interval <= 1e6 {
        return Ok(());
    }
    Err(ImportError::Target { path: path.to_owned(), found, interval })
}

/// The smallest distance of two epochs of a curve, 0 counting as its beginning.
fn interval(grouped: &Grouped) -> f64 {
    let gaps = grouped.iter().flat_map(|(_, points)| {
        let before = std::iter::once(0.0).chain(points.iter().map(|p| p.epoch));
        points.iter().zip(before).map(|(p, before)| p.epoch - before)
    });
    gaps.filter(|gap| *gap > 1e-9).fold(f64::INFINITY, f64::min)
}

/// Epochs must be 1, 2, 3, … intervals.
fn check_epochs(grouped: &Grouped, interval: f64) -> Faults {
    let mut faults = Faults::default();
    for (arch, points) in grouped {
        for (step, point) in (1..).zip(points) {
            let due = f64::from(step) * interval;
            if (point.epoch / interval - f64::from(step)).abs() > 1e-6 {
                faults.add(
                    point.line,
                    format!("epoch {} of architecture {arch}: expected {due}, an interval of {interval} after the one before", point.epoch),
                );
            }
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
