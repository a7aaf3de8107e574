//! Searches, jobs and points that a test does not care about, and the waits that tests share.

#![expect(dead_code, reason = "each test uses a part")]

pub mod fenced;
pub mod said;

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryDsl as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _,
    sql_query, sql_types,
};
use domain::{CheckpointKey, JobId, Lease, NewCheckpoint, SearchId};
use store::{
    Claimer,
    curve::Observation,
    job::{JobMode, JobState},
    schema,
    search::{self, NewJob, NewSearch},
    worker::NewWorker,
};
use uuid::Uuid;

pub const TTL: Duration = Duration::from_secs(60);

pub fn new_search(name: &str) -> NewSearch {
    NewSearch {
        name: name.into(),
        spec: serde_json::json!({}),
        spec_hash: "0".repeat(64),
        engine: "none".into(),
        max_epochs: 20.0,
        interval: 1.0,
        budget: 1000,
        version: "0".into(),
        proposing: false,
        priority: 0,
        max_running: None,
        submitted_by: None,
    }
}

pub fn jobs(count: usize) -> Vec<NewJob> {
    let job = |i| NewJob {
        hash: format!("{i:064}"),
        genome: serde_json::json!({ "i": i }),
        summary: format!("network {i}"),
        parameters: 10,
        flops: 20,
        generation: 0,
        parents: vec![],
        mode: JobMode::Terminate,
        priority: 0,
    };
    (0..count).map(job).collect()
}

pub fn submit(conn: &mut PgConnection, name: &str, count: usize) -> SearchId {
    search::submit(conn, &new_search(name), 1, "default", jobs(count)).unwrap().0
}

pub fn worker(conn: &mut PgConnection) -> Uuid {
    worker_on(conn, "host")
}

pub fn worker_on(conn: &mut PgConnection, host: &str) -> Uuid {
    let id = Uuid::new_v4();
    let worker = NewWorker {
        id,
        host: host.into(),
        pid: 1,
        class: "default".into(),
        device: "cpu".into(),
        version: "0".into(),
    };
    worker.register(conn).unwrap();
    id
}

/// A later pointer, beside which older ones may be removed.
pub const LATER_POINTER: &str = "INSERT INTO checkpoint (job_id, step, fence, key, uri, bytes, sha256) \
     SELECT job_id, 9, fence, key, uri, bytes, sha256 FROM checkpoint";

pub fn point(step: i32, val_acc: f64) -> Observation {
    Observation { step, epoch: f64::from(step), val_acc, seconds: Some(2.0), ..Observation::default() }
}

/// As if the worker had not been heard of for a time to live.
pub fn expire(conn: &mut PgConnection, job: JobId) {
    let expired = sql_query("UPDATE lease SET expires_at = now() - interval '1 second' WHERE job_id = $1")
        .bind::<sql_types::BigInt, _>(job)
        .execute(conn)
        .unwrap();
    assert_eq!(expired, 1);
}

pub fn state(conn: &mut PgConnection, job: JobId) -> JobState {
    schema::job::table.find(job).select(schema::job::state).first(conn).unwrap()
}

/// The lease of the next job, by a new worker.
pub fn claim(conn: &mut PgConnection) -> Lease {
    let id = worker(conn);
    claim_by(conn, id)
}

/// The lease of the next job.
pub fn claim_by(conn: &mut PgConnection, worker: Uuid) -> Lease {
    Claimer::new("default", worker, TTL).claim(conn).unwrap().expect("a ready job").lease()
}

/// A pointer to the object that an attempt writes after a step.
pub fn pointer(lease: Lease, step: i32) -> NewCheckpoint {
    let key = CheckpointKey::new(SearchId(1), lease, step).to_string();
    NewCheckpoint { uri: format!("file:///store/{key}"), key, bytes: 1, sha256: "0".repeat(64) }
}

/// Removes all searches and workers, which is faster than another database.
pub fn clear(conn: &mut PgConnection) {
    // TRUNCATE would make dozens of files anew each time.
    conn.batch_execute("DELETE FROM search; DELETE FROM worker; DELETE FROM maintenance; DELETE FROM event")
        .unwrap();
}

/// How many rows a query has.
pub fn rows(conn: &mut PgConnection, query: &str) -> usize {
    sql_query(query).execute(conn).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// When to give up, for a session that is expected to come to an end by itself.
pub fn patience() -> impl Fn() -> bool {
    let start = Instant::now();
    move || start.elapsed() > Duration::from_secs(60)
}

/// Waits until a condition holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until another session of this database waits for a lock. False: it came to its end without.
pub fn waits(conn: &mut PgConnection, ended: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    let waiting =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while rows(conn, waiting) == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "neither waits nor ends");
        if ended() {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// All that a statement of a worker can write, as text.
pub fn everything(conn: &mut PgConnection) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        text: String,
    }
    let tables = [
        "search",
        "architecture",
        "job",
        "lease",
        "attempt",
        "observation",
        "checkpoint",
        "result",
        "finish",
        "event",
    ];
    let selects: Vec<_> = tables
        .iter()
        .map(|table| format!("SELECT '{table} ' || t::text AS text FROM {table} AS t"))
        .collect();
    let rows: Vec<Row> = sql_query(selects.join(" UNION ALL ") + " ORDER BY text").load(conn).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}
