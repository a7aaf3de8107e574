//! Opens sessions: a directory, a log and a process for each attempt.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use runner::{Backend, Order, TrainError, Trainer};
use tracing::info;

use crate::{
    checkpoint,
    failure::Failure,
    guard::Guard,
    patience::Keep,
    program::{Program, Recipe},
    protocol::{Job, VERSION},
    record::Record,
    session::Session,
    user::User,
};

/// One slot of the worker.
#[derive(Debug, Clone)]
pub struct Exec {
    pub recipe: Recipe,
    pub guard: Guard,
    /// Holds a directory for each job.
    pub jobs: PathBuf,
    pub keep: Keep,
    /// Largest log of an attempt, in bytes.
    pub log_limit: u64,
    pub slot: u16,
    /// `CUDA_VISIBLE_DEVICES` of its programs.
    pub device: Option<String>,
    /// Set when a signal asks the worker to leave.
    pub leaving: Arc<AtomicBool>,
}

impl Exec {
    pub fn begin(&self, order: &Order, resume: Option<&Path>) -> Result<Session, Failure> {
        let job = self.jobs.join(format!("job-{}", order.job_id));
        let directory = job.join(format!("attempt-{}", order.fence));
        let checkpoints = directory.join("checkpoints");
        let file = |path: &Path, source| Failure::File { path: path.to_owned(), source };
        // Left over only if the database was restored from an older state.
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(&directory, error)),
            _ => {}
        }
        fs::create_dir_all(&checkpoints).map_err(|error| file(&checkpoints, error))?;
        let resumed = match resume {
            None => None,
            Some(saved) => {
                let resume = |source| Failure::Resume { path: saved.to_owned(), source };
                checkpoint::unpack(saved, &directory.join("resume")).map_err(resume)?
            }
        };
        if let Some(user) = &self.recipe.user {
            let given = User::admit(&job).and_then(|()| user.own(&directory));
            given.map_err(|error| file(&directory, error))?;
        }
        let to_repeat = if resumed.is_none() { order.steps_done } else { 0 };
        let done = order.steps_done - to_repeat;
        let log = job.join(format!("attempt-{}.log", order.fence));
        let record = Record::create(&log, self.log_limit).map_err(|error| file(&log, error))?;
        info!(job.id = %order.job_id, "job {}: log in {}", order.job_id, log.display());
        let described = self.describe(order, done, resumed.as_deref(), &checkpoints);
        let environment = self.environment(order);
        let program = Program::start(&self.recipe, &self.guard, &directory, &environment, record);
        // Nothing has run that somebody could want to look into.
        let program = program.inspect_err(|_| remove(&[&directory, &log]))?;
        Ok(Session {
            recipe: self.recipe.clone(),
            program,
            job: described,
            directory,
            keep: self.keep,
            to_repeat,
            steps: 0,
            greeted: false,
            training: false,
            failed: false,
            leaving: Arc::clone(&self.leaving),
            checkpoint: None,
        })
    }

    fn describe(&self, order: &Order, done: u32, resume: Option<&Path>, checkpoints: &Path) -> Job {
        let spec = order.spec.to_json();
        Job {
            protocol: VERSION,
            job: order.job_id.0,
            attempt: order.fence.0,
            search: order.spec.name.clone(),
            seed: order.seed,
            genome: order.genome.clone(),
            data: spec["data"].clone(),
            training: spec["training"].clone(),
            epochs: order.spec.budget.max_epochs,
            interval: order.spec.budget.interval,
            start_epoch: f64::from(done) * order.spec.budget.interval,
            resume_from: resume.map(|path| path.display().to_string()),
            checkpoint_directory: checkpoints.display().to_string(),
            slot: self.slot,
        }
    }

    fn environment(&self, order: &Order) -> Vec<(String, String)> {
        let mut all = vec![
            ("PENG_PROTOCOL".to_owned(), VERSION.to_string()),
            ("PENG_JOB".to_owned(), order.job_id.to_string()),
            ("PENG_ATTEMPT".to_owned(), order.fence.to_string()),
            ("PENG_SLOT".to_owned(), self.slot.to_string()),
        ];
        all.extend(self.device.clone().map(|device| ("CUDA_VISIBLE_DEVICES".to_owned(), device)));
        all
    }
}

/// Removes what an attempt that never ran has made. What cannot be removed stays: the failure has its own error.
fn remove(paths: &[&Path]) {
    for path in paths {
        let _left = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

impl Backend for Exec {
    fn device(&self) -> String {
        self.device.as_ref().map_or_else(|| "program".to_owned(), |device| format!("cuda:{device}"))
    }

    fn open(&mut self, order: &Order, resume: Option<&Path>) -> Result<Box<dyn Trainer>, TrainError> {
        match self.begin(order, resume) {
            Ok(session) => Ok(Box::new(session)),
            Err(failure) => Err(failure.with(&[])),
        }
    }
}
