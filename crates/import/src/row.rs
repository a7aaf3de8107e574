//! A CSV file as rows with named columns and lines, and values checked as they are read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    fault::{Faults, ImportError},
    request::Unit,
};

/// A file as rows with named columns.
pub(crate) struct Sheet {
    pub path: PathBuf,
    pub names: Vec<String>,
    pub rows: Vec<(u64, csv::StringRecord)>,
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
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read { path: path.to_owned(), source };
        let bytes = read(path)?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
        let names = reader.headers().map_err(failed)?;
        let names = names.iter().map(|n| n.trim_start_matches('\u{feff}').to_owned()).collect();
        let mut lines = Lines { bytes: &bytes, at: 0, line: 1 };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(failed)?;
            rows.push((lines.of(record.position().map_or(0, csv::Position::byte) as usize), record));
        }
        Ok(Self { path: path.to_owned(), names, rows })
    }

    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.names.iter().position(|n| n == name))
    }

    pub fn need(&self, column: &'static str) -> Result<usize, ImportError> {
        self.column(&[column]).ok_or_else(|| ImportError::Column {
            path: self.path.clone(),
            column,
            found: self.names.join(", "),
        })
    }
}

/// One row, whose values are checked as they are read.
pub(crate) struct Row<'a> {
    pub line: u64,
    pub record: &'a csv::StringRecord,
    pub unit: Unit,
    pub faults: &'a mut Faults,
}

impl Row<'_> {
    pub fn fault(&mut self, message: String) {
        self.faults.add(self.line, message);
    }

    pub fn required(&mut self, at: usize, name: &str) -> Option<f64> {
        let text = self.record.get(at).unwrap_or_default();
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        if number.is_none() {
            self.fault(format!("{name} is `{text}`, expected a number"));
        }
        number
    }

    pub fn optional(&mut self, at: Option<usize>, name: &str) -> Option<f64> {
        let at = at.filter(|&at| !self.record.get(at).unwrap_or_default().is_empty())?;
        self.required(at, name)
    }

    /// In per cent.
    pub fn accuracy(&mut self, value: f64, name: &str) -> f64 {
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
    pub fn prediction(&mut self, at: Option<usize>) -> Option<f64> {
        let text = at.and_then(|at| self.record.get(at)).unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        let Ok(value) = text.parse::<f64>() else {
            self.fault(format!("recorded_prediction is `{text}`, expected a number, inf or nothing"));
            return None;
        };
        let scale = if self.unit == Unit::Fraction { 100.0 } else { 1.0 };
        Some(value * scale).filter(|v| v.is_finite())
    }

    pub fn flag(&mut self, at: Option<usize>) -> Option<bool> {
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

/// All of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    fs::read(path).map_err(|error| ImportError::Read { path: path.to_owned(), source: error.into() })
}
