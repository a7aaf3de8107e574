//! Pointers to checkpoints.

use diesel::{
    ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, Queryable, QueryableByName,
    RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query, sql_types,
};
use domain::{Checkpoint, CheckpointKey, JobId, Lease};

/// A committed checkpoint as its table has it.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = crate::schema::checkpoint)]
struct Row {
    step: i32,
    key: Option<String>,
    uri: String,
    bytes: i64,
    sha256: String,
}

impl From<Row> for Checkpoint {
    fn from(row: Row) -> Self {
        let Row { step, key, uri, bytes, sha256 } = row;
        Self { step, key, uri, bytes, sha256 }
    }
}

/// The checkpoints of a job, newest first.
///
/// # Errors
/// Those of the database.
pub fn newest_first(conn: &mut PgConnection, job: JobId) -> QueryResult<Vec<Checkpoint>> {
    use crate::schema::checkpoint::dsl::{checkpoint, job_id, step};
    let rows: Vec<Row> =
        checkpoint.filter(job_id.eq(job)).order(step.desc()).select(Row::as_select()).load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Removes the pointers to a job's checkpoints before `step`, under the fence, and returns them: their objects are to be deleted
/// now.
///
/// # Errors
/// Those of the database.
pub fn prune(conn: &mut PgConnection, lease: Lease, step: i32) -> QueryResult<Vec<Checkpoint>> {
    let rows: Vec<Row> = sql_query(include_str!("sql/prune.sql"))
        .bind::<sql_types::BigInt, _>(lease.job_id)
        .bind::<sql_types::BigInt, _>(lease.fence)
        .bind::<sql_types::Uuid, _>(lease.worker_id)
        .bind::<sql_types::Integer, _>(step)
        .load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// An object that nothing points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Orphan {
    /// Its place in the list that was given, from 1.
    #[diesel(sql_type = sql_types::BigInt)]
    pub place: i64,
    /// Whether this database knows the attempt that wrote it; if not, the object may belong to another database.
    #[diesel(sql_type = sql_types::Bool)]
    pub known: bool,
}

/// Which of some objects no row points to and none ever will. They must have been listed before the call: what is written
/// later may be pointed to.
///
/// # Errors
/// Those of the database.
pub fn orphans(conn: &mut PgConnection, listed: &[CheckpointKey]) -> QueryResult<Vec<Orphan>> {
    use sql_types::{Array, BigInt, Integer, Nullable, Uuid};
    sql_query(include_str!("sql/orphans.sql"))
        .bind::<Array<BigInt>, _>(listed.iter().map(|key| key.job_id).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(listed.iter().map(|key| key.step).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(listed.iter().map(|key| key.fence).collect::<Vec<_>>())
        .bind::<Array<Nullable<Uuid>>, _>(listed.iter().map(|key| key.worker_id).collect::<Vec<_>>())
        .load(conn)
}
