//! Maintenance that one worker does for all: dead workers' jobs are reaped, waiting jobs wake up. Each statement stands for
//! itself, so that a worker that freezes in the middle holds nothing.

use std::time::Duration;

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};
use domain::JobId;
use serde::Serialize;
use uuid::Uuid;

use crate::{connection::Stepwise, job::JobState, schema::sql_types as pg, statement::prepared};

/// Jobs reaped by one statement.
const BATCH: i64 = 100;

/// A job that was reaped.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct Reaped {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Who had it.
    #[diesel(sql_type = sql_types::Uuid)]
    pub worker_id: Uuid,
    /// Its crashes since it last got further.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub crashes: i16,
    /// Its lost leases since it last got further.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub losses: i16,
    /// Where it is now: ready, paused, failed, cancelled, or terminated as before it was resumed for an interval.
    #[diesel(sql_type = pg::JobState)]
    pub state: JobState,
}

/// What a round of maintenance did.
#[derive(Debug, Default, Serialize)]
pub struct Round {
    /// Leases that were extended because nobody had reaped for a while: the database was away, not the workers.
    pub extended: i64,
    /// Jobs reaped.
    pub reaped: Vec<Reaped>,
    /// Waiting jobs that are ready now.
    pub woken: usize,
}

/// One round, if this worker is or becomes the one that does them, for `term` from now; `None`: another one is. Where the last
/// round was longer ago than `gap`, all leases are first extended by their time to live, so that an outage of the database kills
/// no job of a living worker.
///
/// # Errors
/// Those of the database.
pub fn round(
    conn: &mut PgConnection,
    worker: Uuid,
    term: Duration,
    gap: Duration,
) -> QueryResult<Option<Round>> {
    let Some(extended) = lead(conn, worker, term, gap)? else { return Ok(None) };
    Ok(Some(Round { extended, reaped: reap(conn)?, woken: wake(conn)? }))
}

/// Makes this worker the one that does rounds, if there is no other one; returns how many leases were extended.
///
/// # Errors
/// Those of the database.
pub fn lead(
    conn: &mut PgConnection,
    worker: Uuid,
    term: Duration,
    gap: Duration,
) -> QueryResult<Option<i64>> {
    #[derive(QueryableByName)]
    struct Elected {
        #[diesel(sql_type = sql_types::BigInt)]
        extended: i64,
    }
    let elected: Option<Elected> = prepared(
        sql_query(include_str!("sql/lead.sql"))
            .bind::<sql_types::Uuid, _>(worker)
            .bind::<sql_types::Double, _>(term.as_secs_f64())
            .bind::<sql_types::Double, _>(gap.as_secs_f64()),
    )
    .get_result(conn)
    .optional()?;
    Ok(elected.map(|elected| elected.extended))
}

/// Reaps jobs for somebody who is no worker, whether one leads or not. Where none has for ten minutes, leases are extended
/// first, as after an outage.
///
/// # Errors
/// Those of the database.
pub fn reap_once(conn: &mut impl Stepwise) -> QueryResult<Vec<Reaped>> {
    conn.step(|conn| lead(conn, Uuid::new_v4(), Duration::ZERO, Duration::from_secs(600)))?;
    conn.step(reap)
}

/// Reaps jobs whose leases have expired. Safe beside any other: a job is taken once.
///
/// # Errors
/// Those of the database.
pub fn reap(conn: &mut PgConnection) -> QueryResult<Vec<Reaped>> {
    sql_query(include_str!("sql/reap.sql")).bind::<sql_types::BigInt, _>(BATCH).load(conn)
}

/// Makes waiting jobs ready whose time has come; returns how many.
///
/// # Errors
/// Those of the database.
pub fn wake(conn: &mut PgConnection) -> QueryResult<usize> {
    sql_query(include_str!("sql/wake.sql")).bind::<sql_types::BigInt, _>(BATCH).execute(conn)
}

/// The jobs that would be reaped now, as they are.
///
/// # Errors
/// Those of the database.
pub fn expired(conn: &mut PgConnection) -> QueryResult<Vec<Reaped>> {
    sql_query(
        "SELECT lease.job_id, lease.worker_id, job.crashes, job.losses, job.state \
         FROM lease JOIN job ON job.id = lease.job_id \
         WHERE lease.expires_at < now() ORDER BY lease.job_id",
    )
    .load(conn)
}
