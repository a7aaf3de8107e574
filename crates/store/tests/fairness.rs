//! Whose turn it is: searches share the workers of a class, and keep their limits whoever claims beside whom.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    collections::VecDeque,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use diesel::{
    PgConnection, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
    sql_query, sql_types,
};
use domain::{JobId, Ordinal, SearchId};
use store::{
    Claim, Claimer, Listener, News, Turns,
    curve::{self, Decision, Observation},
    finish::{self, JobEnd},
    freeze::{self, ThawClaim},
    job::{self, Outcome},
    search,
    worker::{self as workers, Selector, WorkerState},
};
use support::{TTL, point, rows, submit, waits, worker, worker_on};
use testing::TestDatabase;

/// Claims as a process that has just looked.
fn claim(conn: &mut PgConnection) -> Option<Claim> {
    let id = worker(conn);
    Claimer::new("default", id, TTL).claim(conn).unwrap()
}

fn end(conn: &mut PgConnection, claim: &Claim, outcome: Outcome) {
    finish::finish(conn, claim.lease(), JobEnd::plain(outcome)).unwrap().unwrap();
}

fn limit(conn: &mut PgConnection, search: SearchId, most: i32) {
    search::set(conn, search, None, Some(Some(most))).unwrap();
}

/// The searches that so many slots serve one after the other, where each job takes as long as any.
fn served(conn: &mut PgConnection, slots: usize, jobs: usize) -> Vec<SearchId> {
    let mut running = VecDeque::new();
    let mut next = |_| {
        if running.len() == slots {
            end(conn, &running.pop_front().unwrap(), Outcome::Diverged);
        }
        let claim = claim(conn)?;
        running.push_back(claim.clone());
        Some(claim.search_id)
    };
    (0..jobs).map_while(&mut next).collect()
}

#[test]
fn a_small_search_does_not_wait_for_a_large_one() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [large, small] = [("large", 300), ("small", 20)].map(|(name, jobs)| submit(&mut conn, name, jobs));
    let served = served(&mut conn, 4, 60);
    let last = served.iter().rposition(|search| *search == small).unwrap();
    assert_eq!(served.iter().filter(|search| **search == small).count(), 20, "{served:?}");
    assert!(last < 44, "the last one of the small search was claim {last}");
    assert!(
        served[..40].iter().filter(|search| **search == large).count() >= 18,
        "half of the slots are the large one's"
    );
}

#[test]
fn slots_of_one_process_take_turns_between_two_looks() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let searches = ["a", "b", "c"].map(|name| submit(&mut conn, name, 10));
    let turns = Turns::default();
    let id = worker(&mut conn);
    let mut slots: Vec<_> = (0..3).map(|_| Claimer::new("default", id, TTL).sharing(turns.clone())).collect();
    let mut claimed: Vec<_> =
        slots.iter_mut().map(|slot| slot.claim(&mut conn).unwrap().unwrap().search_id).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, searches);
}

#[test]
fn priority_of_a_search_goes_before_that_of_its_jobs() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [low, high] = ["low", "high"].map(|name| submit(&mut conn, name, 3));
    conn.batch_execute(&format!("UPDATE job SET priority = 100 WHERE search_id = {low}")).unwrap();
    search::set(&mut conn, high, Some(7), None).unwrap();
    conn.batch_execute(&format!(
        "UPDATE job SET priority = 1 WHERE id = (SELECT max(id) FROM job WHERE search_id = {high})"
    ))
    .unwrap();
    let claims: Vec<_> = std::iter::from_fn(|| claim(&mut conn)).collect();
    let searches: Vec<_> = claims.iter().map(|claim| claim.search_id).collect();
    assert_eq!(searches, [high, high, high, low, low, low]);
    assert_eq!(claims[0].priority, 1, "within a search its jobs have their own order");
    let said = next(&mut conn, low);
    assert!(said.starts_with("it trains"), "{said}");
}

/// What is said of the first job of a search.
fn next(conn: &mut PgConnection, search: SearchId) -> String {
    use diesel::{ExpressionMethods as _, QueryDsl as _};
    use store::schema::job::dsl;
    let first = dsl::job.filter(dsl::search_id.eq(search)).select(diesel::dsl::min(dsl::id));
    let first: Option<JobId> = first.first(conn).unwrap();
    job::show(conn, first.unwrap()).unwrap().next
}

#[test]
fn a_job_says_that_others_go_first_or_that_a_limit_is_reached() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [low, high] = ["low", "high"].map(|name| submit(&mut conn, name, 3));
    worker(&mut conn);
    assert!(next(&mut conn, low).contains("claims it: it is the next of its search"));
    search::set(&mut conn, high, Some(1), None).unwrap();
    assert!(next(&mut conn, low).contains("searches of higher priority go first, with 3 ready jobs"));
    limit(&mut conn, high, 1);
    assert_eq!(claim(&mut conn).unwrap().search_id, high);
    assert!(!next(&mut conn, low).contains("higher priority"), "there is no room for them");
    limit(&mut conn, low, 1);
    let claim = claim(&mut conn).unwrap();
    assert_eq!(claim.search_id, low);
    conn.batch_execute(&format!("UPDATE job SET state = 'diverged' WHERE id < {}", claim.job_id)).unwrap();
    let second = JobId(claim.job_id.0 + 1);
    let said = job::show(&mut conn, second).unwrap().next;
    assert!(
        said.contains("max_running of its search is reached") && said.contains("one of 1 jobs"),
        "{said}"
    );
}

#[test]
fn a_limit_holds_whoever_claims_at_the_same_time() {
    const CLAIMERS: usize = 8;
    const MOST: i32 = 3;
    const JOBS: usize = 120;
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let search = submit(&mut conn, "s", JOBS);
    limit(&mut conn, search, MOST);
    let (barrier, ended, exceeded) = (Barrier::new(CLAIMERS), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..CLAIMERS {
            scope.spawn(|| {
                let mut conn = database.connect();
                let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
                barrier.wait();
                while ended.load(Relaxed) < JOBS {
                    let Some(claim) = claimer.claim(&mut conn).unwrap() else { continue };
                    let running = rows(&mut conn, "SELECT FROM job WHERE state = 'running'");
                    exceeded.fetch_or(running > MOST as usize, Relaxed);
                    end(&mut conn, &claim, Outcome::Diverged);
                    ended.fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert!(!exceeded.into_inner(), "more than {MOST} jobs ran at once");
}

/// Sets a job aside as its scheduler decides after a step.
fn set_aside(conn: &mut PgConnection, claim: &Claim, step: i32) {
    let point = Observation { prediction: Some(60.0), decision: Some(Decision::Stop), ..point(step, 50.0) };
    curve::record(conn, claim.lease(), &point, None).unwrap().unwrap();
    assert_eq!(freeze::freeze(conn, claim.lease(), step).unwrap(), Some(store::job::JobState::Frozen));
}

/// A search of which no more than one job may run, with a frozen job.
fn frozen(conn: &mut PgConnection) -> (SearchId, ThawClaim) {
    let search = submit(conn, "s", 3);
    limit(conn, search, 1);
    let claim = claim(conn).unwrap();
    set_aside(conn, &claim, 1);
    (search, ThawClaim { job_id: claim.job_id, chance: 0.5, calibration: Ordinal(0) })
}

#[test]
fn resumed_jobs_count_and_wait_for_room() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, thaw_claim) = frozen(&mut conn);
    let id = worker(&mut conn);
    let running = claim(&mut conn).unwrap();
    assert!(freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().is_none(), "one runs");
    end(&mut conn, &running, Outcome::Diverged);
    let resumed = freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().unwrap();
    assert!(claim(&mut conn).is_none(), "the resumed one runs");
    conn.batch_execute("UPDATE job SET state = 'diverged' WHERE state = 'ready'").unwrap();
    assert!(search::exhausted(&mut conn, Some(search)).unwrap().is_empty(), "nothing can be resumed now");
    set_aside(&mut conn, &resumed, 2);
    assert_eq!(search::exhausted(&mut conn, Some(search)).unwrap().len(), 1);
    assert!(freeze::thaw(&mut conn, &[thaw_claim], id, TTL).unwrap().is_some());
}

#[test]
fn a_claim_and_a_resumption_of_the_last_room_wait_for_each_other() {
    for claim_first in [true, false] {
        let database = TestDatabase::new();
        let (mut conn, mut first, mut second) = (database.connect(), database.connect(), database.connect());
        let (_, thaw_claim) = frozen(&mut conn);
        let id = worker(&mut conn);
        let claims = |conn: &mut PgConnection, claim: bool| {
            let mut claimer = Claimer::new("default", id, TTL);
            if claim { claimer.claim(conn) } else { freeze::thaw(conn, &[thaw_claim], id, TTL) }
                .unwrap()
                .is_some()
        };
        AnsiTransactionManager::begin_transaction(&mut first).unwrap();
        assert!(claims(&mut first, claim_first));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| claims(&mut second, !claim_first));
            assert!(
                waits(&mut conn, || second.is_finished()),
                "the second one looks before the first is done"
            );
            AnsiTransactionManager::commit_transaction(&mut first).unwrap();
            assert!(!second.join().unwrap(), "two run, and one may");
        });
    }
}

#[test]
fn searches_without_a_limit_lock_nothing() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let search = submit(&mut conn, "s", 3);
    for (most, expected) in [(None, 0), (Some(2), 1)] {
        search::set(&mut conn, search, None, Some(most)).unwrap();
        let id = worker(&mut conn);
        AnsiTransactionManager::begin_transaction(&mut conn).unwrap();
        assert!(Claimer::new("default", id, TTL).claim(&mut conn).unwrap().is_some());
        let locks = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
        assert_eq!(rows(&mut conn, locks), expected, "{most:?}");
        AnsiTransactionManager::commit_transaction(&mut conn).unwrap();
    }
}

#[test]
fn a_search_that_is_full_leaves_the_workers_to_others() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [full, other] = ["full", "other"].map(|name| submit(&mut conn, name, 5));
    search::set(&mut conn, full, Some(9), Some(Some(2))).unwrap();
    let searches: Vec<_> = std::iter::from_fn(|| claim(&mut conn)).map(|claim| claim.search_id).collect();
    assert_eq!(searches, [full, full, other, other, other, other, other]);
}

#[test]
fn another_limit_is_told_to_workers() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let search = submit(&mut conn, "s", 5);
    limit(&mut conn, search, 1);
    assert!(claim(&mut conn).is_some() && claim(&mut conn).is_none());
    let url = store::Database::new(database.url()).unwrap();
    let mut listener = Listener::connect(&url, "default").unwrap();
    search::set(&mut conn, search, None, Some(None)).unwrap();
    let heard: Vec<_> = (0..2).map(|_| listener.wait(Duration::from_secs(30)).unwrap()).collect();
    assert_eq!(heard, [Some(News::Jobs(4)), Some(News::Thawed)]);
    assert!(claim(&mut conn).is_some());
}

#[test]
fn workers_of_the_version_before_claim_by_class() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [first, second] = ["first", "second"].map(|name| submit(&mut conn, name, 1));
    search::set(&mut conn, second, Some(9), None).unwrap();
    let id = worker(&mut conn);
    let mut claim = || {
        let claim: Claim = sql_query(include_str!("claim_before.sql"))
            .bind::<sql_types::Text, _>("default")
            .bind::<sql_types::Uuid, _>(id)
            .bind::<sql_types::Double, _>(60.0)
            .bind::<sql_types::Integer, _>(i32::MIN)
            .bind::<sql_types::BigInt, _>(0)
            .bind::<sql_types::Array<sql_types::BigInt>, _>(Vec::<i64>::new())
            .get_result(&mut conn)
            .unwrap();
        claim.search_id
    };
    assert_eq!([claim(), claim()], [first, second], "the oldest first, as they did");
}

#[test]
fn a_host_is_drained_and_undrained() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let [a, also_a, b] = ["a", "a", "b"].map(|host| worker_on(&mut conn, host));
    let state = |conn: &mut PgConnection, id| workers::touch(conn, id).unwrap().unwrap().state;
    let host = Selector::Host("a".to_owned());
    assert_eq!(workers::drain(&mut conn, &host).unwrap(), 2);
    assert_eq!([a, also_a, b].map(|id| state(&mut conn, id) == WorkerState::Draining), [true, true, false]);
    let later = worker_on(&mut conn, "a");
    assert_eq!(state(&mut conn, later), WorkerState::Running, "who comes later works");
    workers::stop(&mut conn, also_a).unwrap();
    assert_eq!(workers::undrain(&mut conn, &host).unwrap(), 1, "who has left stays away");
    assert_eq!([a, also_a].map(|id| state(&mut conn, id)), [WorkerState::Running, WorkerState::Stopped]);
    let one = Selector::Ids(vec![b.to_string()[..8].to_owned()]);
    assert_eq!(
        (workers::drain(&mut conn, &one).unwrap(), workers::undrain(&mut conn, &Selector::All).unwrap()),
        (1, 1)
    );
    assert_eq!(state(&mut conn, b), WorkerState::Running);
}
