//! Pointers to checkpoints.

use diesel::{
    ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, Queryable, RunQueryDsl as _,
    Selectable, SelectableHelper as _,
};

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
    checkpoint
        .filter(job_id.eq(job))
        .order(step.desc())
        .select(Checkpoint::as_select())
        .load(conn)
}
