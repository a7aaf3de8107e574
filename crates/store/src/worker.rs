//! Worker processes: who they are and whether they still live.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, IntoSql as _, NullableExpressionMethods as _, OptionalExtension as _,
    PgConnection, QueryDsl as _, QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use diesel_derive_enum::DbEnum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::schema::{self, sql_types as pg};

/// Whether a worker claims jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DbEnum, Serialize, Deserialize)]
#[db_enum(existing_type_path = "crate::schema::sql_types::WorkerState")]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Claims jobs.
    Running,
    /// Finishes what it has and leaves.
    Draining,
    /// Has left.
    Stopped,
}

/// A worker process that begins.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = crate::schema::worker)]
pub struct NewWorker {
    /// Drawn anew by each process.
    pub id: Uuid,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: i32,
    /// Class of jobs that it claims.
    pub class: String,
    /// What it trains on.
    pub device: String,
    /// Version of peng.
    pub version: String,
}

impl NewWorker {
    /// Enters the worker; again is the same as once.
    ///
    /// # Errors
    /// Those of the database.
    pub fn register(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(schema::worker::table)
            .values(self)
            .on_conflict_do_nothing()
            .execute(conn)
            .map(|_| ())
    }
}

/// Notes that the worker lives; returns what it is asked to do. `None`: its row was removed.
///
/// # Errors
/// Those of the database.
pub fn touch(conn: &mut PgConnection, worker: Uuid) -> QueryResult<Option<WorkerState>> {
    use schema::worker::dsl::{id, last_seen_at, state};
    diesel::update(schema::worker::table.filter(id.eq(worker)))
        .set(last_seen_at.eq(diesel::dsl::now))
        .returning(state)
        .get_result(conn)
        .optional()
}

/// Notes that the worker has left in good order.
///
/// # Errors
/// Those of the database.
pub fn stop(conn: &mut PgConnection, worker: Uuid) -> QueryResult<()> {
    use schema::worker::dsl::{id, state, stopped_at};
    diesel::update(schema::worker::table.filter(id.eq(worker)).filter(state.ne(WorkerState::Stopped)))
        .set((
            state.eq(WorkerState::Stopped),
            stopped_at.eq(diesel::dsl::now.into_sql::<sql_types::Timestamptz>().nullable()),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Asks running workers to finish what they have and leave; all of them if no id is given. Ids may be shortened.
///
/// # Errors
/// Those of the database.
pub fn drain(conn: &mut PgConnection, ids: &[String]) -> QueryResult<usize> {
    sql_query(
        "UPDATE worker SET state = 'draining' WHERE state = 'running' \
         AND (cardinality($1) = 0 OR EXISTS (SELECT FROM unnest($1) AS p WHERE starts_with(worker.id::text, p)))",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(ids)
    .execute(conn)
}

/// One line of `peng worker list`.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct WorkerRow {
    /// Its id.
    #[diesel(sql_type = sql_types::Uuid)]
    pub id: Uuid,
    /// Host name.
    #[diesel(sql_type = sql_types::Text)]
    pub host: String,
    /// Process id.
    #[diesel(sql_type = sql_types::Integer)]
    pub pid: i32,
    /// Class of jobs.
    #[diesel(sql_type = sql_types::Text)]
    pub class: String,
    /// What it trains on.
    #[diesel(sql_type = sql_types::Text)]
    pub device: String,
    /// Whether it claims jobs.
    #[diesel(sql_type = pg::WorkerState)]
    pub state: WorkerState,
    /// When it began.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub started_at: DateTime<Utc>,
    /// Seconds since it was last seen, by the clock of the database.
    #[diesel(sql_type = sql_types::Double)]
    pub silent_seconds: f64,
    /// The job that it trains.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub job_id: Option<i64>,
    /// Attempts so far.
    #[diesel(sql_type = sql_types::BigInt)]
    pub attempts: i64,
    /// Attempts that were lost or ended by a passing error.
    #[diesel(sql_type = sql_types::BigInt)]
    pub crashes: i64,
}

/// Workers, oldest first; with `all` also those that have stopped.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut PgConnection, all: bool) -> QueryResult<Vec<WorkerRow>> {
    sql_query(include_str!("sql/worker_list.sql")).bind::<sql_types::Bool, _>(all).load(conn)
}

/// All that is known of one worker.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Who it is, once for each job that it trains.
    pub worker: Vec<WorkerRow>,
    /// Its newest attempts, newest first.
    pub attempts: Vec<crate::job::AttemptRow>,
}

/// The workers whose ids begin so, each with its newest `limit` attempts.
///
/// # Errors
/// Those of the database.
pub fn show(conn: &mut PgConnection, id: &str, limit: i64) -> QueryResult<Vec<Shown>> {
    let mut found: Vec<Shown> = Vec::new();
    for row in list(conn, true)?.into_iter().filter(|row| row.id.to_string().starts_with(id)) {
        match found.iter_mut().find(|shown| shown.worker[0].id == row.id) {
            Some(shown) => shown.worker.push(row),
            None => found.push(Shown { worker: vec![row], attempts: Vec::new() }),
        }
    }
    for shown in &mut found {
        shown.attempts = sql_query(include_str!("sql/worker_attempts.sql"))
            .bind::<sql_types::Uuid, _>(shown.worker[0].id)
            .bind::<sql_types::BigInt, _>(limit)
            .load(conn)?;
    }
    Ok(found)
}
