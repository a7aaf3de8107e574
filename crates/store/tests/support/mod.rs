//! Searches, jobs and points that a test does not care about.

use std::time::Duration;

use diesel::{PgConnection, QueryDsl as _, RunQueryDsl as _, sql_query, sql_types};
use store::{
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

pub fn submit(conn: &mut PgConnection, name: &str, count: usize) -> i64 {
    search::submit(conn, &new_search(name), 1, "default", jobs(count)).unwrap().0
}

pub fn worker(conn: &mut PgConnection) -> Uuid {
    let id = Uuid::new_v4();
    let worker = NewWorker {
        id,
        host: "host".into(),
        pid: 1,
        class: "default".into(),
        device: "cpu".into(),
        version: "0".into(),
    };
    worker.register(conn).unwrap();
    id
}

pub fn point(step: i32, val_acc: f64) -> Observation {
    Observation { step, epoch: f64::from(step), val_acc, seconds: Some(2.0), ..Observation::default() }
}

/// As if the worker had not been heard of for a time to live.
pub fn expire(conn: &mut PgConnection, job: i64) {
    let expired = sql_query("UPDATE lease SET expires_at = now() - interval '1 second' WHERE job_id = $1")
        .bind::<sql_types::BigInt, _>(job)
        .execute(conn)
        .unwrap();
    assert_eq!(expired, 1);
}

pub fn state(conn: &mut PgConnection, job: i64) -> JobState {
    schema::job::table.find(job).select(schema::job::state).first(conn).unwrap()
}
