//! How a search goes on and ends: exhausted, finished, its best promoted; paused, resumed and cancelled by people.

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};
use domain::{JobId, Ordinal, SearchId};
use serde::Serialize;

use crate::{job::JobState, schema::sql_types as pg, statement::prepared};

#[diesel::declare_sql_function]
extern "SQL" {
    fn set_search_paused(
        of_search: sql_types::BigInt,
        is_paused: sql_types::Bool,
    ) -> sql_types::Nullable<sql_types::BigInt>;
}

/// Marks a running search finished if it has no open job. `seen`: what is known of its endings is a prefix up to this
/// ordinal, and the search goes on if anything has ended since; `None`: whatever has ended. Returns its name.
///
/// # Errors
/// Those of the database.
pub fn finish_if_done(
    conn: &mut PgConnection,
    search: SearchId,
    seen: Option<Ordinal>,
) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    let row: Option<Row> = sql_query(include_str!("../sql/finish_if_done.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seen)
        .get_result(conn)
        .optional()?;
    Ok(row.map(|row| row.name))
}

/// A running search with nothing left to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Exhausted {
    /// The search.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: SearchId,
    /// Ordinal of its last ending.
    #[diesel(sql_type = sql_types::BigInt)]
    pub ordinal: Ordinal,
    /// Whether something has ended since that is not numbered yet.
    #[diesel(sql_type = sql_types::Bool)]
    pub unnumbered: bool,
    /// Whether its strategy may propose more.
    #[diesel(sql_type = sql_types::Bool)]
    pub proposing: bool,
}

/// Running searches with nothing left to start, oldest first; of all, or of one.
///
/// # Errors
/// Those of the database.
pub fn exhausted(conn: &mut PgConnection, search: Option<SearchId>) -> QueryResult<Vec<Exhausted>> {
    prepared(
        sql_query(include_str!("../sql/exhausted.sql"))
            .bind::<sql_types::Nullable<sql_types::BigInt>, _>(search),
    )
    .load(conn)
}

/// One of the best networks of a search, as [`promote`] found it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct Finalist {
    /// Its job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Whether it was terminated and trains to the end now.
    #[diesel(sql_type = sql_types::Bool)]
    pub promoted: bool,
    /// What it was ranked by.
    #[diesel(sql_type = sql_types::Double)]
    pub fitness: f64,
    /// Where the job stood.
    #[diesel(sql_type = pg::JobState)]
    pub state: JobState,
    /// Epochs trained so far.
    #[diesel(sql_type = sql_types::Double)]
    pub epochs: f64,
    /// One-line reading of its genome.
    #[diesel(sql_type = sql_types::Text)]
    pub architecture: String,
}

/// Resumes those of the `top` networks by fitness that were terminated, from their checkpoints to the full budget, and
/// wakes waiting workers. Returns all of the best, the best first.
///
/// # Errors
/// Those of the database.
pub fn promote(conn: &mut PgConnection, search: SearchId, top: i64) -> QueryResult<Vec<Finalist>> {
    sql_query(include_str!("../sql/promote.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::BigInt, _>(top)
        .load(conn)
}

/// Stops the claiming of a search's jobs; those that run go on. Returns how many jobs wait now; `None` where the search does not
/// run, and nothing was changed.
///
/// # Errors
/// Those of the database.
pub fn pause(conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<i64>> {
    set_paused(conn, search, true)
}

/// Lets a paused search go on. Returns how many jobs are ready again; `None` where the search is not paused, and nothing was
/// changed.
///
/// # Errors
/// Those of the database.
pub fn resume(conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<i64>> {
    set_paused(conn, search, false)
}

fn set_paused(conn: &mut PgConnection, search: SearchId, is_paused: bool) -> QueryResult<Option<i64>> {
    diesel::select(set_search_paused(search, is_paused)).get_result(conn)
}

/// Ends a search for good: its strategy proposes nothing more, its jobs are cancelled, those that run as soon as their workers
/// hear of it. A job that had been terminated and trains one more interval ends by itself and keeps its fitness. `None` where
/// the search has ended before, and nothing was changed.
///
/// # Errors
/// Those of the database.
pub fn cancel(conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<crate::job::Cancelled>> {
    sql_query("SELECT * FROM cancel_search($1)")
        .bind::<sql_types::BigInt, _>(search)
        .get_result(conn)
        .optional()
}
