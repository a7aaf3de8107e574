//! The exact fit by itself, for comparison with other fits.

use predictor::saturation::{self, Bounds};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::curve::Numbers;

/// F(x) = a - b^(c - x), fitted: `asymptote` a, `squares` the sum of squared residuals, `at(x)` its value.
#[pyclass(frozen, module = "peng_predictor")]
pub struct Fit(saturation::Fit);

#[pymethods]
impl Fit {
    #[getter]
    fn asymptote(&self) -> f64 {
        self.0.asymptote
    }

    #[getter]
    fn squares(&self) -> f64 {
        self.0.squares
    }

    fn at(&self, x: f64) -> f64 {
        self.0.at(x)
    }

    fn __repr__(&self) -> String {
        format!("Fit(asymptote={}, squares={})", self.0.asymptote, self.0.squares)
    }
}

/// The least-squares fit of F(x) = a - b^(c - x), b >= 1, c >= 0, `lowest` <= a <= `highest`; the global minimum.
#[pyfunction]
#[pyo3(signature = (xs, ys, lowest = 0.5, highest = 200.0))]
pub fn fit(xs: Numbers<'_>, ys: Numbers<'_>, lowest: f64, highest: f64) -> PyResult<Fit> {
    if !(lowest.is_finite() && highest.is_finite() && lowest < highest) {
        return Err(PyValueError::new_err(format!("lowest {lowest} must be below highest {highest}")));
    }
    let (xs, ys): (Vec<_>, Vec<_>) = (xs.iter().collect(), ys.iter().collect());
    let fitted = saturation::fit(&xs, &ys, Bounds { lowest, highest });
    fitted.map(Fit).map_err(|error| PyValueError::new_err(error.to_string()))
}
