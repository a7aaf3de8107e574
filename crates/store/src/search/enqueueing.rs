//! Filling a search: its first jobs, what its strategy proposes, what comes from outside.

use std::borrow::Borrow;

use diesel::{
    Connection as _, ExpressionMethods as _, Insertable, OptionalExtension as _, PgConnection, QueryDsl as _,
    QueryResult, QueryableByName, RunQueryDsl as _,
    result::{DatabaseErrorKind, Error},
    sql_query, sql_types,
};

use domain::{JobId, SearchId};

use super::SearchState;
use crate::{job::JobMode, schema, schema::sql_types as pg};

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

/// Where a batch of jobs comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From whoever submits the search, in the transaction that writes it: nobody else knows of it.
    Submission,
    /// From its strategy. Only a search that goes on takes them.
    Strategy {
        /// The last job that it knew of.
        seen: JobId,
        /// Whether it has proposed all that it may.
        is_last: bool,
    },
    /// From outside. A finished search goes on with them, and its budget grows.
    Outside {
        /// The last job that was known of when they were chosen.
        seen: JobId,
    },
}

/// What became of a batch of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Enqueued {
    /// How the search stood.
    #[diesel(sql_type = pg::SearchState)]
    pub state: SearchState,
    /// How many were added. None: the search takes no jobs, or has got others since it was looked at, and nothing was written.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub added: Option<i64>,
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
/// jobs there are. Holds [`CHUNK`] jobs in memory, however many come. Until it ends it holds nothing but its own rows, and the
/// name.
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
    conn.transaction(|conn| {
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
        let (mut jobs, mut added) = (jobs.into_iter(), 0);
        loop {
            let batch: Vec<_> = jobs.by_ref().take(CHUNK).collect();
            if batch.is_empty() {
                break;
            }
            added += enqueue(conn, &params, Source::Submission, &batch)?.added.unwrap_or_default();
        }
        // Architectures from outside may be more than were planned.
        sql_query(
            "WITH planned AS (UPDATE search SET budget = greatest(budget, $2) WHERE id = $1) \
             INSERT INTO event (search_id, kind, detail) VALUES ($1, 'submitted', $2 || ' jobs')",
        )
        .bind::<sql_types::BigInt, _>(search_id)
        .bind::<sql_types::Integer, _>(i32::try_from(added).unwrap_or(i32::MAX))
        .execute(conn)?;
        Ok((search_id, added as usize))
    })
}

/// Adds a batch of jobs whose architectures the search does not have yet, in the order given, and wakes waiting workers: one
/// statement, which locks the search, sees whether it is as it was when the jobs were chosen, and writes.
///
/// # Errors
/// Those of the database; `NotFound` where there is no such search.
pub fn enqueue(
    conn: &mut PgConnection,
    params: &EnqueueParams<'_>,
    source: Source,
    jobs: &[impl Borrow<NewJob>],
) -> QueryResult<Enqueued> {
    use sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, SmallInt, Text};
    let (seen, from_outside, is_last) = match source {
        Source::Submission => (None, false, false),
        Source::Strategy { seen, is_last } => (Some(seen), false, is_last),
        Source::Outside { seen } => (Some(seen), true, false),
    };
    let jobs: Vec<&NewJob> = jobs.iter().map(Borrow::borrow).collect();
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
        .bind::<Nullable<BigInt>, _>(seen)
        .bind::<Bool, _>(from_outside)
        .bind::<Bool, _>(is_last)
        .get_result(conn)
}

/// The last job of a search, by its number; 0 for none.
///
/// # Errors
/// Those of the database.
pub fn last_job(conn: &mut PgConnection, search: SearchId) -> QueryResult<JobId> {
    use schema::job::dsl::{id, job, search_id};
    let last = job.select(id).filter(search_id.eq(search)).order((search_id.desc(), id.desc())).first(conn);
    Ok(last.optional()?.unwrap_or(JobId(0)))
}

/// Whether the strategy of a search may still propose: it goes on, and has not had all that it may.
///
/// # Errors
/// Those of the database; `NotFound` where there is no such search.
pub fn takes_proposals(conn: &mut PgConnection, search: SearchId) -> QueryResult<bool> {
    use schema::search::dsl;
    let (state, proposing): (SearchState, bool) =
        dsl::search.find(search).select((dsl::state, dsl::proposing)).get_result(conn)?;
    Ok(proposing && matches!(state, SearchState::Running | SearchState::Paused))
}

/// Hashes of all architectures of a search.
///
/// # Errors
/// Those of the database.
pub fn hashes(conn: &mut PgConnection, search: SearchId) -> QueryResult<Vec<String>> {
    use schema::architecture::dsl::{architecture, hash, search_id};
    architecture.filter(search_id.eq(search)).select(hash).load(conn)
}
