//! Searches: finding them, and where they stand. Below it, how they are filled and how they end.

mod ending;
mod enqueueing;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult,
    Queryable, QueryableByName, RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query, sql_types,
};
use diesel_derive_enum::DbEnum;
use domain::{JobId, SearchId};
use serde::{Deserialize, Serialize};

pub use ending::{Exhausted, Finalist, cancel, exhausted, finish_if_done, pause, promote, resume};
pub use enqueueing::{
    CHUNK, EnqueueParams, Enqueued, NewJob, NewSearch, Source, SubmitError, enqueue, hashes, last_job,
    submit, takes_proposals,
};

use crate::{schema, schema::sql_types as pg, statement::prepared};

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
    pub id: SearchId,
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
    /// When it was put away; none while it is listed.
    pub archived_at: Option<DateTime<Utc>>,
    /// When its deletion began, of which something is left to do.
    pub deleting_since: Option<DateTime<Utc>>,
    /// Searches of higher priority go first.
    pub priority: i16,
    /// So many of its jobs may run at once.
    pub max_running: Option<i32>,
    /// User and host that submitted it.
    pub submitted_by: Option<String>,
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
pub fn get(conn: &mut PgConnection, id: SearchId) -> QueryResult<Search> {
    schema::search::table.find(id).select(Search::as_select()).first(conn)
}

/// Those of some searches that have not ended.
///
/// # Errors
/// Those of the database.
pub fn unended(conn: &mut PgConnection, ids: &[SearchId]) -> QueryResult<Vec<SearchId>> {
    schema::search::table
        .filter(schema::search::id.eq_any(ids))
        .filter(schema::search::state.eq_any([SearchState::Running, SearchState::Paused]))
        .select(schema::search::id)
        .load(conn)
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
    /// Its job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
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

/// The architectures of a search after the one of this id, in the order of proposal.
///
/// # Errors
/// Those of the database.
pub fn population_after(conn: &mut PgConnection, search: SearchId, after: i64) -> QueryResult<Vec<Member>> {
    prepared(
        sql_query(include_str!("sql/population.sql"))
            .bind::<sql_types::BigInt, _>(search)
            .bind::<sql_types::BigInt, _>(after),
    )
    .load(conn)
}

/// Jobs, each with the FLOPs and the parameters of its network.
///
/// # Errors
/// Those of the database.
pub fn costs_of(conn: &mut PgConnection, jobs: &[JobId]) -> QueryResult<Vec<(JobId, i64, i64)>> {
    schema::job::table
        .inner_join(schema::architecture::table.on(schema::architecture::id.eq(schema::job::architecture_id)))
        .filter(schema::job::id.eq_any(jobs))
        .select((schema::job::id, schema::architecture::flops, schema::architecture::parameters))
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
    /// Jobs that are set aside, without an ending.
    #[diesel(sql_type = sql_types::BigInt)]
    pub frozen: i64,
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
    /// Claims of jobs that had been claimed before: frozen ones that were taken up, and after one that was given back or lost.
    #[diesel(sql_type = sql_types::BigInt)]
    pub restarts: i64,
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
    /// Whether it was put away.
    #[diesel(sql_type = sql_types::Bool)]
    pub archived: bool,
    /// Whether its deletion was begun.
    #[diesel(sql_type = sql_types::Bool)]
    pub deleting: bool,
    /// Searches of higher priority go first.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub priority: i16,
    /// So many of its jobs may run at once.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub max_running: Option<i32>,
    /// User and host that submitted it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub submitted_by: Option<String>,
}

/// Gives a search another priority, and another limit of jobs that run at once (`Some(None)`: none), and tells idle workers. What
/// runs goes on.
///
/// # Errors
/// Those of the database.
pub fn set(
    conn: &mut PgConnection,
    search: SearchId,
    priority: Option<i16>,
    max_running: Option<Option<i32>>,
) -> QueryResult<()> {
    sql_query(include_str!("sql/search_set.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::Nullable<sql_types::SmallInt>, _>(priority)
        .bind::<sql_types::Bool, _>(max_running.is_some())
        .bind::<sql_types::Nullable<sql_types::Integer>, _>(max_running.flatten())
        .execute(conn)
        .map(|_| ())
}

/// Where searches stand, oldest first: one, or all, with `archived` also those that were put away.
///
/// # Errors
/// Those of the database.
pub fn progress(conn: &mut PgConnection, name: Option<&str>, archived: bool) -> QueryResult<Vec<Progress>> {
    sql_query(include_str!("sql/progress.sql"))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(name)
        .bind::<sql_types::Bool, _>(archived)
        .load(conn)
}
