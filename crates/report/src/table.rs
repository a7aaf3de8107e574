//! Tables: rows under named columns, and lists of single figures.

use crate::cell::Cell;

/// Rows under named columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its name in CSV.
    pub key: &'static str,
    /// What the rows are.
    pub caption: String,
    /// What each column holds.
    pub columns: Vec<Column>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name in CSV. An interval, and nothing else, has `interval` in its name: it has two columns there, `KEY_low` and
    /// `KEY_high`.
    pub key: &'static str,
    /// Name for people, with the unit; empty for a column that is for machines alone.
    pub heading: &'static str,
    /// Whether the cells are numbers.
    pub numeric: bool,
    /// Whether a narrow terminal does without it first.
    pub minor: bool,
}

/// One figure of a report.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// Name in CSV.
    pub key: &'static str,
    /// Name for people.
    pub label: String,
    /// Its value.
    pub value: Cell,
    /// Its unit.
    pub unit: &'static str,
    /// Its interval, if it has one.
    pub interval: Cell,
    /// Jobs behind it.
    pub jobs: i64,
}

impl Fact {
    pub fn new(
        key: &'static str,
        label: impl Into<String>,
        value: Cell,
        unit: &'static str,
        jobs: i64,
    ) -> Self {
        Self { key, label: label.into(), value, unit, interval: Cell::Interval(None, 2), jobs }
    }

    /// A table of figures; those without a value are left out.
    pub fn table(key: &'static str, caption: impl Into<String>, facts: Vec<Self>) -> Table {
        let columns = [
            ("measure", ""),
            ("label", "figure"),
            ("value", "#value"),
            ("unit", ""),
            ("interval", "#95 % interval"),
            ("jobs", "#over jobs"),
        ];
        let mut table = Table::new(key, caption, &columns);
        for fact in facts.into_iter().filter(|fact| fact.value != Cell::Empty) {
            table.push(vec![
                fact.key.into(),
                fact.label.into(),
                Cell::With(Box::new(fact.value), fact.unit),
                fact.unit.into(),
                fact.interval,
                fact.jobs.into(),
            ]);
        }
        table
    }
}

impl Column {
    /// Whether its cells are intervals.
    pub(crate) fn is_interval(&self) -> bool {
        self.key.contains("interval")
    }
}

impl Table {
    /// A table with columns and no rows. A heading that begins with `~` marks a column that a narrow terminal does
    /// without first, one that then begins with `#` a column of numbers.
    pub fn new(
        key: &'static str,
        caption: impl Into<String>,
        columns: &[(&'static str, &'static str)],
    ) -> Self {
        let column = |&(key, heading): &(&'static str, &'static str)| {
            let name = heading.trim_start_matches('~');
            Column {
                key,
                heading: name.trim_start_matches('#'),
                numeric: name.starts_with('#'),
                minor: heading.starts_with('~'),
            }
        };
        Self { key, caption: caption.into(), columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has more or fewer cells than there are columns.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "table {}: a row has a cell per column", self.key);
        debug_assert!(
            row.iter()
                .zip(&self.columns)
                .all(|(cell, column)| matches!(cell, Cell::Interval(..)) == column.is_interval()),
            "table {}: an interval is named so, and nothing else",
            self.key
        );
        self.rows.push(row);
    }

    /// Whether people are shown the column: it has a name, and a value in some row.
    pub(crate) fn shows(&self, column: usize) -> bool {
        !self.columns[column].heading.is_empty()
            && self.rows.iter().any(|row| !matches!(row[column], Cell::Empty | Cell::Interval(None, _)))
    }
}
