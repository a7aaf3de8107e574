//! Engine `menndl`: stops a job whose training loss has not improved for `patience` epochs (10).
//!
//! The rule that MENNDL (Young et al., MLHPC 2015 and SC 2018) trains its networks with. Minimum evidence: a
//! training loss at every point of the window; without losses it never stops and says so. Its prediction is the
//! last observed accuracy. Non-finite losses are refused before it is asked.

use crate::{Assessment, Observation, Prediction, Settings};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Menndl {
    patience: f64,
}

impl Menndl {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { patience: settings.patience }
    }

    pub(crate) fn assess(self, curve: &[Observation]) -> Assessment {
        let last = curve[curve.len() - 1];
        let prediction = Prediction::point(last.val_acc);
        let mut best: Option<(f64, f64)> = None;
        for o in curve {
            let Some(loss) = o.train_loss else {
                let reason = format!("no training loss at epoch {}: this engine cannot stop", o.epoch);
                return Assessment::train_on(Some(prediction), reason);
            };
            if best.is_none_or(|(_, lowest)| loss < lowest) {
                best = Some((o.epoch, loss));
            }
        }
        let (epoch, loss) = best.unwrap_or((last.epoch, f64::INFINITY));
        let reason = format!("lowest training loss {loss:.4} at epoch {epoch}");
        if last.epoch - epoch >= self.patience {
            Assessment::stop(prediction, format!("{reason}, {} epochs ago", last.epoch - epoch))
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
    fn it_stops_when_the_training_loss_stands_still() {
        let table: [(&[Option<f64>], Decision, &str); 5] = [
            (&[Some(2.0), Some(1.0), Some(1.0), Some(1.5)], Decision::Stop, "two epochs without improvement"),
            (&[Some(2.0), Some(1.0), Some(1.0)], Decision::Continue, "one epoch"),
            (&[Some(2.0), Some(1.0), Some(1.5), Some(0.9)], Decision::Continue, "improved at last"),
            (&[Some(2.0), None, Some(2.0), Some(2.0)], Decision::Continue, "a loss is missing"),
            (&[Some(2.0), Some(2.0), Some(2.0)], Decision::Stop, "equal is no improvement"),
        ];
        let settings = Settings { engine: EngineName::Menndl, patience: 2.0, ..Settings::default() };
        for (losses, expected, why) in table {
            let point = |(i, &train_loss): (usize, &Option<f64>)| Observation {
                train_loss,
                ..Observation::new(i as f64 + 1.0, 30.0)
            };
            let curve: Vec<_> = losses.iter().enumerate().map(point).collect();
            assert_eq!(Menndl::new(&settings).assess(&curve).decision, expected, "{why}");
        }
    }
}
