//! Reading points, from a file or a pipe.

use std::{io::BufRead, path::Path};

use crate::{
    columns::{Columns, NAMES},
    fault::{Faults, ImportError},
    point::Point,
    request::Unit,
    row::Row,
    table::{Line, Table},
};

/// Points of CSV with a header or of JSON lines, one by one as their lines come in: the reader of every command that takes
/// learning curves.
pub struct Points {
    table: Table,
    columns: Columns,
    unit: Unit,
}

impl Points {
    /// The points of a text; `path` is its name in errors.
    ///
    /// # Errors
    /// [`ImportError::Column`] if epochs or accuracies have no column, [`ImportError::Read`] if it cannot be read.
    pub fn new(path: &Path, source: impl BufRead + 'static, unit: Unit) -> Result<Self, ImportError> {
        let table = Table::new(path, source, &NAMES)?;
        Ok(Self { columns: Columns::of(&table)?, table, unit })
    }

    /// All points.
    ///
    /// # Errors
    /// [`ImportError::Faults`] names each bad row by its line.
    pub fn read(mut self) -> Result<Vec<Point>, ImportError> {
        let (mut points, mut faults) = (vec![], Faults::default());
        while let Some(line) = self.table.next() {
            points.extend(self.point(line?, &mut faults));
        }
        if points.is_empty() && faults.is_empty() {
            faults.add(1, "no row, expected one per architecture and epoch");
        }
        faults.check(&self.table.path)?;
        Ok(points)
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.table.names
    }

    fn point(&self, Line { number: line, record }: Line, faults: &mut Faults) -> Option<Point> {
        let record = record.map_err(|message| faults.add(line, message)).ok()?;
        Some(self.columns.point(&mut Row { line, record: &record, unit: self.unit, faults }))
    }
}

impl Iterator for Points {
    type Item = Result<Point, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.table.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let mut faults = Faults::default();
        let point = self.point(line, &mut faults);
        match faults.check(&self.table.path) {
            Ok(()) => point.map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}
