//! Filling a search: its first jobs, what its strategy proposes, what comes from outside.

use std::borrow::Borrow;

use diesel::{
    ExpressionMethods as _, Insertable, PgConnection, QueryDsl as _, QueryResult, RunQueryDsl as _,
    result::{DatabaseErrorKind, Error},
    sql_query, sql_types,
};

use domain::SearchId;

use super::{CHANNEL, SearchState};
use crate::{
    job::{JobMode, JobState},
    schema,
    session::transaction,
};

/// Serialises what a strategy proposes for a search; the second key is the search.
const PROPOSING: i32 = 0x7066;
/// Jobs that are enqueued by one statement.
pub const CHUNK: usize = 10_000;

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
    /// Whether the end of a job may lead the strategy to propose another.
    pub proposing: bool,
    /// Searches of higher priority go first.
    pub priority: i16,
    /// So many of its jobs may run at once.
    pub max_running: Option<i32>,
    /// User and host that submit it.
    pub submitted_by: Option<String>,
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

/// What all jobs that are enqueued together share.
#[derive(Debug, Clone)]
pub struct EnqueueParams<'a> {
    /// The search.
    pub search_id: SearchId,
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
) -> Result<(SearchId, usize), SubmitError> {
    transaction(conn, |conn| {
        let inserted = diesel::insert_into(schema::search::table)
            .values(search)
            .returning(schema::search::id)
            .get_result::<SearchId>(conn);
        let search_id = inserted.map_err(|error| match error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                SubmitError::NameTaken { name: search.name.clone() }
            }
            other => SubmitError::Query(other),
        })?;
        let params = EnqueueParams { search_id, seed, class };
        let added = enqueue(conn, &params, SearchState::Running, jobs)?;
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

/// Locks a search until the transaction ends, so that it can neither be paused nor cancelled nor finished meanwhile; returns
/// whether its jobs may be claimed. Locks go from the search to its jobs and their leases.
///
/// # Errors
/// Those of the database.
pub fn lock(conn: &mut PgConnection, search: SearchId) -> QueryResult<SearchState> {
    schema::search::table
        .select(schema::search::state)
        .filter(schema::search::id.eq(search))
        .for_no_key_update()
        .get_result(conn)
}

/// Adds jobs whose architectures the search does not have yet, in the order given, and wakes waiting workers. Returns
/// how many were added. Holds [`CHUNK`] jobs in memory, however many come. Call it in a transaction that has [`lock`]ed the
/// search and found it in `state`.
///
/// # Errors
/// Those of the database.
pub fn enqueue(
    conn: &mut PgConnection,
    params: &EnqueueParams<'_>,
    state: SearchState,
    jobs: impl IntoIterator<Item: Borrow<NewJob>>,
) -> QueryResult<usize> {
    let state = if state == SearchState::Paused { JobState::Paused } else { JobState::Ready };
    let mut jobs = jobs.into_iter();
    let mut added = 0;
    loop {
        let chunk: Vec<_> = jobs.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        added += enqueue_chunk(conn, params, state, &chunk.iter().map(Borrow::borrow).collect::<Vec<_>>())?;
    }
    if added > 0 {
        // Workers of version 0.1 know the class alone.
        sql_query(
            "SELECT pg_notify($1, payload) FROM unnest(ARRAY[$2, $2 || ' ' || $3]) AS payload LIMIT $3",
        )
        .bind::<sql_types::Text, _>(CHANNEL)
        .bind::<sql_types::Text, _>(params.class)
        .bind::<sql_types::BigInt, _>(added as i64)
        .execute(conn)?;
    }
    Ok(added)
}

fn enqueue_chunk(
    conn: &mut PgConnection,
    params: &EnqueueParams<'_>,
    state: JobState,
    jobs: &[&NewJob],
) -> QueryResult<usize> {
    use sql_types::{Array, BigInt, Integer, Jsonb, SmallInt, Text};
    let parents = |job: &&NewJob| {
        let ids: Vec<_> = job.parents.iter().map(ToString::to_string).collect();
        format!("{{{}}}", ids.join(","))
    };
    sql_query(include_str!("../sql/enqueue.sql"))
        .bind::<BigInt, _>(params.search_id)
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.hash.as_str()).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(jobs.iter().map(|job| &job.genome).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.summary.as_str()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(jobs.iter().map(|job| job.parameters).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(jobs.iter().map(|job| job.flops).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(jobs.iter().map(|job| job.generation).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(parents).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(jobs.iter().map(|job| job.mode.as_str()).collect::<Vec<_>>())
        .bind::<Array<SmallInt>, _>(jobs.iter().map(|job| job.priority).collect::<Vec<_>>())
        .bind::<BigInt, _>(params.seed)
        .bind::<Text, _>(params.class)
        .bind::<Text, _>(state.as_str())
        .execute(conn)
}

/// Adds jobs from outside to a search that is not cancelled, as [`enqueue`] does: a finished one goes on, and its budget
/// grows with them. Call it in a transaction that holds [`lock_for_proposal`] and then [`lock`].
///
/// # Errors
/// Those of the database.
pub fn add(
    conn: &mut PgConnection,
    params: &EnqueueParams<'_>,
    state: SearchState,
    jobs: &[NewJob],
) -> QueryResult<usize> {
    let added = enqueue(conn, params, state, jobs)?;
    if added > 0 {
        sql_query(
            "WITH grown AS (UPDATE search SET budget = greatest(budget, (SELECT count(*) FROM architecture WHERE search_id = $1)), \
             state = CASE state WHEN 'finished' THEN 'running' ELSE state END, finished_at = NULL WHERE id = $1 RETURNING id) \
             INSERT INTO event (search_id, kind, detail) SELECT id, 'added', $2 FROM grown",
        )
        .bind::<sql_types::BigInt, _>(params.search_id)
        .bind::<sql_types::Text, _>(format!("{added} jobs"))
        .execute(conn)?;
    }
    Ok(added)
}

/// Holds the search's place for a strategy's proposal until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn lock_for_proposal(conn: &mut PgConnection, search: SearchId) -> QueryResult<()> {
    sql_query("SELECT pg_advisory_xact_lock($1, hashint8($2))")
        .bind::<sql_types::Integer, _>(PROPOSING)
        .bind::<sql_types::BigInt, _>(search)
        .execute(conn)
        .map(|_| ())
}

/// Whether the end of a job may still lead the search's strategy to propose another.
///
/// # Errors
/// Those of the database.
pub fn is_proposing(conn: &mut PgConnection, search: SearchId) -> QueryResult<bool> {
    schema::search::table.find(search).select(schema::search::proposing).get_result(conn)
}

/// Notes that the search's strategy has proposed all that it may.
///
/// # Errors
/// Those of the database.
pub fn stop_proposing(conn: &mut PgConnection, search: SearchId) -> QueryResult<()> {
    use schema::search::dsl::{proposing, search as searches};
    diesel::update(searches.find(search)).set(proposing.eq(false)).execute(conn).map(|_| ())
}

/// Hashes of all architectures of a search.
///
/// # Errors
/// Those of the database.
pub fn hashes(conn: &mut PgConnection, search: SearchId) -> QueryResult<Vec<String>> {
    use schema::architecture::dsl::{architecture, hash, search_id};
    architecture.filter(search_id.eq(search)).select(hash).load(conn)
}
