//! The predictor as a Python extension, `peng_predictor._native`; `python/peng_predictor` is what people import.
#![expect(clippy::needless_pass_by_value, reason = "arguments come from Python by value")]

mod curve;
mod engine;
mod fit;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::engine::{Assessment, Engine};
    #[pymodule_export]
    use crate::fit::{Fit, fit};
}
