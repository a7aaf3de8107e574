//! Learning curves in CSV or JSON lines, and the file of architectures beside them.

use std::{fs, io::Cursor, path::Path};

use import::{Curves, ImportError, Point, Points, Unit};

const FILE: &str = "f.csv";
/// Between the curves and the architectures, on a line of its own.
const BESIDE: &[u8] = b"\n----\n";

/// The first byte chooses the unit. Points are in range and mean the same when they are written and read again; errors name a
/// line of the file.
pub fn check(data: &[u8]) {
    let Some((head, text)) = data.split_first() else { return };
    let unit = if head & 1 == 0 { Unit::Percent } else { Unit::Fraction };
    let at = text.windows(BESIDE.len()).position(|window| window == BESIDE);
    let (curves, architectures) = match at {
        Some(at) => (&text[..at], Some(&text[at + BESIDE.len()..])),
        None => (text, None),
    };
    if let Some(points) = points(curves, unit) {
        assert_eq!(streamed(curves, unit), points, "one by one and all at once");
        let written = written(&points);
        let again = self::points(written.as_bytes(), Unit::Percent).expect("it was understood before");
        let line_less = |points: Vec<Point>| -> Vec<_> {
            points.into_iter().map(|point| Point { line: 0, ..point }).collect()
        };
        assert_eq!(line_less(again), line_less(points), "written as {written}");
    }
    whole_file(curves, architectures, unit);
}

fn points(text: &[u8], unit: Unit) -> Option<Vec<Point>> {
    let read = Points::new(Path::new(FILE), Cursor::new(text.to_vec()), unit).and_then(Points::read);
    read.map_err(|error| named(&error, text))
        .ok()
        .inspect(|points| points.iter().for_each(|p| sound(p, text)))
}

fn streamed(text: &[u8], unit: Unit) -> Vec<Point> {
    let points = Points::new(Path::new(FILE), Cursor::new(text.to_vec()), unit);
    points.and_then(Iterator::collect).expect("it was understood at once")
}

fn sound(point: &Point, text: &[u8]) {
    super::assert_line(point.line, text, &"a point");
    assert!(point.epoch > 0.0 && point.epoch.is_finite(), "{point:?}");
    let accuracies = [Some(point.val_acc), point.train_acc];
    assert!(accuracies.iter().flatten().all(|acc| (0.0..=100.0).contains(acc)), "{point:?}");
    let numbers = [point.val_loss, point.train_loss, point.seconds, point.total_seconds, point.prediction];
    assert!(numbers.iter().flatten().all(|n| n.is_finite()), "{point:?}");
    assert!(!point.arch.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')), "{point:?}");
}

/// As CSV, in per cent.
fn written(points: &[Point]) -> String {
    let mut csv = csv::Writer::from_writer(vec![]);
    csv.write_record([
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
    ])
    .expect("memory");
    for p in points {
        let number = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
        let converged = p.converged.map(|c| u8::from(c).to_string()).unwrap_or_default();
        let (epoch, val_acc) = (Some(p.epoch), Some(p.val_acc));
        let numbers =
            [epoch, val_acc, p.train_acc, p.val_loss, p.train_loss, p.seconds, p.total_seconds, p.prediction];
        csv.write_record([p.arch.clone()].into_iter().chain(numbers.map(number)).chain([converged]))
            .expect("memory");
    }
    String::from_utf8(csv.into_inner().expect("memory")).expect("text")
}

fn named(error: &ImportError, text: &[u8]) {
    assert!(error.to_string().contains(FILE) || matches!(error, ImportError::Target { .. }), "{error}");
    if let ImportError::Faults { faults, path, .. } = error
        && path.ends_with(FILE)
    {
        for fault in faults {
            super::assert_line(fault.line, text, error);
        }
    }
}

/// As `peng curve import` reads it.
fn whole_file(curves: &[u8], architectures: Option<&[u8]>, unit: Unit) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    fs::write(&path, curves).expect("a file");
    if let Some(architectures) = architectures {
        fs::write(path.with_extension("archs.csv"), architectures).expect("a file");
    }
    match Curves::read(&path, unit, None) {
        Ok(read) => {
            assert!(read.interval > 0.0 && read.target / read.interval <= 1e6 && !read.curves.is_empty());
            for curve in &read.curves {
                let steps = (1..).zip(&curve.points);
                let is_even = |(step, point): (i32, &Point)| {
                    (point.epoch / read.interval - f64::from(step)).abs() < 1e-5
                };
                assert!(!curve.points.is_empty() && steps.into_iter().all(is_even), "{curve:?}");
                assert!(curve.architecture.parameters >= 0 && curve.architecture.flops >= 0, "{curve:?}");
                assert!(
                    curve.points.iter().all(|p| p.seconds.is_none_or(|s| s >= 0.0 && s.is_finite())),
                    "{curve:?}"
                );
            }
        }
        Err(ImportError::Read { source, .. }) => {
            let words = ["no UTF-8", "UTF-16"];
            assert!(words.iter().any(|words| source.to_string().contains(words)), "{source}");
        }
        Err(ImportError::Faults { path, faults, .. }) if path.ends_with("f.archs.csv") => {
            let text = architectures.expect("the file at fault");
            for fault in &faults {
                super::assert_line(fault.line, text, &fault.message);
            }
        }
        Err(_) => {}
    }
}
