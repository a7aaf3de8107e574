//! What trains: a session of one job, and the backend that opens sessions.

use std::{path::Path, sync::Arc};

use domain::{Fence, JobId};
use search::Spec;

use crate::Interrupt;

/// One training session of one job. Dropping it frees the device.
pub trait Trainer {
    /// Trains for one evaluation interval, then validates. Returns early, with the session unusable, once `interrupt`
    /// is set: what it had done of the interval is lost.
    ///
    /// # Errors
    /// [`TrainError`]; the session is unusable afterwards.
    fn advance(&mut self, interrupt: &Interrupt) -> Result<Advance, TrainError>;

    /// Writes all that `advance` depends on into a new file: weights, optimiser, schedule, random numbers, position in
    /// the data order. A session opened from it goes on bit for bit as this one would.
    ///
    /// # Errors
    /// [`TrainError`] if the file cannot be written; the session stays usable.
    fn save(&self, into: &Path) -> Result<(), TrainError>;

    /// Whether a session can go on from what was saved last. A program that names no checkpoint begins anew instead, and is never
    /// set aside.
    fn is_resumable(&self) -> bool {
        true
    }

    /// Whether the next interval begins only when the last one has been judged. A session that looks at its interrupt
    /// between batches need not wait; a program that nobody can interrupt should.
    fn waits_for_decision(&self) -> bool {
        false
    }

    /// The attempt has ended and nothing more is asked of the session; `reason` says why, in words.
    fn end(&mut self, reason: &str) {
        let _ = reason;
    }
}

/// Opens sessions on a device.
pub trait Backend {
    /// What it trains on, for people: `cpu`, `cuda:0`.
    fn device(&self) -> String;

    /// Begins a job, or goes on with it from a checkpoint.
    ///
    /// # Errors
    /// [`TrainError`], by who has to answer for it: [`TrainError::Job`] for a genome that cannot be built, [`TrainError::Host`]
    /// for data that are not there, [`TrainError::Checkpoint`] for a checkpoint that is of no use.
    fn open(&mut self, order: &Order, resume: Option<&Path>) -> Result<Box<dyn Trainer>, TrainError>;
}

/// What to train.
#[derive(Debug, Clone)]
pub struct Order {
    /// The job.
    pub job_id: JobId,
    /// Fence of the attempt.
    pub fence: Fence,
    /// Seed of weights, data order and augmentation.
    pub seed: i64,
    /// The genome, as stored.
    pub genome: serde_json::Value,
    /// The search's specification.
    pub spec: Arc<Spec>,
    /// Evaluation intervals that the checkpoint to resume from has behind it; 0 for a new session.
    pub steps_done: u32,
}

/// What became of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advance {
    /// It was trained and validated.
    Measured(Measurement),
    /// It was abandoned.
    Interrupted,
}

/// Accuracies in per cent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Validation accuracy.
    pub val_acc: f64,
    /// Training accuracy over the interval.
    pub train_acc: Option<f64>,
    /// Mean validation loss.
    pub val_loss: Option<f64>,
    /// Mean training loss over the interval.
    pub train_loss: Option<f64>,
    /// Seconds that training and validating took.
    pub seconds: f64,
}

/// Why a session ended without its interval, by who has to answer for it. Each holds a text for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// The loss or a weight is not finite: an outcome, not a failure.
    #[error("diverged: {0}")]
    Diverged(String),
    /// The job's own doing, the same on every host: a genome that cannot be built, a program that breaks the protocol. The
    /// job is failed at once.
    #[error("{0}")]
    Job(String),
    /// Networks of this kind are not for this backend, wherever it runs: all jobs of the search are left to other workers.
    #[error("{0}")]
    Unsupported(String),
    /// This host's doing: data, program, interpreter, scratch directory, permissions, libtorch. The job goes back unharmed, and
    /// this worker steps aside.
    #[error("{0}")]
    Host(String),
    /// The device is lost for as long as this process lives. As [`Self::Host`], and the process ends.
    #[error("{0}")]
    DeviceLost(String),
    /// The training was ended from outside by a signal that asks to leave, as a supervisor sends it to a whole group of
    /// processes. No fault where this worker leaves, too.
    #[error("{0}")]
    Signalled(String),
    /// The checkpoint's: it is damaged, or of another format or job. The one before it may be whole.
    #[error("{0}")]
    Checkpoint(String),
    /// Nobody knows whose: out of memory, a crash, a hang. Tried again, and counted.
    #[error("{0}")]
    Unknown(String),
}
