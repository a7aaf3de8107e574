//! The columns of a file of curves.

use crate::{fault::ImportError, point::Point, row::Row, table::Table};

/// Their names; other columns are passed over.
pub(crate) const NAMES: [&str; 10] = [
    "arch",
    "epoch",
    "val_acc",
    "train_acc",
    "val_loss",
    "train_loss",
    "epoch_seconds",
    "cum_seconds",
    "recorded_prediction",
    "recorded_converged",
];

/// Where each stands.
pub(crate) struct Columns {
    arch: Option<usize>,
    epoch: usize,
    val_acc: usize,
    train_acc: Option<usize>,
    val_loss: Option<usize>,
    train_loss: Option<usize>,
    seconds: Option<usize>,
    total: Option<usize>,
    prediction: Option<usize>,
    converged: Option<usize>,
}

impl Columns {
    pub fn of(table: &Table) -> Result<Self, ImportError> {
        let column = |name| table.column(&[name]);
        Ok(Self {
            arch: column("arch"),
            epoch: table.need("epoch")?,
            val_acc: table.need("val_acc")?,
            train_acc: column("train_acc"),
            val_loss: column("val_loss"),
            train_loss: column("train_loss"),
            seconds: column("epoch_seconds"),
            total: column("cum_seconds"),
            prediction: column("recorded_prediction"),
            converged: column("recorded_converged"),
        })
    }

    /// The point in a row, each value checked.
    pub fn point(&self, row: &mut Row<'_>) -> Point {
        let epoch = row.required(self.epoch, "epoch").unwrap_or(f64::NAN);
        if epoch <= 0.0 {
            row.fault(format!("epoch is {epoch}, expected a number above 0"));
        }
        let point = Point {
            line: row.line,
            arch: row.text(self.arch).to_owned(),
            epoch,
            val_acc: row.required(self.val_acc, "val_acc").map_or(f64::NAN, |v| row.accuracy(v, "val_acc")),
            train_acc: row.optional(self.train_acc, "train_acc").map(|v| row.accuracy(v, "train_acc")),
            val_loss: row.optional(self.val_loss, "val_loss"),
            train_loss: row.optional(self.train_loss, "train_loss"),
            seconds: row.optional(self.seconds, "epoch_seconds"),
            total_seconds: row.optional(self.total, "cum_seconds"),
            prediction: row.prediction(self.prediction),
            converged: row.flag(self.converged),
        };
        if point.converged == Some(true) && point.prediction.is_none() {
            row.fault("recorded_converged is 1 without a finite recorded_prediction");
        }
        point
    }
}
