//! One training of one job by a program.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use domain::Owner;
use runner::{Advance, Interrupt, Measurement, TrainError, Trainer};
use tracing::{debug, warn};

use crate::{
    checkpoint::{self, PackError},
    failure::{Failure, excerpt},
    patience::Keep,
    program::{Leave, Program, Recipe},
    protocol::{Answer, Job, Observation, Order, VERSION},
};

/// A program at work on a job.
#[derive(Debug)]
pub struct Session {
    pub recipe: Recipe,
    pub program: Program,
    pub job: Job,
    /// Its working directory.
    pub directory: PathBuf,
    pub keep: Keep,
    /// Intervals that are stored already, but whose training has to be repeated as the program writes no checkpoints.
    pub to_repeat: u32,
    /// Intervals reported.
    pub steps: u32,
    pub greeted: bool,
    /// Whether the program trains: it was not told to stop while it waited for an answer.
    pub training: bool,
    pub failed: bool,
    /// Set when a signal asks the worker to leave, and perhaps the program with it.
    pub leaving: Arc<AtomicBool>,
    /// What the newest observation named.
    pub checkpoint: Option<PathBuf>,
}

impl Session {
    fn advance_one(&mut self, interrupt: &Interrupt) -> Result<Advance, Failure> {
        loop {
            let start = Instant::now();
            if !self.begin(interrupt)? {
                return Ok(Advance::Interrupted);
            }
            self.training = true;
            let Some(answer) = self.program.receive(self.recipe.timeout, || interrupt.is_set())? else {
                return Ok(Advance::Interrupted);
            };
            let observation = Self::observation(answer)?;
            self.training = false;
            self.steps += 1;
            let seconds = observation.seconds.unwrap_or_else(|| start.elapsed().as_secs_f64());
            let measurement = self.check(&observation, seconds)?;
            self.checkpoint = self.existing(&observation)?;
            if self.steps > self.to_repeat {
                return Ok(Advance::Measured(measurement));
            }
            debug!(job.id = self.job.job, "job {}: epoch {} again", self.job.job, observation.epoch);
        }
    }

    /// Greets a new program, or lets it go on; false if that was interrupted.
    fn begin(&mut self, interrupt: &Interrupt) -> Result<bool, Failure> {
        if self.greeted {
            self.program.has_waited()?;
            self.program.send(Order::Continue);
            return Ok(true);
        }
        match self.program.receive(self.recipe.timeout, || interrupt.is_set())? {
            None => return Ok(false),
            Some(Answer::Hello { protocol: VERSION }) => {}
            Some(Answer::Hello { protocol: found }) => return Err(Failure::Version { found }),
            Some(other) => return Err(told(other).unwrap_or_else(|line| Failure::NoHello { line })),
        }
        self.greeted = true;
        self.program.send(Order::Job(Box::new(self.job.clone())));
        Ok(true)
    }

    fn observation(answer: Answer) -> Result<Observation, Failure> {
        match answer {
            Answer::Observation(observation) => Ok(*observation),
            other => Err(told(other).unwrap_or_else(|line| Failure::OutOfTurn { line })),
        }
    }

    fn check(&self, observation: &Observation, seconds: f64) -> Result<Measurement, Failure> {
        let Observation { epoch, val_acc, train_acc, val_loss, train_loss, .. } = *observation;
        let expected = self.epoch();
        if (epoch - expected).abs() > 1e-6 * self.job.interval || epoch.is_nan() {
            return Err(Failure::Order { found: epoch, expected });
        }
        for (key, loss) in [("val_loss", val_loss), ("train_loss", train_loss)] {
            if let Some(loss) = loss.filter(|loss| !loss.is_finite()) {
                return Err(Failure::Diverged(format!("{key} is {loss} at epoch {epoch}")));
            }
        }
        for (key, accuracy) in [("val_acc", Some(val_acc)), ("train_acc", train_acc)] {
            if let Some(found) = accuracy.filter(|accuracy| !(0.0..=100.0).contains(accuracy)) {
                return Err(Failure::Value { epoch, key, found, expected: "per cent, from 0 to 100" });
            }
        }
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(Failure::Value { epoch, key: "seconds", found: seconds, expected: "0 or more" });
        }
        Ok(Measurement { val_acc, train_acc, val_loss, train_loss, seconds })
    }

    /// Epochs that the newest observation must have behind it.
    fn epoch(&self) -> f64 {
        f64::from(self.steps).mul_add(self.job.interval, self.job.start_epoch)
    }

    /// The checkpoint that an observation names; a relative path is in the working directory.
    fn existing(&self, observation: &Observation) -> Result<Option<PathBuf>, Failure> {
        let Some(path) = observation.checkpoint.as_ref().map(|path| self.directory.join(path)) else {
            return Ok(None);
        };
        match checkpoint::metadata(&path) {
            Ok(_) => Ok(Some(path)),
            Err(source) => Err(Failure::Checkpoint { epoch: observation.epoch, path, source }),
        }
    }

    fn last_lines(&self) -> Vec<String> {
        self.program.record().last_lines()
    }
}

/// What a program says of its own failure; the line itself if it says something else.
pub fn told(answer: Answer) -> Result<Failure, String> {
    match answer {
        Answer::Failed { message, retry, fault } => {
            let owner = match retry {
                _ if fault == "host" => Owner::Host,
                true => Owner::Unknown,
                false => Owner::Job,
            };
            Ok(Failure::Told { message, owner })
        }
        Answer::Diverged { message } => Ok(Failure::Diverged(message)),
        other => Err(excerpt(&format!("{other:?}"))),
    }
}

impl Trainer for Session {
    fn advance(&mut self, interrupt: &Interrupt) -> Result<Advance, TrainError> {
        self.advance_one(interrupt).map_err(|failure| {
            if matches!(failure, Failure::Hung(_)) {
                self.program.leave("it hung", std::time::Duration::ZERO);
            } else {
                // What it wrote last may still be on its way; it gets the time to end by itself.
                self.program.leave("it failed", self.recipe.stop_grace);
            }
            let failure = failure.in_light_of(self.greeted, self.leaving.load(Ordering::Relaxed));
            self.failed = !matches!(failure, Failure::Signalled(_));
            failure.with(&self.last_lines())
        })
    }

    fn save(&self, into: &Path) -> Result<(), TrainError> {
        let named = self.checkpoint.as_deref();
        let packed = match &self.recipe.user {
            Some(user) => user.pack(named, into),
            None => checkpoint::pack(named, into),
        };
        packed.map_err(|error| {
            let failure = match error {
                PackError::Read { path, source } => Failure::Checkpoint { epoch: self.epoch(), path, source },
                PackError::Write(source) => Failure::File { path: into.to_owned(), source },
            };
            failure.with(&self.last_lines())
        })
    }

    fn is_resumable(&self) -> bool {
        self.checkpoint.is_some()
    }

    fn waits_for_decision(&self) -> bool {
        true
    }

    fn end(&mut self, reason: &str) {
        // In the middle of an interval nobody reads the line: the signal follows at once.
        let grace = if self.training { std::time::Duration::ZERO } else { self.recipe.stop_grace };
        let job = self.job.job;
        match self.program.leave(reason, grace) {
            Leave::Itself(status) if status.success() => {}
            Leave::Itself(status) => {
                warn!(job.id = job, "job {job}: told to stop, the program ended with {status}");
            }
            Leave::Terminated if self.training => {}
            Leave::Terminated => {
                warn!(job.id = job, "job {job}: the program ignored `stop` and was terminated");
            }
            Leave::Killed => warn!(job.id = job, "job {job}: the program ignored SIGTERM and was killed"),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // No file may come back after the directory has gone.
        self.program.leave("the session is over", std::time::Duration::ZERO);
        let keep = self.keep == Keep::Always || self.keep == Keep::Failed && self.failed;
        if !keep && let Err(error) = fs::remove_dir_all(&self.directory) {
            warn!("cannot remove `{}`: {error}", self.directory.display());
        }
    }
}
