//! Two sessions race for one job: one has taken it away and has not committed when a statement of the attempt comes. The
//! statement waits for the row, and comes back empty when the other one commits. And the other way round.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
    sql_query, sql_types,
};
use store::{
    Claimer, Lease, checkpoint, curve, finish,
    job::{self, JobState, Outcome},
    lease, reaper,
};
use support::{TTL, expire, point, state, submit, worker};
use testing::TestDatabase;

const GAP: Duration = Duration::from_secs(3600);

/// A statement of the old attempt; whether it wrote something.
type Statement = fn(&mut PgConnection, Lease) -> bool;

fn pointer() -> curve::NewCheckpoint {
    curve::NewCheckpoint { uri: "file:///late".into(), bytes: 1, sha256: "0".repeat(64) }
}

const FENCED: &[(&str, Statement)] = &[
    ("record", |conn, lease| curve::record(conn, lease, &point(2, 50.0), None).unwrap().is_some()),
    ("record with a checkpoint", |conn, lease| {
        curve::record(conn, lease, &point(2, 50.0), Some(&pointer())).unwrap().is_some()
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

/// Whoever takes a running job away; whether it did.
const TAKERS: &[(&str, Statement)] = &[
    ("reap", |conn, _| reaper::round(conn, GAP).unwrap().reaped.len() == 1),
    ("finish", |conn, lease| finish::finish(conn, lease, Outcome::Completed, None, None).unwrap().is_some()),
    ("release", |conn, lease| lease::release(conn, lease).unwrap()),
    ("retry", |conn, lease| lease::retry(conn, lease, "passing", "log", TTL, true).unwrap()),
];

/// A job with an observation, a checkpoint, four crashes, and a lease that is over.
fn held(conn: &mut PgConnection) -> Lease {
    submit(conn, "s", 1);
    let held = Claimer::new("default", worker(conn), TTL).claim(conn).unwrap().unwrap().lease();
    assert!(curve::record(conn, held, &point(1, 40.0), Some(&pointer())).unwrap().is_some());
    conn.batch_execute("UPDATE job SET crashes = 4").unwrap();
    expire(conn, held.job_id);
    held
}

#[test]
fn an_attempt_that_waits_for_whoever_takes_its_job_away_writes_nothing() {
    let mut faults = Vec::new();
    for (taker, take) in TAKERS {
        for (name, statement) in FENCED {
            let database = TestDatabase::new();
            let mut conn = database.connect();
            let old = held(&mut conn);
            let mut taking = database.connect();
            AnsiTransactionManager::begin_transaction(&mut taking).unwrap();
            assert!(take(&mut taking, old), "{taker}");
            let before = everything(&mut taking);
            let (waited, wrote) = std::thread::scope(|scope| {
                let late = scope.spawn(|| statement(&mut database.connect(), old));
                let waited = waits(&mut conn, || late.is_finished());
                AnsiTransactionManager::commit_transaction(&mut taking).unwrap();
                (waited, late.join().unwrap())
            });
            if !waited || wrote || everything(&mut conn) != before {
                faults.push(format!("{name} against {taker}: waited {waited}, told that it wrote {wrote}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The other way round: what was under way under a valid fence is there, before the job is anybody else's.
#[test]
fn whoever_takes_a_job_away_waits_for_the_observation_under_way() {
    let mut faults = Vec::new();
    for (taker, take) in TAKERS {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        let old = held(&mut conn);
        let mut recording = database.connect();
        AnsiTransactionManager::begin_transaction(&mut recording).unwrap();
        assert!(curve::record(&mut recording, old, &point(2, 50.0), Some(&pointer())).unwrap().is_some());
        let (waited, took) = std::thread::scope(|scope| {
            let taking = scope.spawn(|| take(&mut database.connect(), old));
            let waited = waits(&mut conn, || taking.is_finished());
            AnsiTransactionManager::commit_transaction(&mut recording).unwrap();
            (waited, taking.join().unwrap())
        });
        let steps = curve::load(&mut conn, old.job_id, i32::MAX).unwrap().len();
        if !waited || !took || steps != 2 {
            faults.push(format!("{taker}: waited {waited}, took the job {took}, {steps} observations"));
        }
        assert!(curve::record(&mut conn, old, &point(3, 60.0), None).unwrap().is_none(), "{taker}");
        let agrees = "SELECT 1 FROM result WHERE outcome = 'failed' AND step = 2 AND last_fitness = 50";
        let failed = usize::from(*taker == "reap");
        assert_eq!(
            sql_query(agrees).execute(&mut conn).unwrap(),
            failed,
            "{taker}: the curve has two points"
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Neither the renewal nor a person who cancels waits for an observation under way, and the next one tells of it.
#[test]
fn an_observation_under_way_holds_up_neither_renewal_nor_cancellation() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let held = held(&mut conn);
    let mut recording = database.connect();
    recording
        .transaction(|recording| {
            assert!(!curve::record(recording, held, &point(2, 50.0), None)?.unwrap().cancel);
            conn.batch_execute("SET lock_timeout = '1s'")?;
            assert_eq!(lease::renew(&mut conn, &[held], TTL)?.len(), 1);
            assert_eq!(job::cancel(&mut conn, &[held.job_id])?.requested, 1);
            diesel::QueryResult::Ok(())
        })
        .unwrap();
    assert!(curve::record(&mut conn, held, &point(3, 50.0), None).unwrap().unwrap().cancel);
}

/// Another change of the job's row does not fence its attempt out.
#[test]
fn an_observation_that_waits_for_another_priority_is_written() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let held = held(&mut conn);
    let mut changing = database.connect();
    AnsiTransactionManager::begin_transaction(&mut changing).unwrap();
    assert_eq!(job::set_priority(&mut changing, &[held.job_id], 7).unwrap(), 1);
    let recorded = std::thread::scope(|scope| {
        let late =
            scope.spawn(|| curve::record(&mut database.connect(), held, &point(2, 50.0), None).unwrap());
        assert!(waits(&mut conn, || late.is_finished()), "the row is locked");
        AnsiTransactionManager::commit_transaction(&mut changing).unwrap();
        late.join().unwrap()
    });
    assert!(recorded.is_some());
    assert_eq!(curve::load(&mut conn, held.job_id, i32::MAX).unwrap().len(), 2);
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
        curve::record(&mut conn, old, &point(1, 40.0), Some(&pointer())).unwrap();
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

/// Waits until another session of this database waits for a lock. False: it came to its end without.
fn waits(conn: &mut PgConnection, ended: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    let waiting =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sql_query(waiting).execute(conn).unwrap() == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "neither waits nor ends");
        if ended() {
            return false;
        }
        std::thread::yield_now();
    }
    true
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
