//! An engine with what it has learned, and its answers.

use std::sync::{RwLock, RwLockReadGuard};

use numpy::{IntoPyArray as _, PyArray1, PyReadonlyArray2, ndarray::ArrayView2};
use predictor::{Calibration, Decision, End, Ended, Observation, Settings, Target};
use pyo3::{
    exceptions::{PyRuntimeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyDict},
};

use crate::curve::{self, Numbers};

/// Predicted fitness, NaN where there is none, and whether to stop.
type Columns<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<bool>>);

/// With its causes.
fn refused(error: impl std::error::Error) -> PyErr {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let words = causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"));
    PyValueError::new_err(words)
}

/// One engine and what it has learned from finished curves. Threads may share it: frozen for Python, which else would refuse a
/// call during another, with the lock inside. No call takes the lock of the interpreter while it has this one.
#[pyclass(frozen, module = "peng_predictor")]
pub struct Engine {
    engine: predictor::Engine,
    calibration: RwLock<Calibration>,
}

fn poisoned<T>(_: T) -> PyErr {
    PyRuntimeError::new_err("a call of this engine panicked: what it has learned is lost, make a new one")
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (name, epochs, interval = 1.0, **settings))]
    fn new(
        py: Python<'_>,
        name: &str,
        epochs: f64,
        interval: f64,
        settings: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let all = settings.map_or_else(|| Ok(PyDict::new(py)), |given| given.copy())?;
        all.set_item("engine", name)?;
        let text: String = py.import("json")?.call_method1("dumps", (all,))?.extract()?;
        let settings: Settings = serde_json::from_str(&text).map_err(refused)?;
        let engine = predictor::Engine::new(&settings, Target { epochs, interval }).map_err(refused)?;
        Ok(Self { engine, calibration: RwLock::default() })
    }

    #[getter]
    fn name(&self) -> &'static str {
        self.engine.settings().engine.as_str()
    }

    /// Curves that it has learned from.
    #[getter]
    fn learned(&self) -> PyResult<u64> {
        Ok(self.known()?.version())
    }

    #[pyo3(signature = (epochs, accuracies, train_acc = None, train_loss = None, cost = None))]
    fn assess(
        &self,
        epochs: Numbers<'_>,
        accuracies: Numbers<'_>,
        train_acc: Option<Numbers<'_>>,
        train_loss: Option<Numbers<'_>>,
        cost: Option<f64>,
    ) -> PyResult<Assessment> {
        let curve = curve::of(&epochs, &accuracies, train_acc.as_ref(), train_loss.as_ref())?;
        let answer = self.engine.assess_with_cost(&curve, cost, &*self.known()?).map_err(refused)?;
        Ok(Assessment(answer))
    }

    /// A row of `accuracies` per curve, shorter curves filled up with NaN. The arrays are looked at where they lie;
    /// other Python threads run meanwhile.
    #[pyo3(signature = (epochs, accuracies, train_acc = None))]
    fn assess_batch<'py>(
        &self,
        py: Python<'py>,
        epochs: Numbers<'py>,
        accuracies: PyReadonlyArray2<'py, f64>,
        train_acc: Option<PyReadonlyArray2<'py, f64>>,
    ) -> PyResult<Columns<'py>> {
        let epochs: Vec<f64> = epochs.iter().collect();
        let val = accuracies.as_array();
        let train = train_acc.as_ref().map(PyReadonlyArray2::as_array);
        if val.ncols() != epochs.len() || train.is_some_and(|train| train.dim() != val.dim()) {
            let shapes = format!(
                "epochs has {} values, accuracies the shape {:?}, train_acc {:?}; expected a column per epoch",
                epochs.len(),
                val.dim(),
                train.map(|train| train.dim())
            );
            return Err(PyValueError::new_err(shapes));
        }
        let judged = py.detach(|| self.judge_rows(&epochs, val, train));
        let (fitness, stop): (Vec<f64>, Vec<bool>) = judged?.into_iter().unzip();
        Ok((fitness.into_pyarray(py), stop.into_pyarray(py)))
    }

    /// Takes in a curve that ended: trained to the target, or `stopped` with the fitness that was predicted.
    #[pyo3(signature = (job, epochs, accuracies, train_acc = None, train_loss = None, cost = None, stopped = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords, in Python")]
    fn learn(
        &self,
        py: Python<'_>,
        job: i64,
        epochs: Numbers<'_>,
        accuracies: Numbers<'_>,
        train_acc: Option<Numbers<'_>>,
        train_loss: Option<Numbers<'_>>,
        cost: Option<f64>,
        stopped: Option<f64>,
    ) -> PyResult<()> {
        let curve = curve::of(&epochs, &accuracies, train_acc.as_ref(), train_loss.as_ref())?;
        let end = stopped.map_or(End::Completed, |fitness| End::Stopped { fitness });
        let ended = Ended { job, curve: &curve, end, cost };
        py.detach(|| {
            let mut calibration = self.calibration.write().map_err(poisoned)?;
            self.engine.learn(&mut calibration, &ended).map_err(refused)
        })
    }

    /// What it has learned, as bytes for `restore`.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.known()?.to_bytes().map_err(refused)?))
    }

    /// Replaces what it has learned by a snapshot of an engine with the same settings.
    fn restore(&self, snapshot: &[u8]) -> PyResult<()> {
        *self.calibration.write().map_err(poisoned)? = Calibration::from_bytes(snapshot).map_err(refused)?;
        Ok(())
    }

    fn __repr__(&self) -> PyResult<String> {
        let Target { epochs, interval } = self.engine.target();
        let learned = self.learned()?;
        Ok(format!("Engine({:?}, epochs={epochs}, interval={interval}, learned={learned})", self.name()))
    }
}

impl Engine {
    /// What it has learned so far.
    fn known(&self) -> PyResult<RwLockReadGuard<'_, Calibration>> {
        self.calibration.read().map_err(poisoned)
    }

    /// Predicted fitness (NaN where there is none) and whether to stop, for each row.
    fn judge_rows(
        &self,
        epochs: &[f64],
        val: ArrayView2<'_, f64>,
        train: Option<ArrayView2<'_, f64>>,
    ) -> PyResult<Vec<(f64, bool)>> {
        let known = self.known()?;
        let mut curve = Vec::with_capacity(epochs.len());
        let judge = |row: usize| {
            let values = val.row(row);
            let length = values.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
            let point = |i: usize| Observation {
                epoch: epochs[i],
                val_acc: values[i],
                train_acc: train.map(|train| train[(row, i)]),
                train_loss: None,
            };
            curve.clear();
            curve.extend((0..length).map(point));
            let wrong = |error: String| PyValueError::new_err(format!("row {row}: {error}"));
            curve::check_range(&curve).map_err(wrong)?;
            let answer = self.engine.assess(&curve, &known).map_err(|error| wrong(error.to_string()))?;
            let fitness = answer.prediction.map_or(f64::NAN, |prediction| prediction.fitness);
            Ok((fitness, answer.decision == Decision::Stop))
        };
        (0..val.nrows()).map(judge).collect()
    }
}

/// An engine's answer after one observation.
#[pyclass(frozen, module = "peng_predictor")]
pub struct Assessment(predictor::Assessment);

#[pymethods]
impl Assessment {
    /// Whether the training may end.
    #[getter]
    fn stop(&self) -> bool {
        self.0.decision == Decision::Stop
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Predicted final accuracy in per cent; None where the engine has no opinion yet.
    #[getter]
    fn fitness(&self) -> Option<f64> {
        self.0.prediction.map(|prediction| prediction.fitness)
    }

    #[getter]
    fn interval_80(&self) -> Option<(f64, f64)> {
        self.0.prediction.and_then(|prediction| prediction.interval_80)
    }

    #[getter]
    fn interval_90(&self) -> Option<(f64, f64)> {
        self.0.prediction.and_then(|prediction| prediction.interval_90)
    }

    /// Probability that the final accuracy is among the best that are to be kept.
    #[getter]
    fn chance(&self) -> Option<f64> {
        self.0.prediction.and_then(|prediction| prediction.chance)
    }

    fn __repr__(&self) -> String {
        let (stop, fitness) = (if self.stop() { "True" } else { "False" }, self.fitness());
        let fitness = fitness.map_or_else(|| "None".to_owned(), |fitness| format!("{fitness:.2}"));
        format!("Assessment(stop={stop}, fitness={fitness}, reason={:?})", self.0.reason)
    }
}
