//! Terminated jobs that are resumed for one more interval: finding them, claiming one.

use std::time::Duration;

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};
use domain::{Fence, JobId, Ordinal, SearchId};
use uuid::Uuid;

use crate::{job::CRASH_LIMIT, job::LOSS_LIMIT, queue::Claim};

/// A terminated job that may be resumed (freeze and thaw, Swersky et al. 2014).
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct FrozenJob {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Its fence: whoever resumes it raises it.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: Fence,
    /// Its last evaluation interval.
    #[diesel(sql_type = sql_types::Integer)]
    pub step: i32,
    /// FLOPs of its network.
    #[diesel(sql_type = sql_types::BigInt)]
    pub flops: i64,
}

/// The terminated jobs of a search that may be resumed, in the order of proposal. Not those that crashed too often.
///
/// # Errors
/// Those of the database.
pub fn stopped(conn: &mut PgConnection, search: SearchId) -> QueryResult<Vec<FrozenJob>> {
    sql_query(include_str!("sql/stopped.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::Integer, _>(CRASH_LIMIT)
        .bind::<sql_types::Integer, _>(LOSS_LIMIT)
        .load(conn)
}

/// The jobs of a search that are resumed for an interval now. While these and the endings of the search stay the same, so
/// does what [`stopped`] finds, but for what is promoted.
///
/// # Errors
/// Those of the database.
pub fn resumed(conn: &mut PgConnection, search: SearchId) -> QueryResult<Vec<(JobId, Fence)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        job_id: JobId,
        #[diesel(sql_type = sql_types::BigInt)]
        fence: Fence,
    }
    let rows: Vec<Row> =
        sql_query(include_str!("sql/thawed.sql")).bind::<sql_types::BigInt, _>(search).load(conn)?;
    Ok(rows.into_iter().map(|row| (row.job_id, row.fence)).collect())
}

/// Why a terminated job was chosen to be resumed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThawClaim {
    /// The job as it was judged.
    pub stopped: FrozenJob,
    /// Its chance of belonging to the best.
    pub chance: f64,
    /// Ordinal of the last finish that the engine knew of.
    pub calibration: Ordinal,
}

/// Claims a terminated job for one more interval. `None`: it is no longer as it was judged, somebody else has it.
///
/// # Errors
/// Those of the database.
pub fn claim(
    conn: &mut PgConnection,
    thaw_claim: &ThawClaim,
    worker: Uuid,
    ttl: Duration,
) -> QueryResult<Option<Claim>> {
    sql_query(include_str!("sql/thaw.sql"))
        .bind::<sql_types::BigInt, _>(thaw_claim.stopped.job_id)
        .bind::<sql_types::BigInt, _>(thaw_claim.stopped.fence)
        .bind::<sql_types::Uuid, _>(worker)
        .bind::<sql_types::Double, _>(ttl.as_secs_f64())
        .bind::<sql_types::Double, _>(thaw_claim.chance)
        .bind::<sql_types::BigInt, _>(thaw_claim.calibration)
        .get_result(conn)
        .optional()
}
