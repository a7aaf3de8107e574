//! How a search goes on and ends: exhausted, finished, its best promoted; paused, resumed and cancelled by people.

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult,
    QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use domain::{JobId, Ordinal, SearchId};
use serde::Serialize;

use crate::{job::JobState, schema, schema::sql_types as pg, session::transaction, statement::prepared};

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
pub fn pause(conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<usize>> {
    transaction(conn, |conn| {
        if !move_search(conn, search, "paused", &["running"])? {
            return Ok(None);
        }
        move_jobs(conn, search, "ready", "paused").map(Some)
    })
}

/// Lets a paused search go on. Returns how many jobs are ready again; `None` where the search is not paused, and nothing was
/// changed.
///
/// # Errors
/// Those of the database.
pub fn resume(conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<usize>> {
    transaction(conn, |conn| {
        if !move_search(conn, search, "running", &["paused"])? {
            return Ok(None);
        }
        move_jobs(conn, search, "paused", "ready").map(Some)
    })
}

/// Ends a search for good: its strategy proposes nothing more, its jobs are cancelled, those that run as soon as their workers
/// hear of it. A job that had been terminated and trains one more interval ends by itself and keeps its fitness. `None` where
/// the search has ended before, and nothing was changed.
///
/// # Errors
/// Those of the database.
pub fn cancel(conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<crate::job::Cancelled>> {
    transaction(conn, |conn| {
        if !move_search(conn, search, "cancelled", &["running", "paused"])? {
            return Ok(None);
        }
        super::stop_proposing(conn, search)?;
        let open = schema::job::table
            .filter(schema::job::search_id.eq(search))
            .filter(schema::job::state.eq_any([
                JobState::Ready,
                JobState::Running,
                JobState::Waiting,
                JobState::Paused,
            ]))
            .filter(diesel::dsl::not(
                schema::job::id
                    .eq_any(schema::lease::table.filter(schema::lease::thaw).select(schema::lease::job_id)),
            ))
            .select(schema::job::id)
            .load::<JobId>(conn)?;
        crate::job::cancel(conn, &open).map(Some)
    })
}

/// Moves a search; whether it was in one of the states `from`.
fn move_search(conn: &mut PgConnection, search: SearchId, to: &str, from: &[&str]) -> QueryResult<bool> {
    let moved = sql_query(
        "WITH moved AS (UPDATE search SET state = $2::text::search_state, \
         finished_at = CASE WHEN $2::text = 'cancelled' THEN now() END \
         WHERE id = $1 AND state = ANY ($3::text[]::search_state[]) RETURNING id) \
         INSERT INTO event (search_id, kind) SELECT id, $2::text FROM moved",
    )
    .bind::<sql_types::BigInt, _>(search)
    .bind::<sql_types::Text, _>(to)
    .bind::<sql_types::Array<sql_types::Text>, _>(from)
    .execute(conn)?;
    Ok(moved == 1)
}

/// Moves all jobs of a search that are in a state, in the order of their numbers; returns how many.
fn move_jobs(conn: &mut PgConnection, search: SearchId, from: &str, to: &str) -> QueryResult<usize> {
    sql_query(
        "WITH mine AS MATERIALIZED (SELECT id FROM job WHERE search_id = $1 AND state = $2::text::job_state \
         ORDER BY id FOR UPDATE) \
         UPDATE job SET state = $3::text::job_state FROM mine WHERE job.id = mine.id",
    )
    .bind::<sql_types::BigInt, _>(search)
    .bind::<sql_types::Text, _>(from)
    .bind::<sql_types::Text, _>(to)
    .execute(conn)
}
