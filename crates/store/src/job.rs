//! Jobs: where they stand, and what people do to them.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult,
    QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use diesel_derive_enum::DbEnum;
use domain::{JobId, SearchId};
use serde::{Deserialize, Serialize};

use crate::{
    attempt::{self, AttemptRow},
    schema::sql_types as pg,
};

/// Crashes without progress that fail a job, if two hosts have seen it crash or there is one alone.
pub const CRASH_LIMIT: i32 = 5;
/// Lost leases without progress that fail a job under the same condition.
pub const LOSS_LIMIT: i32 = 10;

/// Where a job stands. The last five are outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, DbEnum, Serialize, Deserialize)]
#[db_enum(existing_type_path = "crate::schema::sql_types::JobState")]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Claimable.
    Ready,
    /// Leased to a worker.
    Running,
    /// Set aside by the scheduler at its checkpoint, without an ending.
    Frozen,
    /// Backs off after a passing error.
    Waiting,
    /// Its search is paused.
    Paused,
    /// Stopped by the predictor.
    Terminated,
    /// Trained to the end.
    Completed,
    /// Ended by a non-finite loss.
    Diverged,
    /// Ended by an error.
    Failed,
    /// Ended by a person.
    Cancelled,
}

impl JobState {
    /// Name in SQL, JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Frozen => "frozen",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Terminated => "terminated",
            Self::Completed => "completed",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it is an outcome.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Ready | Self::Running | Self::Frozen | Self::Waiting | Self::Paused)
    }
}

/// Whether decisions of the predictor are obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, DbEnum, Serialize, Deserialize)]
#[db_enum(existing_type_path = "crate::schema::sql_types::JobMode")]
#[serde(rename_all = "snake_case")]
pub enum JobMode {
    /// Obeyed.
    Terminate,
    /// Recorded only: the whole search observes.
    Observe,
    /// Recorded only: drawn to be trained to the end.
    Audit,
    /// Recorded only: resumed to the full budget.
    Promoted,
}

impl JobMode {
    /// Name in SQL, JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Observe => "observe",
            Self::Audit => "audit",
            Self::Promoted => "promoted",
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, DbEnum, Serialize, Deserialize)]
#[db_enum(existing_type_path = "crate::schema::sql_types::Outcome")]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By the predictor.
    Terminated,
    /// Trained to `max_epochs`.
    Completed,
    /// Non-finite loss.
    Diverged,
    /// An error.
    Failed,
    /// By a person.
    Cancelled,
}

impl Outcome {
    /// Name in SQL, JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminated => "terminated",
            Self::Completed => "completed",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One line of `peng job list`.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct JobRow {
    /// Number of the job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: JobId,
    /// Name of its search.
    #[diesel(sql_type = sql_types::Text)]
    pub search: String,
    /// Where it stands.
    #[diesel(sql_type = pg::JobState)]
    pub state: JobState,
    /// Whether decisions are obeyed.
    #[diesel(sql_type = pg::JobMode)]
    pub mode: JobMode,
    /// Higher is claimed first.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub priority: i16,
    /// How often it was claimed.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub attempts: i16,
    /// Attempts that ended by an error since it last got further.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub crashes: i16,
    /// Last recorded epoch.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub epoch: Option<f64>,
    /// Validation accuracy at that epoch, per cent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub val_acc: Option<f64>,
    /// Predicted fitness at that epoch, per cent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub prediction: Option<f64>,
    /// Where it runs.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub host: Option<String>,
    /// When a waiting job becomes ready.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub run_after: Option<DateTime<Utc>>,
    /// One-line reading of its genome.
    #[diesel(sql_type = sql_types::Text)]
    pub architecture: String,
}

/// Which jobs a command means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// These ids, ends included: `42`, `3-9,12`.
    Ids(Vec<(i64, i64)>),
    /// The newest job.
    Last,
}

/// A selector that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` selects no jobs: give `last`, a number, a range, or a list of them, such as `3-9,12`")]
pub struct SelectorError(String);

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "last" {
            return Ok(Self::Last);
        }
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let range = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (0 < range.0 && range.0 <= range.1).then_some(range)
        };
        let ranges = text.split(',').map(range).collect::<Option<Vec<_>>>();
        ranges.map(Self::Ids).ok_or_else(|| SelectorError(text.to_owned()))
    }
}

impl Selector {
    /// The ids of the jobs that exist among those selected, rising.
    ///
    /// # Errors
    /// Those of the database.
    pub fn resolve(&self, conn: &mut PgConnection) -> QueryResult<Vec<JobId>> {
        use crate::schema::job::dsl::{id, job};
        match self {
            Self::Last => job.select(id).order(id.desc()).limit(1).load(conn),
            Self::Ids(ranges) => {
                let mut ids = Vec::new();
                for &(from, to) in ranges {
                    ids.extend(job.select(id).filter(id.between(from, to)).load::<JobId>(conn)?);
                }
                ids.sort_unstable();
                ids.dedup();
                Ok(ids)
            }
        }
    }
}

/// Jobs of one search or of all, newest last, of some states or of all.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut PgConnection,
    search: Option<SearchId>,
    states: &[JobState],
    ids: Option<&[JobId]>,
    limit: i64,
) -> QueryResult<Vec<JobRow>> {
    let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    sql_query(include_str!("sql/job_list.sql"))
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(search)
        .bind::<sql_types::Array<sql_types::Text>, _>(states)
        .bind::<sql_types::Nullable<sql_types::Array<sql_types::BigInt>>, _>(ids)
        .bind::<sql_types::BigInt, _>(limit)
        .load(conn)
}

/// What became of a request to cancel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName, Serialize)]
pub struct Cancelled {
    /// Jobs that were not running and are cancelled now.
    #[diesel(sql_type = sql_types::BigInt)]
    pub at_once: i64,
    /// Running jobs whose workers will see it with their next renewal.
    #[diesel(sql_type = sql_types::BigInt)]
    pub requested: i64,
}

/// Cancels jobs: those that wait at once, those that run as soon as their worker hears of it. Finished ones stay.
///
/// # Errors
/// Those of the database.
pub fn cancel(conn: &mut PgConnection, ids: &[JobId]) -> QueryResult<Cancelled> {
    sql_query("SELECT * FROM cancel_jobs($1)")
        .bind::<sql_types::Array<sql_types::BigInt>, _>(ids)
        .get_result(conn)
}

/// Makes failed, diverged and cancelled jobs ready again, with no crashes counted; they go on from their newest
/// checkpoint. Returns how many.
///
/// # Errors
/// Those of the database.
pub fn retry(conn: &mut PgConnection, ids: &[JobId]) -> QueryResult<usize> {
    sql_query(include_str!("sql/job_retry.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(ids)
        .execute(conn)
}

/// Gives jobs that have not ended another priority; returns how many. A running job has it when it is claimed again.
///
/// # Errors
/// Those of the database.
pub fn set_priority(conn: &mut PgConnection, ids: &[JobId], to: i16) -> QueryResult<usize> {
    sql_query(include_str!("sql/job_priority.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(ids)
        .bind::<sql_types::SmallInt, _>(to)
        .execute(conn)
}

/// All that is known of one job, and why it is where it is.
#[derive(Debug, Clone, Serialize)]
pub struct JobDetail {
    /// Where it stands.
    pub job: JobRow,
    /// What comes next, in words.
    pub next: String,
    /// The error of a failed job.
    pub error: Option<String>,
    /// Its learning curve.
    pub curve: Vec<crate::curve::Observation>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// Everything about one job.
///
/// # Errors
/// `NotFound` if there is none of this id, and those of the database.
pub fn show(conn: &mut PgConnection, id: JobId) -> QueryResult<JobDetail> {
    let job = list(conn, None, &[], Some(&[id]), 1)?.pop().ok_or(diesel::result::Error::NotFound)?;
    let curve = crate::curve::load(conn, id, i32::MAX)?;
    let attempts = attempt::of_job(conn, id)?;
    let error = {
        use crate::schema::result::dsl::{error, result};
        result.find(id).select(error).first::<Option<String>>(conn).optional()?.flatten()
    };
    let next = next(conn, &job)?;
    Ok(JobDetail { job, next, error, curve, attempts })
}

/// What a job that has not ended waits for.
#[derive(QueryableByName)]
struct Waits {
    #[diesel(sql_type = sql_types::Text)]
    class: String,
    #[diesel(sql_type = sql_types::BigInt)]
    workers: i64,
    /// Jobs of its search that are claimed before it.
    #[diesel(sql_type = sql_types::BigInt)]
    before: i64,
    /// Ready jobs in searches of its class that go before its own.
    #[diesel(sql_type = sql_types::BigInt)]
    higher: i64,
    /// The limit of its search, where so many jobs run.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    reached: Option<i32>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    lease_seconds: Option<f64>,
    #[diesel(sql_type = sql_types::Bool)]
    cancel: bool,
}

fn next(conn: &mut PgConnection, job: &JobRow) -> QueryResult<String> {
    Ok(match job.state {
        JobState::Ready | JobState::Running => {
            let waits: Waits = sql_query(include_str!("sql/job_waits.sql"))
                .bind::<sql_types::BigInt, _>(job.id)
                .get_result(conn)?;
            match job.state {
                JobState::Ready => {
                    let nobody = crate::worker::nobody_can_train(conn, &waits.class)?;
                    nobody.unwrap_or_else(|| in_queue(&waits))
                }
                _ => in_training(job, &waits),
            }
        }
        JobState::Waiting => {
            let when = job.run_after.map_or_else(String::new, |at| at.format(" at %F %T UTC").to_string());
            match job.crashes {
                0 => format!("what it needs was away; it is ready again{when}"),
                crashes => {
                    format!("crash {crashes} of {CRASH_LIMIT} without progress; it is ready again{when}")
                }
            }
        }
        JobState::Frozen => {
            "it is set aside at its checkpoint: a free worker takes it up when its chance is the best of its \
                             search, and it ends with its search"
                .to_owned()
        }
        JobState::Paused => format!("`peng search resume {}` makes it ready", job.search),
        JobState::Failed | JobState::Diverged | JobState::Cancelled => {
            format!("`peng job retry {}` makes it ready again", job.id)
        }
        JobState::Terminated => {
            format!("the predictor ended it; `peng search promote {}` trains the best to the end", job.search)
        }
        JobState::Completed => "nothing: it is trained to the end".to_owned(),
    })
}

fn in_queue(waits: &Waits) -> String {
    let Waits { class, workers, before, higher, reached, .. } = waits;
    if *workers == 0 {
        return format!("no worker of class `{class}` lives: start one with --class {class}");
    }
    let before = match before {
        0 => "it is the next of its search".to_owned(),
        1 => "1 job of its search stands before it".to_owned(),
        count => format!("{count} jobs of its search stand before it"),
    };
    if let Some(most) = reached {
        return format!(
            "max_running of its search is reached: it waits until one of {most} jobs that run has ended; {before}"
        );
    }
    let higher = match higher {
        0 => String::new(),
        count => format!("searches of higher priority go first, with {count} ready jobs; "),
    };
    format!("a free worker of class `{class}` claims it: {higher}{before}, {workers} workers live")
}

fn in_training(job: &JobRow, waits: &Waits) -> String {
    let place = job.host.as_deref().unwrap_or("a worker");
    match waits.lease_seconds {
        Some(left) if left < 0.0 => {
            format!("{place} has been silent for too long: any worker takes it back, as does `peng db reap`")
        }
        _ if waits.cancel => format!("it is cancelled as soon as {place} sees it"),
        _ => format!("it trains on {place}"),
    }
}
