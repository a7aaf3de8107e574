//! The recorder: makes an interval durable and has it judged while the next one trains.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use checkpoint::CheckpointError;
use crossbeam_channel::{Receiver, Sender};
use diesel::{PgConnection, QueryResult, RunQueryDsl as _, sql_query};
use domain::{OnceAMinute, chain};
use predictor::Assessment;
use search::{Judge, JudgeError};
use store::{
    Claim,
    curve::{self, Decision, NewCheckpoint, Observation, Recorded},
    job::JobMode,
};
use tracing::{info, warn};

use crate::{
    Measurement, Reason,
    attempt::{Ending, Terms, store_failure},
    hold::Hold,
};

/// An interval that was trained: what it measured, and the session saved behind it.
pub struct Interval {
    pub step: i32,
    pub measurement: Measurement,
    pub saved: PathBuf,
    /// Closes when the interval has been judged.
    pub _judged: Sender<()>,
}

/// Why an interval was not recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the predictor cannot judge the curve")]
    Judge(#[from] JudgeError),
    #[error("the predictor cannot judge the curve: {0}")]
    Curve(#[from] predictor::CurveError),
    #[error("the database does not take the observation")]
    Query(#[from] diesel::result::Error),
    #[error("the database is silent")]
    Silent,
}

/// Records the intervals of one attempt, in order.
pub struct Recorder<'a> {
    pub terms: &'a Terms<'a>,
    pub claim: &'a Claim,
    pub hold: &'a Hold,
    pub conn: &'a mut PgConnection,
    pub judge: &'a mut Judge,
    /// The stored curve; those of its points that the session trains again are kept as they were decided.
    pub points: Vec<Observation>,
}

impl Recorder<'_> {
    /// Records what comes until the channel closes or the attempt is decided, and says how it ends; `None`: nothing
    /// was decided, the caller knows.
    pub fn run(mut self, intervals: &Receiver<Interval>) -> Option<Ending> {
        while let Ok(interval) = intervals.recv() {
            let ending = match self.record(&interval) {
                Ok(ending) => ending,
                Err(RecordError::Silent) => Some(Ending::Silent),
                // The worker leaves, and the interval cannot be recorded: it is trained again elsewhere.
                Err(_) if self.hold.interrupt.reason() == Some(Reason::Grace) => Some(Ending::Released),
                Err(RecordError::Checkpoint(error)) => Some(store_failure(self.terms, self.hold, &error)),
                Err(error) => Some(Ending::Retry(chain(&error))),
            };
            if let Some(ending) = ending {
                // Set before `interval` goes, which tells a waiting session to look.
                let reason = if matches!(ending, Ending::Lost) { Reason::Lost } else { Reason::Decided };
                self.hold.interrupt.set(reason);
                return Some(ending);
            }
        }
        None
    }

    fn record(&mut self, interval: &Interval) -> Result<Option<Ending>, RecordError> {
        let step = interval.step;
        let checkpoint = self.make_durable(interval)?;
        let before = (step - 1) as usize;
        let stored = self.points.get(before).filter(|point| point.decision.is_some()).cloned();
        self.points.truncate(before);
        let point = match stored {
            Some(point) => point,
            None => self.judged(step, &interval.measurement)?,
        };
        let recorded = self.persist(&point, &checkpoint)?;
        self.log(&point);
        self.points.push(point.clone());
        let Some(Recorded { cancel }) = recorded else {
            return Ok(Some(Ending::Lost));
        };
        self.terms.metrics.observed(self.terms.spec.budget.interval, interval.measurement.seconds);
        self.prune(step)?;
        if cancel {
            return Ok(Some(Ending::Finished(store::job::Outcome::Cancelled, None)));
        }
        let ending = verdict(&point, self.claim, self.terms.steps);
        let stopped = matches!(ending, Some(Ending::Finished(store::job::Outcome::Terminated, _)));
        if stopped && !self.claim.is_resumed() {
            let left = self.terms.steps.saturating_sub(step as u32);
            self.terms.metrics.epochs_saved.inc_by(f64::from(left) * self.terms.spec.budget.interval);
        }
        Ok(ending)
    }

    /// Writes the checkpoint, trying again while the store refuses: a full disk is emptied by a person, and a training
    /// that waits for that loses nothing. Gives up before the wait could be taken for a training that hangs.
    fn make_durable(&self, interval: &Interval) -> Result<NewCheckpoint, CheckpointError> {
        let (start, patience) = (Instant::now(), self.terms.options.hang_after / 2);
        let mut pause = Duration::from_millis(500);
        let mut said = OnceAMinute::default();
        loop {
            let search = domain::SearchId(self.claim.search_id);
            let lease = domain::Lease {
                job_id: domain::JobId(self.claim.job_id),
                fence: domain::Fence(self.claim.fence),
                worker_id: self.terms.worker_id,
            };
            let store = self.terms.checkpoints;
            let abandoned = || self.hold.interrupt.is_set();
            let error = match store.put(search, lease, interval.step, &interval.saved, &abandoned) {
                Ok(domain::NewCheckpoint { uri, bytes, sha256, .. }) => {
                    return Ok(NewCheckpoint { uri, bytes, sha256 });
                }
                Err(error) => error,
            };
            if start.elapsed() + pause > patience || self.hold.interrupt.is_set() {
                return Err(error);
            }
            if said.is_due() {
                let job = self.claim.job_id;
                warn!(job.id = job, "job {job}: {}; the training waits, trying again", chain(&error));
            }
            self.hold.interrupt.wait(pause);
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }

    fn judged(&mut self, step: i32, measured: &Measurement) -> Result<Observation, RecordError> {
        let mut point = Observation {
            step,
            epoch: f64::from(step) * self.terms.spec.budget.interval,
            val_acc: measured.val_acc,
            train_acc: measured.train_acc,
            val_loss: measured.val_loss,
            train_loss: measured.train_loss,
            seconds: Some(measured.seconds),
            ..Observation::default()
        };
        self.refresh_judge()?;
        let mut curve = search::curve_of(&self.points);
        curve.extend(search::curve_of(std::slice::from_ref(&point)));
        let Assessment { prediction, decision, reason } = self.judge.assess(&curve, self.claim.flops)?;
        point.calibration = Some(self.judge.seen());
        point.decision = Some(match decision {
            predictor::Decision::Continue => Decision::Continue,
            predictor::Decision::Stop => Decision::Stop,
        });
        point.reason = Some(reason);
        point.prediction = prediction.map(|p| p.fitness);
        (point.low_80, point.high_80) = prediction.and_then(|p| p.interval_80).unzip();
        (point.low_90, point.high_90) = prediction.and_then(|p| p.interval_90).unzip();
        Ok(point)
    }

    fn refresh_judge(&mut self) -> Result<(), RecordError> {
        loop {
            match self.judge.refresh(self.conn) {
                Ok(()) => return Ok(()),
                Err(error) if is_alive(self.conn) => return Err(error.into()),
                Err(error) => self.reconnect(&error)?,
            }
        }
    }

    /// Writes under the fence, over as many connections as it takes: the same write twice is one row.
    fn persist(
        &mut self,
        point: &Observation,
        checkpoint: &NewCheckpoint,
    ) -> Result<Option<Recorded>, RecordError> {
        loop {
            let at = Instant::now();
            let lease = self.claim.lease();
            match curve::record(self.conn, lease, point, Some(checkpoint)) {
                Ok(recorded) => {
                    self.terms.metrics.record_seconds.observe(at.elapsed().as_secs_f64());
                    return Ok(recorded);
                }
                Err(error) if is_alive(self.conn) => return Err(error.into()),
                Err(error) => self.reconnect(&error)?,
            }
        }
    }

    fn reconnect(&mut self, error: &dyn std::error::Error) -> Result<(), RecordError> {
        warn!(
            job.id = self.claim.job_id,
            "job {}: the database went away ({error}); reconnecting", self.claim.job_id
        );
        let mut pause = Duration::from_millis(50);
        loop {
            if self.hold.interrupt.reason() >= Some(Reason::Silent) {
                return Err(RecordError::Silent);
            }
            if let Ok(conn) = self.terms.database.connect() {
                *self.conn = conn;
                return Ok(());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Keeps the last two checkpoints. A row goes before its object, so that no row ever points to nothing.
    fn prune(&mut self, step: i32) -> QueryResult<()> {
        for uri in store::checkpoint::prune(self.conn, self.claim.lease(), step - 1)? {
            let pruned = domain::Checkpoint { step: 0, key: None, uri, bytes: 0, sha256: String::new() };
            if let Err(error) = self.terms.checkpoints.delete(&pruned) {
                warn!("{error}");
            }
        }
        Ok(())
    }

    fn log(&self, point: &Observation) {
        let job = self.claim.job_id;
        let Observation { step, epoch, val_acc, .. } = *point;
        let predicted =
            point.prediction.map_or_else(String::new, |fitness| format!(", predicted {fitness:.2} %"));
        let why = match (point.decision, &point.reason) {
            (Some(Decision::Stop), Some(reason)) => format!("; stop: {reason}"),
            _ => String::new(),
        };
        info!(job.id = job, step, val_acc, "job {job}: epoch {epoch:.1}, {val_acc:.2} %{predicted}{why}");
    }
}

/// How a job ends by what was decided at its newest point, if it does. One resumed for an interval ends with it, whatever
/// is decided.
pub fn verdict(point: &Observation, claim: &Claim, steps: u32) -> Option<Ending> {
    if point.step as u32 >= steps {
        return Some(Ending::Finished(store::job::Outcome::Completed, None));
    }
    let stop = match claim.thaw_until {
        Some(last) => point.step >= last,
        None => point.decision == Some(Decision::Stop) && claim.mode == JobMode::Terminate,
    };
    stop.then_some(Ending::Finished(store::job::Outcome::Terminated, None))
}

/// Whether an error was the statement's fault and not the connection's.
pub fn is_alive(conn: &mut PgConnection) -> bool {
    sql_query("SELECT 1").execute(conn).is_ok()
}
