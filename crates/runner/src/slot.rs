//! A slot: claims one job after the other, trains each, and says in one transaction how it ended.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use checkpoint::CheckpointStore;
use diesel::{Connection as _, PgConnection};
use domain::chain;
use search::{Frozen, Judge, JudgeError, ProposalError, Spec};
use store::{
    Claim, Claimer, Database, finish, job::CRASH_LIMIT, job::Outcome, lease, search as searches, thaw,
};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    Backend, Options, Reason,
    attempt::{self, Ending, Terms},
    bell::Bell,
    gate::Gate,
    hold::{Hold, Holds},
    log,
    metrics::Metrics,
    recorder::is_alive,
};

/// How long a job waits that could not keep its checkpoint.
const PUT_OFF: Duration = Duration::from_secs(10);

/// What all slots of a process share.
pub struct Shared {
    pub database: Database,
    pub options: Options,
    pub checkpoints: CheckpointStore,
    pub worker_id: Uuid,
    pub holds: Holds,
    pub bell: Bell,
    pub gate: Gate,
    pub metrics: Metrics,
    /// When the worker has to be gone, by its own clock.
    pub deadline: Option<Instant>,
    /// Claim nothing more; release what runs after its interval.
    pub leaving: AtomicBool,
    /// The grace period is nearly over: nothing is waited for any more.
    pub abandoning: AtomicBool,
    /// Claim nothing more; finish what runs.
    pub draining: AtomicBool,
    /// Jobs claimed so far, over all slots.
    pub claimed: AtomicU64,
    /// Jobs that ended as failed, over all slots.
    pub failed: AtomicU64,
    /// Longest evaluation interval so far, in milliseconds, over all slots.
    pub longest_interval: AtomicU64,
}

impl Shared {
    pub fn new(
        database: Database,
        options: Options,
        checkpoints: CheckpointStore,
        worker_id: Uuid,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            database,
            options,
            checkpoints,
            worker_id,
            holds: Holds::default(),
            bell: Bell::default(),
            gate: Gate::new(),
            metrics: Metrics::default(),
            deadline,
            leaving: AtomicBool::new(false),
            abandoning: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            claimed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            longest_interval: AtomicU64::new(0),
        }
    }

    fn may_claim(&self) -> bool {
        !self.is_too_late() && !self.leaving.load(Ordering::Relaxed) && !self.draining.load(Ordering::Relaxed)
    }

    /// Takes one of `--max-jobs`; false where none is left.
    fn reserve(&self) -> bool {
        let most = self.options.max_jobs.unwrap_or(u64::MAX);
        let taken =
            self.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        taken.is_ok()
    }
}

impl Shared {
    /// Whether a job claimed now might not get a checkpoint done.
    fn is_too_late(&self) -> bool {
        let needed =
            self.options.grace + Duration::from_millis(self.longest_interval.load(Ordering::Relaxed)) * 2;
        self.deadline.is_some_and(|deadline| Instant::now() + needed >= deadline)
    }
}

/// One slot with its connection and what it has read of the searches that it worked on.
pub struct Slot<'a> {
    shared: &'a Shared,
    scratch: &'a Path,
    conn: PgConnection,
    claimer: Claimer,
    searches: HashMap<i64, Known>,
    /// The search of its newest job.
    current: Option<i64>,
    /// Running searches that it has left for another one: what is left to resume there goes before new jobs.
    left: BTreeSet<i64>,
}

/// What a slot has read of a search.
struct Known {
    spec: Arc<Spec>,
    judge: Judge,
    frozen: Frozen,
}

impl<'a> Slot<'a> {
    pub fn new(shared: &'a Shared, scratch: &'a Path, conn: PgConnection) -> Self {
        let claimer = Claimer::new(&shared.options.class, shared.worker_id, shared.options.lease_ttl);
        Self {
            shared,
            scratch,
            conn,
            claimer,
            searches: HashMap::new(),
            current: None,
            left: BTreeSet::new(),
        }
    }

    /// Works until the worker leaves or there is no more to do.
    pub fn run(mut self, backend: &mut dyn Backend) -> anyhow::Result<()> {
        let mut idle_since = Instant::now();
        while self.shared.may_claim() && self.shared.reserve() {
            let (at, heard) = (Instant::now(), self.shared.bell.rings());
            let Some(claim) = self.next_if_kept()? else {
                self.shared.claimed.fetch_sub(1, Ordering::Relaxed);
                if self.is_over(idle_since)? {
                    break;
                }
                self.wait(heard);
                continue;
            };
            self.work(&claim, at, backend)?;
            idle_since = Instant::now();
        }
        Ok(())
    }

    /// The next job, if its checkpoints could be kept.
    fn next_if_kept(&mut self) -> anyhow::Result<Option<Claim>> {
        let shared = self.shared;
        let open = shared.gate.is_open(&shared.checkpoints, &|| shared.leaving.load(Ordering::Relaxed));
        if open { self.next() } else { Ok(None) }
    }

    /// The next job: one to be resumed in a search that this slot has left, else the head of the queue, else one to be
    /// resumed in any search.
    fn next(&mut self) -> anyhow::Result<Option<Claim>> {
        for search in self.left.clone() {
            if let Some(claim) = self.thaw(search)? {
                return Ok(Some(claim));
            }
        }
        if let Some(claim) = self.claim()? {
            let before = self.current.replace(claim.search_id);
            self.left.extend(before.filter(|search| *search != claim.search_id));
            return Ok(Some(claim));
        }
        for search in persist(self.shared, &mut self.conn, |conn| searches::dry(conn, None))? {
            if let Some(claim) = self.thaw(search)? {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// In a search with nothing left to start: claims the terminated job that most deserves one more interval, or marks
    /// the search finished where none deserves it.
    fn thaw(&mut self, search: i64) -> anyhow::Result<Option<Claim>> {
        if persist(self.shared, &mut self.conn, |conn| searches::dry(conn, Some(search)))?.is_empty() {
            self.left.remove(&search); // It has jobs in the queue again, or is over.
            return Ok(None);
        }
        if let Err(error) = self.know_search(search) {
            warn!("search {search} cannot be brought to its end: {error:#}");
            return Ok(None);
        }
        let known = self.searches.get_mut(&search).expect("the search was just read");
        let mine = known.spec.class == self.shared.options.class;
        if known.judge.thaw_above().is_some() && !mine {
            return Ok(None); // Workers of its class decide what is resumed, and when it is over.
        }
        // An ending that nobody answered: a job cancelled while it waited, or failed by the reaper.
        let proposed = persist(self.shared, &mut self.conn, |conn| {
            search::propose(conn, search, &known.spec).map_err(as_query_error)
        })?;
        if proposed > 0 {
            return Ok(None);
        }
        loop {
            let warrant = persist(self.shared, &mut self.conn, |conn| {
                known.frozen.best(conn, &mut known.judge).map_err(as_query_error)
            })?;
            let Some(warrant) = warrant else { break };
            let (worker, ttl) = (self.shared.worker_id, self.shared.options.lease_ttl);
            let claim =
                persist(self.shared, &mut self.conn, |conn| thaw::claim(conn, &warrant, worker, ttl))?;
            if let Some(claim) = claim {
                let (job, percent) = (claim.job_id, 100.0 * warrant.chance);
                info!(job.id = job, "job {job}: resumed for an interval: chance {percent:.1} % of the best");
                return Ok(Some(claim));
            }
            known.frozen.reconsider();
        }
        let seen = known.judge.thaw_above().map(|_| known.judge.seen());
        if let Some(name) = persist(self.shared, &mut self.conn, |conn| searches::settle(conn, search, seen))?
        {
            self.left.remove(&search);
            info!("search {name} is finished");
        }
        Ok(None)
    }

    fn claim(&mut self) -> anyhow::Result<Option<Claim>> {
        let claimer = &mut self.claimer;
        // A claim whose answer was lost with its connection is found by the reaper: its lease expires.
        persist(self.shared, &mut self.conn, |conn| {
            let timer = self.shared.metrics.claim_seconds.start_timer();
            let claimed = claimer.claim(conn);
            timer.observe_duration();
            claimed
        })
        .context("cannot claim a job")
    }

    /// With an empty queue: whether this worker has nothing to wait for.
    fn is_over(&mut self, idle_since: Instant) -> anyhow::Result<bool> {
        let options = &self.shared.options;
        let idle = options.idle_timeout.is_some_and(|timeout| idle_since.elapsed() >= timeout);
        Ok(idle
            || (options.once
                && persist(self.shared, &mut self.conn, |conn| store::queue::is_dry(conn, &options.class))?))
    }

    /// Waits for the bell, and for the poll that finds what it does not ring for: jobs whose backoff is over.
    fn wait(&self, heard: u64) {
        self.shared.bell.wait(heard, self.shared.options.poll.mul_f64(rand::random_range(0.5..1.0)));
    }

    fn work(&mut self, claim: &Claim, mut at: Instant, backend: &mut dyn Backend) -> anyhow::Result<()> {
        let job = claim.job_id;
        info!(job.id = job, fence = claim.fence, "job {job}: claimed (attempt with fence {})", claim.fence);
        let lease = claim.lease();
        loop {
            let hold = self.shared.holds.enter(lease, at);
            let ending = self.attempt(claim, &hold, backend);
            let ending = if ending == Ending::Silent { self.await_database(&hold) } else { Some(ending) };
            if let Some(ending) = ending {
                let ended = self.end(claim, &hold, &ending);
                self.shared.holds.leave(lease);
                let longest = hold.longest().as_millis() as u64;
                self.shared.longest_interval.fetch_max(longest, Ordering::Relaxed);
                return ended;
            }
            at = Instant::now();
            info!(job.id = job, "job {job}: the database is back and the lease still ours; going on");
        }
    }

    fn attempt(&mut self, claim: &Claim, hold: &Hold, backend: &mut dyn Backend) -> Ending {
        match self.try_attempt(claim, hold, backend) {
            Ok(ending) => ending,
            Err(_) if !is_alive(&mut self.conn) => Ending::Silent,
            Err(error) => Ending::Retry(format!("{error:#}")),
        }
    }

    fn try_attempt(
        &mut self,
        claim: &Claim,
        hold: &Hold,
        backend: &mut dyn Backend,
    ) -> anyhow::Result<Ending> {
        self.know_search(claim.search_id)?;
        let Known { spec, judge, .. } =
            self.searches.get_mut(&claim.search_id).expect("the search was just read");
        let terms = Terms {
            database: &self.shared.database,
            options: &self.shared.options,
            checkpoints: &self.shared.checkpoints,
            scratch: self.scratch,
            spec,
            steps: spec.target().steps(),
            leaving: &self.shared.leaving,
            metrics: &self.shared.metrics,
            worker_id: self.shared.worker_id,
        };
        Ok(attempt::train(&terms, claim, hold, &mut self.conn, judge, backend)?)
    }

    /// Reads a search's specification and makes its judge, once.
    fn know_search(&mut self, id: i64) -> anyhow::Result<()> {
        if !self.searches.contains_key(&id) {
            let stored = searches::get(&mut self.conn, id).context("cannot read the search")?;
            let spec = Spec::from_json(&stored.spec)?;
            let judge = Judge::new(&mut self.conn, id, &spec)?;
            self.searches.insert(id, Known { spec: Arc::new(spec), judge, frozen: Frozen::default() });
        }
        Ok(())
    }

    /// Waits until the database answers. `None`: the lease is still ours, train on; else how the attempt ends.
    fn await_database(&mut self, hold: &Hold) -> Option<Ending> {
        loop {
            match hold.interrupt.reason() {
                Some(Reason::Lost) => return Some(Ending::Lost),
                Some(Reason::Cancelled) => return Some(Ending::Finished(Outcome::Cancelled, None)),
                _ if self.shared.leaving.load(Ordering::Relaxed) => return Some(Ending::Released),
                _ => {}
            }
            let confirmed = hold.silence() < self.shared.options.lease_ttl / 2;
            if confirmed && let Ok(conn) = self.shared.database.connect() {
                self.conn = conn;
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Writes how the attempt ended; the fence decides whether it may.
    fn end(&mut self, claim: &Claim, hold: &Hold, ending: &Ending) -> anyhow::Result<()> {
        let job = claim.job_id;
        let written = match ending {
            // Terminated before, it has a result that a failure to go on does not refute.
            Ending::Finished(Outcome::Failed, Some(cause)) if claim.thaw_until.is_some() => {
                self.retry(claim, cause)?
            }
            Ending::Finished(outcome, error) => self.finish(claim, *outcome, error.as_deref())?,
            Ending::Retry(cause) => self.retry(claim, cause)?,
            Ending::StoreAway(cause) => self.put_off(claim, cause)?,
            Ending::Released => {
                persist(self.shared, &mut self.conn, |conn| lease::release(conn, claim.lease()))?
            }
            Ending::Lost | Ending::Silent => false,
        };
        match ending {
            _ if !written => {
                warn!(job.id = job, "job {job}: dropped, another attempt may own it ({ending:?})");
            }
            Ending::Released => info!(job.id = job, "job {job}: released"),
            _ => {}
        }
        tracing::debug!(silence = ?hold.silence(), "job {job} ended");
        Ok(())
    }

    fn finish(&mut self, claim: &Claim, outcome: Outcome, cause: Option<&str>) -> anyhow::Result<bool> {
        let job = claim.job_id;
        // The first ending of a job makes room for a proposal; one that was resumed has made it already.
        let known = self.searches.get(&claim.search_id).filter(|_| !claim.is_resumed());
        let spec = known.map(|known| Arc::clone(&known.spec));
        let log = cause.map(|_| log::last_lines());
        let finished = persist(self.shared, &mut self.conn, |conn| {
            conn.transaction(|conn| {
                let finished = finish::finish(conn, claim.lease(), outcome, cause, log.as_deref())?;
                if let (Some(_), Some(spec)) = (&finished, &spec) {
                    search::propose(conn, claim.search_id, spec).map_err(as_query_error)?;
                }
                Ok(finished)
            })
        })?;
        let Some(finished) = finished else {
            return Ok(false);
        };
        self.shared.metrics.ended(outcome.as_str());
        match (outcome, cause, finished.fitness) {
            (Outcome::Failed, Some(cause), _) => {
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                error!(job.id = job, "job {job}: failed: {cause}");
            }
            (_, _, Some(fitness)) => {
                info!(job.id = job, fitness, "job {job}: {}, fitness {fitness:.2} %", outcome.as_str());
            }
            _ => info!(job.id = job, "job {job}: {}", outcome.as_str()),
        }
        Ok(true)
    }

    /// A passing error: the job waits, twice as long after each crash; the last one fails it.
    fn retry(&mut self, claim: &Claim, cause: &str) -> anyhow::Result<bool> {
        let crashes = i32::from(claim.crashes) + 1;
        if crashes >= CRASH_LIMIT && claim.thaw_until.is_none() {
            return self.finish(
                claim,
                Outcome::Failed,
                Some(&format!("crashed {crashes} times; last error: {cause}")),
            );
        }
        let pause = Duration::from_secs(5 << crashes).mul_f64(rand::random_range(0.75..1.25));
        let (job, seconds) = (claim.job_id, pause.as_secs());
        warn!(job.id = job, "job {job}: crash {crashes} of {CRASH_LIMIT}: {cause}; again in {seconds} s");
        self.shared.metrics.ended("retried");
        persist(self.shared, &mut self.conn, |conn| {
            lease::retry(conn, claim.lease(), cause, &log::last_lines(), pause, true)
        })
    }

    /// No fault of the job: it waits for a moment, and this worker for the store.
    fn put_off(&mut self, claim: &Claim, cause: &str) -> anyhow::Result<bool> {
        self.shared.gate.doubt();
        let pause = PUT_OFF.mul_f64(rand::random_range(0.75..1.25));
        let (job, seconds) = (claim.job_id, pause.as_secs());
        warn!(job.id = job, "job {job}: put off, no crash: {cause}; again in {seconds} s");
        self.shared.metrics.ended("put_off");
        persist(self.shared, &mut self.conn, |conn| {
            lease::retry(conn, claim.lease(), cause, &log::last_lines(), pause, false)
        })
    }
}

/// What went wrong in a proposal or a judgement rolls the transaction back like any error of the database.
fn as_query_error(error: impl Into<Fault>) -> diesel::result::Error {
    match error.into() {
        Fault::Proposal(ProposalError::Query(error)) | Fault::Judge(JudgeError::Query(error)) => error,
        other => diesel::result::Error::QueryBuilderError(chain(&other).into()),
    }
}

/// What may go wrong between two statements of one transaction.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

/// Runs a statement that may safely be repeated, over as many connections as it takes.
pub fn persist<T>(
    shared: &Shared,
    conn: &mut PgConnection,
    mut work: impl FnMut(&mut PgConnection) -> diesel::QueryResult<T>,
) -> anyhow::Result<T> {
    loop {
        match work(conn) {
            Ok(done) => return Ok(done),
            Err(error) if is_alive(conn) => return Err(error.into()),
            Err(error) => {
                warn!("the database went away ({error}); reconnecting");
                let patience = shared.options.db_patience;
                *conn = shared
                    .database
                    .connect_patiently(patience, &shared.abandoning, |error| warn!("{error}"))?;
            }
        }
    }
}
