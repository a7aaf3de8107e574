//! Endings of jobs: the result row, and the order in which engines learn of them.

use diesel::{
    Connection as _, ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _,
    QueryResult, Queryable, QueryableByName, RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query,
    sql_types,
};

use crate::{job::Outcome, lease::Lease, statement::prepared};

/// Lets one session number the finishes of a search at a time; the second key is the search.
const NUMBERING: i32 = 0x7065;

/// A job that was ended.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct Finished {
    /// Its search.
    #[diesel(sql_type = sql_types::BigInt)]
    pub search_id: i64,
    /// What it is ranked by; none if it diverged, failed or was cancelled.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub fitness: Option<f64>,
}

/// Ends a job: the lease goes, the one result row is written, the state is set. `None`: fenced out, nothing was
/// written. `error` belongs to [`Outcome::Failed`]; `log` are the last lines of the worker's log.
///
/// # Errors
/// Those of the database.
pub fn finish(
    conn: &mut PgConnection,
    lease: Lease,
    outcome: Outcome,
    error: Option<&str>,
    log: Option<&str>,
) -> QueryResult<Option<Finished>> {
    prepared(
        sql_query(include_str!("sql/finish.sql"))
            .bind::<sql_types::BigInt, _>(lease.job_id)
            .bind::<sql_types::BigInt, _>(lease.fence)
            .bind::<sql_types::Text, _>(outcome.as_str())
            .bind::<sql_types::Nullable<sql_types::Text>, _>(error)
            .bind::<sql_types::Nullable<sql_types::Text>, _>(log),
    )
    .get_result(conn)
    .optional()
}

/// One ending, as an engine learns of it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = crate::schema::finish)]
pub struct Finish {
    /// Place in the order of endings of the search, from 1.
    pub ordinal: Option<i64>,
    /// The job.
    pub job_id: i64,
    /// Its last step then.
    pub step: i32,
    /// How it ended.
    pub outcome: Outcome,
    /// Its fitness: measured if completed, predicted if terminated.
    pub fitness: Option<f64>,
}

/// The endings of a search after ordinal `after`, in order. Endings that are committed and not numbered yet are
/// numbered first, so that what one worker has seen is always a prefix of what the next one sees.
///
/// # Errors
/// Those of the database.
pub fn since(conn: &mut PgConnection, search: i64, after: i64) -> QueryResult<Vec<Finish>> {
    use crate::schema::finish::dsl::{finish, ordinal, search_id};
    number(conn, search)?;
    finish
        .filter(search_id.eq(search))
        .filter(ordinal.gt(after))
        .order(ordinal)
        .select(Finish::as_select())
        .load(conn)
}

fn number(conn: &mut PgConnection, search: i64) -> QueryResult<()> {
    let unnumbered = "SELECT 1 FROM finish WHERE search_id = $1 AND ordinal IS NULL LIMIT 1";
    if sql_query(unnumbered).bind::<sql_types::BigInt, _>(search).execute(conn)? == 0 {
        return Ok(());
    }
    conn.transaction(|conn| {
        sql_query("SELECT pg_advisory_xact_lock($1, hashint8($2))")
            .bind::<sql_types::Integer, _>(NUMBERING)
            .bind::<sql_types::BigInt, _>(search)
            .execute(conn)?;
        sql_query(include_str!("sql/number.sql")).bind::<sql_types::BigInt, _>(search).execute(conn)?;
        Ok(())
    })
}
