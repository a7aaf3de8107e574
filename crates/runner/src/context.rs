//! What all threads of a worker share.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use checkpoint::CheckpointStore;
use diesel::{
    PgConnection, QueryResult,
    result::{DatabaseErrorKind, Error},
};
use search::Populations;
use store::{Database, Session, Turns, worker::NewWorker};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    Options, StopReason, breaker::Breaker, known_search::KnownSearches, lease::HeldLeases, metrics::Metrics,
    unsupported::UnsupportedSearches, wakeup::Wakeup,
};

/// Pauses after the checkpoint store took nothing: the first, and the longest.
const STORE_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The longest pause after this host could not train; the first one is that between two looks at the queue.
const HOST_PAUSE: Duration = Duration::from_secs(300);

/// How often a slot of a worker that drains looks whether that was taken back.
const LOOK: Duration = Duration::from_millis(100);

/// What all threads of a worker share. It holds state and no behaviour of theirs.
pub struct WorkerContext {
    pub database: Database,
    pub options: Options,
    pub checkpoints: CheckpointStore,
    pub worker_id: Uuid,
    /// How it entered, and enters again where the database has forgotten that.
    pub registration: NewWorker,
    /// Directory for files in the making.
    pub scratch: PathBuf,
    pub leases: HeldLeases,
    /// What its slots last saw of the queue.
    pub turns: Turns,
    pub wakeup: Wakeup,
    /// What its slots have read of their searches.
    pub known: KnownSearches,
    /// Of the searches that its slots propose for.
    pub populations: Populations,
    /// Of the slots that are idle.
    pub spare_session: SpareSession,
    /// One for each slot, open while it cannot train: a lost device may be that of one alone.
    pub slot_breakers: Vec<Breaker>,
    /// Searches whose networks are for workers of another kind.
    pub unsupported: UnsupportedSearches,
    /// Open while the checkpoint store takes nothing.
    pub store_breaker: Breaker,
    pub metrics: Metrics,
    /// When the worker has to be gone, by its own clock.
    pub deadline: Option<Instant>,
    /// Set by the signals that ask to leave, at once.
    pub signalled: Arc<AtomicBool>,
    /// Claim nothing more; release what runs after its interval.
    leaving: AtomicBool,
    /// The grace period is nearly over: nothing is waited for any more.
    abandoning: AtomicBool,
    drain: Mutex<Drain>,
    /// Why the worker ends itself, and with which exit code.
    failure: Mutex<Option<(u8, String)>>,
    claimed: AtomicU64,
    /// Jobs that ended as failed, over all slots.
    pub failed: AtomicU64,
    /// Longest evaluation interval so far, in milliseconds, over all slots.
    longest_interval: AtomicU64,
}

/// Whether a worker is asked to finish what it has and leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Drain {
    #[default]
    No,
    /// Jobs still run.
    Asked,
    /// No job runs any more: the slots end.
    Done,
}

/// The one session that idle slots share: none of them keeps another one open.
#[derive(Default)]
pub struct SpareSession(Mutex<Option<Session>>);

impl SpareSession {
    /// Leaves a session to the next slot that looks; closes it where there is one already.
    pub fn put(&self, session: Session) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() && session.is_connected() {
            *spare = Some(session);
        }
    }

    /// Takes the session, if no other slot has it.
    pub fn take(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl WorkerContext {
    pub fn new(
        database: Database,
        options: Options,
        checkpoints: CheckpointStore,
        registration: NewWorker,
        scratch: PathBuf,
        slots: usize,
    ) -> Self {
        let pauses = (options.poll, HOST_PAUSE);
        let slot_breaker = Breaker::new("this host cannot train", "this host can train again", pauses);
        Self {
            database,
            checkpoints,
            worker_id: registration.id,
            registration,
            scratch,
            leases: HeldLeases::default(),
            turns: Turns::default(),
            wakeup: Wakeup::new(options.poll),
            known: KnownSearches::default(),
            populations: Populations::default(),
            spare_session: SpareSession::default(),
            slot_breakers: (0..slots).map(|_| slot_breaker.sibling()).collect(),
            unsupported: UnsupportedSearches::default(),
            store_breaker: Breaker::new(
                "the checkpoint store takes nothing",
                "the checkpoint store is back",
                STORE_PAUSES,
            ),
            metrics: Metrics::default(),
            deadline: options.time_limit().map(|limit| Instant::now() + limit),
            options,
            signalled: Arc::default(),
            leaving: AtomicBool::new(false),
            abandoning: AtomicBool::new(false),
            drain: Mutex::default(),
            failure: Mutex::default(),
            claimed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            longest_interval: AtomicU64::new(0),
        }
    }

    /// Does a claim, and enters the worker again if the database does not know it: a fail-over or a restore may have lost that.
    pub fn entered<T>(
        &self,
        conn: &mut PgConnection,
        mut claim: impl FnMut(&mut PgConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        match claim(conn) {
            Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                warn!("the database does not know this worker any more; entering it again");
                self.registration.register(conn)?;
                claim(conn)
            }
            claimed => claimed,
        }
    }

    /// Whether the worker is asked to leave: it claims nothing more and releases what runs.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || self.signalled.load(Ordering::Relaxed)
    }

    /// Asks all slots to leave; `why` is said once.
    pub fn leave(&self, why: &str) {
        if !self.leaving.swap(true, Ordering::Relaxed) {
            info!("{why}: releasing jobs within {} s", self.options.grace.as_secs_f64());
        }
        self.wakeup.close();
    }

    /// Lets slots finish what runs, and claim nothing more.
    pub fn drain(&self) {
        let mut drain = self.drain_state();
        if *drain == Drain::No {
            info!("asked to drain: leaving after the running jobs");
            *drain = Drain::Asked;
            self.wakeup.close();
        }
    }

    /// Takes the drain back, if a job still runs.
    pub fn undrain(&self) {
        let mut drain = self.drain_state();
        if *drain == Drain::Asked {
            info!("the drain was taken back: claiming jobs again");
            *drain = Drain::No;
            self.wakeup.open();
        }
    }

    /// Whether the drain may still be taken back: that is over with the last job that runs.
    fn may_be_undrained(&self) -> bool {
        let mut drain = self.drain_state();
        if *drain == Drain::Asked && self.leases.is_empty() {
            *drain = Drain::Done;
        }
        *drain == Drain::Asked
    }

    fn drain_state(&self) -> MutexGuard<'_, Drain> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all slots to leave since the worker cannot go on, with an exit code for its supervisor.
    pub fn fail(&self, code: u8, why: String) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_none() {
            error!("{why}");
            *failure = Some((code, why));
            drop(failure);
            self.leave("this worker ends itself");
        }
    }

    /// Why the worker ends itself, and with which exit code, if it does.
    pub fn failure(&self) -> Option<(u8, String)> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the worker claims nothing, where that is so in all its slots.
    pub fn fault(&self) -> Option<String> {
        let is_idle = || self.leases.all().is_empty();
        let blocked = || self.unsupported.blocked().filter(|_| is_idle());
        self.store_breaker.cause().or_else(|| self.host_fault()).or_else(blocked)
    }

    /// What this host lacks, where no slot can train. A store that is away is none: it comes back by itself.
    pub fn host_fault(&self) -> Option<String> {
        self.slot_breakers.iter().map(Breaker::cause).collect::<Option<Vec<_>>>()?.pop()
    }

    /// Slots that claim nothing but trials.
    pub fn open_breakers(&self) -> usize {
        self.slot_breakers.iter().filter(|breaker| breaker.cause().is_some()).count()
    }

    /// Waits for nothing any more: running intervals are abandoned.
    pub fn abandon(&self) {
        self.abandoning.store(true, Ordering::Relaxed);
        self.leases.all().iter().for_each(|(_, held)| held.interrupt.set(StopReason::Grace));
    }

    /// Whether nothing is waited for any more.
    pub fn is_abandoning(&self) -> bool {
        self.abandoning.load(Ordering::Relaxed)
    }

    /// Whether a slot may claim jobs. While the worker drains, this waits for what its other slots train.
    pub fn may_claim(&self) -> bool {
        let may_go_on = || !self.is_too_late() && !self.is_leaving();
        while may_go_on() && self.may_be_undrained() {
            std::thread::sleep(LOOK);
        }
        may_go_on() && *self.drain_state() == Drain::No
    }

    /// Whether a job claimed now might not get a checkpoint done.
    fn is_too_late(&self) -> bool {
        let longest = Duration::from_millis(self.longest_interval.load(Ordering::Relaxed));
        let needed = self.options.grace + longest * 2;
        self.deadline.is_some_and(|deadline| Instant::now() + needed >= deadline)
    }

    /// Takes one of `--max-jobs`; false where none is left.
    pub fn reserve_job(&self) -> bool {
        let most = self.options.max_jobs.unwrap_or(u64::MAX);
        let taken =
            self.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        taken.is_ok()
    }

    /// Gives one of `--max-jobs` back.
    pub fn unreserve_job(&self) {
        self.claimed.fetch_sub(1, Ordering::Relaxed);
    }

    /// Jobs claimed so far.
    pub fn claimed(&self) -> u64 {
        self.claimed.load(Ordering::Relaxed)
    }

    /// Notes how long an interval may take.
    pub fn note_interval(&self, longest: Duration) {
        self.longest_interval.fetch_max(longest.as_millis() as u64, Ordering::Relaxed);
    }
}
