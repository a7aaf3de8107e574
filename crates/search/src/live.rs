//! The scheduler of a live search, fed from the store: the same code decides here as in a simulation. A worker and whoever checks a
//! stored search use this, so that a prediction can be recomputed bit for bit.

mod kept;

use std::collections::HashMap;

use diesel::PgConnection;
use domain::{JobId, Ordinal, SearchId};
use predictor::{Calibration, CurveError, Engine, Observation, Prediction, SnapshotError};
use scheduler::{Job, Ledger, LedgerError, Next, Scheduler, SchedulerError, State, Verdict};
use store::{
    curve::{self, Grown},
    finish::{self, Cursor},
    freeze::{self, Learned, Running, ThawClaim},
    job::Outcome,
    search,
};
use strategy::{CostObjective, Strategy};

use crate::{Spec, SpecError};

/// Why a scheduler cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The database did not answer.
    #[error("cannot read what the scheduler has to know")]
    Query(#[from] diesel::result::Error),
    /// A stored curve of an earlier search is damaged.
    #[error("the stored curve of job {job} is damaged")]
    Curve {
        /// The job.
        job: JobId,
        /// How.
        source: CurveError,
    },
    /// A stored curve is damaged.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The scheduler takes no such curve.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// There is no memory for what is to be kept of it.
    #[error("cannot keep what the scheduler has learned")]
    Kept(#[source] SnapshotError),
    /// The search to start from is not there.
    #[error("`predictor.warm_start` names search `{0}`, which does not exist")]
    NoWarmStart(String),
    /// A stored specification is not understood.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl LiveError {
    /// An error of the database as such, and any other as a value: the first may pass, the other stays.
    ///
    /// # Errors
    /// Those of the database.
    pub fn parted<T>(self) -> diesel::QueryResult<Result<T, Self>> {
        match self {
            Self::Query(error) => Err(error),
            other => Ok(Err(other)),
        }
    }
}

/// What a free worker does in a search.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveNext {
    /// The first of these frozen jobs that nobody else takes up is to be.
    Resume(Vec<ThawClaim>),
    /// A job that waits is started; where none does, what runs may change that.
    Wait,
    /// Nothing more: what is frozen can be ended.
    Done,
}

/// Frozen jobs that a worker offers to take up, the first that it gets.
const CANDIDATES: usize = 32;

/// Curves that are read in one statement.
const AT_ONCE: usize = 1000;

/// The scheduler of one search with what it has learned. Reads each curve once for each of its lengths.
pub struct LiveScheduler {
    search_id: SearchId,
    spec: Spec,
    objective: Option<CostObjective>,
    costs: HashMap<JobId, f64>,
    /// What a warm start gave.
    at_first: Calibration,
    scheduler: Box<dyn Scheduler>,
    ledger: Ledger,
    seen: Cursor,
    /// Ended jobs whose curves were not read, since what they taught was taken over, and the last step of each.
    unread: HashMap<JobId, i32>,
    /// What a state that is kept has to agree in.
    fingerprint: String,
    /// Whether it was looked for.
    looked: bool,
    /// How far the one goes that was last kept, as far as that is known.
    kept: Ordinal,
}

impl std::fmt::Debug for LiveScheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveScheduler")
            .field("search_id", &self.search_id)
            .field("ledger", &self.ledger)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl LiveScheduler {
    /// A scheduler that knows of no job yet but for the completed ones of the `warm_start` search.
    ///
    /// # Errors
    /// [`LiveError::NoWarmStart`] and those of the database.
    pub fn new(conn: &mut PgConnection, search_id: SearchId, spec: &Spec) -> Result<Self, LiveError> {
        let mut at_first = Calibration::default();
        if let Some(name) = &spec.predictor.warm_start {
            warm_start(conn, name, &spec.engine(), &mut at_first)?;
        }
        let objective = match &spec.strategy {
            Strategy::Nsga2(nsga2) => Some(nsga2.cost),
            _ => None,
        };
        let scheduler = begun(spec, at_first.clone());
        let (ledger, seen) = (Ledger::default(), Cursor::default());
        Ok(Self {
            search_id,
            spec: spec.clone(),
            objective,
            costs: HashMap::new(),
            at_first,
            scheduler,
            ledger,
            seen,
            unread: HashMap::new(),
            fingerprint: spec.scheduler_fingerprint(),
            looked: false,
            kept: Ordinal::default(),
        })
    }

    /// Ordinal of the last ending or freeze that it knows of; stored with each decision.
    pub fn seen(&self) -> Ordinal {
        self.seen.ordinal
    }

    /// Whether it ever sets a job aside, so that a search is over only when it says so.
    pub fn freezes(&self) -> bool {
        self.scheduler.freezes()
    }

    /// Takes in what ended or was set aside since. Reads nothing but that.
    ///
    /// # Errors
    /// Those of the database, and a damaged curve.
    pub fn refresh(&mut self, conn: &mut PgConnection) -> Result<(), LiveError> {
        self.refresh_to(conn, Ordinal(i64::MAX))
    }

    /// Takes in what ended or was set aside up to an ordinal, to judge as a worker did that knew of no more.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub fn refresh_to(&mut self, conn: &mut PgConnection, ordinal: Ordinal) -> Result<(), LiveError> {
        if !std::mem::replace(&mut self.looked, true) {
            self.take_over(conn, ordinal)?;
        }
        let mut learned = freeze::since(conn, self.search_id, self.seen)?;
        if learned.is_none() {
            // A fail-over or a restore has lost what was learned from.
            self.begin_anew();
            learned = freeze::since(conn, self.search_id, self.seen)?;
        }
        let mut learned = learned.unwrap_or_default();
        learned.truncate(learned.partition_point(|learned| learned.ordinal <= ordinal));
        for some in learned.chunks(AT_ONCE) {
            let jobs: Vec<JobId> = some.iter().map(|learned| learned.job_id).collect();
            let curves = curves_of(conn, &jobs)?;
            self.read_costs(conn, &jobs)?;
            self.read_unread(conn, &jobs)?;
            for learned in some {
                let curve = curves.get(&learned.job_id).map_or(&[][..], Vec::as_slice);
                self.learn(learned, &curve[..curve.len().min(learned.step as usize)])?;
                self.seen = learned.cursor();
            }
        }
        Ok(())
    }

    /// Forgets what it has learned: the next look reads all of it.
    pub fn begin_anew(&mut self) {
        self.scheduler = begun(&self.spec, self.at_first.clone());
        (self.ledger, self.seen) = (Ledger::default(), Cursor::default());
        (self.looked, self.kept) = (false, Ordinal::default());
        self.unread.clear();
    }

    fn learn(&mut self, learned: &Learned, curve: &[Observation]) -> Result<(), LiveError> {
        let job = learned.job_id.0;
        let state = state_of(learned.outcome);
        if state != State::Lost {
            self.ledger.start(job, self.costs.get(&learned.job_id).copied());
            self.ledger.replace(job, curve)?;
        } else if self.ledger.job(job).is_none() {
            return Ok(()); // Nothing is learned from a job that failed, diverged or was cancelled.
        }
        self.ledger.settle(job, state)?;
        Ok(self.scheduler.learn(&self.ledger, job)?)
    }

    /// Enters a job that a worker trains.
    fn enter(&mut self, conn: &mut PgConnection, job: JobId) -> Result<(), LiveError> {
        self.read_costs(conn, &[job])?;
        self.unread.remove(&job); // Whoever trains it knows its curve.
        self.ledger.start(job.0, self.costs.get(&job).copied());
        Ok(())
    }

    /// Reads what the search minimises beside the fitness, if anything, of jobs that it does not know yet.
    fn read_costs(&mut self, conn: &mut PgConnection, jobs: &[JobId]) -> Result<(), LiveError> {
        let Some(objective) = self.objective else { return Ok(()) };
        let unknown: Vec<JobId> = jobs.iter().copied().filter(|job| !self.costs.contains_key(job)).collect();
        if !unknown.is_empty() {
            self.costs.extend(search::costs_of(conn, &unknown)?.into_iter().map(
                |(job, flops, parameters)| {
                    (job, objective.of(genome::Cost { flops: flops as u64, parameters: parameters as u64 }))
                },
            ));
        }
        Ok(())
    }

    /// Takes in what this worker has observed of a job, the newest point last, and how the search stands.
    ///
    /// # Errors
    /// Those of the database, and a curve with a number that is not finite, or with epochs that do not rise.
    pub fn observe(
        &mut self,
        conn: &mut PgConnection,
        job: JobId,
        curve: &[Observation],
    ) -> Result<(), LiveError> {
        self.refresh(conn)?;
        self.keep_if_due(conn)?;
        self.take(conn, job, curve)?;
        self.look(conn, Some(job))
    }

    /// Takes in what has been observed of a job that runs, and nothing else.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn take(
        &mut self,
        conn: &mut PgConnection,
        job: JobId,
        curve: &[Observation],
    ) -> Result<(), LiveError> {
        self.enter(conn, job)?;
        self.ledger.replace(job.0, curve)?;
        Ok(self.scheduler.learn(&self.ledger, job.0)?)
    }

    /// How the search stands: what waits, what runs.
    fn look(&mut self, conn: &mut PgConnection, own: Option<JobId>) -> Result<(), LiveError> {
        let waits = freeze::has_open(conn, self.search_id)?;
        self.ledger.set_waiting(usize::from(waits));
        let first = self.scheduler.first_jobs();
        if first > 0 {
            let first = freeze::first_jobs(conn, self.search_id, first)?;
            self.ledger.set_first(first.into_iter().map(|job| job.0).collect());
        }
        let watches = self.scheduler.watches_running();
        if waits && !watches {
            return Ok(());
        }
        let running = freeze::running(conn, self.search_id)?;
        self.put_back(&running, own);
        let others = running.iter().filter(|job| Some(job.job_id) != own);
        if watches {
            self.watch(conn, &others.map(|job| job.job_id).collect::<Vec<_>>())?;
        } else {
            for job in others.filter(|job| job.resumed) {
                if self.ledger.job(job.job_id.0).is_some() {
                    self.ledger.start(job.job_id.0, None);
                }
            }
        }
        self.ledger.set_running(running.len());
        Ok(())
    }

    /// Jobs that were taken up and whose attempt ended without an answer are frozen as before.
    fn put_back(&mut self, running: &[Running], own: Option<JobId>) {
        let runs = |job: JobId| own == Some(job) || running.iter().any(|running| running.job_id == job);
        let resumed = |job: &Job| job.state() == State::Running && job.resumed() > 0;
        let stale: Vec<i64> = self
            .ledger
            .jobs()
            .filter(|(id, job)| resumed(job) && !runs(JobId(*id)))
            .map(|(id, _)| id)
            .collect();
        for job in stale {
            self.ledger.put_back(job);
        }
    }

    /// Takes in what other workers have observed of jobs that run.
    fn watch(&mut self, conn: &mut PgConnection, running: &[JobId]) -> Result<(), LiveError> {
        let mut known = Vec::with_capacity(running.len());
        for &job in running {
            self.enter(conn, job)?;
            let points = self.ledger.job(job.0).map_or(0, |entry| entry.curve().points().len());
            known.push((job, points as i32));
        }
        for Grown { job_id, epoch, val_acc, train_acc, train_loss } in curve::grown(conn, &known)? {
            self.ledger.observe(job_id.0, Observation { epoch, val_acc, train_acc, train_loss })?;
            self.scheduler.learn(&self.ledger, job_id.0)?;
        }
        Ok(())
    }

    /// Whether a job trains on that was observed just now.
    ///
    /// # Errors
    /// A job that was never observed.
    pub fn decide(&mut self, job: JobId, may_freeze: bool) -> Result<Verdict, LiveError> {
        Ok(self.scheduler.decide(&self.ledger, job.0, may_freeze)?)
    }

    /// Where a job is expected to end, by what is known now.
    ///
    /// # Errors
    /// A job that was never observed.
    pub fn estimate(&self, job: JobId) -> Result<Option<Prediction>, LiveError> {
        Ok(self.scheduler.estimate(&self.ledger, job.0)?)
    }

    /// Whether a frozen job may go before one that waits to be started: [`Scheduler::promotes_first`].
    pub fn promotes_first(&self) -> bool {
        self.scheduler.promotes_first()
    }

    /// What a free worker does, where no job waits to be started or [`Self::promotes_first`].
    ///
    /// # Errors
    /// Those of the database, and a damaged curve.
    pub fn next(&mut self, conn: &mut PgConnection) -> Result<LiveNext, LiveError> {
        self.refresh(conn)?;
        self.keep_if_due(conn)?;
        self.look(conn, None)?;
        Ok(match self.scheduler.next(&self.ledger)? {
            Next::Start | Next::Wait => LiveNext::Wait,
            Next::Done => LiveNext::Done,
            Next::Resume(job) => LiveNext::Resume(self.candidates(job)?),
        })
    }

    /// The job to be taken up, and those that would follow if others were taking it up now: many idle workers look at the same time.
    fn candidates(&mut self, first: i64) -> Result<Vec<ThawClaim>, LiveError> {
        let (mut candidates, mut next) = (vec![], Ok(Next::Resume(first)));
        while let Ok(Next::Resume(job)) = next
            && candidates.len() < CANDIDATES
        {
            candidates.push(job);
            self.ledger.start(job, None);
            next = self.scheduler.next(&self.ledger);
        }
        for job in &candidates {
            self.ledger.put_back(*job);
        }
        let claim = |job: i64| {
            let chance = self.estimate(JobId(job))?.and_then(|p| p.chance).unwrap_or(0.0);
            Ok(ThawClaim { job_id: JobId(job), chance, calibration: self.seen() })
        };
        next?;
        candidates.into_iter().map(claim).collect()
    }
}

/// Where a job stands that ended so, or was set aside.
fn state_of(outcome: Option<Outcome>) -> State {
    match outcome {
        None => State::Frozen,
        Some(Outcome::Completed) => State::Completed,
        Some(Outcome::Terminated) => State::Stopped,
        Some(Outcome::Diverged | Outcome::Failed | Outcome::Cancelled) => State::Lost,
    }
}

fn begun(spec: &Spec, calibration: Calibration) -> Box<dyn Scheduler> {
    scheduler::of(&spec.predictor, spec.target(), calibration)
        .expect("a checked specification has a scheduler")
}

fn warm_start(
    conn: &mut PgConnection,
    name: &str,
    engine: &Engine,
    calibration: &mut Calibration,
) -> Result<(), LiveError> {
    let earlier = search::find(conn, name)?.ok_or_else(|| LiveError::NoWarmStart(name.to_owned()))?;
    let mut endings = finish::since(conn, earlier.id, Cursor::default())?.unwrap_or_default();
    endings.retain(|ending| ending.outcome == Outcome::Completed);
    for some in endings.chunks(AT_ONCE) {
        let curves = curves_of(conn, &some.iter().map(|ending| ending.job_id).collect::<Vec<_>>())?;
        for ending in some {
            let curve = curves.get(&ending.job_id).map_or(&[][..], Vec::as_slice);
            let learned = engine.learn_earlier(calibration, &curve[..curve.len().min(ending.step as usize)]);
            learned.map_err(|source| LiveError::Curve { job: ending.job_id, source })?;
        }
    }
    Ok(())
}

/// The stored curves of some jobs.
fn curves_of(conn: &mut PgConnection, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<Observation>>, LiveError> {
    let mut curves: HashMap<JobId, Vec<Observation>> = HashMap::new();
    let mut whole: Vec<_> = jobs.iter().map(|&job| (job, 0)).collect();
    whole.sort_unstable();
    whole.dedup(); // One may have been set aside and have ended.
    for Grown { job_id, epoch, val_acc, train_acc, train_loss } in curve::grown(conn, &whole)? {
        curves.entry(job_id).or_default().push(Observation { epoch, val_acc, train_acc, train_loss });
    }
    Ok(curves)
}

/// A stored curve as a scheduler sees it.
pub fn curve_of(points: &[curve::Observation]) -> Vec<Observation> {
    let point = |p: &curve::Observation| Observation {
        epoch: p.epoch,
        val_acc: p.val_acc,
        train_acc: p.train_acc,
        train_loss: p.train_loss,
    };
    points.iter().map(point).collect()
}
