//! A worker process, from its first connection to its last release: starts its threads, and watches over them.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use crossbeam_channel::{Receiver, Sender, bounded};
use domain::{Lease, chain};
use tracing::{error, info, warn};

use crate::{
    Backend, OnDbLost, Options, StopReason,
    context::WorkerContext,
    entrance::{self, Entered},
    exit::{HUNG, SOME_JOBS_FAILED},
    goodbye, heartbeat, metrics_server, notifier, signals,
    slot::Slot,
};

/// How often the main thread looks at signals, leases and trainings.
const WATCH: Duration = Duration::from_millis(50);
/// The longest time between two looks that counts as having watched: after a longer one the process had been stopped.
const AWAKE: Duration = Duration::from_secs(1);
/// Pauses before a slot that ended early starts again: the first, and the longest.
const RESTART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How a worker left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus {
    /// Jobs that it saw fail.
    pub failed: u64,
    /// The exit code for its process.
    pub code: u8,
}

/// Runs a worker with one slot per backend until it is told to leave or has nothing more to do. The caller then ends the process:
/// a thread that hangs in a driver or in the kernel is not waited for.
///
/// # Errors
/// A database that refuses or stays away, a schema that does not fit, a checkpoint store that cannot be used; all of that only
/// at the start.
pub fn run<B: Backend + Send + 'static>(options: Options, backends: Vec<B>) -> anyhow::Result<ExitStatus> {
    let caught = Arc::new(AtomicBool::new(false));
    signals::catch(&caught, options.preempt_signal)?;
    let server = options.metrics.map(metrics_server::bind).transpose()?;
    let requeue = options.requeue_exit_code;
    let device = backends.first().map(Backend::device).unwrap_or_default();
    let (worker, _scratch) = match entrance::enter(options, device, backends.len(), &caught)? {
        Entered::Ready(context, scratch) => (Arc::<WorkerContext>::from(context), scratch),
        Entered::Left(what) => {
            info!("asked to leave before the {what} could be reached");
            return Ok(ExitStatus { failed: 0, code: requeue });
        }
    };
    let (alive, stop) = bounded::<()>(0);
    spawn_helpers(&worker, server, &stop)?;
    let heartbeat = spawn("heartbeat", &worker, &stop, heartbeat::beat)?;
    let (done, slots) = bounded(backends.len());
    let left = backends.len();
    for (number, backend) in backends.into_iter().enumerate() {
        spawn_slot(Arc::clone(&worker), number, backend, done.clone())?;
    }
    let hung = watch(&worker, &heartbeat, &slots, left);
    drop(alive);
    goodbye::say(&worker, hung);
    Ok(status(&worker, hung))
}

fn status(worker: &WorkerContext, hung: Option<Lease>) -> ExitStatus {
    info!("worker {}: left after {} jobs", worker.worker_id, worker.claimed());
    let failed = worker.failed.load(Ordering::Relaxed);
    let code = match worker.failure() {
        _ if hung.is_some() => HUNG,
        Some((code, _)) => code,
        None if worker.signalled.load(Ordering::Relaxed) => worker.options.requeue_exit_code,
        None if worker.options.once && failed > 0 => SOME_JOBS_FAILED,
        None => 0,
    };
    ExitStatus { failed, code }
}

fn spawn_helpers(
    worker: &Arc<WorkerContext>,
    server: Option<tiny_http::Server>,
    stop: &Receiver<()>,
) -> anyhow::Result<()> {
    spawn("notifier", worker, stop, notifier::listen)?;
    if let Some(server) = server {
        spawn("metrics", worker, stop, move |worker, stop| metrics_server::serve(worker, &server, stop))?;
    }
    Ok(())
}

/// Starts a thread that ends by itself when `stop` closes, and is not waited for.
fn spawn(
    name: &str,
    worker: &Arc<WorkerContext>,
    stop: &Receiver<()>,
    work: impl FnOnce(&WorkerContext, &Receiver<()>) + Send + 'static,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let (worker, stop) = (Arc::clone(worker), stop.clone());
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&worker, &stop));
    thread.with_context(|| format!("cannot start the thread `{name}`"))
}

/// Starts a slot; one that ends early is said at once and started again.
fn spawn_slot<B: Backend + Send + 'static>(
    worker: Arc<WorkerContext>,
    number: usize,
    mut backend: B,
    done: Sender<()>,
) -> anyhow::Result<()> {
    let run = move || {
        let mut pause = RESTART.0;
        loop {
            let work = std::panic::AssertUnwindSafe(|| Slot::new(&worker, number).run(&mut backend));
            let why = match std::panic::catch_unwind(work) {
                Ok(Ok(())) => break,
                Ok(Err(error)) => chain(&error),
                Err(_) => "it panicked".to_owned(),
            };
            if worker.is_leaving() {
                break;
            }
            error!("a slot ended early: {why}; starting it again in {} s", pause.as_secs());
            worker.metrics.slot_restarts.inc();
            let until = Instant::now() + pause;
            while Instant::now() < until && !worker.is_leaving() {
                thread::sleep(WATCH);
            }
            pause = (pause * 2).min(RESTART.1);
        }
        // Nobody may be left who counts.
        let _ = done.send(());
    };
    let thread = thread::Builder::new().name("slot".to_owned()).spawn(run);
    thread.map(drop).with_context(|| format!("cannot start slot {number}"))
}

/// Watches until all slots have ended, or until the grace period is over and they will not. Returns the lease of a training that
/// hangs.
fn watch(
    worker: &WorkerContext,
    heartbeat: &thread::JoinHandle<()>,
    slots: &Receiver<()>,
    mut left: usize,
) -> Option<Lease> {
    let (mut leaving_since, mut hung) = (None, None);
    let mut looked = Instant::now();
    while left > usize::from(hung.is_some()) {
        if slots.recv_timeout(WATCH).is_ok() {
            left -= 1;
        }
        let awake = looked.elapsed().min(AWAKE);
        looked = Instant::now();
        watch_signals(worker, &mut leaving_since);
        watch_leases(worker);
        watch_heartbeat(worker, heartbeat.is_finished());
        hung = hung.or_else(|| watch_trainings(worker, awake));
        if leaving_since.is_some_and(|since: Instant| since.elapsed() > worker.options.grace) {
            warn!(
                "{left} slots did not end in time: what they hold is resumed elsewhere once its lease is over"
            );
            break;
        }
    }
    hung
}

/// The first signal lets running intervals finish within the grace period; after it they are abandoned.
fn watch_signals(worker: &WorkerContext, leaving_since: &mut Option<Instant>) {
    let grace = worker.options.grace;
    if worker.deadline.is_some_and(|deadline| Instant::now() + grace >= deadline) {
        worker.leave("the time limit is near");
    } else if worker.signalled.load(Ordering::Relaxed) {
        worker.leave("asked to leave");
    }
    if !worker.is_leaving() {
        return;
    }
    // A fifth of the grace period is kept for writing the release.
    if leaving_since.get_or_insert_with(Instant::now).elapsed() >= grace.mul_f64(0.8) {
        worker.abandon();
    }
}

/// A heartbeat that has died renews nothing: its leases count as lost, whatever `--on-db-lost` says, and the worker leaves.
fn watch_heartbeat(worker: &WorkerContext, is_finished: bool) {
    if is_finished {
        worker.fail(HUNG, "the thread that renews leases has died: dropping all jobs".to_owned());
        worker.leases.all().iter().for_each(|(_, held)| held.interrupt.set(StopReason::LeaseLost));
    }
}

/// A lease that could not be renewed for 3/4 of its time to live may soon be another's.
fn watch_leases(worker: &WorkerContext) {
    if worker.options.on_db_lost == OnDbLost::FinishInterval {
        return;
    }
    let limit = worker.options.lease_ttl.mul_f64(0.75);
    for (lease, held) in worker.leases.all() {
        if held.since_renewal() > limit && held.interrupt.reason() < Some(StopReason::LeaseUncertain) {
            let (job, seconds) = (lease.job_id, limit.as_secs_f64());
            warn!(job.id = %job, "job {job}: its lease could not be renewed for {seconds:.1} s; stopping");
            held.interrupt.set(StopReason::LeaseUncertain);
        }
    }
}

/// A thread that hangs in a driver cannot be ended: the worker leaves, after its other slots have released their jobs.
fn watch_trainings(worker: &WorkerContext, awake: Duration) -> Option<Lease> {
    let all = worker.leases.all();
    let (lease, _) = all.iter().find(|(_, held)| held.is_hung(awake, worker.options.hang_after))?;
    let job = lease.job_id;
    worker.fail(HUNG, format!("job {job}: its training hangs; ending this worker, the job counts a crash"));
    Some(*lease)
}

#[cfg(test)]
mod tests {
    use checkpoint::CheckpointStore;
    use clap::Parser as _;
    use domain::{Fence, JobId};
    use store::{Database, worker::NewWorker};
    use uuid::Uuid;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    const LEASE: Lease = Lease { job_id: JobId(1), fence: Fence(1), worker_id: Uuid::nil() };

    fn registration() -> NewWorker {
        let text = String::new;
        NewWorker { id: Uuid::new_v4(), host: text(), pid: 1, class: text(), device: text(), version: text() }
    }

    fn worker(arguments: &[&str], dir: &std::path::Path) -> WorkerContext {
        let url = format!("file://{}", dir.display());
        let checkpoints = CheckpointStore::open(Some(&url), Uuid::nil(), false).unwrap();
        let options = Cli::parse_from([&["worker"], arguments].concat()).options;
        let database = Database::new("postgres:///nowhere").unwrap();
        WorkerContext::new(database, options, checkpoints, registration(), dir.to_owned(), 1)
    }

    #[test]
    fn a_dead_heartbeat_counts_as_lost_leases_whatever_the_option_says() {
        let dir = tempfile::tempdir().unwrap();
        let worker = worker(&["--on-db-lost", "finish-interval"], dir.path());
        let held = worker.leases.hold(LEASE, Instant::now()).unwrap();
        watch_heartbeat(&worker, false);
        assert_eq!((held.interrupt.reason(), worker.is_leaving()), (None, false), "it lives");
        watch_heartbeat(&worker, true);
        assert_eq!(held.interrupt.reason(), Some(StopReason::LeaseLost));
        assert!(worker.is_leaving());
    }

    #[test]
    fn three_quarters_of_a_lease_without_renewal_stop_a_training_unless_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        for (arguments, since, expected) in [
            (&["--lease-ttl", "60"][..], 44, None),
            (&["--lease-ttl", "60"], 46, Some(StopReason::LeaseUncertain)),
            (&["--lease-ttl", "60", "--on-db-lost", "finish-interval"], 46, None),
        ] {
            let worker = worker(arguments, dir.path());
            let held = worker.leases.hold(LEASE, ago(since)).unwrap();
            watch_leases(&worker);
            assert_eq!(held.interrupt.reason(), expected, "{arguments:?} {since}");
        }
    }

    #[test]
    fn a_hang_ends_the_worker_and_names_the_one_job() {
        let dir = tempfile::tempdir().unwrap();
        let worker = worker(&["--hang-after", "10"], dir.path());
        let (other, held) =
            (Lease { job_id: JobId(2), ..LEASE }, worker.leases.hold(LEASE, Instant::now()).unwrap());
        let _other = worker.leases.hold(other, Instant::now()).unwrap();
        let hung = held.watched(|| (0..61).find_map(|_| watch_trainings(&worker, AWAKE)));
        assert_eq!(hung, Some(LEASE));
        assert_eq!(worker.failure().unwrap().0, HUNG);
        assert!(worker.is_leaving(), "the other one is released");
    }
}
