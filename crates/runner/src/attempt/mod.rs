//! One attempt at one job: restore, train, hand each interval to the recorder, say how it ends.

mod context;
mod outcome;
mod recorder;
mod restore;
mod scratch_file;
mod verdict;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use crossbeam_channel::{Sender, bounded};
use store::{DbError, Session, curve, lease};
use tracing::warn;

pub use context::AttemptContext;
pub use outcome::AttemptOutcome;

use crate::{Advance, Backend, Order, StopReason, TrainError, Trainer};
use recorder::{Interval, Recorder};
use restore::{Candidates, Restored};
use scratch_file::ScratchFile;

/// Trains one claimed job until something decides how it ends. Writes observations, but not the ending.
pub fn run(context: AttemptContext<'_>, session: &mut Session, backend: &mut dyn Backend) -> AttemptOutcome {
    match try_run(context, session, backend) {
        Ok(outcome) => outcome,
        Err(DbError::Stopped | DbError::Unavailable(_)) => context.given_up(),
        Err(error @ DbError::Rejected(_)) => {
            AttemptOutcome::Crashed { cause: domain::chain(&error), early: false }
        }
    }
}

fn try_run(
    context: AttemptContext<'_>,
    session: &mut Session,
    backend: &mut dyn Backend,
) -> Result<AttemptOutcome, DbError> {
    let AttemptContext { claim, held, search, steps, .. } = context;
    let hopeless = || context.is_hopeless();
    let freezes = search.scheduler().freezes();
    let points = session.run(&hopeless, |conn| curve::load(conn, claim.job_id, i32::MAX))?;
    let mut candidates = Candidates::read(context, session)?;
    let (done, mut training) = loop {
        let restored = match candidates.next_whole() {
            Ok(restored) => restored,
            Err(outcome) => return Ok(outcome),
        };
        // It was decided, and its worker died before it could say so.
        let last = points.last().filter(|last| last.step == restored.step);
        if let Some(outcome) = last.and_then(|last| verdict::of(last, claim, steps, freezes)) {
            return Ok(outcome);
        }
        match open(context, backend, &restored) {
            Ok(training) => break (restored.step, training),
            Err(TrainError::Checkpoint(cause)) if restored.file.is_some() => {
                let job = claim.job_id;
                warn!(job.id = %job, "job {job}: {cause}; falling back to the one before");
            }
            Err(error) => return Ok(of_error(context, error, true)),
        }
    };
    session.run(&hopeless, |conn| lease::note_first_step(conn, claim.lease(), done + 1))?;
    let (sender, receiver) = bounded(0);
    let recorder = Recorder { context, session, freezes, points };
    let (trained, recorded) = std::thread::scope(|scope| {
        let recorder = scope.spawn(|| {
            let receiver = receiver;
            recorder.run(&receiver)
        });
        let trained = advance_all(context, training.as_mut(), done, sender);
        (trained, recorder.join())
    });
    let crashed = |panic: Box<dyn std::any::Any + Send>| {
        Some(AttemptOutcome::Crashed { cause: panic_text(panic.as_ref()), early: false })
    };
    let outcome = context.concluded(recorded.unwrap_or_else(crashed).unwrap_or(trained));
    held.watched(|| training.end(&outcome.to_string()));
    Ok(outcome)
}

fn open(
    context: AttemptContext<'_>,
    backend: &mut dyn Backend,
    restored: &Restored,
) -> Result<Box<dyn Trainer>, TrainError> {
    let AttemptContext { claim, held, search, .. } = context;
    let order = Order {
        job_id: claim.job_id,
        fence: claim.fence,
        seed: claim.seed,
        genome: claim.genome.clone(),
        spec: Arc::clone(&search.spec),
        steps_done: restored.step as u32,
    };
    let file = restored.file.as_ref().map(ScratchFile::path);
    held.watched(|| contained(|| backend.open(&order, file)))
}

/// Trains interval after interval; each is saved and handed over while the next one trains. Says how the attempt ends
/// if the recorder decides nothing.
fn advance_all(
    context: AttemptContext<'_>,
    training: &mut dyn Trainer,
    done: i32,
    intervals: Sender<Interval>,
) -> AttemptOutcome {
    let AttemptContext { worker, claim, held, steps, .. } = context;
    for step in done + 1..=steps as i32 {
        let begun = Instant::now();
        let early = step == done + 1;
        let measurement = match held.watched(|| contained(|| training.advance(&held.interrupt))) {
            Ok(Advance::Measured(measurement)) => measurement,
            Ok(Advance::Interrupted) => return AttemptOutcome::Released,
            Err(error) => return of_error(context, error, early),
        };
        held.note_interval(begun.elapsed());
        let measured = Instant::now();
        let saved = ScratchFile::new(worker.scratch.join(format!("{}-{}-{step}", claim.job_id, claim.fence)));
        if let Err(error) = held.watched(|| contained(|| training.save(saved.path()))) {
            return of_error(context, error, false);
        }
        let (judged, wait) = bounded::<()>(0);
        let resumable = training.is_resumable();
        if intervals.send(Interval { step, measurement, saved, resumable, _judged: judged }).is_err() {
            return AttemptOutcome::Released; // The recorder has decided and says how.
        }
        if training.waits_for_decision() {
            // Nothing is ever sent: the channel closes when the interval has been judged.
            let _closed = wait.recv();
            if held.interrupt.is_set() {
                return AttemptOutcome::Released;
            }
        }
        worker.metrics.standstill_seconds.observe(measured.elapsed().as_secs_f64());
        if worker.is_leaving() {
            return AttemptOutcome::Released;
        }
    }
    // The recorder ends the job with its last interval.
    AttemptOutcome::Released
}

fn of_error(context: AttemptContext<'_>, error: TrainError, early: bool) -> AttemptOutcome {
    if context.held.interrupt.reason() == Some(StopReason::Grace) {
        return AttemptOutcome::Released; // It was abandoned, and said so in its own way.
    }
    let leaving = matches!(error, TrainError::Signalled(_)) && context.is_leaving_soon();
    AttemptOutcome::of(error, early, leaving)
}

/// A panic of a training is the training's failure, not the worker's.
fn contained<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<T, TrainError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(TrainError::Unknown(panic_text(panic.as_ref()))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}
