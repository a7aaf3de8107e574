//! Searches of many endings: who joins one takes over what others have learned, and its strategy answers each ending as fast as ever.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::{Duration, Instant};

use common::{STRATEGIES, begin, claimer, end};
use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};
use domain::{JobId, SearchId};
use predictor::Observation;
use search::{LiveNext, LiveScheduler, Populations, propose};
use store::{finish, job::Outcome, worker::NewWorker};
use testing::TestDatabase;
use uuid::Uuid;

/// Adds networks that have ended: of four one was trained to the end, 20 intervals, the others were stopped after five.
fn fill(conn: &mut PgConnection, search: SearchId, size: usize) {
    conn.batch_execute(&format!(
        "INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops) \
         SELECT {search}, lpad(i::text, 64, '0'), genome, summary, parameters, flops \
         FROM generate_series(1, {size}) AS i, (SELECT * FROM architecture LIMIT 1) AS one; \
         INSERT INTO job (search_id, architecture_id, seed, mode, state) \
         SELECT {search}, id, 7, 'terminate', CASE WHEN id % 4 = 0 THEN 'completed' ELSE 'terminated' END::job_state \
         FROM architecture WHERE hash LIKE '00000000%'; \
         INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc) \
         SELECT id, 0, step, step, 40 + id % 40 + 15 * (1 - exp(-step / 4.0)), 50 + step FROM job, \
         generate_series(1, CASE WHEN state = 'completed' THEN 20 ELSE 5 END) AS step WHERE seed = 7 ORDER BY id, step; \
         INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, stop_epoch, last_fitness, best_fitness, final_fitness, fitness) \
         SELECT id, {search}, 0, step, state::text::outcome, step, 1, step, val_acc, val_acc, \
         CASE WHEN state = 'completed' THEN val_acc END, val_acc \
         FROM job JOIN observation ON job_id = id WHERE seed = 7 AND step = CASE WHEN state = 'completed' THEN 20 ELSE 5 END; \
         INSERT INTO finish (search_id, job_id, fitness, step, outcome) SELECT {search}, job_id, fitness, step, outcome FROM result; \
         ANALYZE"
    ))
    .unwrap();
}

/// Has a job that was stopped be set aside instead.
fn freeze(conn: &mut PgConnection, search: SearchId, job: i64) {
    conn.batch_execute(&format!(
        "UPDATE job SET state = 'frozen' WHERE id = {job}; DELETE FROM finish WHERE job_id = {job}; \
         DELETE FROM result WHERE job_id = {job}; SELECT note_freeze({job}, {search})"
    ))
    .unwrap();
}

/// Idle workers are each given another frozen job at once, and one whose worker was lost is given again.
#[test]
fn a_job_that_was_taken_up_is_offered_again_once_its_worker_is_lost() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, spec) = begin(&mut conn, "kind = 'random'", 200, 20);
    conn.batch_execute("UPDATE job SET state = 'cancelled'").unwrap();
    fill(&mut conn, search, 200);
    let first: i64 =
        sql_query("SELECT min(id) AS id FROM job WHERE seed = 7").get_result::<Id>(&mut conn).unwrap().id;
    (0..200).filter(|i| (first + i) % 4 != 0).for_each(|i| freeze(&mut conn, search, first + i));
    let worker = Uuid::new_v4();
    let text = || "default".to_owned();
    let new = NewWorker { id: worker, host: text(), pid: 1, class: text(), device: text(), version: text() };
    new.register(&mut conn).unwrap();
    let mut lives = [(); 2].map(|()| LiveScheduler::new(&mut conn, search, &spec).unwrap());
    let mut candidates = |conn: &mut PgConnection, live: usize| match lives[live].next(conn).unwrap() {
        LiveNext::Resume(candidates) => candidates,
        other => panic!("{other:?}"),
    };
    let offered = [0, 1].map(|live| candidates(&mut conn, live));
    assert_eq!(offered[0], offered[1]);
    let thaw = |conn: &mut PgConnection| {
        store::freeze::thaw(conn, &offered[0], worker, Duration::from_secs(60))
            .unwrap()
            .map(|claim| claim.job_id)
    };
    let taken: Vec<_> = offered[0].iter().map_while(|_| thaw(&mut conn)).collect();
    let jobs = offered[0].iter().map(|claim| claim.job_id).collect::<Vec<_>>();
    assert!(taken.len() > 1, "as many at a time as there are places among the best");
    assert_eq!(taken, jobs, "in their order, one a statement");
    assert_eq!(thaw(&mut conn), None);
    let next = |live: &mut LiveScheduler, conn: &mut PgConnection| live.next(conn).unwrap();
    assert_eq!(
        lives.each_mut().map(|live| next(live, &mut conn)),
        [LiveNext::Wait, LiveNext::Wait],
        "there is no place"
    );
    conn.batch_execute(&format!(
        "DELETE FROM lease WHERE job_id = {0}; UPDATE job SET state = 'frozen' WHERE id = {0}",
        taken[1]
    ))
    .unwrap();
    for live in &mut lives {
        let LiveNext::Resume(again) = next(live, &mut conn) else { panic!("nothing is offered") };
        assert_eq!(again, [offered[0][1]]);
    }
}

/// Whoever takes over what was kept decides as whoever has learned it, also of what comes later, and reads none of the curves that
/// have ended.
#[test]
fn what_is_taken_over_is_what_was_learned() {
    for strategy in ["kind = 'random'", STRATEGIES[2]] {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        let (search, spec) = begin(&mut conn, strategy, 60, 20);
        fill(&mut conn, search, 60);
        let first: i64 =
            sql_query("SELECT min(id) AS id FROM job WHERE seed = 7").get_result::<Id>(&mut conn).unwrap().id;
        (1..8).for_each(|i| freeze(&mut conn, search, first + 4 * i + 1));
        let mut learned = LiveScheduler::new(&mut conn, search, &spec).unwrap();
        learned.refresh(&mut conn).unwrap();
        learned.keep(&mut conn).unwrap();
        conn.batch_execute(
            "ALTER TABLE observation RENAME TO hidden; CREATE TABLE observation AS SELECT * FROM hidden \
                            WHERE job_id IN (SELECT id FROM job WHERE state = 'frozen')",
        )
        .unwrap();
        let mut taken = LiveScheduler::new(&mut conn, search, &spec).unwrap();
        taken.refresh(&mut conn).unwrap();
        conn.batch_execute("DROP TABLE observation; ALTER TABLE hidden RENAME TO observation").unwrap();
        assert_eq!(taken.seen(), learned.seen());

        // One that was stopped is lost after all, another one is completed, a frozen one is stopped.
        conn.batch_execute(&format!(
            "UPDATE job SET state = 'diverged' WHERE id = {first} + 1; UPDATE job SET state = 'completed' WHERE id = {first} + 2; \
             INSERT INTO observation (job_id, fence, step, epoch, val_acc) SELECT {first} + 2, 0, step, step, 60 + step / 10.0 \
             FROM generate_series(6, 20) AS step; \
             INSERT INTO finish (search_id, job_id, fitness, step, outcome) VALUES ({search}, {first} + 1, NULL, 9, 'diverged'), \
             ({search}, {first} + 2, 62, 20, 'completed'), ({search}, {first} + 5, 50, 5, 'terminated')"
        ))
        .unwrap();
        for live in [&mut learned, &mut taken] {
            live.refresh(&mut conn).unwrap();
        }
        assert_eq!(taken.seen(), learned.seen());
        assert_eq!(taken.next(&mut conn).unwrap(), learned.next(&mut conn).unwrap(), "{strategy}");
        for job in (9..30).step_by(4).map(|i| JobId(first + i)) {
            assert_eq!(taken.estimate(job).unwrap(), learned.estimate(job).unwrap(), "{strategy}: job {job}");
        }
        let open = claimer(&mut conn).claim(&mut conn).unwrap().unwrap().job_id;
        let curve = [1.0, 2.0, 3.0].map(|epoch| Observation::new(epoch, 45.0 + epoch));
        let mut decided = [&mut learned, &mut taken].map(|live| {
            live.take(&mut conn, open, &curve).unwrap();
            live.decide(open, true).unwrap()
        });
        let prediction = decided[0].prediction.take();
        assert!(prediction.is_some_and(|p| p.chance.is_some()), "{strategy}");
        assert_eq!(decided[1].prediction.take(), prediction, "{strategy}");
        assert_eq!(decided[1], decided[0]);

        // Where a fail-over has lost the last of what it was learned from, it is not taken over.
        conn.batch_execute("DELETE FROM finish WHERE ordinal >= (SELECT ordinal FROM scheduler_state)")
            .unwrap();
        conn.batch_execute("DELETE FROM freezing WHERE ordinal >= (SELECT ordinal FROM scheduler_state)")
            .unwrap();
        let mut anew = || {
            let mut live = LiveScheduler::new(&mut conn, search, &spec).unwrap();
            live.refresh(&mut conn).unwrap();
            let estimate = live.estimate(JobId(first + 9)).unwrap();
            conn.batch_execute("DELETE FROM scheduler_state").unwrap();
            (live.seen(), estimate)
        };
        let lost = anew();
        assert_eq!(lost, anew(), "{strategy}");
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// How long a worker that knows nothing yet takes until it can decide in a search with so many endings: the first one, and one
/// that joins.
#[test]
#[ignore = "takes minutes: cargo nextest run --release -p peng-search --test large --run-ignored all --no-capture"]
fn a_worker_joins_a_large_search() {
    for strategy in ["kind = 'random'", STRATEGIES[2]] {
        for size in [1_000_usize, 10_000, 100_000] {
            let database = TestDatabase::new();
            let mut conn = database.database().for_long_reads().connect().unwrap();
            let (search, spec) = begin(&mut conn, strategy, size, 20);
            fill(&mut conn, search, size);
            finish::since(&mut conn, search, finish::Cursor::default()).unwrap(); // Numbers them, as somebody has long since.
            let job = claimer(&mut conn).claim(&mut conn).unwrap().unwrap().job_id;
            let curve = [1.0, 2.0, 3.0].map(|epoch| Observation::new(epoch, 40.0 + epoch));
            let mut decide = || {
                let start = Instant::now();
                let mut live = LiveScheduler::new(&mut conn, search, &spec).unwrap();
                live.observe(&mut conn, job, &curve).unwrap();
                let verdict = live.decide(job, true).unwrap();
                let joined = start.elapsed();
                live.observe(&mut conn, job, &curve).unwrap();
                live.decide(job, true).unwrap();
                (joined, start.elapsed().saturating_sub(joined), verdict)
            };
            let (first, second) = (decide(), decide());
            println!(
                "{strategy:?}, {size} endings: the first decides after {:.2?}, one that joins after {:.2?}, ratio {:.2}; again after {:.2?}",
                first.0,
                second.0,
                second.0.as_secs_f64() / first.0.as_secs_f64(),
                second.1
            );
            assert_eq!(first.2, second.2, "{strategy}, {size} endings");
            assert!(second.0 < Duration::from_secs(5), "{strategy}, {size} endings: {:.2?}", second.0);
        }
    }
}

/// Endings a second of an evolving search that holds so many networks, by 16 sessions of one process with a population that is
/// kept, and by one session that reads it anew each time.
#[test]
#[ignore = "takes minutes: cargo nextest run --release -p peng-search --test populations --run-ignored all --no-capture"]
fn endings_of_a_large_search() {
    for strategy in [
        "kind = 'evolution'\npopulation = 100\nsample = 10\nin_flight = 64",
        "kind = 'nsga2'\npopulation = 100",
        "kind = 'nsga2'\npopulation = 100\nbarrier = false\nin_flight = 64",
    ] {
        for size in [1_000_usize, 10_000, 100_000] {
            let (kept, anew) = endings_a_second(strategy, size);
            println!(
                "{strategy:?}, {size} networks: {kept:.0} endings a second, {anew:.1} where each reads all, ratio {:.1}",
                kept / anew
            );
        }
    }
}

/// With a population that is kept, and read anew each time.
fn endings_a_second(strategy: &str, size: usize) -> (f64, f64) {
    let database = TestDatabase::new();
    let mut conn = database.database().for_long_reads().connect().unwrap();
    let (search, spec) = begin(&mut conn, strategy, 1_000_000, 20);
    fill(&mut conn, search, size);
    let rate = |keep: bool| {
        let kept = Populations::default();
        propose(&mut database.connect(), search, &spec, &kept).unwrap();
        let (start, window) = (Instant::now(), Duration::from_secs(8));
        let done: usize = std::thread::scope(|scope| {
            let work = || {
                let mut conn = database.connect();
                let (mut claimer, mut done) = (claimer(&mut conn), 0);
                while start.elapsed() < window {
                    if let Some(claim) = claimer.claim(&mut conn).unwrap() {
                        end(&mut conn, claim.lease(), Outcome::Completed, 60.0);
                        done += 1;
                    }
                    let (anew, kept) = (Populations::default(), &kept);
                    propose(&mut conn, search, &spec, if keep { kept } else { &anew }).unwrap();
                }
                done
            };
            // One proposes at a time: sixteen that read all would wait for each other beyond the time-out.
            let sessions = if keep { 16 } else { 1 };
            let threads: Vec<_> = (0..sessions).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        done as f64 / start.elapsed().as_secs_f64()
    };
    (rate(true), rate(false))
}
