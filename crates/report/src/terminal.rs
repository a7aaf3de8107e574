//! A document as text for a terminal.

use std::io::{self, Write};

use crate::document::{Block, Document};
use crate::table::Table;
use crate::{Citation, cell, grid::folded, style::Style};

/// Writes the document; figures are left out.
pub(crate) fn write(document: &Document, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for citation in &document.citations {
        writeln!(out, "{} {}", style.bold(&citation.search), style.dim(&format!("· {}", document.title)))?;
        for line in cite(citation).iter().flat_map(|line| style.wrapped(line, 0)) {
            writeln!(out, "{line}")?;
        }
    }
    for section in &document.sections {
        if !section.blocks.iter().any(Block::is_on_a_terminal) {
            continue;
        }
        writeln!(out, "\n{}", style.bold(&section.heading))?;
        let mut tables = 0;
        for block in &section.blocks {
            match block {
                Block::Table(table) | Block::Plain(table) if tables > 0 => {
                    writeln!(out)?;
                    // The heading of the section says what the first one is.
                    let caption = Some(&table.caption).filter(|caption| !caption.is_empty());
                    let lines = caption.iter().flat_map(|caption| style.wrapped(caption, 1));
                    lines.into_iter().try_for_each(|line| writeln!(out, "{line}"))?;
                    writeln!(out, "{}", indented(table, style))?;
                }
                Block::Table(table) | Block::Plain(table) => writeln!(out, "{}", indented(table, style))?,
                Block::Note(text) => {
                    style.wrapped(text, 2).iter().try_for_each(|line| writeln!(out, "{line}"))?;
                }
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
    lines.extend(citation.filter.iter().map(|filter| format!("only jobs: {filter}")));
    lines
}

fn indented(table: &Table, style: Style) -> String {
    let text = folded(table, Style { width: style.width.saturating_sub(1), ..style });
    let lines: Vec<String> = text.lines().map(|line| format!(" {line}")).collect();
    lines.join("\n")
}
