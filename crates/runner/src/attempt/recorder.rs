//! The recorder: makes an interval durable and has it judged while the next one trains.

use std::time::{Duration, Instant};

use checkpoint::CheckpointError;
use crossbeam_channel::{Receiver, Sender};
use domain::{Checkpoint, NewCheckpoint, OnceAMinute, chain};
use predictor::Prediction;
use scheduler::Verdict;
use search::LiveError;
use store::{
    DbError, Session,
    checkpoint::{self as pointers, Pruned},
    curve::{self, Decision, Observation, Recorded},
    job::Outcome,
};
use tracing::{info, warn};

use super::{AttemptContext, AttemptOutcome, scratch_file::ScratchFile, verdict};
use crate::{Measurement, StopReason};

/// Pauses between two tries to write a checkpoint: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Discarded checkpoints, of any job, that are deleted when one is discarded.
const SWEPT: i64 = 10;

/// An interval that was trained: what it measured, and the training saved behind it.
pub struct Interval {
    pub step: i32,
    pub measurement: Measurement,
    pub saved: ScratchFile,
    /// Whether the training can go on from there.
    pub resumable: bool,
    /// Closes when the interval has been judged.
    pub _judged: Sender<()>,
}

/// Why an interval was not recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the scheduler cannot judge the curve")]
    Scheduler(#[from] LiveError),
    #[error("cannot record the observation")]
    Database(#[from] DbError),
}

/// Records the intervals of one attempt, in order.
pub struct Recorder<'a> {
    pub context: AttemptContext<'a>,
    pub session: &'a mut Session,
    /// Whether its search ever sets jobs aside.
    pub freezes: bool,
    /// The stored curve; those of its points that the session trains again are kept as they were decided.
    pub points: Vec<Observation>,
}

impl Recorder<'_> {
    /// Records what comes until the channel closes or the attempt is decided, and says how it ends; `None`: nothing
    /// was decided, the caller knows.
    pub fn run(mut self, intervals: &Receiver<Interval>) -> Option<AttemptOutcome> {
        while let Ok(interval) = intervals.recv() {
            let outcome = self.record(&interval).unwrap_or_else(|error| Some(self.failed(&error)));
            if let Some(outcome) = outcome {
                // Set before `interval` goes, which tells a waiting training to look.
                let lost = outcome == AttemptOutcome::LeaseLost;
                self.context.held.interrupt.set(if lost {
                    StopReason::LeaseLost
                } else {
                    StopReason::Decided
                });
                return Some(outcome);
            }
        }
        None
    }

    fn failed(&self, error: &RecordError) -> AttemptOutcome {
        match error {
            RecordError::Database(DbError::Stopped | DbError::Unavailable(_)) => self.context.given_up(),
            RecordError::Checkpoint(_) if self.context.held.interrupt.reason() == Some(StopReason::Grace) => {
                AttemptOutcome::Released
            }
            RecordError::Checkpoint(error) => self.context.store_failure(error),
            error => AttemptOutcome::Crashed { cause: chain(error), early: false },
        }
    }

    fn record(&mut self, interval: &Interval) -> Result<Option<AttemptOutcome>, RecordError> {
        let AttemptContext { worker, claim, search, steps, .. } = self.context;
        let step = interval.step;
        let checkpoint = self.make_durable(interval)?;
        // Not before: a host that measures and cannot save, for want of its scratch directory, trains nothing.
        self.context.breaker.close();
        let before = (step - 1) as usize;
        let stored = self.points.get(before).filter(|point| point.decision.is_some()).cloned();
        self.points.truncate(before);
        let (point, freezes) = match stored {
            Some(point) => (point, self.freezes && interval.resumable),
            None => self.judged(interval)?,
        };
        let Some(Recorded { cancel, behind }) = self.write(&point, &checkpoint)? else {
            return Ok(Some(AttemptOutcome::LeaseLost));
        };
        if behind {
            let job = claim.job_id;
            warn!(job.id = %job, step, "job {job}: the database has lost what was recorded before; giving it back");
            return Ok(Some(AttemptOutcome::Released));
        }
        self.log(&point);
        self.points.push(point.clone());
        worker.metrics.observed(search.spec.budget.interval, interval.measurement.seconds);
        self.prune(step)?;
        if cancel {
            return Ok(Some(AttemptOutcome::Ended(Outcome::Cancelled, None)));
        }
        let outcome = verdict::of(&point, claim, steps, freezes);
        if outcome == Some(AttemptOutcome::Decided(Outcome::Terminated, step)) && !claim.is_resumed() {
            let left = steps.saturating_sub(step as u32);
            worker.metrics.epochs_saved.inc_by(f64::from(left) * search.spec.budget.interval);
        }
        Ok(outcome)
    }

    /// Writes the checkpoint, trying again while the store refuses: a full disk is emptied by a person, and a training
    /// that waits for that loses nothing. Gives up after half of `--hang-after`.
    fn make_durable(&self, interval: &Interval) -> Result<NewCheckpoint, CheckpointError> {
        let AttemptContext { worker, claim, held, .. } = self.context;
        let (start, patience) = (Instant::now(), worker.options.hang_after / 2);
        let mut pause = PAUSES.0;
        let mut said = OnceAMinute::default();
        loop {
            let abandoned = || held.interrupt.is_set();
            let (file, store) = (interval.saved.path(), &worker.checkpoints);
            let error = match store.put(claim.search_id, claim.lease(), interval.step, file, &abandoned) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error) => error,
            };
            if start.elapsed() + pause > patience || abandoned() {
                return Err(error);
            }
            if said.is_due() {
                let job = claim.job_id;
                warn!(job.id = %job, "job {job}: {}; the training waits, trying again", chain(&error));
            }
            held.interrupt.wait(pause);
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// The interval as a point of the curve with what was decided about it, and whether a job that stops is set aside.
    fn judged(&mut self, interval: &Interval) -> Result<(Observation, bool), RecordError> {
        let AttemptContext { claim, search, steps, .. } = self.context;
        let Interval { step, measurement: measured, .. } = *interval;
        let mut point = Observation {
            step,
            epoch: f64::from(step) * search.spec.budget.interval,
            val_acc: measured.val_acc,
            train_acc: measured.train_acc,
            val_loss: measured.val_loss,
            train_loss: measured.train_loss,
            seconds: Some(measured.seconds),
            ..Observation::default()
        };
        let mut curve = search::curve_of(&self.points);
        curve.extend(search::curve_of(std::slice::from_ref(&point)));
        let (context, resumable, is_last) = (self.context, interval.resumable, step as u32 >= steps);
        let (verdict, seen) = self.session.run(&|| context.is_hopeless(), |conn| {
            let mut scheduler = search.scheduler();
            let observed = scheduler.observe(conn, claim.job_id, &curve);
            let judged = observed.and_then(|()| {
                let verdict = (!is_last).then(|| scheduler.decide(claim.job_id, resumable)).transpose()?;
                Ok((verdict, scheduler.seen()))
            });
            judged.map(Ok).or_else(LiveError::parted)
        })??;
        let Verdict { decision, prediction, reason } = verdict.unwrap_or_else(|| Verdict {
            decision: scheduler::Decision::Continue,
            prediction: Some(Prediction::point(measured.val_acc)),
            reason: format!("final {:.1}: trained to the end", measured.val_acc),
        });
        point.calibration = Some(seen);
        point.decision = Some(match decision {
            scheduler::Decision::Continue => Decision::Continue,
            scheduler::Decision::Freeze | scheduler::Decision::Stop => Decision::Stop,
        });
        point.reason = Some(reason);
        point.prediction = prediction.map(|p| p.fitness);
        (point.low_80, point.high_80) = prediction.and_then(|p| p.interval_80).unzip();
        (point.low_90, point.high_90) = prediction.and_then(|p| p.interval_90).unzip();
        Ok((point, decision == scheduler::Decision::Freeze))
    }

    /// Writes under the fence, over as many connections as it takes: the same write twice is one row.
    fn write(
        &mut self,
        point: &Observation,
        checkpoint: &NewCheckpoint,
    ) -> Result<Option<Recorded>, DbError> {
        let context = self.context;
        let at = Instant::now();
        let recorded = self.session.run(&|| context.is_hopeless(), |conn| {
            curve::record(conn, context.claim.lease(), point, Some(checkpoint))
        })?;
        context.worker.metrics.record_seconds.observe(at.elapsed().as_secs_f64());
        Ok(recorded)
    }

    /// Keeps the last two checkpoints, and discards one an hour for a while. Of the others a row goes before its object, so that no
    /// row ever points to nothing.
    fn prune(&mut self, step: i32) -> Result<(), DbError> {
        let context = self.context;
        let (lease, stop) = (context.claim.lease(), || context.is_hopeless());
        let pruned = self.session.run(&stop, |conn| pointers::prune(conn, lease, step - 1))?;
        for Pruned { checkpoint, .. } in pruned.iter().filter(|pruned| !pruned.kept) {
            self.delete(checkpoint);
        }
        if !pruned.iter().any(|pruned| pruned.kept) {
            return Ok(());
        }
        // Whoever adds one takes away more, so that they do not grow in number where nobody calls `peng db gc`.
        let taken = self
            .session
            .run(&stop, |conn| pointers::take_discarded(conn, pointers::KEPT, SWEPT, Some(lease)))?;
        let gone: Vec<_> =
            taken.iter().filter(|old| self.delete(&old.checkpoint)).map(|old| old.id).collect();
        self.session.run(&stop, |conn| pointers::forget(conn, &gone))?;
        Ok(())
    }

    /// Deletes an object; whether it is gone.
    fn delete(&self, checkpoint: &Checkpoint) -> bool {
        let deleted = self.context.worker.checkpoints.delete(checkpoint);
        if let Err(error) = &deleted {
            warn!("{}", chain(error));
        }
        deleted.is_ok()
    }

    fn log(&self, point: &Observation) {
        let job = self.context.claim.job_id;
        let Observation { step, epoch, val_acc, .. } = *point;
        let predicted =
            point.prediction.map_or_else(String::new, |fitness| format!(", predicted {fitness:.2} %"));
        let why = match (point.decision, &point.reason) {
            (Some(Decision::Stop), Some(reason)) => format!("; stop: {reason}"),
            _ => String::new(),
        };
        info!(job.id = %job, step, val_acc, "job {job}: epoch {epoch:.1}, {val_acc:.2} %{predicted}{why}");
    }
}
