//! Two sessions race for one job: the reaper has taken it and has not committed when a statement of the old attempt
//! comes. The statement waits on the lease, and comes back empty when the reaper commits.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::{AnsiTransactionManager, TransactionManager as _},
    sql_query, sql_types,
};
use store::{
    Claimer, Lease, checkpoint, curve, finish,
    job::{JobState, Outcome},
    lease, reaper,
    testing::TestDatabase,
};
use support::{TTL, expire, point, state, submit, worker};

const GAP: Duration = Duration::from_secs(3600);

/// A statement of the old attempt; whether it wrote something.
type Statement = fn(&mut PgConnection, Lease) -> bool;

fn pointer() -> curve::NewCheckpoint {
    curve::NewCheckpoint { uri: "file:///late".into(), bytes: 1, sha256: "0".repeat(64) }
}

const FENCED: &[(&str, Statement)] = &[
    ("record", |conn, lease| curve::record(conn, lease, TTL, &point(2, 50.0), None).unwrap().is_some()),
    ("record with a checkpoint", |conn, lease| {
        curve::record(conn, lease, TTL, &point(2, 50.0), Some(&pointer())).unwrap().is_some()
    }),
    ("renew", |conn, lease| !lease::renew(conn, &[lease], TTL).unwrap().is_empty()),
    ("finish", |conn, lease| finish::finish(conn, lease, Outcome::Completed, None, None).unwrap().is_some()),
    ("fail", |conn, lease| {
        finish::finish(conn, lease, Outcome::Failed, Some("late"), Some("log")).unwrap().is_some()
    }),
    ("release", |conn, lease| lease::release(conn, lease).unwrap()),
    ("retry", |conn, lease| lease::retry(conn, lease, "late", "log", TTL, true).unwrap()),
    ("prune", |conn, lease| !checkpoint::prune(conn, lease, 2).unwrap().is_empty()),
];

#[test]
fn an_old_attempt_that_waits_for_the_reaper_writes_nothing() {
    for (name, statement) in FENCED {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        submit(&mut conn, "s", 1);
        let old = Claimer::new("default", worker(&mut conn), TTL).claim(&mut conn).unwrap().unwrap().lease();
        let first = curve::record(&mut conn, old, TTL, &point(1, 40.0), Some(&pointer())).unwrap();
        assert!(first.is_some(), "{name}: the attempt holds the job");
        expire(&mut conn, old.job_id);

        let mut reaping = database.connect();
        AnsiTransactionManager::begin_transaction(&mut reaping).unwrap();
        assert_eq!(reaper::round(&mut reaping, GAP).unwrap().reaped.len(), 1, "{name}");
        let before = everything(&mut reaping);
        let wrote = std::thread::scope(|scope| {
            let late = scope.spawn(|| statement(&mut database.connect(), old));
            wait_for_waiter(&mut conn, name);
            AnsiTransactionManager::commit_transaction(&mut reaping).unwrap();
            late.join().unwrap()
        });
        assert!(!wrote, "{name}: the old attempt was told that it still holds the job");
        assert_eq!(everything(&mut conn), before, "{name}: the old attempt wrote");
    }
}

#[test]
fn an_old_attempt_writes_nothing_once_the_job_is_claimed_anew() {
    let mut faults = Vec::new();
    for (name, statement) in FENCED {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        submit(&mut conn, "s", 1);
        let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
        let old = claimer.claim(&mut conn).unwrap().unwrap().lease();
        curve::record(&mut conn, old, TTL, &point(1, 40.0), Some(&pointer())).unwrap();
        expire(&mut conn, old.job_id);
        reaper::round(&mut conn, GAP).unwrap();
        assert_eq!(claimer.claim(&mut conn).unwrap().unwrap().job_id, old.job_id);
        let before = everything(&mut conn);
        let wrote = statement(&mut conn, old);
        if wrote || everything(&mut conn) != before {
            faults.push(name);
        }
    }
    assert!(faults.is_empty(), "under the lease of a new attempt the old one could {faults:?}");
}

/// The other way round: the worker was first, so its lease is extended and the reaper passes over it.
#[test]
fn a_reaper_that_meets_a_renewal_passes_over_the_job() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = Claimer::new("default", worker(&mut conn), TTL).claim(&mut conn).unwrap().unwrap().lease();
    expire(&mut conn, held.job_id);
    let mut renewing = database.connect();
    renewing
        .transaction(|renewing| {
            assert_eq!(lease::renew(renewing, &[held], TTL)?.len(), 1);
            assert_eq!(reaper::round(&mut conn, GAP)?.reaped.len(), 0, "the row is locked: skipped");
            diesel::QueryResult::Ok(())
        })
        .unwrap();
    assert_eq!(reaper::round(&mut conn, GAP).unwrap().reaped.len(), 0, "the lease is extended");
    assert_eq!(state(&mut conn, held.job_id), JobState::Running);
}

/// Waits until another session of this database waits for a lock.
fn wait_for_waiter(conn: &mut PgConnection, name: &str) {
    let start = Instant::now();
    let waiting =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sql_query(waiting).execute(conn).unwrap() == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "{name} does not wait for the reaper");
        std::thread::yield_now();
    }
}

/// All that a statement of a worker can write, as text.
fn everything(conn: &mut PgConnection) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        text: String,
    }
    let tables = ["job", "lease", "attempt", "observation", "checkpoint", "result", "finish", "event"];
    let selects: Vec<_> = tables
        .iter()
        .map(|table| format!("SELECT '{table} ' || t::text AS text FROM {table} AS t"))
        .collect();
    let rows: Vec<Row> = sql_query(selects.join(" UNION ALL ") + " ORDER BY text").load(conn).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}
