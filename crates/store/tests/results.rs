//! A result agrees with its curve, whoever writes it, and whatever stood there before.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use diesel::{PgConnection, connection::SimpleConnection as _};
use domain::Lease;
use store::{
    curve::{self, Decision, Observation},
    finish::{self, JobEnd},
    job::{self, JobState, Outcome},
    lease::{self, GiveBack},
    maintenance, search,
};
use support::{TTL, claim, clear, expire, point, rows, state, submit};
use testing::TestDatabase;

/// Results that differ from what the curve says of their outcome, or from the newest line of the history.
const DISAGREE: &str = "SELECT 1 FROM result CROSS JOIN LATERAL curve_result(result.job_id, result.outcome) AS curve \
    WHERE (result.step, result.epochs, result.seconds, result.last_fitness, result.best_fitness, result.final_fitness, \
           result.stop_epoch, result.stop_seconds, result.stop_fitness, result.stop_prediction, result.stop_low_80, \
           result.stop_high_80, result.stop_low_90, result.stop_high_90, result.prediction, result.low_80, \
           result.high_80, result.low_90, result.high_90, result.fitness) IS DISTINCT FROM \
          (curve.step, curve.epochs, curve.seconds, curve.last_fitness, curve.best_fitness, curve.final_fitness, \
           curve.stop_epoch, curve.stop_seconds, curve.stop_fitness, curve.stop_prediction, curve.stop_low_80, \
           curve.stop_high_80, curve.stop_low_90, curve.stop_high_90, curve.prediction, curve.low_80, \
           curve.high_80, curve.low_90, curve.high_90, curve.fitness) \
       OR (result.step, result.fitness, result.outcome) IS DISTINCT FROM \
          (SELECT (finish.step, finish.fitness, finish.outcome) FROM finish WHERE finish.job_id = result.job_id \
           ORDER BY finish.id DESC LIMIT 1)";

/// How a running job ends.
type Ending = fn(&mut PgConnection, Lease);

const ENDINGS: &[(&str, Ending, JobState)] = &[
    ("completed", |conn, lease| end(conn, lease, Outcome::Completed, None), JobState::Completed),
    ("terminated", |conn, lease| end(conn, lease, Outcome::Terminated, None), JobState::Terminated),
    ("diverged", |conn, lease| end(conn, lease, Outcome::Diverged, None), JobState::Diverged),
    ("failed", |conn, lease| end(conn, lease, Outcome::Failed, Some("bad")), JobState::Failed),
    (
        "cancelled by its worker",
        |conn, lease| end(conn, lease, Outcome::Cancelled, None),
        JobState::Cancelled,
    ),
    (
        "released, then cancelled",
        |conn, lease| {
            lease::release(conn, lease, GiveBack::Leaving).unwrap();
            assert_eq!(job::cancel(conn, &[lease.job_id]).unwrap().at_once, 1);
        },
        JobState::Cancelled,
    ),
    (
        "released when it was to be cancelled",
        |conn, lease| {
            assert_eq!(job::cancel(conn, &[lease.job_id]).unwrap().requested, 1);
            lease::release(conn, lease, GiveBack::Leaving).unwrap();
        },
        JobState::Cancelled,
    ),
    (
        "crashed when it was to be cancelled",
        |conn, lease| {
            assert_eq!(job::cancel(conn, &[lease.job_id]).unwrap().requested, 1);
            lease::retry(conn, lease, "x", "", TTL).unwrap();
        },
        JobState::Cancelled,
    ),
    (
        "crashed once too often",
        |conn, lease| {
            conn.batch_execute("UPDATE job SET crashes = 4").unwrap();
            lease::retry(conn, lease, "x", "", TTL).unwrap();
        },
        JobState::Failed,
    ),
    (
        "lost when it was to be cancelled",
        |conn, lease| {
            assert_eq!(job::cancel(conn, &[lease.job_id]).unwrap().requested, 1);
            expire(conn, lease.job_id);
            maintenance::reap(conn).unwrap();
        },
        JobState::Cancelled,
    ),
    (
        "lost once too often",
        |conn, lease| {
            conn.batch_execute("UPDATE job SET losses = 9").unwrap();
            expire(conn, lease.job_id);
            maintenance::reap(conn).unwrap();
        },
        JobState::Failed,
    ),
    (
        "taken back when it was to be cancelled",
        |conn, lease| {
            assert_eq!(job::cancel(conn, &[lease.job_id]).unwrap().requested, 1);
            lease::bump_fences(conn).unwrap();
        },
        JobState::Cancelled,
    ),
];

fn end(conn: &mut PgConnection, lease: Lease, outcome: Outcome, error: Option<&str>) {
    finish::finish(conn, lease, JobEnd { error, ..JobEnd::plain(outcome) }).unwrap().unwrap();
}

/// A job of two points, of which the second says stop.
fn fresh(conn: &mut PgConnection) -> Lease {
    submit(conn, "s", 1);
    let held = claim(conn);
    curve::record(conn, held, &predicted(1, 61.0, Decision::Continue), None).unwrap().unwrap();
    curve::record(conn, held, &predicted(2, 50.0, Decision::Stop), None).unwrap().unwrap();
    held
}

/// The same, terminated, promoted, and trained for one more.
fn promoted(conn: &mut PgConnection) -> Lease {
    let first = fresh(conn);
    end(conn, first, Outcome::Terminated, None);
    let search = search::find(conn, "s").unwrap().unwrap().id;
    assert!(search::promote(conn, search, 1).unwrap()[0].promoted);
    let held = claim(conn);
    assert_eq!(held.job_id, first.job_id);
    curve::record(conn, held, &predicted(3, 70.0, Decision::Continue), None).unwrap().unwrap();
    held
}

fn predicted(step: i32, val_acc: f64, decision: Decision) -> Observation {
    Observation {
        prediction: Some(val_acc + 5.0),
        low_80: Some(val_acc + 3.0),
        high_80: Some(val_acc + 7.0),
        low_90: Some(val_acc + 2.0),
        high_90: Some(val_acc + 8.0),
        decision: Some(decision),
        ..point(step, val_acc)
    }
}

#[test]
fn every_ending_writes_what_the_curve_says() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let mut faults = Vec::new();
    for (name, ending, expected) in ENDINGS {
        for (setup, held, steps, lines) in
            [("fresh", fresh as fn(&mut _) -> _, 2, 1), ("promoted", promoted, 3, 2)]
        {
            clear(&mut conn);
            let held = held(&mut conn);
            ending(&mut conn, held);
            let found = state(&mut conn, held.job_id);
            let disagree = rows(&mut conn, DISAGREE);
            let newest = rows(&mut conn, &format!("SELECT 1 FROM result WHERE step = {steps}"));
            let history = rows(&mut conn, "SELECT 1 FROM finish");
            if (found, disagree, newest, history) != (*expected, 0, 1, lines) {
                faults.push(format!(
                    "{name}, {setup}: {found:?}, {disagree} disagree, {newest} of step {steps}, {history} lines"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// By hand, since a table that asks one function of both sides would not see a fault of the function.
#[test]
fn a_promoted_job_that_is_cancelled_has_the_curve_to_its_end_and_its_stop_where_it_was() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let held = promoted(&mut conn);
    end(&mut conn, held, Outcome::Cancelled, None);
    let result = "SELECT 1 FROM result WHERE step = 3 AND epochs = 3 AND seconds = 6 AND last_fitness = 70 \
        AND best_fitness = 70 AND final_fitness IS NULL AND fitness IS NULL AND stop_epoch = 2 AND stop_seconds = 4 \
        AND stop_fitness = 50 AND stop_prediction = 55 \
        AND (stop_low_80, stop_high_80, stop_low_90, stop_high_90) = (53, 57, 52, 58) \
        AND prediction = 75 AND (low_80, high_80, low_90, high_90) = (73, 77, 72, 78) \
        AND error IS NULL";
    assert_eq!(rows(&mut conn, result), 1);
    let history = "SELECT 1 FROM (SELECT array_agg((step, outcome, fitness)::text ORDER BY id) AS lines FROM finish) AS history \
        WHERE lines = ARRAY['(2,terminated,55)', '(3,cancelled,)']";
    assert_eq!(rows(&mut conn, history), 1);
}

#[test]
fn a_job_without_a_curve_ends_with_nothing_trained() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    end(&mut conn, held, Outcome::Cancelled, None);
    let nothing = "SELECT 1 FROM result WHERE (step, epochs, seconds) = (0, 0, 0) AND last_fitness IS NULL \
        AND stop_epoch IS NULL AND prediction IS NULL";
    assert_eq!((rows(&mut conn, nothing), rows(&mut conn, DISAGREE)), (1, 0));
}

#[test]
fn an_attempt_that_begins_behind_the_curve_trains_again_what_is_between() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let first = fresh(&mut conn);
    lease::release(&mut conn, first, GiveBack::Leaving).unwrap();
    for (first_step, repeated) in [(3, 0), (2, 1), (1, 2)] {
        let held = claim(&mut conn);
        lease::note_first_step(&mut conn, held, first_step).unwrap();
        lease::release(&mut conn, held, GiveBack::Leaving).unwrap();
        let noted =
            format!("SELECT 1 FROM attempt WHERE first_step = {first_step} AND repeated = {repeated}");
        assert_eq!(rows(&mut conn, &noted), 1, "from {first_step} on, of two observed");
    }
}
