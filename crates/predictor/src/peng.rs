//! Engine `peng`: learns from the finished curves of the search how a curve goes on.

use serde::{Deserialize, Serialize};

use crate::{Assessment, Calibration, Observation, Prediction, Settings, Target};

/// What was learned from completed curves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Knowledge {}

#[derive(Clone, Debug)]
pub(crate) struct Peng {}

impl Peng {
    pub(crate) fn new(_settings: &Settings, _target: Target) -> Self {
        Self {}
    }

    pub(crate) fn learn(&self, _knowledge: &mut Knowledge, _curve: &[Observation], _weight: f64) {}

    pub(crate) fn learn_earlier(&self, knowledge: &mut Knowledge, curve: &[Observation]) {
        self.learn(knowledge, curve, 0.25);
    }

    pub(crate) fn assess(
        &self,
        curve: &[Observation],
        _cost: Option<f64>,
        _calibration: &Calibration,
    ) -> Assessment {
        let best = curve.iter().map(|o| o.val_acc).fold(f64::NEG_INFINITY, f64::max);
        Assessment::train_on(
            Some(Prediction::point(best)),
            "too few finished jobs to learn from",
        )
    }
}
