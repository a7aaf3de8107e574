//! Deleting half of what there is while workers claim and finish: their rate before, meanwhile and afterwards, and what becomes of
//! the space.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};
use store::{Database, retention};

use crate::{Options, bench::Bench, queue};

/// Points of each curve.
const OBSERVATIONS: usize = 20;
/// Ended searches that are deleted.
const SEARCHES: usize = 10;
/// Jobs that wait for the workers.
const WAITING: usize = 20_000;
/// Age beyond which searches are deleted.
const AGE: Duration = Duration::from_secs(90 * 86_400);
/// Tables that grow with jobs.
const TABLES: &str = "'architecture', 'job', 'attempt', 'observation', 'checkpoint', 'result', 'finish', 'discarded_checkpoint'";

/// The largest backlog, half of it in searches that ended long ago, the other half in one that goes on.
pub fn prune(bench: &Bench, options: &Options) {
    let jobs = options.jobs.iter().copied().max().unwrap_or(1_000_000);
    let database = bench.queue("prune", WAITING, 1);
    let mut conn = database.connect().unwrap();
    for i in 0..SEARCHES {
        fill(&mut conn, &format!("old-{i}"), jobs / 2 / SEARCHES, "finished");
    }
    fill(&mut conn, "living", jobs / 2, "running");
    conn.batch_execute("VACUUM ANALYZE").unwrap();
    conn.batch_execute("CHECKPOINT").unwrap();
    let full = size(&mut conn);
    println!("{jobs} jobs with {OBSERVATIONS} observations each: {full:.0} MB");
    println!(
        "{:>7} {:>9} {:>11} {:>6} {:>8} {:>6}",
        "clients", "before/s", "meanwhile/s", "ratio", "after/s", "ratio"
    );
    // One search for each number of clients is deleted beside them, the rest with the last.
    let mut old = retention::prunable(&mut conn, AGE).unwrap().into_iter();
    let (mut deleted, mut seconds) = (0, 0.0);
    for (i, &clients) in options.clients.iter().enumerate() {
        let share = if i + 1 < options.clients.len() { SEARCHES / options.clients.len() } else { SEARCHES };
        let share: Vec<_> = old.by_ref().take(share).collect();
        let before = queue::rate(&database, clients, options.duration(), 0);
        let start = Instant::now();
        let (meanwhile, count) = beside(&database, clients, || {
            for search in &share {
                retention::begin_delete(&mut conn, search.id).unwrap();
                retention::delete(&mut conn, search.id, &|_| {}).unwrap();
            }
            share.len() * (jobs / 2 / SEARCHES)
        });
        deleted += count;
        seconds += start.elapsed().as_secs_f64();
        let after = queue::rate(&database, clients, options.duration(), 0);
        println!(
            "{clients:>7} {before:>9.0} {meanwhile:>11.0} {:>6.2} {after:>8.0} {:>6.2}",
            meanwhile / before,
            after / before
        );
    }
    println!("{deleted} jobs deleted in {seconds:.0} s, {:.0} a second", deleted as f64 / seconds);
    let orphans = "SELECT 1 FROM observation LEFT JOIN job ON job.id = job_id WHERE job.id IS NULL \
        UNION ALL SELECT 1 FROM architecture LEFT JOIN search ON search.id = search_id WHERE search.id IS NULL";
    assert_eq!(sql_query(orphans).execute(&mut conn).unwrap(), 0, "orphans");
    let pointers = "SELECT 1 FROM discarded_checkpoint";
    assert_eq!(
        sql_query(pointers).execute(&mut conn).unwrap(),
        2 * deleted,
        "checkpoints that nothing names"
    );
    conn.batch_execute("VACUUM").unwrap();
    let vacuumed = size(&mut conn);
    fill(&mut conn, "new", jobs / 2, "finished");
    let again = size(&mut conn);
    let half = full / 2.0;
    println!(
        "after the deletion {vacuumed:.0} MB; after as many new jobs {again:.0} MB: {:.0} % of their {half:.0} MB was reused",
        100.0 * (1.0 - (again - vacuumed) / half).min(1.0)
    );
}

/// Rate of the workers while something else is done, and its result.
fn beside<T>(database: &Database, clients: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers = scope.spawn(|| queue::rate_until(database, clients, &over));
        let result = work();
        over.store(true, Ordering::Relaxed);
        (workers.join().unwrap(), result)
    })
}

/// A search of so many trained jobs, which ended 100 days ago or runs.
fn fill(conn: &mut PgConnection, name: &str, jobs: usize, state: &str) {
    conn.batch_execute(&format!(
        "BEGIN; \
         INSERT INTO search (name, state, spec, spec_hash, engine, max_epochs, \"interval\", budget, version, finished_at) \
         VALUES ('{name}', '{state}', '{{}}', repeat('0', 64), 'none', 20, 1, 1, '0', \
                 CASE '{state}' WHEN 'finished' THEN now() - interval '100 days' END); \
         CREATE TEMP TABLE made ON COMMIT DROP AS SELECT id FROM search WHERE name = '{name}'; \
         INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops) \
         SELECT made.id, lpad(i::text, 64, '0'), '{{\"cells\": [1, 2, 3]}}', 'network', 1, 1 \
         FROM made, generate_series(1, {jobs}) AS i; \
         CREATE TEMP TABLE trained ON COMMIT DROP AS WITH added AS ( \
             INSERT INTO job (search_id, architecture_id, seed, mode, state, fence, attempts) \
             SELECT search_id, architecture.id, 1, 'terminate', 'completed', 1, 1 \
             FROM architecture JOIN made ON made.id = search_id ORDER BY architecture.id RETURNING id, search_id \
         ) SELECT * FROM added; \
         INSERT INTO attempt (job_id, fence, worker_id, ended_at, \"end\") \
         SELECT trained.id, 1, '{worker}', now() - interval '100 days', 'finished' FROM trained; \
         INSERT INTO observation (job_id, fence, step, epoch, val_acc, seconds, prediction, low_80, high_80, low_90, high_90, \
                                  calibration, decision, reason) \
         SELECT id, 1, step, step, 50, 1, 60, 50, 70, 45, 75, 1, 'continue', 'the best may be passed' \
         FROM trained CROSS JOIN generate_series(1, {OBSERVATIONS}) AS step; \
         INSERT INTO checkpoint (job_id, step, fence, key, uri, bytes, sha256) \
         SELECT id, step, 1, 'x/' || search_id || '/' || id || '/' || step, 'file:///store/x', 1, repeat('0', 64) \
         FROM trained CROSS JOIN generate_series({OBSERVATIONS} - 1, {OBSERVATIONS}) AS step; \
         INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, final_fitness, fitness) \
         SELECT id, search_id, 1, {OBSERVATIONS}, 'completed', 20, 20, 50, 50, 50 FROM trained; \
         INSERT INTO finish (search_id, job_id, step, outcome, fitness, ordinal) \
         SELECT search_id, id, {OBSERVATIONS}, 'completed', 50, row_number() OVER () FROM trained; \
         COMMIT",
        worker = crate::bench::worker(0)
    ))
    .unwrap();
}

/// Megabytes of the tables that grow with jobs, with their indexes.
fn size(conn: &mut PgConnection) -> f64 {
    #[derive(QueryableByName)]
    struct Size {
        #[diesel(sql_type = sql_types::Double)]
        megabytes: f64,
    }
    let sizes = format!(
        "SELECT sum(pg_total_relation_size(oid))::float8 / 1e6 AS megabytes FROM pg_class WHERE relname IN ({TABLES})"
    );
    sql_query(sizes).get_result::<Size>(conn).unwrap().megabytes
}
