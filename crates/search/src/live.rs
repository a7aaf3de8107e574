//! The scheduler of a live search, fed from the store: the same code decides here as in a simulation. A worker and whoever checks a
//! stored search use this, so that a prediction can be recomputed bit for bit.

use diesel::PgConnection;
use domain::{JobId, Ordinal, SearchId};
use predictor::{Calibration, CurveError, Engine, Observation, Prediction};
use scheduler::{Ledger, LedgerError, Next, Scheduler, SchedulerError, State, Verdict};
use store::{
    curve::{self, Grown},
    finish::{self, Cursor},
    freeze::{self, Learned, ThawClaim},
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LiveNext {
    /// This frozen job is to be taken up.
    Resume(ThawClaim),
    /// A job that waits is started; where none does, what runs may change that.
    Wait,
    /// Nothing more: what is frozen can be ended.
    Done,
}

/// The scheduler of one search with what it has learned. Reads each curve once for each of its lengths.
pub struct LiveScheduler {
    search_id: SearchId,
    spec: Spec,
    cost: Option<CostObjective>,
    /// What a warm start gave.
    at_first: Calibration,
    scheduler: Box<dyn Scheduler>,
    ledger: Ledger,
    seen: Cursor,
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
        let cost = match &spec.strategy {
            Strategy::Nsga2(nsga2) => Some(nsga2.cost),
            _ => None,
        };
        let scheduler = begun(spec, at_first.clone());
        let (ledger, seen) = (Ledger::default(), Cursor::default());
        Ok(Self { search_id, spec: spec.clone(), cost, at_first, scheduler, ledger, seen })
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
        let mut learned = freeze::since(conn, self.search_id, self.seen)?;
        if learned.is_none() {
            // A fail-over or a restore has lost what was learned from.
            self.scheduler = begun(&self.spec, self.at_first.clone());
            (self.ledger, self.seen) = (Ledger::default(), Cursor::default());
            learned = freeze::since(conn, self.search_id, self.seen)?;
        }
        for learned in learned.unwrap_or_default() {
            if learned.ordinal > ordinal {
                break;
            }
            self.learn(conn, &learned)?;
            self.seen = learned.cursor();
        }
        Ok(())
    }

    fn learn(&mut self, conn: &mut PgConnection, learned: &Learned) -> Result<(), LiveError> {
        let (id, job) = (learned.job_id, learned.job_id.0);
        let state = match learned.outcome {
            None => State::Frozen,
            Some(Outcome::Completed) => State::Completed,
            Some(Outcome::Terminated) => State::Stopped,
            Some(Outcome::Diverged | Outcome::Failed | Outcome::Cancelled) => State::Lost,
        };
        if state != State::Lost {
            let curve = curve_of(&curve::load(conn, id, learned.step)?);
            self.enter(conn, id)?;
            self.ledger.replace(job, &curve)?;
        } else if self.ledger.job(job).is_none() {
            return Ok(()); // Nothing is learned from a job that failed, diverged or was cancelled.
        }
        self.ledger.settle(job, state)?;
        Ok(self.scheduler.learn(&self.ledger, job)?)
    }

    /// Enters a job that a worker trains.
    fn enter(&mut self, conn: &mut PgConnection, job: JobId) -> Result<(), LiveError> {
        let cost = match (self.cost, self.ledger.job(job.0)) {
            (Some(objective), None) => search::cost_of(conn, job)?.map(|(flops, parameters)| {
                objective.of(genome::Cost { flops: flops as u64, parameters: parameters as u64 })
            }),
            _ => None,
        };
        self.ledger.start(job.0, cost);
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
        self.look(conn, None)?;
        Ok(match self.scheduler.next(&self.ledger)? {
            Next::Start | Next::Wait => LiveNext::Wait,
            Next::Done => LiveNext::Done,
            Next::Resume(job) => {
                let chance = self.estimate(JobId(job))?.and_then(|p| p.chance).unwrap_or(0.0);
                LiveNext::Resume(ThawClaim { job_id: JobId(job), chance, calibration: self.seen() })
            }
        })
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
    for ending in finish::since(conn, earlier.id, Cursor::default())?.unwrap_or_default() {
        if ending.outcome == Outcome::Completed {
            let curve = curve_of(&curve::load(conn, ending.job_id, ending.step)?);
            let learned = engine.learn_earlier(calibration, &curve);
            learned.map_err(|source| LiveError::Curve { job: ending.job_id, source })?;
        }
    }
    Ok(())
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
