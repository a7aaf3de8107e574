//! Worker processes: who they are and whether they still live.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, IntoSql as _, NullableExpressionMethods as _, OptionalExtension as _,
    PgConnection, QueryDsl as _, QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use diesel_derive_enum::DbEnum;
use domain::{JobId, for_people};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    attempt::{self, AttemptRow},
    schema::{self, sql_types as pg},
    statement::prepared,
};

/// How often a sign of life is written: well within the two minutes after which a silent worker does not count as living.
const NOTED_EVERY: Duration = Duration::from_secs(30);

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

/// What a worker hears from the database with each sign of life.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Touched {
    /// What it is asked to do.
    #[diesel(sql_type = pg::WorkerState)]
    pub state: WorkerState,
    /// The oldest peng that the database takes: see [`crate::migration::is_supported`].
    #[diesel(sql_type = sql_types::Text)]
    pub oldest_schema: String,
    /// Whether no worker does the maintenance of all.
    #[diesel(sql_type = sql_types::Bool)]
    pub leaderless: bool,
}

/// Notes that the worker lives, where the last note is older than half a minute. `None`: its row was removed.
///
/// # Errors
/// Those of the database.
pub fn touch(conn: &mut PgConnection, worker: Uuid) -> QueryResult<Option<Touched>> {
    prepared(
        sql_query(include_str!("sql/touch.sql"))
            .bind::<sql_types::Uuid, _>(worker)
            .bind::<sql_types::Double, _>(NOTED_EVERY.as_secs_f64()),
    )
    .get_result(conn)
    .optional()
}

/// Notes what keeps a worker from claiming jobs, or that nothing does any more.
///
/// # Errors
/// Those of the database.
pub fn set_fault(conn: &mut PgConnection, worker: Uuid, fault: Option<&str>) -> QueryResult<()> {
    sql_query(
        "UPDATE worker SET fault = $2, fault_at = CASE WHEN $2 IS NOT NULL THEN now() END WHERE id = $1",
    )
    .bind::<sql_types::Uuid, _>(worker)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(fault.map(for_people))
    .execute(conn)
    .map(|_| ())
}

/// A fault and the hosts that have it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Serialize)]
pub struct HostFault {
    /// In words.
    #[diesel(sql_type = sql_types::Text)]
    pub fault: String,
    /// Names of hosts, in order.
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    pub hosts: Vec<String>,
    /// Whether a living worker of the class is free of faults: then others train.
    #[diesel(sql_type = sql_types::Bool)]
    pub others_work: bool,
}

/// The faults of living workers of a class. Workers that were not seen for two minutes do not count.
///
/// # Errors
/// Those of the database.
pub fn faults(conn: &mut PgConnection, class: &str) -> QueryResult<Vec<HostFault>> {
    sql_query(include_str!("sql/host_faults.sql")).bind::<sql_types::Text, _>(class).load(conn)
}

/// What is said where no living worker of a class can train: which fault on which hosts. `None` where one can, or none lives.
///
/// # Errors
/// Those of the database.
pub fn nobody_can_train(conn: &mut PgConnection, class: &str) -> QueryResult<Option<String>> {
    let faults = faults(conn, class)?;
    if faults.is_empty() || faults.iter().any(|fault| fault.others_work) {
        return Ok(None);
    }
    let each: Vec<_> =
        faults.iter().map(|fault| format!("{} (on {})", fault.fault, fault.hosts.join(", "))).collect();
    Ok(Some(format!("no worker of class `{class}` can train: {}", each.join("; "))))
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

/// Some workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All that were seen within a day.
    All,
    /// Those of a host that were seen within a day.
    Host(String),
    /// Those whose ids begin so.
    Ids(Vec<String>),
}

/// Asks running workers to finish what they have and leave. Returns how many.
///
/// # Errors
/// Those of the database.
pub fn drain(conn: &mut PgConnection, workers: &Selector) -> QueryResult<usize> {
    move_workers(conn, workers, "running", "draining")
}

/// Lets workers that drain claim jobs again: those that have not left when they hear of it. Returns how many were asked.
///
/// # Errors
/// Those of the database.
pub fn undrain(conn: &mut PgConnection, workers: &Selector) -> QueryResult<usize> {
    move_workers(conn, workers, "draining", "running")
}

fn move_workers(conn: &mut PgConnection, workers: &Selector, from: &str, to: &str) -> QueryResult<usize> {
    let (ids, host): (&[String], _) = match workers {
        Selector::All => (&[], None),
        Selector::Host(host) => (&[], Some(host)),
        Selector::Ids(ids) => (ids, None),
    };
    sql_query(
        "UPDATE worker SET state = $4::text::worker_state WHERE state = $3::text::worker_state AND CASE \
         WHEN cardinality($1) > 0 THEN EXISTS (SELECT FROM unnest($1) AS p WHERE starts_with(worker.id::text, p)) \
         ELSE last_seen_at > now() - interval '1 day' AND host = coalesce($2, host) END",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(ids)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(host)
    .bind::<sql_types::Text, _>(from)
    .bind::<sql_types::Text, _>(to)
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
    pub job_id: Option<JobId>,
    /// Attempts so far.
    #[diesel(sql_type = sql_types::BigInt)]
    pub attempts: i64,
    /// Attempts that were lost or ended by a passing error.
    #[diesel(sql_type = sql_types::BigInt)]
    pub crashes: i64,
    /// Why it claims nothing at present.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub fault: Option<String>,
    /// Version of peng.
    #[diesel(sql_type = sql_types::Text)]
    pub version: String,
}

/// Workers, oldest first; with `all` also those that have stopped, or have been silent for a day and train nothing.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut PgConnection, all: bool) -> QueryResult<Vec<WorkerRow>> {
    sql_query(include_str!("sql/worker_list.sql")).bind::<sql_types::Bool, _>(all).load(conn)
}

/// All that is known of one worker.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerDetail {
    /// Who it is, once for each job that it trains.
    pub worker: Vec<WorkerRow>,
    /// Its newest attempts, newest first.
    pub attempts: Vec<AttemptRow>,
}

/// The workers whose ids begin so, each with its newest `limit` attempts.
///
/// # Errors
/// Those of the database.
pub fn show(conn: &mut PgConnection, id: &str, limit: i64) -> QueryResult<Vec<WorkerDetail>> {
    let mut found: Vec<WorkerDetail> = Vec::new();
    for row in list(conn, true)?.into_iter().filter(|row| row.id.to_string().starts_with(id)) {
        match found.iter_mut().find(|shown| shown.worker[0].id == row.id) {
            Some(shown) => shown.worker.push(row),
            None => found.push(WorkerDetail { worker: vec![row], attempts: Vec::new() }),
        }
    }
    for shown in &mut found {
        shown.attempts = attempt::of_worker(conn, shown.worker[0].id, limit)?;
    }
    Ok(found)
}
