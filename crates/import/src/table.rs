//! Rows with named columns, from CSV with a header or from JSON lines.

use std::{
    collections::HashMap,
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use csv::StringRecord;
use domain::TextReader;
use serde_json::value::RawValue;

use crate::fault::{Faults, ImportError};

/// A table, read row by row as its lines come in. The first character tells CSV from JSON lines.
pub(crate) struct Table {
    pub path: PathBuf,
    pub names: Vec<String>,
    rows: Rows,
    /// Blank lines before the first that is none.
    skipped: u64,
}

type Text = TextReader<Box<dyn BufRead>>;

enum Rows {
    Csv(csv::StringRecordsIntoIter<Text>),
    Json(io::Lines<Text>),
}

/// A row, or what makes it none, with its line in the file.
pub(crate) struct Line {
    pub number: u64,
    pub record: Result<StringRecord, String>,
}

impl Table {
    /// The table that a text holds; `path` is its name in errors. Of JSON lines the `keys` are the columns.
    pub fn new(path: &Path, source: impl BufRead + 'static, keys: &[&str]) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read { path: path.to_owned(), source };
        let mut text = TextReader::new(Box::new(source) as Box<dyn BufRead>);
        let mut skipped = 0;
        let first = loop {
            let line = text.fill_buf().map_err(failed)?;
            match (line.len(), line.trim_ascii_start().first()) {
                (0, _) => break None,
                (length, None) => {
                    skipped += 1;
                    text.consume(length);
                }
                (_, Some(byte)) => break Some(*byte),
            }
        };
        match first {
            Some(b'{') => {
                let names = keys.iter().map(|key| (*key).to_owned()).collect();
                Ok(Self { path: path.to_owned(), names, rows: Rows::Json(text.lines()), skipped })
            }
            Some(b'[') => Err(ImportError::Array { path: path.to_owned() }),
            _ => Self::csv(path, text, skipped),
        }
    }

    fn csv(path: &Path, text: Text, skipped: u64) -> Result<Self, ImportError> {
        let failed = |error: csv::Error| ImportError::Read { path: path.to_owned(), source: error.into() };
        // All lines end alike; a carriage return anywhere else is a control character, not the end of a row.
        let mut reader = csv::ReaderBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(text);
        let names: Vec<String> = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
        let mut faults = Faults::default();
        for (at, name) in names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name)) {
            faults.add(1 + skipped, format!("column {} is `{name}` again, expected each once", at + 1));
        }
        if let Some(found) = names.iter().find_map(|name| control(name)) {
            faults.add(
                1 + skipped,
                format!("the header holds the control character U+{:04X}", u32::from(found)),
            );
        }
        faults.check(path)?;
        Ok(Self { path: path.to_owned(), names, rows: Rows::Csv(reader.into_records()), skipped })
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

    fn next_csv(&mut self) -> Option<Result<Line, csv::Error>> {
        let Rows::Csv(rows) = &mut self.rows else { return None };
        let record = rows.next()?;
        Some(record.map(|record| {
            // The reader stands behind the line feed that ended the record.
            let within = record.iter().map(|field| field.matches('\n').count() as u64).sum::<u64>();
            let number = rows.reader().position().line() - 1 - within + self.skipped;
            Line { number, record: checked(&self.names, record) }
        }))
    }

    fn next_json(&mut self) -> Option<io::Result<Line>> {
        let Rows::Json(lines) = &mut self.rows else { return None };
        loop {
            let line = lines.next()?;
            self.skipped += 1;
            match line {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => {
                    let record = fields(&text, &self.names).and_then(|record| checked(&self.names, record));
                    return Some(Ok(Line { number: self.skipped, record }));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn checked(names: &[String], record: StringRecord) -> Result<StringRecord, String> {
    let (found, expected) = (record.len(), names.len());
    if found != expected {
        return Err(format!("{found} columns, expected {expected} as in the header"));
    }
    let odd = names.iter().zip(record.iter()).find_map(|(name, value)| Some((name, control(value)?)));
    match odd {
        Some((name, found)) => {
            Err(format!("{name} holds the control character U+{:04X}, expected text", u32::from(found)))
        }
        None => Ok(record),
    }
}

/// A character that no database stores, as NUL, or that a terminal would obey.
fn control(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n'))
}

impl Iterator for Table {
    type Item = Result<Line, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.rows {
            Rows::Csv(_) => self.next_csv()?.map_err(io::Error::from),
            Rows::Json(_) => self.next_json()?,
        };
        Some(line.map_err(|source| ImportError::Read { path: self.path.clone(), source }))
    }
}

/// The values of one JSON object, in the order of `names`; other keys are passed over. A number keeps its digits, as in CSV: one
/// that names an architecture may have more than a number of 64 bits holds.
fn fields(text: &str, names: &[String]) -> Result<StringRecord, String> {
    let object: HashMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| format!("no JSON object in one line: {error}"))?;
    let text = |name: &String| match object.get(name).map(|value| value.get()) {
        None | Some("null") => Ok(String::new()),
        Some(text) if text.starts_with('"') => {
            let text: String = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
            Ok(text.trim().to_owned())
        }
        Some(other) if other.starts_with(['[', '{']) => {
            Err(format!("{name} is `{other}`, expected a number or a text"))
        }
        Some(plain) => Ok(plain.to_owned()),
    };
    names.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_json_keep_their_digits() {
        let names = ["arch", "epoch", "val_acc", "val_loss"].map(str::to_owned);
        let line =
            r#"{"arch": 123456789012345678901, "epoch": 1, "val_acc": 50.5, "val_loss": null, "other": [1]}"#;
        let record = fields(line, &names).unwrap();
        assert_eq!(record.iter().collect::<Vec<_>>(), ["123456789012345678901", "1", "50.5", ""]);
        let error = fields(r#"{"arch": ["a"]}"#, &names).unwrap_err();
        assert_eq!(error, "arch is `[\"a\"]`, expected a number or a text");
    }
}
