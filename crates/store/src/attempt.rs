//! Claims of jobs by workers, as they are shown.

use chrono::{DateTime, Utc};
use diesel::{PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use domain::{Fence, JobId};
use serde::Serialize;
use uuid::Uuid;

/// One attempt at a job.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct AttemptRow {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Fence of the claim.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: Fence,
    /// Host and process.
    #[diesel(sql_type = sql_types::Text)]
    pub worker: String,
    /// When it was claimed.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
    /// First evaluation interval that it trained.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub first_step: Option<i32>,
    /// finished, released, retried or lost.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub end: Option<String>,
    /// The error that ended it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error: Option<String>,
    /// The last lines of its log, kept with an error.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub log: Option<String>,
}

/// The attempts at a job, oldest first, each with the last lines of its log where it ended by an error.
///
/// # Errors
/// Those of the database.
pub fn of_job(conn: &mut PgConnection, id: JobId) -> QueryResult<Vec<AttemptRow>> {
    sql_query(include_str!("sql/job_attempts.sql")).bind::<sql_types::BigInt, _>(id).load(conn)
}

/// The newest attempts of a worker, newest first.
///
/// # Errors
/// Those of the database.
pub fn of_worker(conn: &mut PgConnection, worker: Uuid, limit: i64) -> QueryResult<Vec<AttemptRow>> {
    sql_query(include_str!("sql/worker_attempts.sql"))
        .bind::<sql_types::Uuid, _>(worker)
        .bind::<sql_types::BigInt, _>(limit)
        .load(conn)
}
