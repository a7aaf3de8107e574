//! Maintenance that any worker does for all: dead workers' jobs are taken back, waiting jobs wake up.

use std::time::Duration;

use diesel::{
    Connection as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    job::{CRASH_LIMIT, JobState},
    schema::sql_types as pg,
};

/// Lets one worker reap at a time.
const LOCK: i64 = 0x7065_6e67_0002;
/// Jobs taken back in one transaction.
const BATCH: i64 = 100;

/// A job that was taken from its worker.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct Reaped {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// Who had it.
    #[diesel(sql_type = sql_types::Uuid)]
    pub worker_id: Uuid,
    /// Its crashes now.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub crashes: i16,
    /// Where it is now: ready, paused, failed, or terminated as before it was resumed for an interval.
    #[diesel(sql_type = pg::JobState)]
    pub state: JobState,
}

/// What a round of maintenance did.
#[derive(Debug, Default, Serialize)]
pub struct Round {
    /// Another worker was at it.
    pub busy: bool,
    /// Leases that were extended because nobody had reaped for a while: the database was away, not the workers.
    pub extended: usize,
    /// Jobs taken back.
    pub reaped: Vec<Reaped>,
    /// Waiting jobs that are ready now.
    pub woken: usize,
}

/// One round. Where the last one was longer ago than `gap`, all leases are first extended by their time to live, so
/// that an outage of the database kills no job of a living worker.
///
/// # Errors
/// Those of the database.
pub fn round(conn: &mut PgConnection, gap: Duration) -> QueryResult<Round> {
    conn.transaction(|conn| {
        if !try_lock(conn)? {
            return Ok(Round { busy: true, ..Round::default() });
        }
        let extended = if last_round_within(conn, gap)? { 0 } else { extend_all(conn)? };
        let reaped = reap(conn)?;
        let woken =
            sql_query(include_str!("sql/wake.sql")).bind::<sql_types::BigInt, _>(BATCH).execute(conn)?;
        Ok(Round { busy: false, extended, reaped, woken })
    })
}

fn reap(conn: &mut PgConnection) -> QueryResult<Vec<Reaped>> {
    let reaped: Vec<Reaped> = sql_query(include_str!("sql/reap.sql"))
        .bind::<sql_types::BigInt, _>(BATCH)
        .bind::<sql_types::Integer, _>(CRASH_LIMIT)
        .load(conn)?;
    let failed: Vec<_> =
        reaped.iter().filter(|job| job.state == JobState::Failed).map(|job| job.job_id).collect();
    if !failed.is_empty() {
        sql_query(include_str!("sql/reap_result.sql"))
            .bind::<sql_types::Array<sql_types::BigInt>, _>(failed)
            .execute(conn)?;
    }
    Ok(reaped)
}

/// The jobs that a round would take back now, as they are.
///
/// # Errors
/// Those of the database.
pub fn expired(conn: &mut PgConnection) -> QueryResult<Vec<Reaped>> {
    sql_query(
        "SELECT lease.job_id, lease.worker_id, job.crashes, job.state FROM lease JOIN job ON job.id = lease.job_id \
         WHERE lease.expires_at < now() ORDER BY lease.job_id",
    )
    .load(conn)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = sql_types::Bool)]
    yes: bool,
}

fn try_lock(conn: &mut PgConnection) -> QueryResult<bool> {
    let answer: Answer = sql_query("SELECT pg_try_advisory_xact_lock($1) AS yes")
        .bind::<sql_types::BigInt, _>(LOCK)
        .get_result(conn)?;
    Ok(answer.yes)
}

/// Notes this round; whether the one before was within `gap`. The first round of all counts as within.
fn last_round_within(conn: &mut PgConnection, gap: Duration) -> QueryResult<bool> {
    let answer: Answer = sql_query(include_str!("sql/reaper_round.sql"))
        .bind::<sql_types::Double, _>(gap.as_secs_f64())
        .get_result(conn)?;
    Ok(answer.yes)
}

fn extend_all(conn: &mut PgConnection) -> QueryResult<usize> {
    let extended = sql_query("UPDATE lease SET expires_at = now() + ttl WHERE expires_at < now() + ttl")
        .execute(conn)?;
    if extended > 0 {
        sql_query("INSERT INTO event (kind, detail) VALUES ('leases_extended', $1)")
            .bind::<sql_types::Text, _>(format!("{extended} leases, after a gap in reaping"))
            .execute(conn)?;
    }
    Ok(extended)
}
