//! What a process keeps of a population between proposals is what the database holds.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};
use domain::{Lease, SearchId};
use search::{LiveScheduler, Populations, Spec, first_jobs, propose, submit};
use store::{
    Claimer, curve,
    finish::{self, JobEnd},
    job::Outcome,
    worker::NewWorker,
};
use testing::TestDatabase;
use uuid::Uuid;

const STRATEGIES: [&str; 3] = [
    "kind = 'evolution'\npopulation = 4\nsample = 2\nin_flight = 4",
    "kind = 'nsga2'\npopulation = 4",
    "kind = 'nsga2'\npopulation = 4\nbarrier = false\nin_flight = 4",
];

fn spec(strategy: &str, jobs: usize) -> Spec {
    let text = format!(
        "name = 's'\n[data]\nset = 'digits'\n[space]\nkind = 'random-cnn'\n[strategy]\n{strategy}\n[budget]\njobs = {jobs}\nmax_epochs = 4"
    );
    Spec::parse(&text, "test").unwrap()
}

fn begin(conn: &mut PgConnection, strategy: &str, jobs: usize) -> (SearchId, Spec) {
    let spec = spec(strategy, jobs);
    let jobs = first_jobs(&spec, vec![]).unwrap();
    (submit(conn, &spec, jobs, None).unwrap().0, spec)
}

fn claimer(conn: &mut PgConnection) -> Claimer {
    let id = Uuid::new_v4();
    let text = || "default".to_owned();
    let worker = NewWorker { id, host: text(), pid: 1, class: text(), device: text(), version: text() };
    worker.register(conn).unwrap();
    Claimer::new("default", id, Duration::from_secs(60))
}

/// Ends a job after one interval of this accuracy.
fn end(conn: &mut PgConnection, lease: Lease, outcome: Outcome, accuracy: f64) {
    let point = curve::Observation { step: 1, epoch: 4.0, val_acc: accuracy, ..Default::default() };
    curve::record(conn, lease, &point, None).unwrap().unwrap();
    finish::finish(conn, lease, JobEnd::plain(outcome)).unwrap().unwrap();
}

#[derive(QueryableByName, Debug, PartialEq)]
struct Proposed {
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
    #[diesel(sql_type = sql_types::Integer)]
    generation: i32,
}

/// Plays a search of 24 jobs whose outcomes follow from their numbers; `populations` says what each proposal is made with.
fn play(strategy: &str, mut populations: impl FnMut(usize) -> usize) -> Vec<Proposed> {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, spec) = begin(&mut conn, strategy, 24);
    let mut claimer = claimer(&mut conn);
    let kept: Vec<_> = (0..100).map(|_| Populations::default()).collect();
    for i in 0.. {
        let Some(claim) = claimer.claim(&mut conn).unwrap() else { break };
        let outcome = if i % 5 == 3 { Outcome::Diverged } else { Outcome::Completed };
        end(&mut conn, claim.lease(), outcome, 50.0 + (i * 37 % 23) as f64);
        propose(&mut conn, search, &spec, &kept[populations(i)]).unwrap();
    }
    sql_query("SELECT hash, generation FROM architecture ORDER BY id").load(&mut conn).unwrap()
}

#[test]
fn proposals_are_the_same_whoever_makes_them() {
    for strategy in STRATEGIES {
        let anew = play(strategy, |i| i);
        assert_eq!(anew.len(), 24, "{strategy}");
        assert_eq!(play(strategy, |_| 0), anew, "{strategy}: by one process");
        assert_eq!(
            play(strategy, |i| i % 3),
            anew,
            "{strategy}: by three in turns, each of which missed some"
        );
    }
}

/// After a fail-over to a standby that had not all, the same place in the order of endings may be another ending's.
#[test]
fn what_the_database_has_lost_is_forgotten() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, spec) = begin(&mut conn, STRATEGIES[0], 40);
    let (mut claimer, populations) = (claimer(&mut conn), Populations::default());
    let mut live = LiveScheduler::new(&mut conn, search, &spec).unwrap();
    let mut lease = || claimer.claim(&mut database.connect()).unwrap().unwrap().lease();
    let (lost, other) = (lease(), lease());
    end(&mut conn, lost, Outcome::Completed, 90.0);
    propose(&mut conn, search, &spec, &populations).unwrap();
    live.refresh(&mut conn).unwrap();
    let learned = format!("{live:?}");
    conn.batch_execute("DELETE FROM finish; DELETE FROM result; DELETE FROM observation").unwrap();
    conn.batch_execute(&format!(
        "UPDATE job SET state = 'waiting', run_after = now() + interval '1 day' WHERE id = {}",
        lost.job_id
    ))
    .unwrap();
    end(&mut conn, other, Outcome::Diverged, 10.0);
    live.refresh(&mut conn).unwrap();
    let mut anew = LiveScheduler::new(&mut conn, search, &spec).unwrap();
    anew.refresh(&mut conn).unwrap();
    assert_eq!(live.seen(), anew.seen(), "the same place");
    assert_eq!(format!("{live:?}"), format!("{anew:?}"));
    assert_ne!(format!("{live:?}"), learned, "what was lost is not known any more");
    // The lost one counts as waiting again, so that four are in flight with no more proposals than for a process that is new.
    let fresh = Populations::default();
    let (kept, anew) = (
        propose(&mut conn, search, &spec, &populations).unwrap(),
        propose(&mut conn, search, &spec, &fresh).unwrap(),
    );
    assert_eq!((kept, anew), (0, 0), "one had been proposed for the ending that was lost");
}

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

/// How long a worker that knows nothing yet takes until it can decide in a search with so many endings.
#[test]
#[ignore = "takes a minute: cargo nextest run --release -p peng-search --test populations --run-ignored all --no-capture"]
fn a_worker_joins_a_large_search() {
    for strategy in ["kind = 'random'", STRATEGIES[2]] {
        for size in [1_000_usize, 10_000, 100_000] {
            let database = TestDatabase::new();
            let mut conn = database.database().for_long_reads().connect().unwrap();
            let (search, spec) = begin(&mut conn, strategy, 1_000_000.min(size));
            fill(&mut conn, search, size);
            finish::since(&mut conn, search, finish::Cursor::default()).unwrap(); // Numbers them, as somebody has long since.
            let job = claimer(&mut conn).claim(&mut conn).unwrap().unwrap().job_id;
            let curve = [1.0, 2.0, 3.0].map(|epoch| predictor::Observation::new(epoch, 40.0 + epoch));
            let start = Instant::now();
            let mut live = LiveScheduler::new(&mut conn, search, &spec).unwrap();
            live.observe(&mut conn, job, &curve).unwrap();
            let read = start.elapsed();
            let verdict = live.decide(job, true).unwrap();
            let all = start.elapsed();
            println!(
                "{strategy:?}, {size} endings: decides after {all:.2?}, of which it reads {read:.2?}; {}",
                verdict.reason
            );
            let begun = Instant::now();
            live.observe(&mut conn, job, &curve).unwrap();
            live.decide(job, true).unwrap();
            println!("again after {:.2?}", begun.elapsed());
            assert!(all < Duration::from_secs(5), "{size} endings: {all:.2?}");
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
    let (search, spec) = begin(&mut conn, strategy, 1_000_000);
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
