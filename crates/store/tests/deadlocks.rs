//! Locks go from the search to its jobs and their leases: whoever cancels never meets a worker the other way round, and nothing
//! that is cancelled is ever trained again.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use diesel::{
    ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
};
use domain::{JobId, Lease, Ordinal, SearchId};
use rand::RngExt as _;
use store::{
    Claimer, curve,
    finish::{self, JobEnd},
    job::{self, Outcome},
    lease::{self, GiveBack},
    maintenance, schema,
    search::{self, EnqueueParams, Source},
};
use support::{TTL, claim, clear, eventually, expire, point, rows, submit, worker};
use testing::TestDatabase;
use uuid::Uuid;

/// What a worker, the leader, or another person does meanwhile.
type Statement = fn(&mut PgConnection, Lease) -> QueryResult<()>;

const MEANWHILE: &[(&str, Statement)] = &[
    ("release", |conn, lease| lease::release(conn, lease, GiveBack::Leaving).map(drop)),
    ("snooze", |conn, lease| {
        lease::release(conn, lease, GiveBack::Snooze { error: "x", pause: Duration::ZERO }).map(drop)
    }),
    ("retry", |conn, lease| lease::retry(conn, lease, "x", "", Duration::ZERO).map(drop)),
    ("finish", |conn, lease| finish::finish(conn, lease, JobEnd::plain(Outcome::Diverged)).map(drop)),
    ("renew", |conn, lease| lease::renew(conn, lease.worker_id, &[lease], TTL).map(drop)),
    ("record", |conn, lease| curve::record(conn, lease, &point(2, 50.0), None).map(drop)),
    ("reap", |conn, _| maintenance::reap(conn).map(drop)),
    ("wake", |conn, _| maintenance::wake(conn).map(drop)),
    ("claim", |conn, lease| Claimer::new("default", lease.worker_id, TTL).claim(conn).map(drop)),
    ("bump", |conn, _| lease::bump_fences(conn).map(drop)),
    ("lead", |conn, lease| maintenance::lead(conn, lease.worker_id, TTL, Duration::ZERO).map(drop)),
    ("job cancel", |conn, lease| job::cancel(conn, &[lease.job_id, JobId(2), JobId(3)]).map(drop)),
    ("priority", |conn, lease| job::set_priority(conn, &[lease.job_id], 1).map(drop)),
    ("finish if done", |conn, _| search::finish_if_done(conn, SearchId(1), Some(Ordinal(0))).map(drop)),
    ("enqueue", |conn, _| enqueue(conn, SearchId(1), 9)),
];

/// Who cancels, and which jobs.
type Cancel = fn(&mut PgConnection) -> QueryResult<()>;

const CANCELS: &[(&str, Cancel, &str)] = &[
    ("search cancel", |conn| search::cancel(conn, SearchId(1)).map(drop), "search_id = 1"),
    ("job cancel", |conn| job::cancel(conn, &[JobId(1), JobId(2), JobId(3)]).map(drop), "id <= 3"),
];

/// Rows that a third session holds for a moment, so that both are under way at once.
const HELD: &[&str] = &[
    "SELECT 1 FROM search WHERE id = 1 FOR UPDATE",
    "SELECT 1 FROM job WHERE id = 1 FOR UPDATE",
    "SELECT 1 FROM lease WHERE job_id = 1 FOR UPDATE",
    "SELECT 1 FROM job WHERE id = 3 FOR UPDATE",
];

/// What the strategy's proposal does, without a strategy.
fn enqueue(conn: &mut PgConnection, search_id: SearchId, count: usize) -> QueryResult<()> {
    let params = EnqueueParams { search_id, seed: 1, class: "default" };
    let source = Source::Strategy { seen: JobId(i64::MAX), is_last: false };
    search::enqueue(conn, &params, source, &support::jobs(count)).map(drop)
}

/// Job 1 runs and its lease is over, job 2 is ready, job 3 waits and may wake up. The search has a limit, so whoever claims counts.
fn scene(conn: &mut PgConnection) -> Lease {
    clear(conn);
    conn.batch_execute(
        "SELECT setval(name, 1, false) FROM unnest(ARRAY['search_id_seq', 'job_id_seq', 'architecture_id_seq']::regclass[]) AS name",
    )
    .unwrap();
    assert_eq!(submit(conn, "s", 3), SearchId(1));
    search::set(conn, SearchId(1), None, Some(Some(3))).unwrap();
    let held = claim(conn);
    assert_eq!(held.job_id, JobId(1));
    curve::record(conn, held, &point(1, 40.0), None).unwrap().unwrap();
    expire(conn, held.job_id);
    conn.batch_execute("UPDATE job SET state = 'waiting', run_after = now() WHERE id = 3").unwrap();
    held
}

const WAITING: &str =
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Jobs that may be trained, or are trained by a worker that nobody has told.
const TRAINABLE: &str = "state IN ('ready', 'waiting', 'paused') OR state = 'running' AND NOT EXISTS ( \
    SELECT FROM lease WHERE lease.job_id = job.id AND lease.cancel)";
/// Jobs that have an outcome without a result, or a result without an outcome.
const TORN: &str = "SELECT 1 FROM job FULL JOIN result ON result.job_id = job.id \
    WHERE (job.state IN ('ready', 'running', 'waiting', 'paused')) IS DISTINCT FROM (result.job_id IS NULL) \
       OR job.state::text <> result.outcome::text";

#[test]
fn whoever_cancels_meets_nobody_the_other_way_round() {
    let database = TestDatabase::new();
    let [mut conn, mut holding, mut one, mut other] = [(); 4].map(|()| database.connect());
    let mut faults = Vec::new();
    for (meanwhile, statement) in MEANWHILE {
        for (cancels, cancel, cancelled) in CANCELS {
            for (hold, cancel_first) in HELD.iter().flat_map(|hold| [(hold, true), (hold, false)]) {
                let held = scene(&mut conn);
                let mut cancel = || cancel(&mut one);
                let mut statement = || statement(&mut other, held);
                let both: [&mut (dyn FnMut() -> QueryResult<()> + Send); 2] =
                    if cancel_first { [&mut cancel, &mut statement] } else { [&mut statement, &mut cancel] };
                let done = side_by_side(&mut conn, &mut holding, hold, both);
                let left = rows(&mut conn, &format!("SELECT 1 FROM job WHERE {cancelled} AND ({TRAINABLE})"));
                let torn = rows(&mut conn, TORN);
                if done.iter().any(Result::is_err) || left > 0 || torn > 0 {
                    faults.push(format!(
                        "{meanwhile}, {cancels} first: {cancel_first}, {hold}: {done:?}, {left} may be trained, {torn} torn"
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} {faults:#?}", faults.len());
}

/// Starts one and then the other while a third session holds a row that they want, and lets them go once neither gets further.
fn side_by_side(
    conn: &mut PgConnection,
    holding: &mut PgConnection,
    hold: &str,
    [first, second]: [&mut (dyn FnMut() -> QueryResult<()> + Send); 2],
) -> [QueryResult<()>; 2] {
    AnsiTransactionManager::begin_transaction(holding).unwrap();
    rows(holding, hold);
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        eventually("the first waits or is done", || first.is_finished() || rows(conn, WAITING) > 0);
        let second = scope.spawn(second);
        eventually("each waits or is done", || {
            let left = [&first, &second].iter().filter(|thread| !thread.is_finished()).count();
            rows(conn, WAITING) >= left
        });
        AnsiTransactionManager::commit_transaction(holding).unwrap();
        [first.join().unwrap(), second.join().unwrap()]
    })
}

/// What a worker does at random with its jobs; the leases that it holds then.
fn work(conn: &mut PgConnection, id: Uuid, held: &mut Vec<Lease>) -> QueryResult<()> {
    let mut rng = rand::rng();
    let Some(lease) =
        (!held.is_empty() && rng.random_bool(0.7)).then(|| held.swap_remove(rng.random_range(0..held.len())))
    else {
        held.extend(Claimer::new("default", id, TTL).claim(conn)?.map(|claim| claim.lease()));
        return lease::renew(conn, id, held, TTL).map(drop);
    };
    let (_, statement) = MEANWHILE[rng.random_range(0..MEANWHILE.len() - 3)];
    statement(conn, lease)?;
    if rng.random_bool(0.3) {
        expire_if_held(conn, lease)?;
        return maintenance::reap(conn).map(drop);
    }
    lease::release(conn, lease, GiveBack::Leaving).map(drop)
}

fn expire_if_held(conn: &mut PgConnection, lease: Lease) -> QueryResult<()> {
    let sql = format!("UPDATE lease SET expires_at = now() - interval '1 s' WHERE job_id = {}", lease.job_id);
    conn.batch_execute(&sql)
}

#[test]
fn whatever_eight_workers_do_what_is_cancelled_stays_cancelled() {
    const WORKERS: usize = 8;
    const SEARCHES: [&str; 3] = ["search", "jobs", "neither"];
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for round in 0..8 {
        clear(&mut conn);
        let [search, jobs, _] = SEARCHES.map(|name| submit(&mut conn, name, 20));
        let ids: Vec<JobId> = schema::job::table
            .filter(schema::job::search_id.eq(jobs))
            .select(schema::job::id)
            .load(&mut conn)
            .unwrap();
        let done = AtomicUsize::new(0);
        let ended = AtomicUsize::new(usize::MAX);
        let faults: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut conn = database.connect();
                        let (id, mut held) = (worker(&mut conn), Vec::new());
                        while done.fetch_add(1, Relaxed) < ended.load(Relaxed) {
                            work(&mut conn, id, &mut held)?;
                        }
                        held.into_iter().try_for_each(|lease| {
                            lease::release(&mut conn, lease, GiveBack::Leaving).map(drop)
                        })
                    })
                })
                .collect();
            eventually("they are at work", || done.load(Relaxed) > 20 * round);
            let cancelled = search::cancel(&mut conn, search).map(drop);
            let cancelled = cancelled.and(job::cancel(&mut conn, &ids).map(drop));
            ended.store(done.load(Relaxed) + 100, Relaxed);
            let workers = workers.into_iter().map(|worker| worker.join().unwrap());
            workers.chain([cancelled]).filter_map(Result::err).collect()
        });
        assert!(faults.is_empty(), "{faults:#?}");
        let left = format!("SELECT 1 FROM job WHERE search_id IN ({search}, {jobs}) AND ({TRAINABLE})");
        assert_eq!((rows(&mut conn, &left), rows(&mut conn, TORN)), (0, 0), "round {round}");
        // What was claimed and forgotten comes back by its lease.
        conn.batch_execute("UPDATE lease SET expires_at = now() - interval '1 s'").unwrap();
        while !maintenance::reap(&mut conn).unwrap().is_empty() {}
        let running =
            format!("SELECT 1 FROM job WHERE search_id IN ({search}, {jobs}) AND state = 'running'");
        assert_eq!((rows(&mut conn, &running), rows(&mut conn, TORN)), (0, 0), "round {round}");
    }
}

/// Whoever looks whether a search is done does not hold up those whose jobs end: their rows refer to the search.
#[test]
fn an_ending_does_not_wait_for_whoever_looks_whether_its_search_is_done() {
    let database = TestDatabase::new();
    let (mut conn, mut looking) = (database.connect(), database.connect());
    let search = submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    AnsiTransactionManager::begin_transaction(&mut looking).unwrap();
    assert_eq!(search::finish_if_done(&mut looking, search, None).unwrap(), None, "a job runs");
    conn.batch_execute("SET lock_timeout = '2s'").unwrap();
    assert!(finish::finish(&mut conn, held, JobEnd::plain(Outcome::Diverged)).unwrap().is_some());
    AnsiTransactionManager::commit_transaction(&mut looking).unwrap();
    assert_eq!(search::finish_if_done(&mut conn, search, None).unwrap().as_deref(), Some("s"));
}
