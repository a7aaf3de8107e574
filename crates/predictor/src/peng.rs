//! Engine `peng`: learns from the finished curves of the search how a curve goes on.

mod features;
mod moments;
mod regression;
mod scale;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use self::features::{Features, MOST, PLAIN};
use self::moments::Moments;
use self::regression::Spread;
use crate::{Assessment, Calibration, Observation, Prediction, Settings, Target};

/// What was learned from completed curves: by step, from 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Knowledge {
    steps: Vec<Step>,
    /// Completed curves, those of an earlier search by their weight.
    curves: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Step {
    plain: Moments,
    trained: Moments,
}

#[derive(Clone, Debug)]
pub(crate) struct Peng {
    target: Target,
    keep: f64,
    risk: f64,
    tolerance: f64,
    startup: f64,
    warm_up: f64,
}

pub fn knob(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

impl Peng {
    pub(crate) fn new(settings: &Settings, target: Target) -> Self {
        Self {
            target,
            keep: settings.keep,
            risk: settings.risk,
            tolerance: settings.tolerance,
            startup: settings.startup.map_or(knob("START", 10.0), |n| n as f64),
            warm_up: settings.warm_up.unwrap_or(2.0),
        }
    }

    pub(crate) fn learn(&self, knowledge: &mut Knowledge, curve: &[Observation], weight: f64) {
        let end = scale::to(curve[curve.len() - 1].val_acc);
        knowledge.curves += weight;
        for m in 1..curve.len() {
            let step = self.target.step(curve[m - 1].epoch) as usize;
            if knowledge.steps.len() < step {
                knowledge.steps.resize_with(step, Step::default);
            }
            let at = &mut knowledge.steps[step - 1];
            let features = Features::of(&curve[..m]);
            at.plain.add(&features.values, end - features.level, weight);
            if features.trained {
                at.trained.add(&features.values, end - features.level, weight);
            }
        }
    }

    pub(crate) fn learn_earlier(&self, knowledge: &mut Knowledge, curve: &[Observation]) {
        self.learn(knowledge, curve, 0.25);
    }

    fn spread(&self, curve: &[Observation], calibration: &Calibration) -> Option<Spread> {
        let step = self.target.step(curve[curve.len() - 1].epoch) as usize;
        let at = calibration.knowledge.steps.get(step - 1)?;
        let features = Features::of(curve);
        let (moments, count) = if features.trained && at.trained.n >= at.plain.n / 2.0 {
            (&at.trained, MOST - knob("DROP", 0.0) as usize)
        } else {
            (&at.plain, PLAIN)
        };
        if moments.n < 4.0 {
            return None;
        }
        let growth = regression::predict(moments, &features.values, count);
        Some(Spread { mean: features.level + growth.mean, ..growth })
    }

    pub(crate) fn assess(&self, curve: &[Observation], _cost: Option<f64>, calibration: &Calibration) -> Assessment {
        let last = curve[curve.len() - 1];
        let best = curve.iter().map(|o| o.val_acc).fold(f64::NEG_INFINITY, f64::max);
        if self.target.step(last.epoch) >= self.target.steps() {
            return Assessment::train_on(Some(Prediction::point(last.val_acc)), "trained to the end");
        }
        let Some(spread) = self.spread(curve, calibration) else {
            return Assessment::train_on(Some(Prediction::point(best)), "too few finished jobs to learn from");
        };
        let t = StudentsT::new(spread.mean, spread.scale, spread.freedom).unwrap();
        let interval = |p: f64| Some((scale::from(t.inverse_cdf(p)), scale::from(t.inverse_cdf(1.0 - p))));
        let fitness = scale::from(spread.mean);
        let board = calibration.board();
        let k = ((self.keep * board.len() as f64 - 1e-9).ceil() as usize).max(1);
        let chance = board.get(k - 1).map(|bar| if bar.fitness >= 100.0 { 0.0 } else { t.sf(scale::to(bar.fitness)) });
        let prediction = Prediction { fitness, interval_80: interval(0.1), interval_90: interval(0.05), chance };
        let enough = calibration.knowledge.curves >= self.startup;
        let chance = chance.unwrap_or(1.0);
        if enough && last.epoch >= self.warm_up && chance < self.risk {
            return Assessment::stop(prediction, format!("chance {chance:.4}"));
        }
        let (low, high) = prediction.interval_80.unwrap_or((0.0, 100.0));
        if enough && knob("TOL", 0.0) > 0.0 && (high - low) / 2.0 < self.tolerance && chance > knob("TOL", 0.0) {
            return Assessment::stop(prediction, format!("known"));
        }
        Assessment::train_on(Some(prediction), format!("chance {chance:.4}"))
    }
}
