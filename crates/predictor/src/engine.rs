//! One interface for all engines.

use crate::asha::Asha;
use crate::calibration::{Calibration, End, Ended, Estimate};
use crate::curve::Curve;
use crate::last::Last;
use crate::median::Median;
use crate::menndl::Menndl;
use crate::none;
use crate::observation::{self, CurveError};
use crate::peng::{Peng, Seen};
use crate::penguin::{Penguin, Version};
use crate::{Assessment, EngineName, Observation, Settings, SettingsError, Target};

/// One of the engines with its settings.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    target: Target,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Peng(Peng),
    Penguin(Penguin),
    Median(Median),
    Asha(Asha),
    Menndl(Menndl),
    Last(Last),
    None,
}

impl Engine {
    /// The engine that the settings name.
    ///
    /// # Errors
    /// Names the key that is out of range, what was found, and what is allowed.
    pub fn new(settings: &Settings, target: Target) -> Result<Self, SettingsError> {
        settings.check()?;
        target.check()?;
        let kind = match settings.engine {
            EngineName::Peng => Kind::Peng(Peng::new(settings, target)),
            EngineName::PenguinV1 => Kind::Penguin(Penguin::new(Version::V1, settings, target)),
            EngineName::PenguinV2 => Kind::Penguin(Penguin::new(Version::V2, settings, target)),
            EngineName::PenguinV4 => Kind::Penguin(Penguin::new(Version::V4, settings, target)),
            EngineName::Median => Kind::Median(Median::new(settings, target)),
            // By one curve alone nobody is promoted: who would wait for that stops.
            EngineName::Asha | EngineName::AshaPromotion | EngineName::Hyperband => {
                Kind::Asha(Asha::new(settings, target))
            }
            EngineName::Menndl => Kind::Menndl(Menndl::new(settings)),
            EngineName::Last => Kind::Last(Last::new(settings, target)),
            EngineName::None => Kind::None,
        };
        Ok(Self { settings: settings.clone(), target, kind })
    }

    /// The settings it was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it predicts.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The chance above which a stopped job is to be resumed for one more interval once no job is left to start
    /// (the one of the highest chance first, asked again under the newest calibration each time); none where
    /// stops are final. [`Prediction::chance`](crate::Prediction) of [`Engine::assess`] on the stopped job's curve
    /// is the chance.
    pub fn thaw_above(&self) -> Option<f64> {
        (self.settings.thaw && self.settings.engine == EngineName::Peng).then_some(self.settings.risk)
    }

    /// Whether so many jobs are completed that the engine's chances decide; true for engines that learn nothing.
    pub fn is_ready(&self, calibration: &Calibration) -> bool {
        match &self.kind {
            Kind::Peng(engine) => engine.is_ready(calibration),
            _ => true,
        }
    }

    /// How many jobs are to be completed before that.
    pub fn startup(&self, calibration: &Calibration) -> usize {
        match &self.kind {
            Kind::Peng(engine) => engine.startup(calibration),
            _ => 0,
        }
    }

    /// While this is the same under two calibrations of one search, so is the chance of every job.
    pub fn standing(&self, calibration: &Calibration) -> (u64, Option<f64>) {
        match &self.kind {
            Kind::Peng(engine) => engine.standing(calibration),
            _ => (calibration.version(), None),
        }
    }

    /// Judges a curve (its points in epoch order, the newest last). At the target epoch and beyond the
    /// prediction is the observed accuracy where the engine's rule allows, and the decision has no effect.
    ///
    /// # Errors
    /// A curve with a number that is not finite, or with epochs that do not rise.
    pub fn assess(&self, curve: &[Observation], calibration: &Calibration) -> Result<Assessment, CurveError> {
        self.assess_with_cost(curve, None, calibration)
    }

    /// As [`Engine::assess`] for a job of known cost (FLOPs): where every ended job has a cost too, the bar of
    /// `peng` is the Pareto front of fitness and cost. The other engines ignore it.
    ///
    /// # Errors
    /// As [`Engine::assess`].
    pub fn assess_with_cost(
        &self,
        curve: &[Observation],
        cost: Option<f64>,
        calibration: &Calibration,
    ) -> Result<Assessment, CurveError> {
        observation::check(curve)?;
        Ok(self.judge(curve, || Seen::of(curve), cost, calibration))
    }

    /// As [`Engine::assess`] for a curve that grows. `peng`, `median`, `asha`, `last` and `none` look at a few points only, however
    /// many there are.
    /// `cost` as for [`Engine::assess_with_cost`].
    pub fn assess_grown(&self, curve: &Curve, cost: Option<f64>, calibration: &Calibration) -> Assessment {
        self.judge(curve.points(), || curve.seen(), cost, calibration)
    }

    /// Judges a curve that was checked. `seen` is what was kept of all of its points.
    fn judge(
        &self,
        curve: &[Observation],
        seen: impl FnOnce() -> Seen,
        cost: Option<f64>,
        calibration: &Calibration,
    ) -> Assessment {
        let Some(last) = curve.last() else {
            return Assessment::train_on(None, "no observation yet");
        };
        match &self.kind {
            Kind::Peng(engine) => engine.assess(curve, &seen(), cost, calibration),
            Kind::Penguin(engine) => engine.assess(curve),
            Kind::Median(engine) => engine.assess(last, seen().best, calibration),
            Kind::Asha(engine) => engine.assess(curve, calibration),
            Kind::Menndl(engine) => engine.assess(curve),
            Kind::Last(engine) => engine.assess(last),
            Kind::None => none::assess(last),
        }
    }

    /// Takes in a job that ended. Call it in the order of the finish numbers, once per ending: for a stopped job
    /// that was promoted, once when it was stopped and once more when it was completed.
    ///
    /// # Errors
    /// An empty or damaged curve; the calibration is then unchanged.
    pub fn learn(&self, calibration: &mut Calibration, ended: &Ended<'_>) -> Result<(), CurveError> {
        observation::check(ended.curve)?;
        self.take_in(calibration, ended)
    }

    /// As [`Engine::learn`] for a job trained to the end whose curve grew: a further point of the same job costs no look at
    /// those before it.
    ///
    /// # Errors
    /// An empty curve; the calibration is then unchanged.
    pub fn complete(&self, calibration: &mut Calibration, job: i64, curve: &Curve) -> Result<(), CurveError> {
        self.take_in(calibration, &Ended { job, curve: curve.points(), end: End::Completed, cost: None })
    }

    /// Takes back what a job taught when it was stopped: it is lost, and its curve (all its observations) counts no more. A job
    /// that was never entered changes nothing.
    pub fn forget(&self, calibration: &mut Calibration, job: i64, curve: &[Observation]) {
        if calibration.strike(job)
            && let Kind::Peng(engine) = &self.kind
        {
            engine.forget(&mut calibration.knowledge, job, curve);
        }
    }

    /// Takes in an ended job whose curve was checked.
    fn take_in(&self, calibration: &mut Calibration, ended: &Ended<'_>) -> Result<(), CurveError> {
        let last = ended.curve.last().ok_or(CurveError::Empty { job: ended.job })?;
        let (fitness, completed) = match ended.end {
            End::Completed => (last.val_acc, true),
            End::Stopped { fitness } => (fitness, false),
        };
        let new = calibration.enter(Estimate { job: ended.job, fitness, cost: ended.cost, completed });
        match &self.kind {
            Kind::Peng(engine) if new => engine.learn(&mut calibration.knowledge, ended),
            Kind::Median(engine) if completed && new => engine.learn(calibration, ended.curve),
            Kind::Asha(engine) if new => engine.learn(calibration, ended.curve),
            _ => {}
        }
        Ok(())
    }

    /// Takes in a completed curve of an earlier search on the same kind of data (`warm_start`), before any
    /// `learn`. Only `peng` uses it.
    ///
    /// # Errors
    /// A damaged curve; the calibration is then unchanged.
    pub fn learn_earlier(
        &self,
        calibration: &mut Calibration,
        curve: &[Observation],
    ) -> Result<(), CurveError> {
        observation::check(curve)?;
        if let Kind::Peng(engine) = &self.kind {
            engine.learn_earlier(&mut calibration.knowledge, curve);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_out_of_range_is_named() {
        let settings = Settings::default();
        let table = [
            ((0.5, 1.0), "max_epochs = 0.5: must be at least one interval and at most a million"),
            ((f64::NAN, 1.0), "max_epochs = NaN: must be at least one interval and at most a million"),
            ((20.0, 0.0), "interval = 0: must be a number of epochs above 0"),
        ];
        for ((epochs, interval), expected) in table {
            let error = Engine::new(&settings, Target { epochs, interval }).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn every_engine_trains_on_without_observations_and_refuses_nan() {
        for engine in EngineName::ALL {
            let settings = Settings { engine, ..Settings::default() };
            let engine = Engine::new(&settings, Target { epochs: 20.0, interval: 0.5 }).unwrap();
            let nothing = Calibration::default();
            assert_eq!(engine.assess(&[], &nothing).unwrap().decision, crate::Decision::Continue);
            let nan = [Observation::new(0.5, f64::NAN)];
            assert!(engine.assess(&nan, &nothing).is_err());
            let mut calibration = Calibration::default();
            let ended = Ended { job: 1, curve: &[], end: End::Completed, cost: None };
            assert_eq!(engine.learn(&mut calibration, &ended), Err(CurveError::Empty { job: 1 }));
            assert_eq!(calibration, nothing);
        }
    }
}
