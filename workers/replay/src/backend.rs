//! Sessions that only wait and look up their curve.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use runner::{Advance, Backend, Interrupt, Measurement, Order, TrainError, Trainer};
use serde::{Deserialize, Serialize};

use crate::curves::{Point, Source};

/// Opens replays.
pub struct Replay {
    source: Arc<Source>,
    epoch_seconds: f64,
}

impl Replay {
    pub fn new(source: Arc<Source>, epoch_seconds: f64) -> Self {
        Self { source, epoch_seconds }
    }
}

impl Backend for Replay {
    fn device(&self) -> String {
        "replay".to_owned()
    }

    fn open(&mut self, order: &Order, resume: Option<&Path>) -> Result<Box<dyn Trainer>, TrainError> {
        let state = match resume {
            None => State { genome: order.genome.clone(), seed: order.seed, step: 0 },
            Some(file) => read(file)?,
        };
        if (&state.genome, state.seed) != (&order.genome, order.seed) {
            return Err(TrainError::Checkpoint("the checkpoint is of another job".to_owned()));
        }
        let interval = order.spec.budget.interval;
        Ok(Box::new(Session {
            source: Arc::clone(&self.source),
            interval,
            epoch_seconds: self.epoch_seconds,
            state,
        }))
    }
}

/// All that a replay depends on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    genome: serde_json::Value,
    seed: i64,
    step: u32,
}

struct Session {
    source: Arc<Source>,
    interval: f64,
    epoch_seconds: f64,
    state: State,
}

impl Trainer for Session {
    fn advance(&mut self, interrupt: &Interrupt) -> Result<Advance, TrainError> {
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.epoch_seconds * self.interval);
        while Instant::now() < end {
            if interrupt.is_set() {
                return Ok(Advance::Interrupted);
            }
            std::thread::sleep((end - Instant::now()).min(Duration::from_millis(20)));
        }
        self.state.step += 1;
        let epoch = f64::from(self.state.step) * self.interval;
        let Point { val_acc, train_acc } = self.source.point(&self.state.genome, self.state.seed, epoch);
        let seconds = start.elapsed().as_secs_f64();
        Ok(Advance::Measured(Measurement { val_acc, train_acc, val_loss: None, train_loss: None, seconds }))
    }

    fn save(&self, into: &Path) -> Result<(), TrainError> {
        let text = serde_json::to_vec(&self.state).expect("the state has only strings as keys");
        fs::write(into, text)
            .map_err(|error| TrainError::Host(format!("cannot write `{}`: {error}", into.display())))
    }
}

fn read(file: &Path) -> Result<State, TrainError> {
    let bytes = fs::read(file)
        .map_err(|error| TrainError::Host(format!("cannot read `{}`: {error}", file.display())))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        TrainError::Checkpoint(format!("`{}` is no checkpoint of a replay: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use domain::{Fence, JobId};
    use search::Spec;

    use super::*;
    use crate::curves;

    #[test]
    fn each_error_says_whose_it_is() {
        let spec = "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\n\
                    kind = \"random\"\n[budget]\njobs = 1\nmax_epochs = 2\n";
        let spec = Spec::parse(spec, "test").unwrap();
        let genome = search::first_jobs(&spec, vec![]).unwrap().remove(0).genome;
        let order =
            Order { job_id: JobId(1), fence: Fence(1), seed: 1, genome, spec: spec.into(), steps_done: 0 };
        let mut replay = Replay::new(Arc::new(curves::Source::MadeUp), 0.0);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("checkpoint");

        let session = replay.open(&order, None).unwrap();
        let written = session.save(&dir.path().join("nowhere/checkpoint")).err();
        assert!(matches!(written, Some(TrainError::Host(_))), "{written:?}");
        session.save(&file).unwrap();
        assert!(replay.open(&order, Some(&file)).is_ok());

        let absent = replay.open(&order, Some(&dir.path().join("absent"))).err();
        assert!(matches!(absent, Some(TrainError::Host(_))), "{absent:?}");
        let another = replay.open(&Order { seed: 2, ..order.clone() }, Some(&file)).err();
        assert!(matches!(another, Some(TrainError::Checkpoint(_))), "{another:?}");
        fs::write(&file, "{").unwrap();
        let damaged = replay.open(&order, Some(&file)).err();
        assert!(matches!(damaged, Some(TrainError::Checkpoint(_))), "{damaged:?}");
    }
}
