//! A worker process, from its first connection to its last release.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use checkpoint::CheckpointStore;
use diesel::PgConnection;
use domain::OnceAMinute;
use signal_hook::{
    consts::{SIGUSR1, SIGUSR2, TERM_SIGNALS},
    flag,
};
use store::{Database, migration, worker::NewWorker};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    Backend, OnDbLost, Options, PreemptSignal, Reason, bell, keeper, metrics,
    recorder::is_alive,
    scratch::Scratch,
    slot::{Shared, Slot},
};

/// Exit code of a worker that ran `--once` and saw jobs fail.
const SOME_JOBS_FAILED: u8 = 3;
/// Exit code of a worker that ended itself because a training hung: `EX_SOFTWARE` of sysexits.h.
const HUNG: i32 = 70;
/// Pause before the next look at a checkpoint store that is away.
const AGAIN: Duration = Duration::from_millis(500);
/// How often the main thread looks at signals and at how long the database has been silent.
const WATCH: Duration = Duration::from_millis(50);

/// How a worker left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Jobs that it saw fail.
    pub failed: u64,
    /// The exit code for its process.
    pub code: u8,
}

/// Runs a worker with one slot per backend until it is told to leave or has nothing more to do.
///
/// # Errors
/// A database that refuses or stays away, a schema that does not fit, a checkpoint store that cannot be written.
pub fn run<B: Backend + Send>(options: Options, backends: Vec<B>) -> anyhow::Result<Left> {
    let signals = Signals::catch(options.preempt_signal)?;
    let deadline = time_limit(&options).map(|limit| Instant::now() + limit);
    let database = Database::from_env()?;
    let early = |what| {
        info!("asked to leave before the {what} could be reached");
        Ok(Left { failed: 0, code: options.requeue_exit_code })
    };
    let identity = |conn: &mut PgConnection| Ok(store::identity(conn)?);
    let Some((_, identity)) = enter(&database, &options, &signals, identity)? else {
        return early("database");
    };
    let Some(checkpoints) = open_checkpoints(&options, identity, &signals)? else {
        return early("checkpoint store");
    };
    let scratch = Scratch::new(options.scratch.as_deref())?;
    let server = options.metrics.map(metrics::bind).transpose()?;
    let worker_id = Uuid::new_v4();
    let device = backends.first().map(Backend::device).unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let worker = NewWorker {
        id: worker_id,
        host,
        pid: std::process::id() as i32,
        class: options.class.clone(),
        device,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let register = |conn: &mut PgConnection| worker.register(conn).context("cannot register the worker");
    let Some((mut conn, ())) = enter(&database, &options, &signals, register)? else {
        return early("database");
    };
    let database = database.detect_pooler();
    info!("worker {worker_id}: class {}, device {}, database {database}", worker.class, worker.device);
    let shared = Shared::new(database, options, checkpoints, worker_id, deadline);
    let done = run_threads(&shared, scratch.path(), backends, &signals, server.as_ref());
    // A worker that cannot say goodbye is found by its silence.
    if let Err(error) = store::worker::stop(&mut conn, worker_id) {
        warn!("cannot note that the worker has left: {error}");
    }
    match done {
        Err(error) if signals.caught.load(Ordering::Relaxed) && error.is::<store::ConnectError>() => {
            warn!(
                "left without the database; what it holds of this worker's jobs is resumed elsewhere: {error:#}"
            );
        }
        done => done?,
    }
    info!("worker {worker_id}: left after {} jobs", shared.claimed.load(Ordering::Relaxed));
    let failed = shared.failed.load(Ordering::Relaxed);
    let code = match signals.caught.load(Ordering::Relaxed) {
        true => shared.options.requeue_exit_code,
        false if shared.options.once && failed > 0 => SOME_JOBS_FAILED,
        false => 0,
    };
    Ok(Left { failed, code })
}

/// Asks something of a database whose schema fits, over as many connections as it takes. `None`: asked to leave before it
/// could be reached.
fn enter<T>(
    database: &Database,
    options: &Options,
    signals: &Signals,
    ask: impl Fn(&mut PgConnection) -> anyhow::Result<T>,
) -> anyhow::Result<Option<(PgConnection, T)>> {
    let leaving = || signals.caught.load(Ordering::Relaxed);
    loop {
        let connected = database
            .connect_patiently(options.db_patience, &signals.caught, |error| warn!("{error}; trying again"));
        let mut conn = match connected {
            Err(_) if leaving() => return Ok(None),
            connected => connected.context("cannot start the worker")?,
        };
        match migration::check(&mut conn).map_err(anyhow::Error::from).and_then(|()| ask(&mut conn)) {
            Ok(answer) => return Ok(Some((conn, answer))),
            Err(error) if is_alive(&mut conn) => return Err(error),
            Err(error) => warn!("the database went away ({error:#}); reconnecting"),
        }
    }
}

/// `--time-limit`, else the time that Slurm leaves this job.
fn time_limit(options: &Options) -> Option<Duration> {
    options.time_limit.or_else(|| {
        let end: u64 = std::env::var("SLURM_JOB_END_TIME").ok()?.parse().ok()?;
        #[expect(clippy::disallowed_methods, reason = "Slurm tells the end of its job by the wall clock")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Duration::from_secs(end).saturating_sub(now))
    })
}

fn run_threads<B: Backend + Send>(
    shared: &Shared,
    scratch: &std::path::Path,
    backends: Vec<B>,
    signals: &Signals,
    server: Option<&tiny_http::Server>,
) -> anyhow::Result<()> {
    let (alive, stop) = crossbeam_channel::bounded::<()>(0);
    let patience = shared.options.db_patience;
    let connect = || {
        shared.database.connect_patiently(patience, &signals.caught, |error| warn!("{error}; trying again"))
    };
    let keeper_conn = connect()?;
    std::thread::scope(|scope| {
        let (stop_listening, stop_serving) = (stop.clone(), stop.clone());
        if let Some(server) = server {
            scope.spawn(move || metrics::serve(shared, server, &stop_serving));
        }
        let keeper = scope.spawn(move || keeper::keep(shared, keeper_conn, &stop));
        scope.spawn(move || bell::listen(shared, &stop_listening));
        let slots: Vec<_> = backends
            .into_iter()
            .map(|mut backend| scope.spawn(move || Slot::new(shared, scratch, connect()?).run(&mut backend)))
            .collect();
        let mut leaving_since = None;
        while !slots.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            watch_signals(shared, signals, &mut leaving_since);
            watch_silence(shared);
            watch_keeper(shared, &keeper);
            watch_hangs(shared);
            std::thread::sleep(WATCH);
        }
        drop(alive);
        let panicked = |who| move |_| Err(anyhow::anyhow!("{who} of the worker panicked"));
        let kept = keeper.join().map_or_else(panicked("the keeper"), Ok);
        slots
            .into_iter()
            .map(|slot| slot.join().unwrap_or_else(panicked("a slot")))
            .chain([kept])
            .collect::<anyhow::Result<Vec<()>>>()
    })?;
    Ok(())
}

/// The first signal lets running intervals finish within the grace period; after it they are abandoned. A second
/// signal leaves at once, which `signal_hook` does by itself.
fn watch_signals(shared: &Shared, signals: &Signals, leaving_since: &mut Option<Instant>) {
    let grace = shared.options.grace;
    let late = shared.deadline.is_some_and(|deadline| Instant::now() + grace >= deadline);
    if !late && !signals.caught.load(Ordering::Relaxed) {
        return;
    }
    let since = *leaving_since.get_or_insert_with(|| {
        let why = if late { "the time limit is near" } else { "asked to leave" };
        info!("{why}: releasing jobs within {} s", grace.as_secs_f64());
        shared.leaving.store(true, Ordering::Relaxed);
        shared.bell.ring();
        Instant::now()
    });
    // A fifth of the grace period is kept for writing the release.
    if since.elapsed() >= grace.mul_f64(0.8) {
        shared.abandoning.store(true, Ordering::Relaxed);
        shared.holds.all().iter().for_each(|(_, hold)| hold.interrupt.set(Reason::Grace));
    }
}

/// A keeper that has died renews nothing: its leases count as lost, whatever `--on-db-lost` says, and the worker leaves.
fn watch_keeper(shared: &Shared, keeper: &std::thread::ScopedJoinHandle<'_, ()>) {
    if keeper.is_finished() && !shared.leaving.swap(true, Ordering::Relaxed) {
        error!("the thread that renews leases has died: dropping all jobs");
        shared.bell.ring();
    }
    if keeper.is_finished() {
        shared.holds.all().iter().for_each(|(_, hold)| hold.interrupt.set(Reason::Lost));
    }
}

/// A lease that could not be renewed for 3/4 of its time to live may soon be another's.
fn watch_silence(shared: &Shared) {
    if shared.options.on_db_lost == OnDbLost::FinishInterval {
        return;
    }
    let limit = shared.options.lease_ttl.mul_f64(0.75);
    for (lease, hold) in shared.holds.all() {
        if hold.silence() > limit && hold.interrupt.reason() < Some(Reason::Silent) {
            let job = lease.job_id;
            warn!(
                job.id = job,
                "job {job}: its lease could not be renewed for {:.1} s; stopping",
                limit.as_secs_f64()
            );
            hold.interrupt.set(Reason::Silent);
        }
    }
}

/// A thread that hangs in a driver cannot be ended: the process leaves, and its lease expires as after a crash.
fn watch_hangs(shared: &Shared) {
    for (lease, hold) in shared.holds.all() {
        if hold.is_hung(shared.options.hang_after) {
            error!(
                job.id = lease.job_id,
                "job {}: hangs; ending this worker, the job counts a crash", lease.job_id
            );
            std::process::exit(HUNG);
        }
    }
}

/// Opens the store and waits until it takes something, saying so once a minute; what waiting cannot mend is an error.
/// `None`: asked to leave meanwhile.
fn open_checkpoints(
    options: &Options,
    database: Uuid,
    signals: &Signals,
) -> anyhow::Result<Option<CheckpointStore>> {
    let checkpoints = CheckpointStore::open(
        options.checkpoints.as_deref(),
        database,
        std::env::var_os("DATABASE_URL").is_none_or(|url| url.is_empty()),
    )?;
    let asked = || signals.caught.load(Ordering::Relaxed);
    let mut said = OnceAMinute::default();
    while !asked() {
        match checkpoints.probe(&asked) {
            Ok(()) => return Ok(Some(checkpoints)),
            Err(error) if !error.is_outage() => {
                return Err(error).context("the checkpoint store cannot be written");
            }
            Err(error) => {
                if said.is_due() {
                    warn!("{error}; trying again");
                }
                std::thread::sleep(AGAIN);
            }
        }
    }
    Ok(None)
}

/// Signals that ask the process to leave.
struct Signals {
    caught: Arc<AtomicBool>,
}

impl Signals {
    fn catch(preempt: Option<PreemptSignal>) -> anyhow::Result<Self> {
        let preempt = preempt.map(|signal| match signal {
            PreemptSignal::Usr1 => SIGUSR1,
            PreemptSignal::Usr2 => SIGUSR2,
        });
        let caught = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS.iter().chain(&preempt) {
            // Armed by the first signal, so that the second one ends the process.
            flag::register_conditional_shutdown(*signal, 130, Arc::clone(&caught))
                .and_then(|_| flag::register(*signal, Arc::clone(&caught)))
                .with_context(|| format!("cannot catch signal {signal}"))?;
        }
        Ok(Self { caught })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use store::{Database, Lease};

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn shared(arguments: &[&str], checkpoints: &std::path::Path) -> Shared {
        let url = format!("file://{}", checkpoints.display());
        let checkpoints = CheckpointStore::open(Some(&url), Uuid::nil(), false).unwrap();
        let options = Cli::parse_from([&["worker"], arguments].concat()).options;
        Shared::new(Database::new("postgres:///nowhere"), options, checkpoints, Uuid::new_v4(), None)
    }

    #[test]
    fn a_dead_keeper_counts_as_lost_leases_whatever_the_option_says() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(&["--on-db-lost", "finish-interval"], dir.path());
        let hold = shared.holds.enter(Lease { job_id: 1, fence: 1 }, Instant::now());
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            let keeper = scope.spawn(move || _ = stopped.recv());
            watch_keeper(&shared, &keeper);
            assert_eq!(hold.interrupt.reason(), None, "it lives");
            drop(stop);
            while !keeper.is_finished() {
                std::thread::yield_now();
            }
            watch_keeper(&shared, &keeper);
        });
        assert_eq!(hold.interrupt.reason(), Some(Reason::Lost));
        assert!(shared.leaving.load(Ordering::Relaxed));
    }

    #[test]
    fn silence_of_three_quarters_of_a_lease_stops_a_training_unless_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        for (arguments, silent, expected) in [
            (&["--lease-ttl", "60"][..], 44, None),
            (&["--lease-ttl", "60"], 46, Some(Reason::Silent)),
            (&["--lease-ttl", "60", "--on-db-lost", "finish-interval"], 46, None),
        ] {
            let shared = shared(arguments, dir.path());
            let hold = shared.holds.enter(Lease { job_id: 1, fence: 1 }, ago(silent));
            watch_silence(&shared);
            assert_eq!(hold.interrupt.reason(), expected, "{arguments:?} {silent}");
        }
    }
}
