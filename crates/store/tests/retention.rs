//! What is deleted, in which steps, and that nobody brings it back.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::Duration;

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
    sql_query, sql_types,
};
use domain::{CheckpointKey, JobId, Lease, SearchId};
use store::{
    checkpoint::{self, KEPT, KeepCheckpoints},
    curve,
    finish::{self, JobEnd},
    job::{self, Outcome},
    lease::{self, GiveBack},
    maintenance,
    retention::{self, DeleteError},
    search,
    worker::{self as workers, Selector},
};
use support::{
    TTL, claim, claim_by, everything, expire, fenced::FENCED, point, pointer, rows, submit, worker,
};
use testing::TestDatabase;

const NOW: Duration = Duration::ZERO;

/// Trains a job for so many intervals, with a checkpoint of each, and completes it.
fn train(conn: &mut PgConnection, lease: Lease, steps: i32) {
    for step in 1..=steps {
        curve::record(conn, lease, &point(step, 40.0), Some(&pointer(lease, step))).unwrap().unwrap();
    }
    finish::finish(conn, lease, JobEnd::plain(Outcome::Completed)).unwrap().unwrap();
}

/// A finished search of so many jobs of three intervals, and their leases.
fn finished(conn: &mut PgConnection, name: &str, jobs: usize) -> (SearchId, Vec<Lease>) {
    let id = submit(conn, name, jobs);
    let worker = worker(conn);
    let leases: Vec<_> = (0..jobs).map(|_| claim_by(conn, worker)).collect();
    for lease in &leases {
        train(conn, *lease, 3);
    }
    assert_eq!(search::finish_if_done(conn, id, None).unwrap().as_deref(), Some(name));
    (id, leases)
}

fn delete(conn: &mut PgConnection, id: SearchId) {
    retention::begin_delete(conn, id).unwrap();
    retention::delete(conn, id, &|_| {}).unwrap();
}

/// Rows of a search in all tables that have any, but for discarded checkpoints.
fn left(conn: &mut PgConnection) -> usize {
    everything(conn).len()
}

#[test]
fn a_search_goes_with_all_that_belongs_to_it_and_leaves_others_alone() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    finished(&mut conn, "stays", 2);
    let before = everything(&mut conn);
    let (id, _) = finished(&mut conn, "goes", 3);
    let contents = retention::contents(&mut conn, &[id]).unwrap();
    assert_eq!((contents.searches, contents.jobs, contents.observations), (1, 3, 9));
    assert_eq!((contents.attempts, contents.checkpoints, contents.bytes), (3, 9, 9));
    assert_eq!(job::cancel(&mut conn, &[JobId(1)]).unwrap().at_once, 0);
    delete(&mut conn, id);
    assert_eq!(everything(&mut conn), before);
    assert_eq!(rows(&mut conn, "SELECT 1 FROM discarded_checkpoint"), 9, "a restore may need them");
    submit(&mut conn, "goes", 1);
}

#[test]
fn only_what_has_ended_is_deleted_and_the_refusal_says_what_to_do() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let id = submit(&mut conn, "s", 2);
    let error = retention::begin_delete(&mut conn, id).unwrap_err();
    assert!(error.to_string().contains("peng search cancel s"), "{error}");
    search::pause(&mut conn, id).unwrap().unwrap();
    assert!(matches!(retention::begin_delete(&mut conn, id), Err(DeleteError::NotEnded { .. })));
    search::resume(&mut conn, id).unwrap().unwrap();
    let held = claim(&mut conn);
    search::cancel(&mut conn, id).unwrap().unwrap();
    let error = retention::begin_delete(&mut conn, id).unwrap_err();
    assert!(matches!(error, DeleteError::Running { jobs: 1, .. }), "{error}");
    assert_eq!(rows(&mut conn, "SELECT 1 FROM search WHERE deleting_since IS NOT NULL"), 0);
    lease::release(&mut conn, held, GiveBack::Leaving).unwrap().unwrap();

    let later = submit(&mut conn, "later", 1);
    conn.batch_execute(
        "UPDATE search SET spec = '{\"predictor\": {\"warm_start\": \"s\"}}' WHERE name = 'later'",
    )
    .unwrap();
    let error = retention::begin_delete(&mut conn, id).unwrap_err();
    assert!(error.to_string().contains("`warm_start` of search `later`"), "{error}");
    search::cancel(&mut conn, later).unwrap().unwrap();
    delete(&mut conn, id);
    assert!(search::find(&mut conn, "s").unwrap().is_none());
}

/// As if the command were killed after its first batch: what is left is no search to work with, and the next call goes on.
#[test]
fn a_deletion_that_was_interrupted_is_taken_up_again_and_nothing_revives_its_search() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (id, leases) = finished(&mut conn, "s", 3);
    conn.batch_execute(
        "UPDATE result SET step = 10000 WHERE job_id = 1; \
         UPDATE job SET state = CASE id WHEN 2 THEN 'terminated' ELSE 'failed' END::job_state WHERE id > 1; UPDATE result SET outcome = 'failed', final_fitness = NULL, error = 'x' \
         WHERE job_id > 1",
    )
    .unwrap();
    retention::begin_delete(&mut conn, id).unwrap();
    let batch = retention::delete_batch(&mut conn, id, JobId(0)).unwrap().unwrap();
    assert_eq!((batch.jobs, batch.last), (1, leases[0].job_id), "a long curve fills a batch");
    assert_eq!(rows(&mut conn, "SELECT 1 FROM job"), 2);

    let before = everything(&mut conn);
    assert!(!search::promote(&mut conn, id, 5).unwrap().iter().any(|best| best.promoted));
    assert_eq!(job::retry(&mut conn, &[leases[1].job_id, leases[2].job_id]).unwrap(), 0);
    assert_eq!(search::resume(&mut conn, id).unwrap(), None);
    // Nor does a version that knows nothing of it.
    let revived = sql_query("UPDATE search SET state = 'running', finished_at = NULL").execute(&mut conn);
    assert!(revived.unwrap_err().to_string().contains("search_deleting_check"));
    assert_eq!(everything(&mut conn), before);

    let found = retention::prunable(&mut conn, Duration::from_secs(1 << 20)).unwrap();
    assert_eq!(found.iter().map(|search| search.id).collect::<Vec<_>>(), [id], "pruning goes on with it");
    delete(&mut conn, id);
    assert_eq!(left(&mut conn), 0);
    assert_eq!(rows(&mut conn, "SELECT 1 FROM discarded_checkpoint"), 9);
}

#[test]
fn a_late_worker_is_fenced_out_of_a_deleted_search_and_brings_nothing_back() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let id = submit(&mut conn, "s", 1);
    let late = claim(&mut conn);
    assert!(curve::record(&mut conn, late, &point(1, 40.0), Some(&pointer(late, 1))).unwrap().is_some());
    search::cancel(&mut conn, id).unwrap().unwrap();
    expire(&mut conn, late.job_id);
    assert_eq!(maintenance::reap(&mut conn).unwrap().len(), 1);
    delete(&mut conn, id);
    let before = everything(&mut conn);
    for (name, statement) in FENCED {
        assert!(!statement(&mut conn, late), "{name}");
    }
    assert_eq!(everything(&mut conn), before);
}

/// The job is deleted under a worker that holds it, which the command itself refuses to do.
#[test]
fn a_statement_that_waits_for_a_job_that_is_being_deleted_writes_nothing() {
    let database = TestDatabase::new();
    let (mut conn, mut deleting) = (database.connect(), database.connect());
    for (name, statement) in FENCED {
        let id = submit(&mut conn, "s", 1);
        let held = claim(&mut conn);
        assert!(curve::record(&mut conn, held, &point(1, 40.0), Some(&pointer(held, 1))).unwrap().is_some());
        conn.batch_execute(
            "UPDATE search SET state = 'cancelled', finished_at = now(), deleting_since = now()",
        )
        .unwrap();
        AnsiTransactionManager::begin_transaction(&mut deleting).unwrap();
        retention::delete_batch(&mut deleting, id, JobId(0)).unwrap().unwrap();
        let wrote = std::thread::scope(|scope| {
            let writer = scope.spawn(|| statement(&mut database.connect(), held));
            support::waits(&mut database.connect(), || writer.is_finished());
            AnsiTransactionManager::commit_transaction(&mut deleting).unwrap();
            writer.join().unwrap()
        });
        assert!(!wrote, "{name}");
        retention::delete(&mut conn, id, &|_| {}).unwrap();
        assert_eq!(left(&mut conn), 0, "{name}");
    }
}

#[test]
fn an_archived_search_keeps_its_results_and_is_neither_listed_nor_pruned() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (id, _) = finished(&mut conn, "kept", 2);
    let (other, _) = finished(&mut conn, "old", 1);
    let running = submit(&mut conn, "running", 1);
    assert!(!retention::archive(&mut conn, running).unwrap(), "it has not ended");
    let before = rows(&mut conn, "SELECT 1 FROM result");
    assert!(retention::archive(&mut conn, id).unwrap());
    let names = |conn: &mut PgConnection, all| -> Vec<String> {
        search::progress(conn, None, all).unwrap().into_iter().map(|search| search.name).collect()
    };
    assert_eq!(names(&mut conn, false), ["old", "running"]);
    assert_eq!(names(&mut conn, true), ["kept", "old", "running"]);
    assert_eq!(search::progress(&mut conn, Some("kept"), false).unwrap().len(), 1);
    conn.batch_execute(
        "UPDATE search SET finished_at = now() - interval '100 days' WHERE state = 'finished'",
    )
    .unwrap();
    let age = Duration::from_secs(90 * 86_400);
    let prunable = |conn: &mut PgConnection| -> Vec<SearchId> {
        retention::prunable(conn, age).unwrap().into_iter().map(|search| search.id).collect()
    };
    assert_eq!(prunable(&mut conn), [other]);
    retention::unarchive(&mut conn, id).unwrap();
    assert_eq!(prunable(&mut conn), [id, other]);
    assert_eq!(rows(&mut conn, "SELECT 1 FROM result"), before);
}

#[test]
fn of_an_ended_search_the_checkpoints_of_the_best_stay() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let id = submit(&mut conn, "s", 3);
    let worker = worker(&mut conn);
    let leases: Vec<_> = (0..3).map(|_| claim_by(&mut conn, worker)).collect();
    assert_eq!(checkpoint::discard(&mut conn, id, KeepCheckpoints::None).unwrap(), None, "it runs");
    for (lease, fitness) in leases.iter().zip([40.0, 60.0, 50.0]) {
        curve::record(&mut conn, *lease, &point(1, fitness), Some(&pointer(*lease, 1))).unwrap().unwrap();
        finish::finish(&mut conn, *lease, JobEnd::plain(Outcome::Completed)).unwrap().unwrap();
    }
    search::finish_if_done(&mut conn, id, None).unwrap().unwrap();
    for (keep, stay, why) in [
        (KeepCheckpoints::All, vec![1, 2, 3], "all"),
        (KeepCheckpoints::Best(2), vec![2, 3], "the best two"),
        (KeepCheckpoints::Best(1), vec![2], "the best"),
        (KeepCheckpoints::None, vec![], "none"),
    ] {
        checkpoint::discard(&mut conn, id, keep).unwrap().unwrap();
        let stays: Vec<_> = leases
            .iter()
            .filter(|lease| !checkpoint::newest_first(&mut conn, lease.job_id).unwrap().is_empty())
            .map(|lease| lease.job_id.0)
            .collect();
        assert_eq!(stays, stay, "{why}");
        for lease in &leases {
            assert_eq!(
                checkpoint::restorable(&mut conn, lease.job_id).unwrap().len(),
                1,
                "{why}: not yet deleted"
            );
        }
    }
}

fn age_discarded(conn: &mut PgConnection, by: &str) {
    conn.batch_execute(&format!(
        "UPDATE discarded_checkpoint SET discarded_at = discarded_at - interval '{by}', taken_at = taken_at - interval '{by}'"
    ))
    .unwrap();
}

#[test]
fn a_worker_keeps_one_replaced_checkpoint_an_hour() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let mut kept = Vec::new();
    for step in 1..=12 {
        curve::record(&mut conn, held, &point(step, 40.0), Some(&pointer(held, step))).unwrap().unwrap();
        let pruned = checkpoint::prune(&mut conn, held, step - 1).unwrap();
        kept.extend(pruned.iter().filter(|pruned| pruned.kept).map(|pruned| pruned.checkpoint.step));
        age_discarded(&mut conn, "20 minutes");
    }
    assert_eq!(kept, [1, 4, 7, 10]);
    let steps: Vec<_> =
        checkpoint::restorable(&mut conn, held.job_id).unwrap().iter().map(|found| found.step).collect();
    assert_eq!(steps, [12, 11, 10, 7, 4, 1]);
    // To the collector they are none of its business.
    let listed: Vec<_> = [1, 4, 7].map(|step| CheckpointKey::new(SearchId(1), held, step)).to_vec();
    finish::finish(&mut conn, held, JobEnd::plain(Outcome::Completed)).unwrap().unwrap();
    assert_eq!(checkpoint::orphans(&mut conn, &listed).unwrap(), []);
    let gone = [CheckpointKey::new(SearchId(1), held, 2)];
    assert_eq!(
        checkpoint::orphans(&mut conn, &gone).unwrap().len(),
        1,
        "left by one that died before it deleted it"
    );
}

#[test]
fn discarded_checkpoints_are_taken_when_their_time_is_over_each_by_one() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (id, _) = finished(&mut conn, "s", 1);
    delete(&mut conn, id);
    let take = |conn: &mut PgConnection, limit| {
        let taken = checkpoint::take_discarded(conn, KEPT, limit, None).unwrap();
        taken.into_iter().map(|discarded| discarded.id).collect::<Vec<_>>()
    };
    assert_eq!(take(&mut conn, 10), [0; 0], "a restore to yesterday may need them");
    assert_eq!(checkpoint::count_discarded(&mut conn, KEPT).unwrap().checkpoints, 0);
    age_discarded(&mut conn, "49 hours");
    assert_eq!(checkpoint::count_discarded(&mut conn, KEPT).unwrap().checkpoints, 3);
    let first = take(&mut conn, 2);
    let second = take(&mut conn, 2);
    assert_eq!((first.len(), second.len()), (2, 1), "what was taken is not taken again");
    assert_eq!(checkpoint::forget(&mut conn, &first).unwrap(), 2);
    age_discarded(&mut conn, "2 hours");
    assert_eq!(take(&mut conn, 10), second, "whoever took it has died");
}

#[test]
fn a_discarded_checkpoint_of_a_running_attempt_is_left_to_that_attempt() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let write = |conn: &mut PgConnection, step| {
        curve::record(conn, held, &point(step, 40.0), Some(&pointer(held, step))).unwrap().unwrap();
    };
    write(&mut conn, 1);
    write(&mut conn, 2);
    assert!(checkpoint::prune(&mut conn, held, 2).unwrap()[0].kept);
    age_discarded(&mut conn, "49 hours");
    let stranger = Lease { worker_id: worker(&mut conn), ..held };
    for other in [None, Some(stranger)] {
        assert_eq!(checkpoint::take_discarded(&mut conn, NOW, 10, other).unwrap(), []);
    }
    // All later ones were damaged, and it trains from the start again.
    write(&mut conn, 1);
    assert_eq!(checkpoint::take_discarded(&mut conn, NOW, 10, Some(held)).unwrap(), [], "pointed to again");
    conn.batch_execute("DELETE FROM checkpoint WHERE step = 1").unwrap();
    assert_eq!(checkpoint::take_discarded(&mut conn, NOW, 10, Some(held)).unwrap().len(), 1);
}

#[test]
fn what_workers_and_attempts_of_long_ago_have_left_goes_in_batches() {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = sql_types::BigInt)]
        count: i64,
    }
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (id, leases) = finished(&mut conn, "s", 2);
    let forgotten = worker(&mut conn);
    let living = worker(&mut conn);
    conn.batch_execute(&format!(
        "UPDATE attempt SET log = 'lines', error = 'x', ended_at = now() - interval '100 days' WHERE job_id = {};
         UPDATE attempt SET log = 'lines', error = 'x' WHERE job_id = {};
         UPDATE worker SET last_seen_at = now() - interval '100 days' WHERE id <> '{living}';
         INSERT INTO event (at, kind) SELECT now() - interval '100 days', 'x' FROM generate_series(1, 6000)",
        leases[0].job_id, leases[1].job_id
    ))
    .unwrap();
    let age = Duration::from_secs(90 * 86_400);
    let expected = retention::Leftovers { logs: 1, events: 6000, workers: 1 };
    assert_eq!(retention::count_leftovers(&mut conn, age, &[]).unwrap(), expected);
    assert_eq!(retention::prune_leftovers(&mut conn, age).unwrap(), expected);
    assert_eq!(rows(&mut conn, &format!("SELECT 1 FROM worker WHERE id = '{forgotten}'")), 0);
    let kept: Count = sql_query("SELECT count(*) FROM attempt WHERE error = 'x' AND log IS NOT NULL")
        .get_result(&mut conn)
        .unwrap();
    assert_eq!(kept.count, 1, "the newer one; errors stay");
    let gone = retention::count_leftovers(&mut conn, age, &[id]).unwrap();
    assert_eq!(gone.workers, 1, "nothing names it once the search has gone");
    delete(&mut conn, id);
    assert_eq!(retention::prune_leftovers(&mut conn, age).unwrap().workers, 1);
    assert_eq!(rows(&mut conn, "SELECT 1 FROM worker"), 1);
}

#[test]
fn a_worker_that_was_silent_for_a_day_is_not_listed_unless_it_trains() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let (silent, training) = (worker(&mut conn), worker(&mut conn));
    claim_by(&mut conn, training);
    conn.batch_execute("UPDATE worker SET last_seen_at = now() - interval '25 hours'").unwrap();
    let listed = |conn: &mut PgConnection, all| -> Vec<_> {
        workers::list(conn, all).unwrap().into_iter().map(|row| row.id).collect()
    };
    assert_eq!(listed(&mut conn, false), [training]);
    assert!(listed(&mut conn, true).contains(&silent));
    assert_eq!(workers::drain(&mut conn, &Selector::All).unwrap(), 0, "nobody is there to hear it");
    assert_eq!(workers::drain(&mut conn, &Selector::Ids(vec![silent.to_string()])).unwrap(), 1);
}

/// Deleting goes on beside workers of another search, who wait for nothing.
#[test]
fn a_worker_trains_on_while_another_search_is_deleted() {
    let database = TestDatabase::new();
    let (mut conn, mut deleting) = (database.connect(), database.connect());
    let (old, _) = finished(&mut conn, "old", 2);
    submit(&mut conn, "new", 2);
    let held = claim(&mut conn);
    retention::begin_delete(&mut conn, old).unwrap();
    AnsiTransactionManager::begin_transaction(&mut deleting).unwrap();
    retention::delete_batch(&mut deleting, old, JobId(0)).unwrap().unwrap();
    conn.batch_execute("SET lock_timeout = '1s'").unwrap();
    curve::record(&mut conn, held, &point(1, 40.0), Some(&pointer(held, 1))).unwrap().unwrap();
    assert_eq!(lease::renew(&mut conn, held.worker_id, &[held], TTL).unwrap().len(), 1);
    finish::finish(&mut conn, held, JobEnd::plain(Outcome::Completed)).unwrap().unwrap();
    claim(&mut conn);
    maintenance::reap_once(&mut conn).unwrap();
    assert_eq!(retention::contents(&mut conn, &[old]).unwrap().jobs, 2, "not committed");
    AnsiTransactionManager::commit_transaction(&mut deleting).unwrap();
    assert_eq!(retention::contents(&mut conn, &[old]).unwrap().jobs, 0);
}
