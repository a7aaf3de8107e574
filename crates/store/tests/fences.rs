//! Two workers that were given the same fence, as after a fail-over that lost the last commits: only the one that the database
//! knows of writes. And fences that are raised after a restore.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use diesel::{PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use domain::{CheckpointKey, Fence, Lease, NewCheckpoint, Ordinal, SearchId};
use store::{
    checkpoint,
    curve::{self, Decision, Observation, Recorded},
    finish::{self, JobEnd},
    freeze::{self, ThawClaim},
    job::{self, JobState, Outcome},
    lease, search,
};
use support::{
    LATER_POINTER, TTL, claim, claim_by, clear, everything,
    fenced::{FENCED, Statement},
    point, pointer, rows, state, submit, worker,
};
use testing::TestDatabase;

const NOTE: (&str, Statement) = ("note_first_step", |conn, lease| {
    lease::note_first_step(conn, lease, 2).unwrap();
    rows(conn, "SELECT 1 FROM attempt WHERE first_step = 2") == 1
});

/// A claim that the database has forgotten, and the one that it made instead, with the first observation of that one.
fn twins(conn: &mut PgConnection) -> (Lease, Lease) {
    submit(conn, "s", 1);
    let forgotten = claim(conn);
    conn.batch_execute(
        "DELETE FROM lease; DELETE FROM attempt; UPDATE job SET state = 'ready', fence = fence - 1, attempts = 0",
    )
    .unwrap();
    let known = claim(conn);
    assert_eq!((forgotten.job_id, forgotten.fence), (known.job_id, known.fence));
    assert_ne!(forgotten.worker_id, known.worker_id);
    assert!(curve::record(conn, known, &point(1, 40.0), Some(&pointer(known, 1))).unwrap().is_some());
    conn.batch_execute(LATER_POINTER).unwrap();
    (forgotten, known)
}

#[test]
fn of_two_workers_with_one_fence_only_the_one_that_the_database_knows_writes() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let mut faults = Vec::new();
    for (name, statement) in FENCED.iter().chain([&NOTE]) {
        clear(&mut conn);
        let (forgotten, known) = twins(&mut conn);
        let before = everything(&mut conn);
        if statement(&mut conn, forgotten) || everything(&mut conn) != before {
            faults.push(format!("{name} of the forgotten attempt wrote"));
        }
        if !statement(&mut conn, known) || everything(&mut conn) == before {
            faults.push(format!("{name} of the known attempt did not write"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn objects_of_two_workers_with_one_fence_are_told_apart() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (forgotten, known) = twins(&mut conn);
    let listed = [forgotten, known].map(|lease| CheckpointKey::new(SearchId(1), lease, 1));
    let orphans = |conn: &mut PgConnection| {
        let found = checkpoint::orphans(conn, &listed).unwrap();
        found.iter().map(|orphan| (orphan.place, orphan.known)).collect::<Vec<_>>()
    };
    assert_eq!(orphans(&mut conn), [], "the fence is leased");
    finish::finish(&mut conn, known, JobEnd::plain(Outcome::Completed)).unwrap().unwrap();
    assert_eq!(
        orphans(&mut conn),
        [(1, false)],
        "nothing points to the object of the attempt that is forgotten"
    );
}

#[test]
fn an_observation_whose_predecessor_is_missing_is_not_written() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let written = Recorded { cancel: false, behind: false };
    let missing = Recorded { cancel: false, behind: true };
    for (step, expected, why) in [
        (2, missing, "the first one is not there"),
        (1, written, "it begins"),
        (3, missing, "the second one is not there"),
        (2, written, "it goes on"),
        (1, written, "it is there already"),
        (3, written, "it goes on"),
        (2, written, "it is there already"),
        (5, missing, "the fourth one is not there"),
    ] {
        let before = everything(&mut conn);
        let is_new = expected == written && !before.iter().any(|row| row.contains(&format!(",{step}.5,")));
        let point = Observation { epoch: f64::from(step) + 0.5, ..point(step, 50.0) };
        // A pointer that is written again has a newer time.
        let pointer = pointer(held, step);
        let pointer = (expected == missing || is_new).then_some(&pointer);
        assert_eq!(curve::record(&mut conn, held, &point, pointer).unwrap(), Some(expected), "{step}: {why}");
        let wrote: usize = everything(&mut conn).len() - before.len();
        assert_eq!(wrote, if is_new { 2 } else { 0 }, "{step}: {why}");
        assert!(is_new || everything(&mut conn) == before, "{step}: {why}");
    }
    let steps: Vec<_> =
        curve::load(&mut conn, held.job_id, i32::MAX).unwrap().iter().map(|point| point.step).collect();
    assert_eq!(steps, [1, 2, 3]);
}

/// A frozen job that is taken up again.
fn thawed(conn: &mut PgConnection) -> Lease {
    submit(conn, "thawed", 1);
    let held = claim(conn);
    let stop = Observation { prediction: Some(65.0), decision: Some(Decision::Stop), ..point(1, 50.0) };
    curve::record(conn, held, &stop, None).unwrap().unwrap();
    freeze::freeze(conn, held, 1).unwrap().unwrap();
    let claim = ThawClaim { job_id: held.job_id, chance: 0.5, calibration: Ordinal(1) };
    let id = worker(conn);
    freeze::thaw(conn, &[claim], id, TTL).unwrap().unwrap().lease()
}

#[test]
fn raised_fences_take_all_running_jobs_from_their_workers() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let thawed = thawed(&mut conn);
    submit(&mut conn, "paused", 1);
    let paused = claim(&mut conn);
    let id = search::find(&mut conn, "paused").unwrap().unwrap().id;
    search::pause(&mut conn, id).unwrap().unwrap();
    submit(&mut conn, "running", 3);
    let (plain, cancelled) = (claim(&mut conn), claim(&mut conn));
    assert_eq!(job::cancel(&mut conn, &[cancelled.job_id]).unwrap().requested, 1);
    let held = [(thawed, JobState::Frozen), (paused, JobState::Paused), (plain, JobState::Ready)];
    let held = [held.as_slice(), &[(cancelled, JobState::Cancelled)]].concat();

    let bumped = lease::bump_fences(&mut conn).unwrap();
    for (lease, next) in &held {
        let job = bumped.iter().find(|job| job.job_id == lease.job_id).unwrap();
        assert_eq!((job.fence, job.state), (Fence(lease.fence.0 + 1000), *next));
        assert_eq!(state(&mut conn, lease.job_id), *next);
    }
    assert_eq!(bumped.len(), held.len(), "the job that nobody had stays as it was");
    assert_eq!(rows(&mut conn, "SELECT 1 FROM lease"), 0);
    assert_eq!(rows(&mut conn, "SELECT 1 FROM job WHERE crashes > 0 OR losses > 0"), 0, "nothing is counted");
    assert_eq!(
        rows(&mut conn, "SELECT 1 FROM attempt WHERE \"end\" = 'released' AND error LIKE '%restored%'"),
        4
    );
    assert_eq!(rows(&mut conn, "SELECT 1 FROM result WHERE outcome = 'cancelled'"), 1);
    let before = everything(&mut conn);
    for (lease, _) in &held {
        for (name, statement) in FENCED {
            assert!(!statement(&mut conn, *lease), "{name} of an attempt before the restore");
        }
    }
    assert_eq!(everything(&mut conn), before);
    let id = worker(&mut conn);
    assert_eq!(claim_by(&mut conn, id).fence, Fence(plain.fence.0 + 1001), "the plain one is the next");
    assert!(lease::bump_fences(&mut conn).unwrap().len() == 1, "only what runs");
}

/// What is asked of the name, not of the address, which a worker may reach under another one.
#[test]
fn a_pointer_is_found_by_its_key() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let elsewhere = NewCheckpoint { uri: "s3://elsewhere/x".to_owned(), ..pointer(held, 1) };
    curve::record(&mut conn, held, &point(1, 40.0), Some(&elsewhere)).unwrap().unwrap();
    finish::finish(&mut conn, held, JobEnd::plain(Outcome::Completed)).unwrap().unwrap();
    let listed = [CheckpointKey::new(SearchId(1), held, 1)];
    assert_eq!(checkpoint::orphans(&mut conn, &listed).unwrap(), []);
    // Names of version 0.1 have no worker, and its rows no key.
    let old = CheckpointKey { worker_id: None, ..listed[0] };
    assert_eq!(checkpoint::orphans(&mut conn, &[old]).unwrap().len(), 1);
    sql_query("UPDATE checkpoint SET key = NULL").execute(&mut conn).unwrap();
    assert_eq!(checkpoint::orphans(&mut conn, &[old]).unwrap(), []);
}

/// After a fail-over that lost the last observation its result would disagree with the curve, and its older pointers would be all
/// that is left of its training.
#[test]
fn an_attempt_whose_last_observation_was_lost_neither_ends_its_job_by_it_nor_removes_older_pointers() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    for step in [1, 2, 3] {
        assert!(
            curve::record(&mut conn, held, &point(step, 40.0), Some(&pointer(held, step))).unwrap().is_some()
        );
    }
    conn.batch_execute("DELETE FROM observation WHERE step = 3; DELETE FROM checkpoint WHERE step = 3")
        .unwrap();
    let end = |step| JobEnd { step: Some(step), ..JobEnd::plain(Outcome::Completed) };
    assert_eq!(finish::finish(&mut conn, held, end(3)).unwrap(), None);
    assert_eq!(checkpoint::prune(&mut conn, held, 3).unwrap(), []);
    assert_eq!(checkpoint::newest_first(&mut conn, held.job_id).unwrap().len(), 2);
    assert_eq!(checkpoint::prune(&mut conn, held, 2).unwrap().len(), 1, "with a newer one the older goes");
    assert!(finish::finish(&mut conn, held, end(2)).unwrap().is_some(), "the one before is there");
}
