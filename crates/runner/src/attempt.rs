//! One attempt at one job: restore, train, hand each interval to the recorder, say how it ends.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use checkpoint::{CheckpointError, CheckpointStore};
use crossbeam_channel::{Sender, bounded};
use diesel::PgConnection;
use domain::chain;
use search::{Judge, Spec};
use store::{Claim, Database, checkpoint as pointers, curve, job::Outcome, lease};
use tracing::{info, warn};

use crate::{
    Advance, Backend, Options, Order, Reason, TrainError, Trainer,
    hold::Hold,
    metrics::Metrics,
    recorder::{Interval, Recorder, verdict},
};

/// What an attempt works with.
pub struct Terms<'a> {
    pub database: &'a Database,
    pub options: &'a Options,
    pub checkpoints: &'a CheckpointStore,
    pub scratch: &'a Path,
    pub spec: &'a Arc<Spec>,
    /// Evaluation intervals of a full training.
    pub steps: u32,
    /// The worker is leaving: release after the running interval.
    pub leaving: &'a AtomicBool,
    pub metrics: &'a Metrics,
    pub worker_id: uuid::Uuid,
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With an outcome, and the error of a failure.
    Finished(Outcome, Option<String>),
    /// The worker leaves; the job goes on elsewhere.
    Released,
    /// A passing error.
    Retry(String),
    /// The checkpoint store takes nothing; no crash of the job.
    StoreAway(String),
    /// Another attempt may own the job.
    Lost,
    /// The database is silent; whether the job is still ours is not known.
    Silent,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished(outcome, None) => f.write_str(outcome.as_str()),
            Self::Finished(outcome, Some(error)) => write!(f, "{}: {error}", outcome.as_str()),
            Self::Released => f.write_str("the worker leaves"),
            Self::Retry(error) | Self::StoreAway(error) => write!(f, "tried again later: {error}"),
            Self::Lost => f.write_str("the lease was lost"),
            Self::Silent => f.write_str("the database is silent"),
        }
    }
}

/// Trains one claimed job until something decides how it ends. Writes observations, but not the ending.
pub fn train(
    terms: &Terms<'_>,
    claim: &Claim,
    hold: &Hold,
    conn: &mut PgConnection,
    judge: &mut Judge,
    backend: &mut dyn Backend,
) -> Result<Ending, diesel::result::Error> {
    let points = curve::load(conn, claim.job_id, i32::MAX)?;
    let (done, checkpoint) = match restore(terms, claim, hold, conn)? {
        Ok(restored) => restored,
        Err(ending) => return Ok(ending),
    };
    if let Some(ending) =
        points.last().filter(|last| last.step == done).and_then(|last| verdict(last, claim, terms.steps))
    {
        return Ok(ending); // It was decided, and its worker died before it could say so.
    }
    lease::note_first_step(conn, claim.lease(), done + 1)?;
    let order = Order {
        job_id: claim.job_id,
        fence: claim.fence,
        seed: claim.seed,
        genome: claim.genome.clone(),
        spec: Arc::clone(terms.spec),
        steps_done: done as u32,
    };
    let opened = contained(|| backend.open(&order, checkpoint.as_deref()));
    if let Some(file) = checkpoint {
        remove(&file);
    }
    let mut session = match opened {
        Ok(session) => session,
        Err(error) => return Ok(ending_of(error)),
    };
    let (sender, receiver) = bounded(0);
    let recorder = Recorder { terms, claim, hold, conn, judge, points };
    let (trained, recorded) = std::thread::scope(|scope| {
        let recorder = scope.spawn(|| {
            let receiver = receiver;
            recorder.run(&receiver)
        });
        let trained = advance_all(terms, claim, hold, session.as_mut(), done, sender);
        (trained, recorder.join())
    });
    let recorded = recorded.unwrap_or_else(|panic| Some(Ending::Retry(panic_text(panic.as_ref()))));
    let ending = concluded(hold, recorded.unwrap_or(trained));
    session.end(&ending.to_string());
    Ok(ending)
}

/// Trains interval after interval; each is saved and handed over while the next one trains. Says how the attempt ends
/// if the recorder decides nothing.
fn advance_all(
    terms: &Terms<'_>,
    claim: &Claim,
    hold: &Hold,
    session: &mut dyn Trainer,
    done: i32,
    intervals: Sender<Interval>,
) -> Ending {
    let last = claim.thaw_until.unwrap_or(terms.steps as i32);
    for step in done + 1..=last {
        let measurement = match contained(|| session.advance(&hold.interrupt)) {
            Ok(Advance::Measured(measurement)) => {
                hold.progressed();
                measurement
            }
            Ok(Advance::Interrupted) => return Ending::Released,
            Err(error) => return ending_of(error),
        };
        let measured = Instant::now();
        let saved = terms.scratch.join(format!("{}-{}-{step}", claim.job_id, claim.fence));
        if let Err(error) = contained(|| session.save(&saved)) {
            return ending_of(error);
        }
        let (judged, wait) = bounded::<()>(0);
        if intervals.send(Interval { step, measurement, saved, _judged: judged }).is_err() {
            return Ending::Released; // The recorder has decided and says how.
        }
        if session.waits_for_decision() {
            // Nothing is ever sent: the channel closes when the interval has been judged.
            let _closed = wait.recv();
            if hold.interrupt.is_set() {
                return Ending::Released;
            }
        }
        terms.metrics.standstill_seconds.observe(measured.elapsed().as_secs_f64());
        if terms.leaving.load(Ordering::Relaxed) {
            return Ending::Released;
        }
    }
    // The recorder ends the job with its last interval.
    Ending::Released
}

/// The newest checkpoint that is whole, in a scratch file. One that is damaged or missing is passed over; while the store
/// cannot be read nothing is, since all would seem lost.
fn restore(
    terms: &Terms<'_>,
    claim: &Claim,
    hold: &Hold,
    conn: &mut PgConnection,
) -> Result<Result<(i32, Option<PathBuf>), Ending>, diesel::result::Error> {
    let job = claim.job_id;
    for candidate in pointers::newest_first(conn, job)? {
        let file = terms.scratch.join(format!("{job}-{}-resume", claim.fence));
        let store::checkpoint::Checkpoint { step, uri, bytes, sha256 } = candidate;
        let candidate = domain::Checkpoint { step, key: None, uri, bytes, sha256 };
        match terms.checkpoints.fetch(&candidate, &file, &|| hold.interrupt.is_set()) {
            Ok(()) => {
                let epoch = f64::from(candidate.step) * terms.spec.budget.interval;
                info!(job.id = job, step = candidate.step, "job {job}: resumed after epoch {epoch:.1}");
                return Ok(Ok((candidate.step, Some(file))));
            }
            Err(error) if error.is_loss() => {
                warn!(job.id = job, "job {job}: {}; falling back to the one before", chain(&error));
            }
            Err(error) => return Ok(Err(concluded(hold, store_failure(terms, hold, &error)))),
        }
    }
    Ok(Ok((0, None)))
}

/// How an attempt ends whose checkpoint could not be written or read: a store that takes nothing at all is no fault of the
/// job.
pub fn store_failure(terms: &Terms<'_>, hold: &Hold, error: &CheckpointError) -> Ending {
    if matches!(error, CheckpointError::Abandoned { .. }) {
        return Ending::Released;
    }
    match terms.checkpoints.probe(&|| hold.interrupt.is_set()) {
        Ok(()) => Ending::Retry(chain(error)),
        Err(_) => Ending::StoreAway(chain(error)),
    }
}

/// What others have decided about the attempt goes before how it went.
fn concluded(hold: &Hold, ending: Ending) -> Ending {
    match hold.interrupt.reason() {
        Some(Reason::Lost) => Ending::Lost,
        Some(Reason::Cancelled) => Ending::Finished(Outcome::Cancelled, None),
        Some(Reason::Silent) if !matches!(ending, Ending::Finished(..)) => Ending::Silent,
        _ => ending,
    }
}

fn ending_of(error: TrainError) -> Ending {
    match error {
        TrainError::Diverged(_) => Ending::Finished(Outcome::Diverged, None),
        TrainError::Unknown(text)
        | TrainError::Host(text)
        | TrainError::DeviceLost(text)
        | TrainError::Signalled(text) => Ending::Retry(text),
        TrainError::Job(text) => Ending::Finished(Outcome::Failed, Some(text)),
    }
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

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        warn!("cannot remove `{}`: {error}", file.display());
    }
}
