//! Engine `peng`: learns from the finished curves of the search how a curve goes on.
//!
//! What a curve will do next is told less by the curve alone than by how the finished curves of the same search,
//! with the same data and schedule, went on from the same epoch. Averaged ridge regressions give a Student t
//! distribution of the final accuracy, and a job is stopped when its chance to beat the bar (the best tenth of
//! the networks seen, or the Pareto front of fitness and cost) is small. `docs/predictor.md` has the method, the
//! figures, and what did not help.
//!
//! With `thaw`, a stop is for now: the job may be stopped at a chance of 20 times `risk` (at most 0.3), and when
//! the queue has run dry, the stopped jobs whose chance is still above `risk` under what is known by then are
//! resumed, the best first. Without it a stop is final and waits for a chance below `risk`.
//!
//! Minimum evidence: `startup` (7) jobs of the search trained to the end, 4 once an earlier search (`warm_start`) is
//! known to be like this one. Warm-up: 2 epochs.
//! Until 4 jobs are completed the prediction is the best accuracy so far, without interval. NaN is refused before
//! it is asked. A bar of 100 % cannot be beaten.

mod bar;
mod features;
mod knowledge;
mod likeness;
mod moments;
mod peers;
mod regression;
mod scale;
mod variance;

use statrs::distribution::{ContinuousCDF, StudentsT};

use self::bar::Bar;
pub(crate) use self::features::Seen;
pub(crate) use self::knowledge::Knowledge;
pub use self::peers::Peers;
use self::regression::{Spread, TENTH, TWENTIETH};
use crate::{Assessment, Calibration, End, Ended, Observation, Prediction, Settings, Target};

/// Completed jobs of the search itself that it needs, and where an earlier search is like this one with a chance of
/// `SURE` at least.
const STARTUP: usize = 7;
const STARTUP_WARM: usize = 4;
const SURE: f64 = 0.8;
/// How much sooner a job is stopped if it can be resumed, and the highest chance at which it is.
const PROVISIONAL: f64 = 20.0;
const HIGHEST: f64 = 0.3;
#[derive(Clone, Debug)]
pub(crate) struct Peng {
    target: Target,
    keep: f64,
    risk: f64,
    stop_below: f64,
    tolerance: f64,
    startup: Option<usize>,
    warm_up: f64,
}

impl Peng {
    pub(crate) fn new(settings: &Settings, target: Target) -> Self {
        let provisional = (PROVISIONAL * settings.risk).min(HIGHEST.max(settings.risk));
        Self {
            target,
            keep: settings.keep,
            risk: settings.risk,
            stop_below: if settings.thaw { provisional } else { settings.risk },
            tolerance: settings.tolerance,
            startup: settings.startup,
            warm_up: settings.warm_up.unwrap_or(2.0),
        }
    }

    pub(crate) fn learn(&self, knowledge: &mut Knowledge, ended: &Ended<'_>) {
        match ended.end {
            End::Completed => knowledge.complete(ended.job, ended.curve, self.target),
            End::Stopped { .. } => knowledge.stop(ended.job, ended.curve, self.target),
        }
    }

    pub(crate) fn forget(&self, knowledge: &mut Knowledge, job: i64, curve: &[Observation]) {
        knowledge.forget(job, curve, self.target);
    }

    /// How many jobs are completed before the first stop.
    pub(crate) fn startup(&self, calibration: &Calibration) -> usize {
        let alike = calibration.knowledge.alike();
        self.startup.unwrap_or(if alike >= SURE { STARTUP_WARM } else { STARTUP })
    }

    pub(crate) fn is_ready(&self, calibration: &Calibration) -> bool {
        calibration.completed() as usize >= self.startup(calibration)
    }

    pub(crate) fn learn_earlier(&self, knowledge: &mut Knowledge, curve: &[Observation]) {
        knowledge.add_earlier(curve, self.target);
    }

    /// `seen` is what was kept of all points of the curve.
    pub(crate) fn assess(
        &self,
        curve: &[Observation],
        seen: &Seen,
        cost: Option<f64>,
        calibration: &Calibration,
    ) -> Assessment {
        let last = curve[curve.len() - 1];
        if self.target.step(last.epoch) >= self.target.steps() {
            let reason = format!("final {:.1}: trained to the end", last.val_acc);
            return Assessment::train_on(Some(Prediction::point(last.val_acc)), reason);
        }
        let Some(spread) = calibration.knowledge.predict(curve, seen, self.target) else {
            let best = seen.best;
            let reason = format!("best so far {best:.1}: too few jobs are completed to learn from");
            return Assessment::train_on(Some(Prediction::point(best)), reason);
        };
        let bar = Bar::of(calibration.board(), cost, self.keep);
        let prediction = predict(spread, bar);
        let reason = words(&prediction, bar);
        let early = self.too_early(last.epoch, calibration);
        match (early, self.verdict(&prediction)) {
            (_, None) => Assessment::train_on(Some(prediction), reason),
            (Some(why), Some(_)) => Assessment::train_on(Some(prediction), format!("{reason}; {why}")),
            (None, Some(why)) => Assessment::stop(prediction, format!("{reason}{why}")),
        }
    }

    /// What the chance of a job depends on beside its curve: the completed curves and the bar. Where costs count, each
    /// job has a bar of its own, which any ending may move.
    pub(crate) fn standing(&self, calibration: &Calibration) -> (u64, Option<f64>) {
        if calibration.board().iter().all(|e| e.cost.is_some()) {
            return (calibration.version(), None);
        }
        (calibration.completed(), Bar::of(calibration.board(), None, self.keep).fitness())
    }

    /// Why nothing may be stopped yet.
    fn too_early(&self, epoch: f64, calibration: &Calibration) -> Option<String> {
        let alike = calibration.knowledge.alike();
        let (startup, completed) = (self.startup(calibration), calibration.completed());
        if !self.is_ready(calibration) {
            let earlier = if alike > 0.0 {
                format!("; the earlier search is like this one: chance {:.0} %", 100.0 * alike)
            } else {
                String::new()
            };
            return Some(format!("{completed} of {startup} start-up jobs are completed{earlier}"));
        }
        (epoch < self.warm_up).then(|| format!("no stop before epoch {}", self.warm_up))
    }

    /// Why the job may stop.
    fn verdict(&self, prediction: &Prediction) -> Option<String> {
        let chance = prediction.chance?;
        if chance < self.stop_below {
            return Some(String::new());
        }
        let (low, high) = prediction.interval_80?;
        let known = chance > 1.0 - self.risk && (high - low) / 2.0 <= self.tolerance;
        known.then(|| format!("; known to within {} points", self.tolerance))
    }
}

/// Maps a distribution in u to accuracies.
fn predict(spread: Spread, bar: Bar) -> Prediction {
    let t = StudentsT::new(0.0, 1.0, spread.freedom).expect("3 degrees of freedom or more");
    let at = |quantile: f64| scale::from(spread.mean + quantile * spread.scale);
    let interval = |z: f64| {
        let quantile = spread.quantile(z);
        Some((at(-quantile), at(quantile)))
    };
    let beats = |fitness: f64| {
        // The truth cannot lie above 100 %, nor its estimate.
        if fitness >= 100.0 { 0.0 } else { t.sf((scale::to(fitness) - spread.mean) / spread.scale) }
    };
    Prediction {
        fitness: at(0.0),
        interval_80: interval(TENTH),
        interval_90: interval(TWENTIETH),
        chance: bar.fitness().map(beats),
    }
}

fn words(prediction: &Prediction, bar: Bar) -> String {
    let half = prediction.interval_80.map_or(0.0, |(low, high)| (high - low) / 2.0);
    let chance = prediction.chance.map_or_else(String::new, |c| format!(": chance {:.1} %", 100.0 * c));
    format!("final {:.1} ± {half:.1}, {}{chance}", prediction.fitness, bar.words())
}
