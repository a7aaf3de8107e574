//! The time-limited right of a worker to a job. Whoever ends it deletes the lease and moves the job in one transaction; what
//! a worker writes meanwhile is fenced by either row.

use std::time::Duration;

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};
use domain::{Fence, JobId, Lease, for_people};

use crate::{job::JobState, schema::sql_types as pg, statement::prepared};

/// A lease that was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Renewed {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// The attempt.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: Fence,
    /// A person asked for the job to be cancelled.
    #[diesel(sql_type = sql_types::Bool)]
    pub cancel: bool,
}

/// Extends leases of one worker by `ttl` of database time. One that does not come back is lost: another attempt may own the
/// job; stop now and write nothing further.
///
/// # Errors
/// Those of the database.
pub fn renew(
    conn: &mut PgConnection,
    worker: uuid::Uuid,
    leases: &[Lease],
    ttl: Duration,
) -> QueryResult<Vec<Renewed>> {
    let (jobs, fences): (Vec<_>, Vec<_>) = leases.iter().map(|lease| (lease.job_id, lease.fence)).unzip();
    prepared(
        sql_query(include_str!("sql/renew.sql"))
            .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
            .bind::<sql_types::Array<sql_types::BigInt>, _>(fences)
            .bind::<sql_types::Uuid, _>(worker)
            .bind::<sql_types::Double, _>(ttl.as_secs_f64()),
    )
    .load(conn)
}

/// Why a job is given back without anything counted against it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GiveBack<'a> {
    /// The worker leaves.
    Leaving,
    /// The worker's host cannot train it: others may at once.
    HostFault {
        /// What the host lacks.
        error: &'a str,
    },
    /// What all need is away, such as the checkpoint store: nobody tries again for so long.
    Snooze {
        /// What is away.
        error: &'a str,
        /// For how long.
        pause: Duration,
    },
}

/// Gives a job back; returns where it is now: ready or paused, waiting where it is snoozed, terminated if it had been resumed
/// for an interval, cancelled if somebody has asked for that. `None`: the lease was lost before.
///
/// # Errors
/// Those of the database.
pub fn release(conn: &mut PgConnection, lease: Lease, why: GiveBack<'_>) -> QueryResult<Option<JobState>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = pg::JobState)]
        state: JobState,
    }
    let (error, pause) = match why {
        GiveBack::Leaving => (None, None),
        GiveBack::HostFault { error } => (Some(error), None),
        GiveBack::Snooze { error, pause } => (Some(error), Some(pause.as_secs_f64())),
    };
    let released: Option<Row> = prepared(
        sql_query(include_str!("sql/release.sql"))
            .bind::<sql_types::BigInt, _>(lease.job_id)
            .bind::<sql_types::BigInt, _>(lease.fence)
            .bind::<sql_types::Uuid, _>(lease.worker_id)
            .bind::<sql_types::Nullable<sql_types::Text>, _>(error.map(for_people))
            .bind::<sql_types::Nullable<sql_types::Text>, _>(None::<String>)
            .bind::<sql_types::Nullable<sql_types::Double>, _>(pause),
    )
    .get_result(conn)
    .optional()?;
    Ok(released.map(|row| row.state))
}

/// What became of a job whose attempt crashed.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
pub struct Retried {
    /// Where it is now: waiting, failed, terminated if it had been resumed for an interval, cancelled if somebody has asked.
    #[diesel(sql_type = pg::JobState)]
    pub state: JobState,
    /// Crashes since it last got further.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub crashes: i16,
    /// Hosts that have seen one of them, or a loss.
    #[diesel(sql_type = sql_types::Integer)]
    pub hosts: i32,
    /// Seconds that it waits.
    #[diesel(sql_type = sql_types::Double)]
    pub pause: f64,
}

/// Ends an attempt by an error that may be the job's doing: the job waits, for `pause` after its first crash and twice as long
/// after each further one, or is failed by the evidence against it. `None`: the lease was lost before.
///
/// # Errors
/// Those of the database.
pub fn retry(
    conn: &mut PgConnection,
    lease: Lease,
    error: &str,
    log: &str,
    pause: Duration,
) -> QueryResult<Option<Retried>> {
    prepared(
        sql_query(include_str!("sql/retry.sql"))
            .bind::<sql_types::BigInt, _>(lease.job_id)
            .bind::<sql_types::BigInt, _>(lease.fence)
            .bind::<sql_types::Uuid, _>(lease.worker_id)
            .bind::<sql_types::Text, _>(for_people(error))
            .bind::<sql_types::Text, _>(for_people(log))
            .bind::<sql_types::Double, _>(pause.as_secs_f64()),
    )
    .get_result(conn)
    .optional()
}

/// Notes the first evaluation interval that the attempt trains, and how many have been observed from it on: those are trained again.
///
/// # Errors
/// Those of the database.
pub fn note_first_step(conn: &mut PgConnection, lease: Lease, step: i32) -> QueryResult<()> {
    sql_query(include_str!("sql/first_step.sql"))
        .bind::<sql_types::BigInt, _>(lease.job_id)
        .bind::<sql_types::BigInt, _>(lease.fence)
        .bind::<sql_types::Uuid, _>(lease.worker_id)
        .bind::<sql_types::Integer, _>(step)
        .execute(conn)
        .map(|_| ())
}

/// A job that was taken from its worker after a restore.
#[derive(Debug, Clone, Copy, QueryableByName, serde::Serialize)]
pub struct Bumped {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Its fence now.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: Fence,
    /// Where it is now.
    #[diesel(sql_type = pg::JobState)]
    pub state: JobState,
}

/// Takes every running job from its worker and raises its fence by a thousand, for after a restore: workers that live on may
/// have done what the database has forgotten. Nothing is counted against the jobs.
///
/// # Errors
/// Those of the database.
pub fn bump_fences(conn: &mut PgConnection) -> QueryResult<Vec<Bumped>> {
    sql_query(include_str!("sql/bump_fences.sql")).load(conn)
}
