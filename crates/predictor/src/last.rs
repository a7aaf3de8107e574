//! Engine `last`: stops every job at one epoch and takes the accuracy it has then.
//!
//! The simplest way to save, and what many searches do by training proxies for a few epochs. Minimum evidence:
//! one point at or after `stop_at` (half of the budget if left out). NaN is refused before it is asked.

use crate::{Assessment, Observation, Prediction, Settings, Target};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    stop_at: f64,
}

impl Last {
    pub(crate) fn new(settings: &Settings, target: Target) -> Self {
        Self { stop_at: settings.stop_at.unwrap_or(target.epochs / 2.0) }
    }

    pub(crate) fn assess(self, last: &Observation) -> Assessment {
        let prediction = Prediction::point(last.val_acc);
        // Half of an odd budget falls between two points: the point nearest below it is not the one meant.
        if last.epoch >= self.stop_at {
            Assessment::stop(prediction, format!("epoch {} reached: all jobs stop there", self.stop_at))
        } else {
            Assessment::train_on(Some(prediction), format!("all jobs stop at epoch {}", self.stop_at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decision, EngineName};

    #[test]
    fn it_stops_at_its_epoch() {
        let table = [
            (None, 12.0, Decision::Continue, "half of 25 is 12.5"),
            (None, 13.0, Decision::Stop, "first point after half"),
            (Some(6.0), 5.5, Decision::Continue, "not yet"),
            (Some(6.0), 6.0, Decision::Stop, "at the epoch"),
        ];
        for (stop_at, epoch, expected, why) in table {
            let settings = Settings { engine: EngineName::Last, stop_at, ..Settings::default() };
            let engine = Last::new(&settings, Target { epochs: 25.0, interval: 0.5 });
            let assessment = engine.assess(&Observation::new(epoch, 40.0));
            assert_eq!(assessment.decision, expected, "{why}");
            assert_eq!(assessment.prediction.unwrap().fitness.to_bits(), 40f64.to_bits(), "{why}");
        }
    }
}
