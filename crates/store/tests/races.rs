//! Two sessions race for one job: one has taken it away and has not committed when a statement of the attempt comes. The
//! statement waits for the row, and comes back empty when the other one commits. And the other way round.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use diesel::{
    Connection as _, PgConnection,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
};
use domain::Lease;
use store::{
    Claimer, curve,
    finish::{self, JobEnd},
    job::{self, JobState, Outcome},
    lease::{self, GiveBack},
    maintenance,
};
use support::{
    LATER_POINTER, TTL, claim, clear, everything, expire,
    fenced::{FENCED, Statement},
    point, pointer, rows, state, submit, waits, worker,
};
use testing::TestDatabase;

/// Whoever takes a running job away; whether it did.
const TAKERS: &[(&str, Statement)] = &[
    ("reap", |conn, _| maintenance::reap(conn).unwrap().len() == 1),
    ("finish", |conn, lease| {
        finish::finish(conn, lease, JobEnd::plain(Outcome::Completed)).unwrap().is_some()
    }),
    ("release", |conn, lease| lease::release(conn, lease, GiveBack::Leaving).unwrap().is_some()),
    ("retry", |conn, lease| lease::retry(conn, lease, "passing", "log", TTL).unwrap().is_some()),
    ("bump", |conn, _| lease::bump_fences(conn).unwrap().len() == 1),
];

/// A job with an observation and a checkpoint, one crash or loss before its last, and with a lease that is over.
fn held(conn: &mut PgConnection) -> Lease {
    submit(conn, "s", 1);
    let held = claim(conn);
    assert!(curve::record(conn, held, &point(1, 40.0), Some(&pointer(held, 1))).unwrap().is_some());
    conn.batch_execute(LATER_POINTER).unwrap();
    conn.batch_execute("UPDATE job SET crashes = 4, losses = 9").unwrap();
    expire(conn, held.job_id);
    held
}

#[test]
fn an_attempt_that_waits_for_whoever_takes_its_job_away_writes_nothing() {
    let mut faults = Vec::new();
    let database = TestDatabase::new();
    let (mut conn, mut taking) = (database.connect(), database.connect());
    for (taker, take) in TAKERS {
        for (name, statement) in FENCED {
            clear(&mut conn);
            let old = held(&mut conn);
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

/// The other way round: what was under way under a valid fence is there, before the job is anybody else's. All but the reaper
/// wait for it; that one passes over the job and finds it in its next round.
#[test]
fn whoever_takes_a_job_away_lets_the_observation_under_way_come_first() {
    let mut faults = Vec::new();
    let database = TestDatabase::new();
    let (mut conn, mut recording) = (database.connect(), database.connect());
    for (taker, take) in TAKERS {
        clear(&mut conn);
        let old = held(&mut conn);
        AnsiTransactionManager::begin_transaction(&mut recording).unwrap();
        let under_way = curve::record(&mut recording, old, &point(2, 50.0), Some(&pointer(old, 2)));
        assert!(under_way.unwrap().is_some());
        let (waited, mut took) = std::thread::scope(|scope| {
            let taking = scope.spawn(|| take(&mut database.connect(), old));
            let waited = waits(&mut conn, || taking.is_finished());
            AnsiTransactionManager::commit_transaction(&mut recording).unwrap();
            (waited, taking.join().unwrap())
        });
        let reaps = *taker == "reap";
        if reaps && !took {
            took = take(&mut conn, old);
        } else if reaps {
            faults.push("reap took a job that was locked".to_owned());
        }
        let steps = curve::load(&mut conn, old.job_id, i32::MAX).unwrap().len();
        if waited == reaps || !took || steps != 2 {
            faults.push(format!("{taker}: waited {waited}, took the job {took}, {steps} observations"));
        }
        assert!(curve::record(&mut conn, old, &point(3, 60.0), None).unwrap().is_none(), "{taker}");
        let agrees =
            "SELECT 1 FROM result WHERE step = 2 AND epochs = 2 AND seconds = 4 AND last_fitness = 50";
        let ended = usize::from(["reap", "finish", "retry"].contains(taker));
        assert_eq!(rows(&mut conn, agrees), ended, "{taker}: the curve has two points");
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
            assert_eq!(lease::renew(&mut conn, held.worker_id, &[held], TTL)?.len(), 1);
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
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for (name, statement) in FENCED {
        clear(&mut conn);
        submit(&mut conn, "s", 1);
        let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
        let old = claimer.claim(&mut conn).unwrap().unwrap().lease();
        curve::record(&mut conn, old, &point(1, 40.0), Some(&pointer(old, 1))).unwrap();
        expire(&mut conn, old.job_id);
        maintenance::reap(&mut conn).unwrap();
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
    let held = claim(&mut conn);
    expire(&mut conn, held.job_id);
    let mut renewing = database.connect();
    renewing
        .transaction(|renewing| {
            assert_eq!(lease::renew(renewing, held.worker_id, &[held], TTL)?.len(), 1);
            assert_eq!(maintenance::reap(&mut conn)?.len(), 0, "the row is locked: skipped");
            diesel::QueryResult::Ok(())
        })
        .unwrap();
    assert_eq!(maintenance::reap(&mut conn).unwrap().len(), 0, "the lease is extended");
    assert_eq!(state(&mut conn, held.job_id), JobState::Running);
}
