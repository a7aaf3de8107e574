//! Engine `asha`: at epochs r, r·eta, r·eta² … a job goes on only if it is in the best 1/eta of those that were
//! there before.
//!
//! The stopping variant of asynchronous successive halving (Li et al., 2020, arXiv 1810.05934; "ASHA
//! stopping" as in Ray Tune's `AsyncHyperBand`): no job is paused, the first to reach a rung always passes.
//! r = `warm_up` (3 epochs). Compared are the accuracies at the rung of all ended jobs, stopped ones included,
//! and the job itself; ties pass. Its prediction is the last observed accuracy. NaN is refused before it is asked.

use crate::{Assessment, Calibration, Observation, Prediction, Settings, Target};

#[derive(Clone, Debug)]
pub(crate) struct Asha {
    eta: f64,
    rungs: Vec<u32>,
    target: Target,
}

impl Asha {
    pub(crate) fn new(settings: &Settings, target: Target) -> Self {
        let mut rungs = Vec::new();
        let mut epoch = settings.warm_up.unwrap_or(3.0).max(target.interval);
        while target.step(epoch) < target.steps() {
            rungs.push(target.step(epoch));
            epoch *= settings.eta;
        }
        rungs.dedup();
        Self { eta: settings.eta, rungs, target }
    }

    pub(crate) fn learn(&self, calibration: &mut Calibration, curve: &[Observation]) {
        for o in curve {
            let step = self.target.step(o.epoch);
            if self.rungs.contains(&step) {
                calibration.add_value(step, o.val_acc);
            }
        }
    }

    pub(crate) fn assess(&self, curve: &[Observation], calibration: &Calibration) -> Assessment {
        let last = curve[curve.len() - 1];
        let prediction = Prediction::point(last.val_acc);
        let step = self.target.step(last.epoch);
        if !self.rungs.contains(&step) {
            return Assessment::train_on(
                Some(prediction),
                format!("epoch {} is between two rungs", last.epoch),
            );
        }
        let others = calibration.values(step);
        let passing = (((others.len() + 1) as f64 / self.eta).floor() as usize).max(1);
        let better = others.iter().filter(|&&v| v > last.val_acc).count();
        let reason = format!(
            "rank {} of {} at the rung of epoch {}: the best {passing} go on",
            better + 1,
            others.len() + 1,
            last.epoch
        );
        if better < passing {
            Assessment::train_on(Some(prediction), reason)
        } else {
            Assessment::stop(prediction, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, EngineName};

    fn engine() -> Asha {
        let settings = Settings { engine: EngineName::Asha, warm_up: Some(1.0), ..Settings::default() };
        Asha::new(&settings, Target { epochs: 10.0, interval: 1.0 })
    }

    #[test]
    fn rungs_are_a_factor_eta_apart_and_below_the_target() {
        assert_eq!(engine().rungs, [1, 3, 9]);
        let settings =
            Settings { engine: EngineName::Asha, warm_up: Some(0.0), eta: 1.5, ..Settings::default() };
        let halves = Asha::new(&settings, Target { epochs: 2.0, interval: 0.5 });
        assert_eq!(halves.rungs, [1, 2, 3], "0.5, 0.75 and 1.125 (both step 2), 1.6875");
    }

    #[test]
    fn a_third_passes_each_rung() {
        let table: [(&[f64], &[f64], Decision, &str); 6] = [
            (&[], &[5.0], Decision::Continue, "the first passes"),
            (&[50.0], &[40.0], Decision::Stop, "second of two, one passes"),
            (&[50.0], &[50.0], Decision::Continue, "a tie passes"),
            (&[50.0, 60.0, 70.0, 80.0, 90.0], &[75.0], Decision::Stop, "third of six"),
            (&[50.0, 60.0, 70.0, 80.0, 90.0], &[85.0], Decision::Continue, "second of six"),
            (&[50.0, 60.0], &[85.0, 1.0], Decision::Continue, "epoch 2 is no rung"),
        ];
        for (others, accuracies, expected, why) in table {
            let mut calibration = Calibration::default();
            for &other in others {
                engine().learn(&mut calibration, &[Observation::new(1.0, other)]);
            }
            let curve: Vec<_> =
                accuracies.iter().enumerate().map(|(i, &a)| Observation::new(i as f64 + 1.0, a)).collect();
            assert_eq!(engine().assess(&curve, &calibration).decision, expected, "{why}");
        }
    }
}
