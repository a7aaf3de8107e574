//! How a report is written.

use std::io::Write;
use std::str::FromStr;

use serde::Serialize;

use crate::document::Document;
use crate::style::Style;
use crate::{ReportError, delimited, html, terminal};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Tables for people.
    #[default]
    Table,
    /// One value with every figure in full.
    Json,
    /// The first table, one header line, numbers in full.
    Csv,
    /// One file with figures that opens without a network.
    Html,
}

impl Output {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 4] =
        [("table", Self::Table), ("json", Self::Json), ("csv", Self::Csv), ("html", Self::Html)];
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, output)| output).ok_or_else(|| format!("`{text}` is none of table, json, csv, html"))
    }
}

/// An analysis that can be written in every form.
pub trait Report: Serialize {
    /// What is in it, for all forms but JSON.
    fn document(&self) -> Document;

    /// Writes it.
    ///
    /// # Errors
    /// If a figure cannot be drawn, or `out` cannot be written to.
    fn write(&self, output: Output, style: Style, out: &mut dyn Write) -> Result<(), ReportError>
    where
        Self: Sized,
    {
        match output {
            Output::Table => terminal::write(&self.document(), style, out)?,
            Output::Json => {
                serde_json::to_writer_pretty(&mut *out, self)?;
                writeln!(out)?;
            }
            Output::Csv => delimited::write(&self.document(), out)?,
            Output::Html => html::write(&self.document(), out)?,
        }
        Ok(())
    }
}
