//! Results on stdout: a table for people, JSON and CSV for programs. Errors on stderr, in the same format.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use report::{Style, cell::Cell, table::Table};
use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON value
    Json,
    /// One JSON object a line; lists only
    Jsonl,
    /// Comma-separated, with a header
    Csv,
    /// One self-contained file; reports only
    Html,
}

/// One column of a table: its heading, and what stands in it for a row. A heading that begins with `#` is one of numbers,
/// one that begins with `~` is left out first where the terminal is narrow.
pub type Column<T> = (&'static str, fn(&T) -> String);

/// Prints rows: as a table of the columns, or all their fields as JSON or CSV.
pub fn rows<T: Serialize>(format: Format, rows: &[T], columns: &[Column<T>]) -> anyhow::Result<()> {
    let mut out = stdio::stdout();
    match format {
        Format::Html => anyhow::bail!("only `peng report` and `peng curve` write html"),
        Format::Json => json(&mut out, &rows)?,
        Format::Jsonl => {
            let mut out = io::BufWriter::new(out);
            for row in rows {
                serde_json::to_writer(&mut out, row)?;
                writeln!(out)?;
            }
            out.flush()?;
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(&mut out);
            rows.iter().try_for_each(|row| writer.serialize(row))?;
            writer.flush()?;
        }
        Format::Table => {
            let lines = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect());
            let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
            writeln!(out, "{}", table(&headings, lines.collect()))?;
        }
    }
    Ok(())
}

/// Prints one value: `text` for people, the value itself as JSON or CSV.
pub fn value<T: Serialize>(format: Format, value: &T, text: &str) -> anyhow::Result<()> {
    match format {
        Format::Table => writeln!(stdio::stdout(), "{text}")?,
        other => rows(other, std::slice::from_ref(value), &[])?,
    }
    Ok(())
}

/// A table as wide as the terminal, or as wide as it is where there is none.
pub fn table(headings: &[&'static str], lines: Vec<Vec<String>>) -> String {
    let columns: Vec<_> = headings.iter().map(|&heading| (heading, heading)).collect();
    let mut table = Table::new("", "", &columns);
    for line in lines {
        table.push(line.into_iter().map(Cell::Text).collect());
    }
    report::grid(&table, Style::of_stdout())
}

/// Prints an error on stderr, with all its causes.
pub fn error(error: &anyhow::Error, format: Format) {
    let text = chain(error);
    if matches!(format, Format::Json | Format::Jsonl) {
        stdio::message(serde_json::json!({ "error": text }));
    } else {
        stdio::message(format_args!("error: {text}"));
    }
}

/// Causes that the text before them ends with are not repeated.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.is_empty() {
            cause
        } else if text.contains(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

fn json<T: Serialize>(out: &mut impl io::Write, value: &T) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Asks on the terminal before something is destroyed.
pub fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        anyhow::bail!("{question} Nobody can answer here: say --yes");
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { anyhow::bail!("nothing was done") }
}

/// `71.20`, or a dash.
pub fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

/// The beginning of a hash; all of one that is shorter, as those of imported networks may be.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// `1 h 02 min`, `3 min 20 s`, `12 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}
