//! The time-limited right of a worker to a job. Whoever ends it deletes the lease and moves the job in one transaction; what
//! a worker writes meanwhile is fenced by either row.

use std::time::Duration;

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};

use crate::statement::prepared;

/// One attempt's right to one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, QueryableByName)]
pub struct Lease {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// The attempt.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: i64,
}

/// A lease that was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Renewed {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// The attempt.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: i64,
    /// A person asked for the job to be cancelled.
    #[diesel(sql_type = sql_types::Bool)]
    pub cancel: bool,
}

/// Extends leases by `ttl` of database time. One that does not come back is lost: another attempt may own the job;
/// stop now and write nothing further.
///
/// # Errors
/// Those of the database.
pub fn renew(conn: &mut PgConnection, leases: &[Lease], ttl: Duration) -> QueryResult<Vec<Renewed>> {
    let (jobs, fences): (Vec<_>, Vec<_>) = leases.iter().map(|lease| (lease.job_id, lease.fence)).unzip();
    prepared(
        sql_query(include_str!("sql/renew.sql"))
            .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
            .bind::<sql_types::Array<sql_types::BigInt>, _>(fences)
            .bind::<sql_types::Double, _>(ttl.as_secs_f64()),
    )
    .load(conn)
}

/// Gives a job back without counting a crash; one that was resumed for an interval is terminated as before. False: the
/// lease was lost before.
///
/// # Errors
/// Those of the database.
pub fn release(conn: &mut PgConnection, lease: Lease) -> QueryResult<bool> {
    let released = prepared(
        sql_query(include_str!("sql/release.sql"))
            .bind::<sql_types::BigInt, _>(lease.job_id)
            .bind::<sql_types::BigInt, _>(lease.fence),
    )
    .execute(conn)?;
    Ok(released == 1)
}

/// Ends an attempt by an error that may pass: the job waits for `pause`, and a crash is counted where the job could be at
/// fault; one that was resumed for an interval is terminated as before. False: the lease was lost before.
///
/// # Errors
/// Those of the database.
pub fn retry(
    conn: &mut PgConnection,
    lease: Lease,
    error: &str,
    log: &str,
    pause: Duration,
    crash: bool,
) -> QueryResult<bool> {
    let retried = prepared(
        sql_query(include_str!("sql/retry.sql"))
            .bind::<sql_types::BigInt, _>(lease.job_id)
            .bind::<sql_types::BigInt, _>(lease.fence)
            .bind::<sql_types::Text, _>(error)
            .bind::<sql_types::Text, _>(log)
            .bind::<sql_types::Double, _>(pause.as_secs_f64())
            .bind::<sql_types::Integer, _>(i32::from(crash)),
    )
    .execute(conn)?;
    Ok(retried == 1)
}

/// Notes the first evaluation interval that the attempt trains.
///
/// # Errors
/// Those of the database.
pub fn note_first_step(conn: &mut PgConnection, lease: Lease, step: i32) -> QueryResult<Option<usize>> {
    sql_query("UPDATE attempt SET first_step = $3 WHERE job_id = $1 AND fence = $2")
        .bind::<sql_types::BigInt, _>(lease.job_id)
        .bind::<sql_types::BigInt, _>(lease.fence)
        .bind::<sql_types::Integer, _>(step)
        .execute(conn)
        .optional()
}
