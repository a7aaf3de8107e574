//! Jobs that are set aside without an ending, and taken up again: freeze and thaw (Swersky, Snoek and Adams, arXiv 1406.3896).

use std::time::Duration;

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};
use domain::{JobId, Lease, Ordinal, SearchId};
use uuid::Uuid;

use crate::{
    finish::{self, Cursor},
    job::{JobState, Outcome},
    queue::Claim,
    schema::sql_types as pg,
    statement::prepared,
};

/// Jobs that [`stop_all`] ends in one statement.
const BATCH: i32 = 500;

#[derive(QueryableByName)]
struct JobRow {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: JobId,
}

/// Sets a job aside at its checkpoint, after the observation of this step. `None`: fenced out, or the observation is not there;
/// nothing was written. Else where the job stands: frozen, or cancelled by a person.
///
/// # Errors
/// Those of the database.
pub fn freeze(conn: &mut PgConnection, lease: Lease, step: i32) -> QueryResult<Option<JobState>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = pg::JobState)]
        state: JobState,
    }
    let row: Option<Row> = prepared(
        sql_query(include_str!("sql/freeze.sql"))
            .bind::<sql_types::BigInt, _>(lease.job_id)
            .bind::<sql_types::BigInt, _>(lease.fence)
            .bind::<sql_types::Uuid, _>(lease.worker_id)
            .bind::<sql_types::Integer, _>(step),
    )
    .get_result(conn)
    .optional()?;
    Ok(row.map(|row| row.state))
}

/// Why a frozen job is taken up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThawClaim {
    /// The job.
    pub job_id: JobId,
    /// Its chance of belonging to the best; 0 where the scheduler goes by ranks.
    pub chance: f64,
    /// Ordinal of the last ending or freeze that the scheduler knew of.
    pub calibration: Ordinal,
}

/// Claims the first of these frozen jobs of one search, all for what the scheduler knew at one time, that nobody else has taken up or
/// is about to. `None`: none of them is left, or their search takes no more workers.
///
/// # Errors
/// Those of the database.
pub fn thaw(
    conn: &mut PgConnection,
    candidates: &[ThawClaim],
    worker: Uuid,
    ttl: Duration,
) -> QueryResult<Option<Claim>> {
    let Some(calibration) = candidates.first().map(|best| best.calibration) else { return Ok(None) };
    let (jobs, chances): (Vec<JobId>, Vec<f64>) =
        candidates.iter().map(|best| (best.job_id, best.chance)).unzip();
    sql_query(include_str!("sql/thaw.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
        .bind::<sql_types::Uuid, _>(worker)
        .bind::<sql_types::Double, _>(ttl.as_secs_f64())
        .bind::<sql_types::Array<sql_types::Double>, _>(chances)
        .bind::<sql_types::BigInt, _>(calibration)
        .get_result(conn)
        .optional()
}

/// A job that a worker trains now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Running {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Whether it had been set aside before.
    #[diesel(sql_type = sql_types::Bool)]
    pub resumed: bool,
}

/// The jobs of a search that run now, by their numbers.
///
/// # Errors
/// Those of the database.
pub fn running(conn: &mut PgConnection, search: SearchId) -> QueryResult<Vec<Running>> {
    prepared(sql_query(include_str!("sql/running.sql")).bind::<sql_types::BigInt, _>(search)).load(conn)
}

/// Whether a search has jobs that nobody has to decide about: ready, backing off or paused.
///
/// # Errors
/// Those of the database.
pub fn has_open(conn: &mut PgConnection, search: SearchId) -> QueryResult<bool> {
    let open = "SELECT 1 FROM job WHERE search_id = $1 AND state IN ('ready', 'waiting', 'paused') LIMIT 1";
    Ok(prepared(sql_query(open).bind::<sql_types::BigInt, _>(search)).execute(conn)? > 0)
}

/// The first so many jobs of a search that are not lost, in the order of proposal.
///
/// # Errors
/// Those of the database.
pub fn first_jobs(conn: &mut PgConnection, search: SearchId, many: usize) -> QueryResult<Vec<JobId>> {
    let rows: Vec<JobRow> = prepared(
        sql_query(include_str!("sql/first_jobs.sql"))
            .bind::<sql_types::BigInt, _>(search)
            .bind::<sql_types::BigInt, _>(many as i64),
    )
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.job_id).collect())
}

/// What a scheduler learns from: a job that ended, or was set aside.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
pub struct Learned {
    /// Identity among the endings, or among the freezes, for ever.
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    /// Its place among both.
    #[diesel(sql_type = sql_types::BigInt)]
    pub ordinal: Ordinal,
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Its last step then.
    #[diesel(sql_type = sql_types::Integer)]
    pub step: i32,
    /// How it ended; none where it was set aside.
    #[diesel(sql_type = sql_types::Nullable<pg::Outcome>)]
    pub outcome: Option<Outcome>,
}

impl Learned {
    /// What has been read once this has.
    pub fn cursor(&self) -> Cursor {
        // A freeze and an ending of one number are two.
        Cursor::new(self.ordinal, if self.outcome.is_some() { self.id } else { -self.id })
    }
}

/// What ended or was set aside in a search after what was read last, in order: see [`finish::since`].
///
/// # Errors
/// Those of the database.
pub fn since(conn: &mut PgConnection, search: SearchId, seen: Cursor) -> QueryResult<Option<Vec<Learned>>> {
    finish::number(conn, search)?;
    let mut learned: Vec<Learned> = prepared(
        sql_query(include_str!("sql/learned.sql"))
            .bind::<sql_types::BigInt, _>(search)
            .bind::<sql_types::BigInt, _>(seen.ordinal),
    )
    .load(conn)?;
    if seen == Cursor::default() {
        return Ok(Some(learned));
    }
    if learned.first().map(Learned::cursor) != Some(seen) {
        return Ok(None);
    }
    Ok(Some(learned.split_off(1)))
}

/// What it took to take up frozen jobs of a search.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
pub struct RestartPrice {
    /// Attempts that it was measured on.
    #[diesel(sql_type = sql_types::BigInt)]
    pub resumed: i64,
    /// Their median, in epochs; none without any.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub epochs: Option<f64>,
}

/// Measures what it took to take up the frozen jobs of a search, beside their training.
///
/// # Errors
/// Those of the database.
pub fn restart_price(conn: &mut PgConnection, search: SearchId) -> QueryResult<RestartPrice> {
    let price = sql_query(include_str!("sql/restart_price.sql"));
    price.bind::<sql_types::BigInt, _>(search).get_result(conn)
}

/// Ends some of the jobs of a search that are set aside, if it has nothing else to do and nothing was set aside or completed since
/// this ordinal. Returns how many; call it again until that is none.
///
/// # Errors
/// Those of the database.
pub fn stop_all(conn: &mut PgConnection, search: SearchId, seen: Ordinal) -> QueryResult<usize> {
    let stopped: Vec<JobRow> = sql_query(include_str!("sql/stop_frozen.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::BigInt, _>(seen)
        .bind::<sql_types::Integer, _>(BATCH)
        .load(conn)?;
    Ok(stopped.len())
}
