//! Pointers to checkpoints.

use diesel::{
    ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, Queryable, QueryableByName,
    RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query, sql_types,
};

use crate::Lease;

/// A committed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = crate::schema::checkpoint)]
pub struct Checkpoint {
    /// The evaluation interval after which it was taken.
    pub step: i32,
    /// Where it is.
    pub uri: String,
    /// Its size.
    pub bytes: i64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// The checkpoints of a job, newest first.
///
/// # Errors
/// Those of the database.
pub fn newest_first(conn: &mut PgConnection, job: i64) -> QueryResult<Vec<Checkpoint>> {
    use crate::schema::checkpoint::dsl::{checkpoint, job_id, step};
    checkpoint.filter(job_id.eq(job)).order(step.desc()).select(Checkpoint::as_select()).load(conn)
}

/// Removes the pointers to a job's checkpoints before `step`, under the fence, and returns where those objects are, to
/// be deleted now.
///
/// # Errors
/// Those of the database.
pub fn prune(conn: &mut PgConnection, lease: Lease, step: i32) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        uri: String,
    }
    let rows = sql_query(include_str!("sql/prune.sql"))
        .bind::<sql_types::BigInt, _>(lease.job_id)
        .bind::<sql_types::BigInt, _>(lease.fence)
        .bind::<sql_types::Integer, _>(step)
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(|row| row.uri).collect())
}

/// Whose an object in a checkpoint store is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The job.
    pub job_id: i64,
    /// The evaluation interval after which it was taken.
    pub step: i32,
    /// The attempt that wrote it.
    pub fence: i64,
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
pub fn orphans(conn: &mut PgConnection, listed: &[Owner]) -> QueryResult<Vec<Orphan>> {
    use sql_types::{Array, BigInt, Integer};
    sql_query(include_str!("sql/orphans.sql"))
        .bind::<Array<BigInt>, _>(listed.iter().map(|owner| owner.job_id).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(listed.iter().map(|owner| owner.step).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(listed.iter().map(|owner| owner.fence).collect::<Vec<_>>())
        .load(conn)
}
