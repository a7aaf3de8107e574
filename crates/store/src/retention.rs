//! What goes in the end: searches, with all that belongs to them, and what is left behind by those that stay. Everything is deleted
//! in batches, each a transaction of its own, so that no worker waits for long; what was interrupted is taken up again.

use std::{
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, IntoSql as _, NullableExpressionMethods as _, PgConnection, QueryDsl as _,
    QueryResult, QueryableByName, RunQueryDsl as _, result::Error, sql_query, sql_types,
};
use domain::{JobId, SearchId};
use serde::Serialize;

use crate::{connection::Stepwise, schema, search::SearchState};

/// Jobs deleted by one statement, and the observations after which it deletes no more.
const JOBS: i64 = 500;
const OBSERVATIONS: i64 = 10_000;
/// How much longer a deletion rests between two batches than the first of them took: workers have most of the server.
const REST: u32 = 3;
/// Rows of other tables deleted by one statement.
const ROWS: i64 = 5_000;

/// Why a search cannot be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// It goes on.
    #[error("search `{name}` has not ended: cancel it first, with `peng search cancel {name}`")]
    NotEnded {
        /// Its name.
        name: String,
    },
    /// It was cancelled, and workers have not heard of it yet.
    #[error(
        "{jobs} jobs of search `{name}` still run: their workers hear within seconds that it was cancelled, and a dead worker's \
         lease runs out; try again then"
    )]
    Running {
        /// Its name.
        name: String,
        /// How many.
        jobs: i64,
    },
    /// Another search needs it.
    #[error("search `{name}` is the `warm_start` of search `{by}`, which has not ended")]
    Needed {
        /// Its name.
        name: String,
        /// The other one.
        by: String,
    },
    /// The database did not do it.
    #[error("cannot delete the search")]
    Query(#[from] Error),
}

/// What searches hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName, Serialize)]
pub struct Contents {
    /// How many searches.
    #[diesel(sql_type = sql_types::BigInt)]
    pub searches: i64,
    /// Their jobs.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
    /// Points of their curves.
    #[diesel(sql_type = sql_types::BigInt)]
    pub observations: i64,
    /// Attempts at their jobs.
    #[diesel(sql_type = sql_types::BigInt)]
    pub attempts: i64,
    /// Checkpoints that their jobs point to.
    #[diesel(sql_type = sql_types::BigInt)]
    pub checkpoints: i64,
    /// Size of those.
    #[diesel(sql_type = sql_types::BigInt)]
    pub bytes: i64,
}

/// What searches hold, read job by job: seconds for millions.
///
/// # Errors
/// Those of the database.
pub fn contents(conn: &mut PgConnection, searches: &[SearchId]) -> QueryResult<Contents> {
    sql_query(include_str!("sql/search_contents.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(searches)
        .get_result(conn)
}

/// Puts an ended search away: it is listed no more, and pruning leaves it alone. False: it has not ended.
///
/// # Errors
/// Those of the database.
pub fn archive(conn: &mut PgConnection, search: SearchId) -> QueryResult<bool> {
    use schema::search::dsl;
    let ended = dsl::search
        .filter(dsl::id.eq(search))
        .filter(dsl::state.eq_any([SearchState::Finished, SearchState::Cancelled]))
        .filter(dsl::deleting_since.is_null());
    let put_away = diesel::update(ended)
        .set(dsl::archived_at.eq(diesel::dsl::now.into_sql::<sql_types::Timestamptz>().nullable()))
        .execute(conn)?;
    Ok(put_away == 1)
}

/// Lists a search again.
///
/// # Errors
/// Those of the database.
pub fn unarchive(conn: &mut PgConnection, search: SearchId) -> QueryResult<()> {
    use schema::search::dsl;
    diesel::update(dsl::search.find(search))
        .set(dsl::archived_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .map(|_| ())
}

/// What stands against deleting a search.
#[derive(QueryableByName)]
struct Obstacles {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Bool)]
    has_ended: bool,
    #[diesel(sql_type = sql_types::BigInt)]
    running: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    warm_start_of: Option<String>,
}

impl Obstacles {
    fn check(self) -> Result<(), DeleteError> {
        let Self { name, has_ended, running, warm_start_of } = self;
        match (has_ended, running, warm_start_of) {
            (false, ..) => Err(DeleteError::NotEnded { name }),
            (true, 0, None) => Ok(()),
            (true, 0, Some(by)) => Err(DeleteError::Needed { name, by }),
            (true, jobs, _) => Err(DeleteError::Running { name, jobs }),
        }
    }
}

/// Whether a search may be deleted.
///
/// # Errors
/// [`DeleteError`] says why not.
pub fn deletable(conn: &mut PgConnection, search: SearchId) -> Result<(), DeleteError> {
    let found = sql_query("SELECT * FROM deletion_obstacles($1)").bind::<sql_types::BigInt, _>(search);
    found.get_result::<Obstacles>(conn)?.check()
}

/// Begins to delete an ended search: from then on nothing brings it back. Again is the same as once.
///
/// # Errors
/// [`DeleteError`]; nothing was changed.
pub fn begin_delete(conn: &mut PgConnection, search: SearchId) -> Result<(), DeleteError> {
    let found = sql_query("SELECT * FROM begin_search_deletion($1)").bind::<sql_types::BigInt, _>(search);
    found.get_result::<Obstacles>(conn)?.check()
}

/// Deletes a batch of the jobs of a search whose deletion was begun, behind a job. `None`: there are no more.
///
/// # Errors
/// Those of the database.
pub fn delete_batch(
    conn: &mut PgConnection,
    search: SearchId,
    after: JobId,
) -> QueryResult<Option<DeletedJobs>> {
    #[derive(QueryableByName)]
    struct Batch {
        #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
        last: Option<JobId>,
        #[diesel(sql_type = sql_types::BigInt)]
        jobs: i64,
    }
    let Batch { last, jobs } = sql_query(include_str!("sql/delete_jobs.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::BigInt, _>(after)
        .bind::<sql_types::BigInt, _>(JOBS)
        .bind::<sql_types::BigInt, _>(OBSERVATIONS)
        .get_result(conn)?;
    Ok(last.map(|last| DeletedJobs { last, jobs }))
}

/// A batch of jobs that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedJobs {
    /// The last of them.
    pub last: JobId,
    /// How many.
    pub jobs: i64,
}

/// Deletes a search whose deletion was begun, batch by batch, and its row at the end. `progress` gets the jobs deleted so far.
///
/// # Errors
/// Those of the database; another call goes on.
pub fn delete(conn: &mut impl Stepwise, search: SearchId, progress: &dyn Fn(i64)) -> QueryResult<()> {
    use schema::search::dsl;
    let (mut after, mut jobs) = (JobId(0), 0);
    let mut start = Instant::now();
    while let Some(batch) = conn.step(|conn| delete_batch(conn, search, after))? {
        after = batch.last;
        jobs += batch.jobs;
        progress(jobs);
        thread::sleep(start.elapsed() * REST);
        start = Instant::now();
    }
    let row = dsl::search.find(search).filter(dsl::deleting_since.is_not_null());
    conn.step(|conn| diesel::delete(row).execute(conn)).map(|_| ())
}

/// A search that may be pruned.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Serialize)]
pub struct Prunable {
    /// Its number.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: SearchId,
    /// Its name.
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    /// When it ended.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
    /// The search that begins with its curves and has not ended: it stays for that one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub warm_start_of: Option<String>,
}

/// Searches that ended longer ago than an age and are not archived, and those whose deletion was begun and interrupted.
///
/// # Errors
/// Those of the database.
pub fn prunable(conn: &mut PgConnection, age: Duration) -> QueryResult<Vec<Prunable>> {
    sql_query(include_str!("sql/prunable.sql")).bind::<sql_types::Double, _>(age.as_secs_f64()).load(conn)
}

/// What old searches, attempts and workers that are gone have left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName, Serialize)]
pub struct Leftovers {
    /// Attempts with lines of their log.
    #[diesel(sql_type = sql_types::BigInt)]
    pub logs: i64,
    /// Events.
    #[diesel(sql_type = sql_types::BigInt)]
    pub events: i64,
    /// Workers that no attempt names.
    #[diesel(sql_type = sql_types::BigInt)]
    pub workers: i64,
}

/// What [`prune_leftovers`] would remove once some searches are gone.
///
/// # Errors
/// Those of the database.
pub fn count_leftovers(
    conn: &mut PgConnection,
    age: Duration,
    searches: &[SearchId],
) -> QueryResult<Leftovers> {
    sql_query(include_str!("sql/prune_counts.sql"))
        .bind::<sql_types::Double, _>(age.as_secs_f64())
        .bind::<sql_types::Array<sql_types::BigInt>, _>(searches)
        .get_result(conn)
}

/// Removes logs of attempts, events, and workers that no attempt names, all of them older than an age, in batches.
///
/// # Errors
/// Those of the database; another call goes on.
pub fn prune_leftovers(conn: &mut impl Stepwise, age: Duration) -> QueryResult<Leftovers> {
    let mut all = |statement: &str| -> QueryResult<i64> {
        let mut removed = 0;
        loop {
            let batch = sql_query(statement)
                .bind::<sql_types::Double, _>(age.as_secs_f64())
                .bind::<sql_types::BigInt, _>(ROWS);
            let batch = conn.step(|conn| batch.execute(conn))?;
            removed += batch as i64;
            if batch == 0 {
                return Ok(removed);
            }
        }
    };
    Ok(Leftovers {
        logs: all(include_str!("sql/prune_logs.sql"))?,
        events: all(include_str!("sql/prune_events.sql"))?,
        workers: all(include_str!("sql/prune_workers.sql"))?,
    })
}
