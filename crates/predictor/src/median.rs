//! Engine `median`: stops a job whose best accuracy so far is below the median of the completed jobs' at the
//! same step.
//!
//! The median rule of Google Vizier (Golovin et al., KDD 2017, section 3.2.2) as Optuna's `MedianPruner` has it:
//! best so far of the job against the raw values of the others, completed jobs only. Minimum evidence: `startup`
//! completed jobs (5) that have a value at this step. Warm-up: no stop before epoch `warm_up` (5). Ties go on.
//! Its prediction is the last observed accuracy. NaN is refused before it is asked.

use crate::{Assessment, Calibration, Observation, Prediction, Settings, Target};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    startup: usize,
    warm_up: f64,
    target: Target,
}

impl Median {
    pub(crate) fn new(settings: &Settings, target: Target) -> Self {
        Self { startup: settings.startup.unwrap_or(5), warm_up: settings.warm_up.unwrap_or(5.0), target }
    }

    pub(crate) fn learn(self, calibration: &mut Calibration, curve: &[Observation]) {
        for o in curve {
            calibration.add_value(self.target.step(o.epoch), o.val_acc);
        }
    }

    /// From the newest point of a curve and the best accuracy of all.
    pub(crate) fn assess(self, last: &Observation, best: f64, calibration: &Calibration) -> Assessment {
        let prediction = Prediction::point(last.val_acc);
        if last.epoch < self.warm_up {
            return Assessment::train_on(Some(prediction), format!("no stop before epoch {}", self.warm_up));
        }
        let others = calibration.values(self.target.step(last.epoch));
        if others.len() < self.startup.max(1) {
            let reason = format!("{} of {} completed jobs to compare with", others.len(), self.startup);
            return Assessment::train_on(Some(prediction), reason);
        }
        let middle = others.len() / 2;
        let median = if others.len() % 2 == 1 {
            others[middle]
        } else {
            f64::midpoint(others[middle - 1], others[middle])
        };
        let reason = format!("best {best:.2} so far, median of {} completed jobs {median:.2}", others.len());
        if best < median {
            Assessment::stop(prediction, reason)
        } else {
            Assessment::train_on(Some(prediction), reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, EngineName};

    #[test]
    fn it_stops_below_the_median_of_enough_completed_jobs() {
        let target = Target { epochs: 10.0, interval: 1.0 };
        let settings = Settings {
            engine: EngineName::Median,
            startup: Some(4),
            warm_up: Some(2.0),
            ..Settings::default()
        };
        let engine = Median::new(&settings, target);
        let others = [[10.0, 40.0], [10.0, 50.0], [10.0, 60.0], [10.0, 70.0]];
        let table: [(usize, &[f64], Decision, &str); 6] = [
            (4, &[54.9], Decision::Continue, "warm-up"),
            (3, &[10.0, 20.0], Decision::Continue, "three jobs are too few"),
            (4, &[10.0, 54.9], Decision::Stop, "below 55"),
            (4, &[10.0, 55.0], Decision::Continue, "a tie goes on"),
            (4, &[56.0, 20.0], Decision::Continue, "the best so far counts"),
            (4, &[10.0, 20.0, 30.0], Decision::Continue, "nobody has a third step"),
        ];
        for (seen, accuracies, expected, why) in table {
            let mut calibration = Calibration::default();
            for other in &others[..seen] {
                let curve = [Observation::new(1.0, other[0]), Observation::new(2.0, other[1])];
                engine.learn(&mut calibration, &curve);
            }
            let last = Observation::new(accuracies.len() as f64, accuracies[accuracies.len() - 1]);
            let best = accuracies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(engine.assess(&last, best, &calibration).decision, expected, "{why}");
        }
    }
}
