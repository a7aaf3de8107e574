//! Learning curves from lists and NumPy arrays.

use numpy::PyReadonlyArray1;
use predictor::Observation;
use pyo3::{exceptions::PyValueError, prelude::*};

/// Numbers of a caller: a float64 array is looked at where it lies, anything else is read item by item.
#[derive(FromPyObject)]
pub enum Numbers<'py> {
    Array(PyReadonlyArray1<'py, f64>),
    Sequence(Vec<f64>),
}

impl Numbers<'_> {
    /// All of them, in order; an array with strides is walked.
    pub fn iter(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Self::Array(array) => Box::new(array.as_array().into_iter().copied()),
            Self::Sequence(list) => Box::new(list.iter().copied()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Array(array) => array.as_array().len(),
            Self::Sequence(list) => list.len(),
        }
    }
}

/// 100 %, as sums of float32 reach it.
const HIGHEST: f64 = 100.0 + 1e-4;

/// A curve from its columns; those that are given must be of one length.
pub fn of(
    epochs: &Numbers<'_>,
    val_acc: &Numbers<'_>,
    train_acc: Option<&Numbers<'_>>,
    train_loss: Option<&Numbers<'_>>,
) -> PyResult<Vec<Observation>> {
    let columns = [("accuracies", Some(val_acc)), ("train_acc", train_acc), ("train_loss", train_loss)];
    for (name, column) in columns {
        if let Some(found) = column.map(Numbers::len).filter(|found| *found != epochs.len()) {
            let expected = epochs.len();
            return Err(PyValueError::new_err(format!("{name} has {found} values, epochs has {expected}")));
        }
    }
    let mut train_acc = train_acc.map(Numbers::iter);
    let mut train_loss = train_loss.map(Numbers::iter);
    let points = epochs.iter().zip(val_acc.iter()).map(|(epoch, val_acc)| Observation {
        epoch,
        val_acc,
        train_acc: train_acc.as_mut().and_then(Iterator::next),
        train_loss: train_loss.as_mut().and_then(Iterator::next),
    });
    let curve: Vec<_> = points.collect();
    check_range(&curve).map_err(PyValueError::new_err)?;
    Ok(curve)
}

/// Checks that accuracies are percentages. Whether they are numbers at all the engine checks.
pub fn check_range(curve: &[Observation]) -> Result<(), String> {
    for (point, observation) in curve.iter().enumerate() {
        let accuracies = [("val_acc", Some(observation.val_acc)), ("train_acc", observation.train_acc)];
        for (name, accuracy) in accuracies {
            if let Some(found) = accuracy.filter(|found| *found < 0.0 || *found > HIGHEST) {
                return Err(format!("point {point}: {name} is {found}, expected per cent from 0 to 100"));
            }
        }
    }
    Ok(())
}
