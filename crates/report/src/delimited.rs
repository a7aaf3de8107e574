//! A document as CSV: its main table, each row with what it is cited by.

use std::io::{self, Write};

use crate::cell::Cell;
use crate::document::{Block, Document};
use crate::table::Table;

/// Writes the main table of the document. Numbers are in full; every row carries the search, its spec hash, its
/// engine and version (`engine` is one that was replayed, `version` that of a worker), the jobs and the time, so that
/// rows of several reports can be put together.
pub(crate) fn write(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    let tables =
        document.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
            Block::Table(table) | Block::Plain(table) | Block::Data(table)
                if table.key == document.primary =>
            {
                Some(table)
            }
            _ => None,
        });
    let Some(table) = tables.into_iter().next() else {
        return Ok(());
    };
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(header(table))?;
    let cited = cited(document);
    for row in &table.rows {
        writer.write_record(cited.iter().cloned().chain(row.iter().flat_map(Cell::raw)))?;
    }
    writer.flush()
}

fn header(table: &Table) -> Vec<String> {
    let mut names: Vec<String> =
        ["search", "spec_hash", "search_engine", "search_version", "ended", "as_of"].map(String::from).into();
    for column in &table.columns {
        if column.is_interval() {
            names.extend(["low", "high"].map(|end| format!("{}_{end}", column.key)));
        } else {
            names.push(column.key.to_owned());
        }
    }
    names
}

/// Two searches in one report are joined by a plus sign.
fn cited(document: &Document) -> Vec<String> {
    let join = |field: &dyn Fn(&crate::Citation) -> String| {
        document.citations.iter().map(field).collect::<Vec<_>>().join("+")
    };
    vec![
        join(&|c| c.search.clone()),
        join(&|c| c.spec_hash.clone()),
        join(&|c| c.engine.clone()),
        join(&|c| c.version.clone()),
        join(&|c| c.ended.to_string()),
        document.citations.first().map(|c| c.as_of.to_rfc3339()).unwrap_or_default(),
    ]
}
