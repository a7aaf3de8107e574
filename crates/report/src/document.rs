//! What a report consists of, before anything is said about how it looks: sections of tables, figures and notes.

use crate::{Citation, figure::Figure, table::Table};

/// A report, ready to be shown on a terminal, as CSV, or as HTML.
#[derive(Clone, Debug)]
pub struct Document {
    /// Name of the analysis.
    pub title: &'static str,
    /// Key of the table that CSV holds.
    pub primary: &'static str,
    /// The searches that it is about.
    pub citations: Vec<Citation>,
    /// A few values, each with what it is, for the head of a page.
    pub highlights: Vec<(String, String)>,
    /// Its parts, in reading order.
    pub sections: Vec<Section>,
}

/// One part of a report.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it is about.
    pub heading: String,
    /// Its parts, in reading order.
    pub blocks: Vec<Block>,
}

/// One part of a section.
#[derive(Clone, Debug)]
pub enum Block {
    /// A sentence that the figures must not be read without.
    Note(String),
    /// Numbers.
    Table(Table),
    /// Numbers that a page shows as a figure: for terminals and CSV.
    Plain(Table),
    /// Numbers for CSV alone.
    Data(Table),
    /// A drawing, with its numbers; terminals and CSV leave it out.
    Figure(Box<Figure>),
}

impl Section {
    /// A section with nothing in it.
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), blocks: Vec::new() }
    }

    /// Adds a sentence.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Note(text.into()));
        self
    }

    /// Adds a sentence, if there is one.
    pub fn note_if(self, text: Option<String>) -> Self {
        match text {
            Some(text) => self.note(text),
            None => self,
        }
    }

    /// Adds a table; without rows it is for CSV alone, which then has its header.
    pub fn table(mut self, table: Table) -> Self {
        self.blocks.push(if table.rows.is_empty() { Block::Data(table) } else { Block::Table(table) });
        self
    }

    /// Adds a table for CSV alone.
    pub fn data(mut self, table: Table) -> Self {
        self.blocks.push(Block::Data(table));
        self
    }

    /// Adds a table that a page does without, because a figure holds it.
    pub fn plain(mut self, table: Table) -> Self {
        self.blocks.push(if table.rows.is_empty() { Block::Data(table) } else { Block::Plain(table) });
        self
    }

    /// Adds a figure, if there is one.
    pub fn figure(mut self, figure: Option<Figure>) -> Self {
        self.blocks.extend(figure.map(|figure| Block::Figure(Box::new(figure))));
        self
    }
}

impl Block {
    /// Whether a page shows something of it.
    pub(crate) fn is_on_a_page(&self) -> bool {
        matches!(self, Self::Note(_) | Self::Table(_) | Self::Figure(_))
    }

    /// Whether a terminal shows something of it.
    pub(crate) fn is_on_a_terminal(&self) -> bool {
        matches!(self, Self::Note(_) | Self::Table(_) | Self::Plain(_))
    }
}
