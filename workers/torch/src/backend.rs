//! Sessions of crate `trainer`, as the runner wants them.

use std::path::Path;

use data::DataSpec;
use domain::{Owner, chain};
use genome::Genome;
use runner::{Advance, Backend, Interrupt, Measurement, Order, TrainError, Trainer};
use tracing::{info, warn};
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
        let split = spec.load().map_err(|error| owned(error.owner(), chain(&error)))?;
        let (set, images) = (spec.set.as_str(), split.train.len());
        info!("{set}: {images} images to train on, {} to validate on", split.validation.len());
        for warning in &split.warnings {
            warn!("{set}: {warning}");
        }
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
        // It was checked when it was submitted or proposed: whoever did that knew more than this worker does.
        let genome: Genome = serde_json::from_value(order.genome.clone()).map_err(|error| {
            let version = env!("CARGO_PKG_VERSION");
            TrainError::Host(format!("peng-worker {version} does not understand the genome: {error}"))
        })?;
        if let Genome::External(_) = genome {
            let kind = genome.space();
            let why = format!("peng-worker does not train networks of space {kind}, peng-exec-worker does");
            return Err(TrainError::Unsupported(why));
        }
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
        trainer::TrainError::DeviceLost { .. } => TrainError::DeviceLost(text),
        trainer::TrainError::Checkpoint { .. } => TrainError::Checkpoint(text),
        error => owned(error.owner(), text),
    }
}

fn owned(owner: Owner, text: String) -> TrainError {
    match owner {
        Owner::Job => TrainError::Job(text),
        Owner::Host => TrainError::Host(text),
        Owner::Unknown => TrainError::Unknown(text),
    }
}

#[cfg(test)]
mod tests {
    use search::Spec;

    use super::*;

    /// A small search on the digits, with a line of it changed.
    fn order(change: (&str, &str)) -> Order {
        let spec = "name = \"s\"\n[data]\nset = \"digits\"\ntrain = 100\nvalidation = 50\n[space]\n\
                    kind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n[budget]\njobs = 1\nmax_epochs = 2\n";
        let spec = Spec::parse(&spec.replace(change.0, change.1), "test").unwrap();
        let genome = search::first_jobs(&spec, vec![]).unwrap().remove(0).genome;
        Order {
            job_id: domain::JobId(1),
            fence: domain::Fence(1),
            seed: 1,
            genome,
            spec: spec.into(),
            steps_done: 0,
        }
    }

    fn open(order: &Order, resume: Option<&Path>) -> Result<Box<dyn Trainer>, TrainError> {
        Torch::new(Device::CPU, 1).open(order, resume)
    }

    #[test]
    fn each_session_trains_with_the_threads_of_its_backend() {
        let order = order(("", ""));
        for threads in [1, 2, 1] {
            let mut session = Torch::new(Device::CPU, threads).open(&order, None).unwrap();
            session.advance(&Interrupt::default()).unwrap();
            assert_eq!(trainer::threads(), i32::from(threads));
        }
    }

    #[test]
    fn data_that_are_not_here_are_the_hosts_fault() {
        let nowhere = "\"image-folder\"\npath = \"/nowhere\"\nsize = 8\nchannels = 1\nclasses = 2";
        let error = open(&order(("\"digits\"", nowhere)), None).err();
        let Some(TrainError::Host(text)) = error else { panic!("{error:?}") };
        assert!(text.starts_with("no `train` of data set image-folder in `/nowhere`"), "{text}");
    }

    #[test]
    fn a_genome_is_the_jobs_fault_unless_another_program_trains_it() {
        let job = |genome: serde_json::Value| open(&Order { genome, ..order(("", "")) }, None).err();
        let impossible = job(serde_json::json!({"space": "metaqnn", "net": "[C(64,3,1), SM(3)]"}));
        assert!(matches!(impossible, Some(TrainError::Job(_))), "{impossible:?}");
        let foreign =
            job(serde_json::json!({"space": "external", "description": {}, "parameters": 0, "flops": 0}));
        let Some(TrainError::Unsupported(why)) = foreign else { panic!("{foreign:?}") };
        assert_eq!(why, "peng-worker does not train networks of space external, peng-exec-worker does");
        let newer = job(serde_json::json!({"space": "of-tomorrow"}));
        assert!(matches!(newer, Some(TrainError::Host(_))), "{newer:?}");
    }

    #[test]
    fn a_checkpoint_that_is_of_no_use_is_told_from_a_file_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("checkpoint");
        let absent = open(&order(("", "")), Some(&file)).err();
        assert!(matches!(absent, Some(TrainError::Host(_))), "{absent:?}");
        std::fs::write(&file, "no weights").unwrap();
        let damaged = open(&order(("", "")), Some(&file)).err();
        assert!(matches!(damaged, Some(TrainError::Checkpoint(_))), "{damaged:?}");
        let session = open(&order(("", "")), None).unwrap();
        let written = session.save(&dir.path().join("nowhere/checkpoint")).err();
        assert!(matches!(written, Some(TrainError::Host(_))), "{written:?}");
    }

    #[test]
    fn errors_that_no_processor_has_keep_their_meaning() {
        let (device, reason) = ("cuda:0".to_owned(), "r".to_owned());
        let lost =
            failure(trainer::TrainError::DeviceLost { device: device.clone(), reason: reason.clone() });
        assert!(matches!(lost, TrainError::DeviceLost(_)), "{lost:?}");
        let absent =
            failure(trainer::TrainError::NoDevice { device: device.clone(), reason: reason.clone() });
        assert!(matches!(absent, TrainError::Host(_)), "{absent:?}");
        let full = failure(trainer::TrainError::OutOfMemory { device, reason });
        assert!(matches!(full, TrainError::Unknown(_)), "{full:?}");
    }
}
