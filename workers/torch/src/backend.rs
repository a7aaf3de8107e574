//! Sessions of crate `trainer`, as the runner wants them.

use std::path::Path;

use data::DataSpec;
use domain::chain;
use genome::Genome;
use runner::{Advance, Backend, Interrupt, Measurement, Order, TrainError, Trainer};
use tracing::info;
use trainer::{Device, DeviceData, Session};

/// Opens sessions on one device. The data set of the last search stays on it.
pub struct Torch {
    device: Device,
    threads: u16,
    data: Option<(DataSpec, DeviceData)>,
}

impl Torch {
    pub fn new(device: Device, threads: u16) -> Self {
        Self { device, threads, data: None }
    }

    fn data(&mut self, spec: &DataSpec) -> Result<DeviceData, TrainError> {
        if let Some((_, data)) = self.data.as_ref().filter(|(loaded, _)| loaded == spec) {
            return Ok(data.clone());
        }
        self.data = None; // The old set's memory is free before the new one needs it.
        let split = spec.load().map_err(|error| {
            let text = chain(&error);
            if error.is_retryable() { TrainError::Unknown(text) } else { TrainError::Host(text) }
        })?;
        let (set, images) = (spec.set.as_str(), split.train.len());
        info!("{set}: {images} images to train on, {} to validate on", split.validation.len());
        let data = DeviceData::new(&split, self.device).map_err(failure)?;
        self.data = Some((spec.clone(), data.clone()));
        Ok(data)
    }
}

impl Backend for Torch {
    fn device(&self) -> String {
        self.device.to_string()
    }

    fn open(&mut self, order: &Order, resume: Option<&Path>) -> Result<Box<dyn Trainer>, TrainError> {
        // libtorch holds the number of threads for each thread that uses it: this is the one that trains.
        trainer::set_threads(self.threads);
        let genome: Genome = serde_json::from_value(order.genome.clone())
            .map_err(|error| TrainError::Job(format!("the genome is not understood: {error}")))?;
        let data = self.data(&order.spec.data)?;
        let job = trainer::Job {
            genome: &genome,
            recipe: &order.spec.training,
            seed: order.seed as u64,
            max_epochs: order.spec.budget.max_epochs,
            interval: order.spec.budget.interval,
        };
        let session = match resume {
            None => Session::start(&job, data),
            Some(checkpoint) => Session::resume(&job, data, checkpoint),
        };
        Ok(Box::new(Training(session.map_err(failure)?)))
    }
}

struct Training(Session);

impl Trainer for Training {
    fn advance(&mut self, interrupt: &Interrupt) -> Result<Advance, TrainError> {
        let measured = match self.0.advance(interrupt.flag()).map_err(failure)? {
            trainer::Advance::Interrupted => return Ok(Advance::Interrupted),
            trainer::Advance::Measured(measured) => measured,
        };
        Ok(Advance::Measured(Measurement {
            val_acc: measured.val_acc,
            train_acc: Some(measured.train_acc),
            val_loss: Some(measured.val_loss),
            train_loss: Some(measured.train_loss),
            seconds: measured.seconds,
        }))
    }

    fn save(&self, into: &Path) -> Result<(), TrainError> {
        self.0.save(into).map_err(failure)
    }
}

fn failure(error: trainer::TrainError) -> TrainError {
    let text = chain(&error);
    match error {
        trainer::TrainError::Diverged { .. } => TrainError::Diverged(text),
        retryable if retryable.is_retryable() => TrainError::Unknown(text),
        _ => TrainError::Job(text),
    }
}

#[cfg(test)]
mod tests {
    use search::Spec;

    use super::*;

    #[test]
    fn each_session_trains_with_the_threads_of_its_backend() {
        let spec = "name = \"s\"\n[data]\nset = \"digits\"\ntrain = 100\nvalidation = 50\n[space]\n\
                    kind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n[budget]\njobs = 1\nmax_epochs = 2\n";
        let spec = Spec::parse(spec, "test").unwrap();
        let job = search::first_jobs(&spec, vec![]).unwrap().remove(0);
        let (genome, spec) = (job.genome, spec.into());
        let order = Order { job_id: 1, fence: 1, seed: 1, genome, spec, steps_done: 0 };
        for threads in [1, 2, 1] {
            let mut session = Torch::new("cpu".parse().unwrap(), threads).open(&order, None).unwrap();
            session.advance(&Interrupt::default()).unwrap();
            assert_eq!(trainer::threads(), i32::from(threads));
        }
    }
}
