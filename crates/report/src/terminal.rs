//! A document as text for a terminal.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell as Field, CellAlignment, ContentArrangement, LineStyle, Row, Table as Grid, TableStyle,
};

use crate::cell::Cell;
use crate::document::{Block, Document, Table};
use crate::{Citation, cell};

/// How a terminal, or what stands in for one, wants its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of text.
    pub width: u16,
    /// Whether escape sequences for bold and dim are understood.
    pub styled: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 110, styled: false }
    }
}

impl Style {
    fn bold(self, text: &str) -> String {
        if self.styled { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        if self.styled { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes the document; figures are left out.
pub(crate) fn write(document: &Document, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for citation in &document.citations {
        writeln!(out, "{} {}", style.bold(&citation.search), style.dim(&format!("· {}", document.title)))?;
        for line in cite(citation) {
            writeln!(out, "{}", style.dim(&line))?;
        }
    }
    for section in &document.sections {
        if !section.blocks.iter().any(|block| !matches!(block, Block::Figure(_))) {
            continue;
        }
        writeln!(out, "\n{}", style.bold(&section.heading))?;
        let mut tables = 0;
        for block in &section.blocks {
            match block {
                Block::Table(table) | Block::Plain(table) if tables > 0 => {
                    writeln!(out, "\n{}", indented(table, style))?;
                }
                Block::Table(table) | Block::Plain(table) => writeln!(out, "{}", indented(table, style))?,
                Block::Note(text) => write_note(text, style, out)?,
                Block::Figure(_) | Block::Data(_) => {}
            }
            tables += usize::from(matches!(block, Block::Table(_) | Block::Plain(_)));
        }
    }
    Ok(())
}

/// Two lines that say what was read and when.
pub(crate) fn cite(citation: &Citation) -> Vec<String> {
    let hash = citation.spec_hash.get(..12).unwrap_or(&citation.spec_hash);
    let mut lines = vec![
        format!(
            "{} · engine {} · {} of {} jobs ended · spec {hash} · submitted with peng {}",
            citation.state,
            citation.engine,
            cell::grouped(citation.ended),
            cell::grouped(citation.jobs),
            citation.version
        ),
        format!(
            "read {} UTC (time of the database) by peng {}",
            citation.as_of.format("%Y-%m-%d %H:%M:%S"),
            citation.report_version
        ),
    ];
    lines.extend(citation.filter.iter().map(|filter| format!("only jobs with {filter}")));
    lines
}

fn write_note(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::from(" ");
    for word in text.split(' ') {
        if line.chars().count() + word.chars().count() + 1 > usize::from(style.width.max(40)) {
            writeln!(out, "{}", style.dim(&line))?;
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{}", style.dim(&line))
}

fn indented(table: &Table, style: Style) -> String {
    let lines: Vec<String> = grid(table, style).lines().map(|line| format!(" {}", line.trim_end())).collect();
    lines.join("\n")
}

/// Columns in which no row has a value are left out.
fn grid(table: &Table, style: Style) -> Grid {
    let shown: Vec<usize> = (0..table.columns.len()).filter(|&c| table.shows(c)).collect();
    let mut grid = Grid::new();
    grid.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' ')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(style.width);
    if style.styled {
        grid.enforce_styling();
    } else {
        grid.force_no_tty();
    }
    grid.set_header(shown.iter().map(|&c| {
        let column = &table.columns[c];
        align(Field::new(column.heading), column.numeric).add_attribute(Attribute::Bold)
    }));
    for row in &table.rows {
        let mut fields = Row::from(shown.iter().map(|&c| field(&row[c], table.columns[c].numeric)));
        fields.max_height(2);
        grid.add_row(fields);
    }
    grid
}

fn field(cell: &Cell, numeric: bool) -> Field {
    align(Field::new(cell.shown()), numeric)
}

fn align(field: Field, numeric: bool) -> Field {
    if numeric { field.set_alignment(CellAlignment::Right) } else { field }
}
