//! Which objects of a checkpoint store may be deleted, while attempts write, commit, lose their leases and jobs are resumed:
//! two sessions, of which one has not committed when the other looks.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use diesel::{
    PgConnection,
    connection::{AnsiTransactionManager, TransactionManager as _},
};
use domain::{CheckpointKey, Fence, JobId, Lease, Ordinal, SearchId};
use store::{
    Claimer, checkpoint,
    curve::{self, Decision, Observation},
    finish::{self, Cursor, JobEnd},
    freeze::{self, ThawClaim},
    job::{JobState, Outcome},
    lease::{self, GiveBack},
    maintenance, search,
};
use support::{TTL, claim, claim_by, expire, point, pointer, state, submit, worker};
use testing::TestDatabase;

/// An object as an attempt names it.
fn object(lease: Lease, step: i32) -> CheckpointKey {
    CheckpointKey::new(SearchId(1), lease, step)
}

/// Commits an observation with a pointer to the attempt's object.
fn commit(conn: &mut PgConnection, lease: Lease, step: i32) -> bool {
    let point = Observation { decision: Some(Decision::Stop), ..point(step, 50.0) };
    curve::record(conn, lease, &point, Some(&pointer(lease, step)))
        .unwrap()
        .is_some_and(|recorded| !recorded.behind)
}

/// The orphans among what was listed.
fn orphans(conn: &mut PgConnection, listed: &[CheckpointKey]) -> Vec<CheckpointKey> {
    let found = checkpoint::orphans(conn, listed).unwrap();
    assert!(found.iter().all(|orphan| orphan.known), "{found:?}");
    found.iter().map(|orphan| listed[orphan.place as usize - 1]).collect()
}

#[test]
fn what_a_live_attempt_writes_is_no_orphan_before_nor_after_it_is_committed() {
    let database = TestDatabase::new();
    let (mut conn, mut writing) = (database.connect(), database.connect());
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let listed = [object(held, 1)];
    assert_eq!(orphans(&mut conn, &listed), [], "written, not committed");

    AnsiTransactionManager::begin_transaction(&mut writing).unwrap();
    assert!(commit(&mut writing, held, 1));
    assert_eq!(orphans(&mut conn, &listed), [], "the commit is under way");
    AnsiTransactionManager::commit_transaction(&mut writing).unwrap();
    assert_eq!(orphans(&mut conn, &listed), [], "committed");

    AnsiTransactionManager::begin_transaction(&mut writing).unwrap();
    assert!(finish::finish(&mut writing, held, JobEnd::plain(Outcome::Terminated)).unwrap().is_some());
    assert_eq!(orphans(&mut conn, &listed), [], "the job is about to end");
    AnsiTransactionManager::commit_transaction(&mut writing).unwrap();
    assert_eq!(orphans(&mut conn, &listed), [], "the newest checkpoint of a terminated job stays");
}

#[test]
fn what_a_lost_attempt_left_is_an_orphan_once_it_can_commit_no_more() {
    let database = TestDatabase::new();
    let (mut conn, mut reaping) = (database.connect(), database.connect());
    submit(&mut conn, "s", 1);
    let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
    let old = claimer.claim(&mut conn).unwrap().unwrap().lease();
    assert!(commit(&mut conn, old, 1));
    let listed = [object(old, 1), object(old, 2)];
    expire(&mut conn, old.job_id);
    assert_eq!(orphans(&mut conn, &listed), [], "expired, but it may still renew");

    AnsiTransactionManager::begin_transaction(&mut reaping).unwrap();
    assert_eq!(maintenance::reap(&mut reaping).unwrap().len(), 1);
    assert_eq!(orphans(&mut conn, &listed), [], "the reaper has not committed and may fail");
    AnsiTransactionManager::commit_transaction(&mut reaping).unwrap();
    assert_eq!(orphans(&mut conn, &listed), [object(old, 2)]);
    assert!(!commit(&mut conn, old, 2), "which is right: nothing can point to it any more");

    let new = claimer.claim(&mut conn).unwrap().unwrap().lease();
    let listed = [object(old, 1), object(old, 2), object(new, 2)];
    assert_eq!(orphans(&mut conn, &listed), [object(old, 2)], "the new attempt has its own object");
    assert!(commit(&mut conn, new, 2));
    assert_eq!(orphans(&mut conn, &listed), [object(old, 2)]);
    assert_eq!(lease::release(&mut conn, new, GiveBack::Leaving).unwrap(), Some(JobState::Ready));
    assert_eq!(orphans(&mut conn, &listed), [object(old, 2)], "a released job is resumed from both");
}

#[test]
fn a_job_that_is_resumed_or_promoted_meanwhile_keeps_its_checkpoints() {
    let database = TestDatabase::new();
    let (mut conn, mut resuming) = (database.connect(), database.connect());
    let search = submit(&mut conn, "s", 1);
    let id = worker(&mut conn);
    let held = claim_by(&mut conn, id);
    assert!(commit(&mut conn, held, 1) && commit(&mut conn, held, 2));
    freeze::freeze(&mut conn, held, 2).unwrap().unwrap();

    let thaw_claim = ThawClaim { job_id: held.job_id, chance: 0.5, calibration: Ordinal(0) };
    AnsiTransactionManager::begin_transaction(&mut resuming).unwrap();
    let thawed = freeze::thaw(&mut resuming, &[thaw_claim], id, TTL).unwrap().unwrap().lease();
    assert_eq!(orphans(&mut conn, &[object(held, 1), object(held, 2)]), [], "the claim is under way");
    AnsiTransactionManager::commit_transaction(&mut resuming).unwrap();
    let listed = [object(held, 1), object(held, 2), object(thawed, 3)];
    assert_eq!(orphans(&mut conn, &listed), [], "resumed, its next interval not committed");
    assert_eq!(lease::release(&mut conn, thawed, GiveBack::Leaving).unwrap(), Some(JobState::Frozen));
    assert_eq!(orphans(&mut conn, &listed), [object(thawed, 3)], "given up before it was committed");

    let seen = freeze::since(&mut conn, search, Cursor::default()).unwrap().unwrap().last().unwrap().ordinal;
    assert_eq!(freeze::stop_all(&mut conn, search, seen).unwrap(), 1);
    AnsiTransactionManager::begin_transaction(&mut resuming).unwrap();
    search::promote(&mut resuming, search, 1).unwrap();
    assert_eq!(orphans(&mut conn, &listed), [object(thawed, 3)], "promotion is under way");
    AnsiTransactionManager::commit_transaction(&mut resuming).unwrap();
    assert_eq!(state(&mut conn, held.job_id), JobState::Ready);
    assert_eq!(orphans(&mut conn, &listed), [object(thawed, 3)]);
}

#[test]
fn what_no_attempt_of_this_database_wrote_is_said_to_be_unknown() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let strange = [
        object(Lease { job_id: JobId(999), ..held }, 1),
        object(Lease { fence: Fence(held.fence.0 + 1), ..held }, 1),
        object(Lease { worker_id: worker(&mut conn), ..held }, 1),
    ];
    let found = checkpoint::orphans(&mut conn, &strange).unwrap();
    assert_eq!(
        found.iter().map(|orphan| (orphan.place, orphan.known)).collect::<Vec<_>>(),
        [(1, false), (2, false)]
    );
}
