//! Searches: submitting them, finding them, ending them.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use diesel::{
    Connection as _, ExpressionMethods as _, Insertable, JoinOnDsl as _, OptionalExtension as _,
    PgConnection, QueryDsl as _, QueryResult, Queryable, QueryableByName, RunQueryDsl as _, Selectable,
    SelectableHelper as _,
    result::{DatabaseErrorKind, Error},
    sql_query, sql_types,
};
use diesel_derive_enum::DbEnum;
use serde::{Deserialize, Serialize};

use crate::{job::JobMode, job::JobState, schema, schema::sql_types as pg};

/// Serialises what a strategy proposes for a search; the second key is the search.
const PROPOSING: i32 = 0x7066;
/// Jobs that are enqueued by one statement.
pub const CHUNK: usize = 10_000;
/// Channel on which waiting workers hear of new jobs; the payload is the class.
pub const CHANNEL: &str = "peng_ready";

/// Whether the jobs of a search may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DbEnum, Serialize, Deserialize)]
#[db_enum(existing_type_path = "crate::schema::sql_types::SearchState")]
#[serde(rename_all = "snake_case")]
pub enum SearchState {
    /// They may.
    Running,
    /// Not for now.
    Paused,
    /// All have an outcome.
    Finished,
    /// A person ended it.
    Cancelled,
}

/// A search, as stored.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = schema::search)]
pub struct Search {
    /// Number of the search.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether its jobs may be claimed.
    pub state: SearchState,
    /// The full effective specification.
    pub spec: serde_json::Value,
    /// SHA-256 of the specification without its name.
    pub spec_hash: String,
    /// Engine of the predictor.
    pub engine: String,
    /// Epochs of a full training.
    pub max_epochs: f64,
    /// Evaluation interval in epochs.
    pub interval: f64,
    /// Jobs that the strategy may propose.
    pub budget: i32,
    /// Version of peng that submitted it.
    pub version: String,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it finished or was cancelled.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A search to be submitted.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = schema::search)]
pub struct NewSearch {
    /// Its name.
    pub name: String,
    /// The full effective specification.
    pub spec: serde_json::Value,
    /// SHA-256 of the specification without its name.
    pub spec_hash: String,
    /// Engine of the predictor.
    pub engine: String,
    /// Epochs of a full training.
    pub max_epochs: f64,
    /// Evaluation interval in epochs.
    pub interval: f64,
    /// Jobs that the strategy may propose.
    pub budget: i32,
    /// Version of peng.
    pub version: String,
}

/// An architecture with its job, to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Canonical hash of the genome.
    pub hash: String,
    /// The genome.
    pub genome: serde_json::Value,
    /// One-line reading of it.
    pub summary: String,
    /// Trainable parameters.
    pub parameters: i64,
    /// FLOPs of one forward pass of one image.
    pub flops: i64,
    /// Generation of the strategy.
    pub generation: i32,
    /// Architectures that it was bred from.
    pub parents: Vec<i64>,
    /// Whether decisions are obeyed.
    pub mode: JobMode,
    /// Higher is claimed first.
    pub priority: i16,
}

/// What all jobs of one enqueueing share.
#[derive(Debug, Clone)]
pub struct Lot<'a> {
    /// The search.
    pub search_id: i64,
    /// Seed of the trainings.
    pub seed: i64,
    /// Class of workers.
    pub class: &'a str,
}

/// Why a search was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is one of this name.
    #[error(
        "a search named `{name}` exists already: choose another name, or add to it with `peng search add {name}`"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The database did not take it; nothing was written.
    #[error("cannot submit the search")]
    Query(#[from] Error),
}

/// Writes a search and its first jobs, all or nothing, and wakes waiting workers. Returns the search's id and how many
/// jobs there are.
///
/// # Errors
/// [`SubmitError::NameTaken`] if there is one of this name.
pub fn submit(
    conn: &mut PgConnection,
    search: &NewSearch,
    seed: i64,
    class: &str,
    jobs: impl IntoIterator<Item: Borrow<NewJob>>,
) -> Result<(i64, usize), SubmitError> {
    conn.transaction(|conn| {
        let inserted = diesel::insert_into(schema::search::table)
            .values(search)
            .returning(schema::search::id)
            .get_result::<i64>(conn);
        let search_id = inserted.map_err(|error| match error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                SubmitError::NameTaken { name: search.name.clone() }
            }
            other => SubmitError::Query(other),
        })?;
        let added = enqueue(conn, &Lot { search_id, seed, class }, jobs)?;
        // Architectures from outside may be more than were planned.
        sql_query("UPDATE search SET budget = greatest(budget, $2) WHERE id = $1")
            .bind::<sql_types::BigInt, _>(search_id)
            .bind::<sql_types::Integer, _>(i32::try_from(added).unwrap_or(i32::MAX))
            .execute(conn)?;
        sql_query("INSERT INTO event (search_id, kind, detail) VALUES ($1, 'submitted', $2)")
            .bind::<sql_types::BigInt, _>(search_id)
            .bind::<sql_types::Text, _>(format!("{added} jobs"))
            .execute(conn)?;
        Ok((search_id, added))
    })
}

/// Adds jobs whose architectures the search does not have yet, in the order given, and wakes waiting workers. Returns
/// how many were added. Holds [`CHUNK`] jobs in memory, however many come. Call it in a transaction.
///
/// # Errors
/// Those of the database.
pub fn enqueue(
    conn: &mut PgConnection,
    lot: &Lot<'_>,
    jobs: impl IntoIterator<Item: Borrow<NewJob>>,
) -> QueryResult<usize> {
    let paused: SearchState = schema::search::table
        .select(schema::search::state)
        .filter(schema::search::id.eq(lot.search_id))
        .for_share()
        .get_result(conn)?;
    let state = if paused == SearchState::Paused { JobState::Paused } else { JobState::Ready };
    let mut jobs = jobs.into_iter();
    let mut added = 0;
    loop {
        let chunk: Vec<_> = jobs.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        added += enqueue_chunk(conn, lot, state, &chunk.iter().map(Borrow::borrow).collect::<Vec<_>>())?;
    }
    if added > 0 {
        sql_query("SELECT pg_notify($1, $2)")
            .bind::<sql_types::Text, _>(CHANNEL)
            .bind::<sql_types::Text, _>(lot.class)
            .execute(conn)?;
    }
    Ok(added)
}

fn enqueue_chunk(
    conn: &mut PgConnection,
    lot: &Lot<'_>,
    state: JobState,
    jobs: &[&NewJob],
) -> QueryResult<usize> {
    use sql_types::{Array, BigInt, Integer, Jsonb, SmallInt, Text};
    let parents = |job: &&NewJob| {
        let ids: Vec<_> = job.parents.iter().map(ToString::to_string).collect();
        format!("{{{}}}", ids.join(","))
    };
    sql_query(include_str!("sql/enqueue.sql"))
        .bind::<BigInt, _>(lot.search_id)
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.hash.as_str()).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(jobs.iter().map(|job| &job.genome).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.summary.as_str()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(jobs.iter().map(|job| job.parameters).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(jobs.iter().map(|job| job.flops).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(jobs.iter().map(|job| job.generation).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(parents).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.mode.as_str()).collect::<Vec<_>>())
        .bind::<Array<SmallInt>, _>(jobs.iter().map(|job| job.priority).collect::<Vec<_>>())
        .bind::<BigInt, _>(lot.seed)
        .bind::<Text, _>(lot.class)
        .bind::<Text, _>(state.as_str())
        .execute(conn)
}

/// Adds jobs from outside to a search that is not cancelled, as [`enqueue`] does: a finished one goes on, and its budget
/// grows with them. Call it in a transaction that holds [`lock_for_proposal`].
///
/// # Errors
/// Those of the database.
pub fn add(conn: &mut PgConnection, lot: &Lot<'_>, jobs: &[NewJob]) -> QueryResult<usize> {
    let added = enqueue(conn, lot, jobs)?;
    if added > 0 {
        sql_query(
            "WITH grown AS (UPDATE search SET budget = greatest(budget, (SELECT count(*) FROM architecture WHERE search_id = $1)), \
             state = CASE state WHEN 'finished' THEN 'running' ELSE state END, finished_at = NULL WHERE id = $1 RETURNING id) \
             INSERT INTO event (search_id, kind, detail) SELECT id, 'added', $2 FROM grown",
        )
        .bind::<sql_types::BigInt, _>(lot.search_id)
        .bind::<sql_types::Text, _>(format!("{added} jobs"))
        .execute(conn)?;
    }
    Ok(added)
}

/// Holds the search's place for a strategy's proposal until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn lock_for_proposal(conn: &mut PgConnection, search: i64) -> QueryResult<()> {
    sql_query("SELECT pg_advisory_xact_lock($1, hashint8($2))")
        .bind::<sql_types::Integer, _>(PROPOSING)
        .bind::<sql_types::BigInt, _>(search)
        .execute(conn)
        .map(|_| ())
}

/// The search of this name.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut PgConnection, name: &str) -> QueryResult<Option<Search>> {
    schema::search::table
        .filter(schema::search::name.eq(name))
        .select(Search::as_select())
        .first(conn)
        .optional()
}

/// The search that was submitted last.
///
/// # Errors
/// Those of the database.
pub fn newest(conn: &mut PgConnection) -> QueryResult<Option<Search>> {
    schema::search::table.order(schema::search::id.desc()).select(Search::as_select()).first(conn).optional()
}

/// The search of this id.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut PgConnection, id: i64) -> QueryResult<Search> {
    schema::search::table.find(id).select(Search::as_select()).first(conn)
}

/// Names of all searches, newest first.
///
/// # Errors
/// Those of the database.
pub fn names(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
    schema::search::table.select(schema::search::name).order(schema::search::id.desc()).load(conn)
}

/// An architecture of a search with what came of it, as a strategy sees it.
#[derive(Debug, Clone, QueryableByName)]
pub struct Member {
    /// The architecture.
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: i64,
    /// Its genome.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub genome: serde_json::Value,
    /// Its generation.
    #[diesel(sql_type = sql_types::Integer)]
    pub generation: i32,
    /// What it was bred from.
    #[diesel(sql_type = sql_types::Array<sql_types::BigInt>)]
    pub parents: Vec<i64>,
    /// Whether its job has an outcome.
    #[diesel(sql_type = sql_types::Bool)]
    pub ended: bool,
    /// Its fitness, if the outcome gave one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub fitness: Option<f64>,
    /// Trainable parameters.
    #[diesel(sql_type = sql_types::BigInt)]
    pub parameters: i64,
    /// FLOPs of one forward pass.
    #[diesel(sql_type = sql_types::BigInt)]
    pub flops: i64,
}

/// All architectures of a search, in the order of proposal.
///
/// # Errors
/// Those of the database.
pub fn population(conn: &mut PgConnection, search: i64) -> QueryResult<Vec<Member>> {
    sql_query(include_str!("sql/population.sql")).bind::<sql_types::BigInt, _>(search).load(conn)
}

/// How many architectures a search has.
///
/// # Errors
/// Those of the database.
pub fn size(conn: &mut PgConnection, search: i64) -> QueryResult<i64> {
    use schema::architecture::dsl::{architecture, search_id};
    architecture.filter(search_id.eq(search)).count().get_result(conn)
}

/// Hashes of all architectures of a search.
///
/// # Errors
/// Those of the database.
pub fn hashes(conn: &mut PgConnection, search: i64) -> QueryResult<Vec<String>> {
    use schema::architecture::dsl::{architecture, hash, search_id};
    architecture.filter(search_id.eq(search)).select(hash).load(conn)
}

/// FLOPs of a job's network.
///
/// # Errors
/// Those of the database.
pub fn cost_of(conn: &mut PgConnection, job: i64) -> QueryResult<Option<i64>> {
    schema::job::table
        .inner_join(schema::architecture::table.on(schema::architecture::id.eq(schema::job::architecture_id)))
        .filter(schema::job::id.eq(job))
        .select(schema::architecture::flops)
        .first(conn)
        .optional()
}

/// Marks a running search finished if it has no open job. `seen`: what is known of its endings is a prefix up to this
/// ordinal, and the search goes on if anything has ended since; `None`: whatever has ended. Returns its name.
///
/// # Errors
/// Those of the database.
pub fn settle(conn: &mut PgConnection, search: i64, seen: Option<i64>) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    conn.transaction(|conn| {
        // Locked before the look: whoever adds jobs holds the search, and the next statement sees what they added.
        sql_query("SELECT id FROM search WHERE id = $1 FOR UPDATE")
            .bind::<sql_types::BigInt, _>(search)
            .execute(conn)?;
        let row = sql_query(include_str!("sql/settle.sql"))
            .bind::<sql_types::BigInt, _>(search)
            .bind::<sql_types::Nullable<sql_types::BigInt>, _>(seen)
            .get_result::<Row>(conn)
            .optional()?;
        Ok(row.map(|row| row.name))
    })
}

/// Running searches with nothing left to start, oldest first; of all, or of one.
///
/// # Errors
/// Those of the database.
pub fn dry(conn: &mut PgConnection, search: Option<i64>) -> QueryResult<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        id: i64,
    }
    let rows = sql_query(include_str!("sql/dry.sql"))
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(search)
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// One of the best networks of a search, as [`promote`] found it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct Finalist {
    /// Its job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
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
pub fn promote(conn: &mut PgConnection, search: i64, top: i64) -> QueryResult<Vec<Finalist>> {
    sql_query(include_str!("sql/promote.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::BigInt, _>(top)
        .bind::<sql_types::Text, _>(CHANNEL)
        .load(conn)
}

/// Where a search stands: one line of `peng search list`, and what `watch` draws.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct Progress {
    /// Its name.
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    /// Whether its jobs may be claimed.
    #[diesel(sql_type = pg::SearchState)]
    pub state: SearchState,
    /// Engine of the predictor.
    #[diesel(sql_type = sql_types::Text)]
    pub engine: String,
    /// Jobs that the strategy may propose.
    #[diesel(sql_type = sql_types::Integer)]
    pub budget: i32,
    /// Jobs so far.
    #[diesel(sql_type = sql_types::BigInt)]
    pub jobs: i64,
    /// Jobs that nobody has yet.
    #[diesel(sql_type = sql_types::BigInt)]
    pub open: i64,
    /// Jobs that train now.
    #[diesel(sql_type = sql_types::BigInt)]
    pub running: i64,
    /// Jobs that the predictor stopped.
    #[diesel(sql_type = sql_types::BigInt)]
    pub terminated: i64,
    /// Jobs trained to the end.
    #[diesel(sql_type = sql_types::BigInt)]
    pub completed: i64,
    /// Jobs that diverged, failed or were cancelled.
    #[diesel(sql_type = sql_types::BigInt)]
    pub other: i64,
    /// Jobs that failed.
    #[diesel(sql_type = sql_types::BigInt)]
    pub failed: i64,
    /// Epochs that finished jobs trained.
    #[diesel(sql_type = sql_types::Double)]
    pub epochs_trained: f64,
    /// Epochs that terminated jobs did not need to train.
    #[diesel(sql_type = sql_types::Double)]
    pub epochs_saved: f64,
    /// Best fitness so far, per cent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub best: Option<f64>,
    /// When it was submitted.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// Seconds since then, or until it finished.
    #[diesel(sql_type = sql_types::Double)]
    pub seconds: f64,
}

/// Where searches stand, oldest first; all, or one.
///
/// # Errors
/// Those of the database.
pub fn progress(conn: &mut PgConnection, name: Option<&str>) -> QueryResult<Vec<Progress>> {
    sql_query(include_str!("sql/progress.sql"))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(name)
        .load(conn)
}

/// Stops the claiming of a search's jobs; those that run go on. Returns how many jobs wait now.
///
/// # Errors
/// Those of the database.
pub fn pause(conn: &mut PgConnection, search: i64) -> QueryResult<usize> {
    conn.transaction(|conn| {
        move_search(conn, search, "paused", &["running"])?;
        sql_query("UPDATE job SET state = 'paused' WHERE search_id = $1 AND state = 'ready'")
            .bind::<sql_types::BigInt, _>(search)
            .execute(conn)
    })
}

/// Lets a paused search go on. Returns how many jobs are ready again.
///
/// # Errors
/// Those of the database.
pub fn resume(conn: &mut PgConnection, search: i64) -> QueryResult<usize> {
    conn.transaction(|conn| {
        move_search(conn, search, "running", &["paused"])?;
        let ready = sql_query("UPDATE job SET state = 'ready' WHERE search_id = $1 AND state = 'paused'")
            .bind::<sql_types::BigInt, _>(search)
            .execute(conn)?;
        sql_query("SELECT pg_notify($1, class) FROM job WHERE search_id = $2 GROUP BY class")
            .bind::<sql_types::Text, _>(CHANNEL)
            .bind::<sql_types::BigInt, _>(search)
            .execute(conn)?;
        Ok(ready)
    })
}

/// Ends a search: its jobs are cancelled, those that run as soon as their workers hear of it. A job that had been
/// terminated and trains one more interval ends by itself and keeps its fitness.
///
/// # Errors
/// Those of the database.
pub fn cancel(conn: &mut PgConnection, search: i64) -> QueryResult<crate::job::Cancelled> {
    conn.transaction(|conn| {
        move_search(conn, search, "cancelled", &["running", "paused"])?;
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
            .load::<i64>(conn)?;
        crate::job::cancel(conn, &open)
    })
}

fn move_search(conn: &mut PgConnection, search: i64, to: &str, from: &[&str]) -> QueryResult<usize> {
    sql_query(
        "WITH moved AS (UPDATE search SET state = $2::text::search_state, \
         finished_at = CASE WHEN $2::text = 'cancelled' THEN now() END \
         WHERE id = $1 AND state = ANY ($3::text[]::search_state[]) RETURNING id) \
         INSERT INTO event (search_id, kind) SELECT id, $2::text FROM moved",
    )
    .bind::<sql_types::BigInt, _>(search)
    .bind::<sql_types::Text, _>(to)
    .bind::<sql_types::Array<sql_types::Text>, _>(from)
    .execute(conn)
}
