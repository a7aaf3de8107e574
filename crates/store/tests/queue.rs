//! The life of a job in SQL: one claimer each, fences that hold, results that agree with the curve.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{sync::Barrier, time::Duration};

use diesel::{PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use domain::{JobId, Ordinal, SearchId};
use store::{
    Claimer, curve,
    finish::{self, Cursor, JobEnd},
    freeze,
    job::{self, JobMode, JobState, Outcome},
    lease::{self, GiveBack},
    maintenance,
    queue::first_ready,
    search::{self, Source},
};
use support::{TTL, expire, point, state, submit, worker};
use testing::TestDatabase;

const GAP: Duration = Duration::from_secs(10);

#[test]
fn concurrent_claimers_never_get_the_same_job() {
    let database = TestDatabase::new();
    submit(&mut database.connect(), "s", 200);
    let barrier = Barrier::new(8);
    let mut claimed: Vec<JobId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut conn = database.connect();
                    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
                    barrier.wait();
                    std::iter::from_fn(|| claimer.claim(&mut conn).unwrap())
                        .map(|claim| claim.job_id)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    claimed.sort_unstable();
    assert_eq!(claimed.len(), 200, "every job was claimed");
    claimed.dedup();
    assert_eq!(claimed.len(), 200, "no job was claimed twice");
}

#[test]
fn priority_goes_first_then_age_and_the_place_does_not_hide_retries() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 5);
    conn.batch_execute("UPDATE job SET priority = 1 WHERE id = (SELECT max(id) FROM job)").unwrap();
    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
    let first = claimer.claim(&mut conn).unwrap().unwrap();
    let second = claimer.claim(&mut conn).unwrap().unwrap();
    assert!(first.priority == 1 && second.priority == 0);
    assert!(first.job_id > second.job_id);
    let released = lease::release(&mut conn, second.lease(), GiveBack::Leaving).unwrap();
    assert_eq!(released, Some(JobState::Ready));
    let rest: Vec<_> =
        std::iter::from_fn(|| claimer.claim(&mut conn).unwrap()).map(|claim| claim.job_id).collect();
    assert_eq!(rest.len(), 4, "the released job, older than the place, is claimed too: {rest:?}");
    let again = rest.iter().position(|id| *id == second.job_id);
    assert!(again.is_some(), "{rest:?}");
}

#[test]
fn searches_that_a_worker_leaves_out_are_claimed_by_others() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [theirs, ours, none] =
        [("theirs", 2), ("ours", 1), ("none", 0)].map(|(name, jobs)| submit(&mut conn, name, jobs));
    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
    claimer.leave_out(vec![theirs, none]);
    assert_eq!(
        claimer.claim(&mut conn).unwrap().unwrap().search_id,
        ours,
        "those before it are not for this one"
    );
    assert!(claimer.claim(&mut conn).unwrap().is_none());
    for (class, searches, expected) in [
        ("default", &[none, ours, theirs][..], Some(theirs)),
        ("default", &[none, ours], None),
        ("other", &[theirs], None),
    ] {
        assert_eq!(first_ready(&mut conn, class, searches).unwrap(), expected, "{class} {searches:?}");
    }
    let mut other = Claimer::new("default", worker(&mut conn), TTL);
    assert_eq!(other.claim(&mut conn).unwrap().unwrap().search_id, theirs);
}

#[test]
fn a_superseded_attempt_writes_nothing() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
    let old = claimer.claim(&mut conn).unwrap().unwrap();
    assert!(curve::record(&mut conn, old.lease(), &point(1, 40.0), None).unwrap().is_some());
    expire(&mut conn, old.job_id);
    assert_eq!(maintenance::reap(&mut conn).unwrap().len(), 1);
    let new = claimer.claim(&mut conn).unwrap().unwrap();
    assert!(
        new.job_id == old.job_id && new.fence.0 > old.fence.0 + 1,
        "reaping and claiming both raise the fence"
    );

    assert_eq!(curve::record(&mut conn, old.lease(), &point(2, 50.0), None).unwrap(), None);
    assert_eq!(finish::finish(&mut conn, old.lease(), JobEnd::plain(Outcome::Completed)).unwrap(), None);
    assert_eq!(lease::release(&mut conn, old.lease(), GiveBack::Leaving).unwrap(), None);
    assert_eq!(lease::retry(&mut conn, old.lease(), "x", "", TTL).unwrap(), None);
    assert!(lease::renew(&mut conn, old.worker_id, &[old.lease()], TTL).unwrap().is_empty());
    assert_eq!(curve::load(&mut conn, old.job_id, i32::MAX).unwrap().len(), 1);
    assert_eq!(state(&mut conn, old.job_id), JobState::Running);
    assert_eq!(
        lease::renew(&mut conn, new.worker_id, &[new.lease()], TTL).unwrap().len(),
        1,
        "the new attempt still holds it"
    );
}

#[test]
fn the_same_observation_twice_is_one_row() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let claim = Claimer::new("default", worker(&mut conn), TTL).claim(&mut conn).unwrap().unwrap();
    for val_acc in [40.0, 99.0] {
        let recorded = curve::record(&mut conn, claim.lease(), &point(1, val_acc), None).unwrap();
        assert_eq!(recorded, Some(curve::Recorded { cancel: false, behind: false }));
    }
    let points = curve::load(&mut conn, claim.job_id, i32::MAX).unwrap();
    assert_eq!(points.len(), 1);
    assert!((points[0].val_acc - 40.0).abs() < 1e-12, "the first one stands");
}

#[test]
fn a_result_agrees_with_its_curve() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let claim = Claimer::new("default", worker(&mut conn), TTL).claim(&mut conn).unwrap().unwrap();
    for (step, val_acc, decision) in [
        (1, 40.0, curve::Decision::Continue),
        (2, 61.0, curve::Decision::Continue),
        (3, 60.0, curve::Decision::Stop),
    ] {
        let point = curve::Observation {
            prediction: Some(val_acc + 5.0),
            decision: Some(decision),
            ..point(step, val_acc)
        };
        curve::record(&mut conn, claim.lease(), &point, None).unwrap().unwrap();
    }
    let finished =
        finish::finish(&mut conn, claim.lease(), JobEnd::plain(Outcome::Terminated)).unwrap().unwrap();
    assert_eq!(finished.fitness, Some(65.0), "a terminated job is ranked by its prediction");
    assert_eq!(state(&mut conn, claim.job_id), JobState::Terminated);
    let agrees = sql_query(
        "SELECT 1 FROM result WHERE step = 3 AND epochs = 3 AND seconds = 6 AND last_fitness = 60 AND best_fitness = 61 \
         AND final_fitness IS NULL AND stop_epoch = 3 AND stop_seconds = 6 AND stop_fitness = 60 AND prediction = 65",
    );
    assert_eq!(agrees.execute(&mut conn).unwrap(), 1);
    let gone = sql_query("SELECT 1 FROM lease").execute(&mut conn).unwrap();
    assert_eq!(gone, 0, "the lease goes with the job");
    let finishes = finish::since(&mut conn, claim.search_id, Cursor::default()).unwrap().unwrap();
    assert_eq!(finishes.iter().map(|f| f.ordinal).collect::<Vec<_>>(), [Some(Ordinal(1))]);
    let id = claim.search_id;
    assert_eq!(
        search::finish_if_done(&mut conn, id, Some(Ordinal(0))).unwrap(),
        None,
        "an ending that is not known of"
    );
    assert_eq!(search::finish_if_done(&mut conn, id, Some(Ordinal(1))).unwrap().as_deref(), Some("s"));
}

#[test]
fn after_a_gap_in_reaping_living_workers_keep_their_jobs() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let claim = Claimer::new("default", worker(&mut conn), TTL).claim(&mut conn).unwrap().unwrap();
    let leader = claim.worker_id;
    maintenance::round(&mut conn, leader, TTL, GAP).unwrap().unwrap();
    // The database was away for an hour: nobody could renew, nobody reaped.
    conn.batch_execute(
        "UPDATE maintenance SET last_at = now() - interval '1 hour'; UPDATE lease SET expires_at = now() - interval '1 hour'",
    )
    .unwrap();
    let round = maintenance::round(&mut conn, leader, TTL, GAP).unwrap().unwrap();
    assert_eq!((round.extended, round.reaped.len()), (1, 0));
    assert_eq!(lease::renew(&mut conn, claim.worker_id, &[claim.lease()], TTL).unwrap().len(), 1);
    // A worker that did not come back within its time to live is dead.
    expire(&mut conn, claim.job_id);
    assert_eq!(maintenance::round(&mut conn, leader, TTL, GAP).unwrap().unwrap().reaped.len(), 1);
}

#[test]
fn passing_errors_wait_and_wake() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
    let claim = claimer.claim(&mut conn).unwrap().unwrap();
    let hour = Duration::from_secs(3600);
    let retried = lease::retry(&mut conn, claim.lease(), "out of memory", "log", hour).unwrap();
    let expected = lease::Retried { state: JobState::Waiting, crashes: 1, hosts: 1, pause: 3600.0 };
    assert_eq!(retried, Some(expected));
    assert_eq!(state(&mut conn, claim.job_id), JobState::Waiting);
    assert_eq!(maintenance::wake(&mut conn).unwrap(), 0);
    conn.batch_execute("UPDATE job SET run_after = now()").unwrap();
    assert_eq!(maintenance::wake(&mut conn).unwrap(), 1);
    assert_eq!(claimer.claim(&mut conn).unwrap().unwrap().crashes, 1);
}

#[test]
fn a_paused_search_gives_no_jobs_and_takes_released_ones_back() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let search_id = submit(&mut conn, "s", 3);
    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
    let claim = claimer.claim(&mut conn).unwrap().unwrap();
    assert_eq!(search::pause(&mut conn, search_id).unwrap(), Some(2));
    assert_eq!(search::pause(&mut conn, search_id).unwrap(), None, "it is paused already");
    assert!(claimer.claim(&mut conn).unwrap().is_none());
    let released = lease::release(&mut conn, claim.lease(), GiveBack::Leaving).unwrap();
    assert_eq!(released, Some(JobState::Paused));
    assert_eq!(state(&mut conn, claim.job_id), JobState::Paused);
    assert_eq!(search::resume(&mut conn, search_id).unwrap(), Some(3));
    assert_eq!(search::resume(&mut conn, search_id).unwrap(), None, "it runs already");
    assert!(claimer.claim(&mut conn).unwrap().is_some());
}

#[test]
fn cancelling_reaches_waiting_jobs_at_once_and_running_ones_by_their_lease() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let search_id = submit(&mut conn, "s", 3);
    let claim = Claimer::new("default", worker(&mut conn), TTL).claim(&mut conn).unwrap().unwrap();
    let cancelled = search::cancel(&mut conn, search_id).unwrap().unwrap();
    assert_eq!((cancelled.at_once, cancelled.requested), (2, 1));
    assert!(lease::renew(&mut conn, claim.worker_id, &[claim.lease()], TTL).unwrap()[0].cancel);
    let finished = finish::finish(&mut conn, claim.lease(), JobEnd::plain(Outcome::Cancelled)).unwrap();
    assert_eq!(finished.unwrap().fitness, None);
    let results = sql_query("SELECT 1 FROM result WHERE outcome = 'cancelled'").execute(&mut conn).unwrap();
    assert_eq!(results, 3, "one result row each");
}

#[test]
fn a_name_is_taken_once_and_an_architecture_is_trained_once() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let search_id = submit(&mut conn, "s", 3);
    let error =
        search::submit(&mut conn, &support::new_search("s"), 1, "default", support::jobs(2)).unwrap_err();
    assert!(matches!(error, search::SubmitError::NameTaken { .. }), "{error}");
    let params = search::EnqueueParams { search_id, seed: 1, class: "default" };
    let seen = search::last_job(&mut conn, search_id).unwrap();
    let mut add =
        || search::enqueue(&mut conn, &params, Source::Outside { seen }, &support::jobs(5)).unwrap();
    assert_eq!(add().added, Some(2), "three of the five are there already");
    assert_eq!(add().added, None, "it has jobs that were not seen");
}

#[test]
fn selectors() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 6);
    let first = job_ids(&mut conn).first().unwrap().0;
    for (text, expected, why) in [
        ("last", vec![5], "the newest"),
        (&format!("{first}"), vec![0], "one"),
        (&format!("{}-{},{}", first + 1, first + 2, first + 4), vec![1, 2, 4], "a list"),
        (&format!("{first},{first}"), vec![0], "each once"),
        (&format!("{}", first + 100), vec![], "none there"),
    ] {
        let selector: job::Selector = text.parse().unwrap();
        let ids: Vec<_> = selector.resolve(&mut conn).unwrap().iter().map(|id| id.0 - first).collect();
        assert_eq!(ids, expected, "{text}: {why}");
    }
    for text in ["", "x", "3-", "9-3", "0", "-1", "1,,2"] {
        assert!(text.parse::<job::Selector>().is_err(), "`{text}`");
    }
}

fn job_ids(conn: &mut PgConnection) -> Vec<JobId> {
    job::list(conn, None, &[], None, 1000).unwrap().iter().map(|row| row.id).collect()
}

#[test]
fn modes_are_stored_and_come_back() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let mut jobs = support::jobs(2);
    jobs[1].mode = JobMode::Audit;
    search::submit(&mut conn, &support::new_search("s"), 1, "default", &jobs).unwrap();
    let modes: Vec<_> =
        job::list(&mut conn, None, &[], None, 10).unwrap().iter().map(|row| row.mode).collect();
    assert_eq!(modes, [JobMode::Terminate, JobMode::Audit]);
}

/// A frozen job, and what a worker takes it up for.
fn frozen(conn: &mut PgConnection) -> freeze::ThawClaim {
    submit(conn, "s", 1);
    let claim = Claimer::new("default", worker(conn), TTL).claim(conn).unwrap().unwrap();
    let stop = curve::Observation {
        prediction: Some(65.0),
        decision: Some(curve::Decision::Stop),
        ..point(1, 50.0)
    };
    curve::record(conn, claim.lease(), &stop, None).unwrap().unwrap();
    assert_eq!(freeze::freeze(conn, claim.lease(), 2).unwrap(), None, "its observation is not there");
    assert_eq!(freeze::freeze(conn, claim.lease(), 1).unwrap(), Some(JobState::Frozen));
    freeze::ThawClaim { job_id: claim.job_id, chance: 0.5, calibration: Ordinal(1) }
}

#[test]
fn one_of_many_workers_takes_up_a_frozen_job() {
    let database = TestDatabase::new();
    let thaw_claim = frozen(&mut database.connect());
    let barrier = Barrier::new(8);
    let claims = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut conn = database.connect();
                    let id = worker(&mut conn);
                    barrier.wait();
                    freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].frozen_at, Some(1), "it goes on from there");
}

#[test]
fn a_job_taken_up_that_does_not_end_is_frozen_as_before() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let thaw_claim = frozen(&mut conn);
    let id = worker(&mut conn);
    let history = "SELECT 1 FROM freezing WHERE step = 1";
    for (noted, (how, (crashes, losses))) in
        (2..).zip([("released", (0, 0)), ("retried", (1, 0)), ("lost", (1, 1)), ("fenced", (1, 1))])
    {
        let claim =
            freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().unwrap_or_else(|| panic!("{how}"));
        assert_eq!(state(&mut conn, claim.job_id), JobState::Running);
        assert!(freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().is_none(), "{how}: it runs");
        match how {
            "released" => {
                let released = lease::release(&mut conn, claim.lease(), GiveBack::Leaving).unwrap();
                assert_eq!(released, Some(JobState::Frozen));
            }
            "retried" => {
                let retried = lease::retry(&mut conn, claim.lease(), "no memory", "", TTL).unwrap();
                assert_eq!(retried.unwrap().state, JobState::Frozen);
            }
            "lost" => {
                expire(&mut conn, claim.job_id);
                maintenance::reap(&mut conn).unwrap();
            }
            _ => assert_eq!(lease::bump_fences(&mut conn).unwrap()[0].state, JobState::Frozen),
        }
        assert_eq!(state(&mut conn, claim.job_id), JobState::Frozen, "{how}");
        let counts = format!("SELECT 1 FROM job WHERE crashes = {crashes} AND losses = {losses}");
        assert_eq!(sql_query(counts).execute(&mut conn).unwrap(), 1, "{how}");
        assert_eq!(sql_query(history).execute(&mut conn).unwrap(), noted, "{how}: schedulers hear of it");
    }
    assert_eq!(sql_query("SELECT 1 FROM finish").execute(&mut conn).unwrap(), 0, "it has not ended");
}

#[test]
fn a_job_that_a_worker_of_the_version_before_took_up_keeps_its_result() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let thaw_claim = frozen(&mut conn);
    let id = worker(&mut conn);
    for how in ["released", "retried", "lost"] {
        conn.batch_execute("UPDATE job SET state = 'frozen'").unwrap();
        let claim = freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().unwrap();
        conn.batch_execute("SELECT write_result(id, search_id, fence, 'terminated', NULL) FROM job").unwrap();
        match how {
            "released" => _ = lease::release(&mut conn, claim.lease(), GiveBack::Leaving).unwrap(),
            "retried" => _ = lease::retry(&mut conn, claim.lease(), "no memory", "", TTL).unwrap(),
            _ => {
                expire(&mut conn, claim.job_id);
                maintenance::reap(&mut conn).unwrap();
            }
        }
        assert_eq!(state(&mut conn, claim.job_id), JobState::Terminated, "{how}");
    }
}

#[test]
fn frozen_jobs_end_only_where_nothing_else_is_to_be_done() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let thaw_claim = frozen(&mut conn);
    let search = SearchId(1);
    let id = worker(&mut conn);
    let seen = |conn: &mut PgConnection| {
        freeze::since(conn, search, Cursor::default()).unwrap().unwrap().last().unwrap().ordinal
    };
    let known = seen(&mut conn);
    assert!(search::finish_if_done(&mut conn, search, None).unwrap().is_none(), "a job is frozen");
    let claim = freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().unwrap();
    assert_eq!(freeze::stop_all(&mut conn, search, known).unwrap(), 0, "it runs");
    lease::release(&mut conn, claim.lease(), GiveBack::Leaving).unwrap().unwrap();
    assert_eq!(freeze::stop_all(&mut conn, search, known).unwrap(), 0, "it was set aside anew since");
    let known = seen(&mut conn);
    search::pause(&mut conn, search).unwrap().unwrap();
    assert_eq!(freeze::stop_all(&mut conn, search, known).unwrap(), 0, "the search is paused");
    assert!(freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().is_none(), "the search is paused");
    search::resume(&mut conn, search).unwrap().unwrap();
    assert_eq!(freeze::stop_all(&mut conn, search, known).unwrap(), 1);
    let result = "SELECT 1 FROM result JOIN finish USING (job_id) WHERE result.outcome = 'terminated' AND result.fitness = 65";
    assert_eq!(sql_query(result).execute(&mut conn).unwrap(), 1);
    assert!(search::finish_if_done(&mut conn, search, None).unwrap().is_some());
}

#[test]
fn a_frozen_job_is_cancelled_with_its_search_or_alone() {
    for alone in [true, false] {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        let thaw_claim = frozen(&mut conn);
        if alone {
            assert_eq!(job::cancel(&mut conn, &[thaw_claim.job_id]).unwrap().at_once, 1);
        } else {
            search::cancel(&mut conn, SearchId(1)).unwrap().unwrap();
        }
        assert_eq!(state(&mut conn, thaw_claim.job_id), JobState::Cancelled);
        let result =
            "SELECT 1 FROM result WHERE outcome = 'cancelled' AND fitness IS NULL AND last_fitness = 50";
        assert_eq!(sql_query(result).execute(&mut conn).unwrap(), 1);
    }
}
