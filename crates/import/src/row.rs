//! One row of a table, whose values are checked as they are read.

use crate::{fault::Faults, request::Unit};

/// Most that an accuracy is, and the word for it.
fn scale(unit: Unit) -> (f64, &'static str) {
    match unit {
        Unit::Percent => (100.0, "per cent"),
        Unit::Fraction => (1.0, "a fraction"),
    }
}

/// A row. What is wrong with it is added to `faults`.
pub(crate) struct Row<'a> {
    pub line: u64,
    pub record: &'a csv::StringRecord,
    pub unit: Unit,
    pub faults: &'a mut Faults,
}

impl Row<'_> {
    pub fn fault(&mut self, message: impl Into<String>) {
        self.faults.add(self.line, message);
    }

    /// What stands in a column; nothing for one that is not there.
    pub fn text(&self, at: Option<usize>) -> &str {
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    pub fn required(&mut self, at: usize, name: &str) -> Option<f64> {
        let text = self.text(Some(at)).to_owned();
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        if number.is_none() {
            self.fault(format!("{name} is `{text}`, expected a number"));
        }
        number
    }

    pub fn optional(&mut self, at: Option<usize>, name: &str) -> Option<f64> {
        let at = at.filter(|&at| !self.text(Some(at)).is_empty())?;
        self.required(at, name)
    }

    /// A number of things, at most what the database holds.
    pub fn count(&mut self, value: f64, name: &str) -> i64 {
        if !(0.0..9e18).contains(&value) {
            self.fault(format!("{name} is {value}, expected 0 or more, below 9e18"));
        }
        value.round() as i64
    }

    /// In per cent.
    pub fn accuracy(&mut self, value: f64, name: &str) -> f64 {
        let (highest, word) = scale(self.unit);
        if !(0.0..=highest).contains(&value) {
            self.fault(format!("{name} is {value}, expected {word} from 0 to {highest}"));
        }
        value * (100.0 / highest)
    }

    /// In per cent; infinite and NaN mean that there was none.
    pub fn prediction(&mut self, at: Option<usize>) -> Option<f64> {
        let text = self.text(at);
        if text.is_empty() {
            return None;
        }
        let Ok(value) = text.parse::<f64>() else {
            let text = text.to_owned();
            self.fault(format!("recorded_prediction is `{text}`, expected a number, inf or nothing"));
            return None;
        };
        Some(value * (100.0 / scale(self.unit).0)).filter(|v| v.is_finite())
    }

    pub fn flag(&mut self, at: Option<usize>) -> Option<bool> {
        match self.text(at) {
            "" => None,
            "1" | "true" | "True" => Some(true),
            "0" | "false" | "False" => Some(false),
            text => {
                let text = text.to_owned();
                self.fault(format!("recorded_converged is `{text}`, expected 0 or 1"));
                None
            }
        }
    }
}
