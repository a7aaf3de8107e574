//! Idle workers ask little, write next to nothing and share their sessions, however many slots they have.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};
use rustix::process::Signal;
use search::{LiveScheduler, Spec};
use store::{
    Claimer,
    finish::{self, JobEnd},
    job::Outcome,
    search as searches,
    worker::NewWorker,
};
use tests::{Lab, Postgres, Worker, wait};
use uuid::Uuid;

/// What a server has done so far.
#[derive(QueryableByName, Debug, Clone, Copy)]
struct Work {
    #[diesel(sql_type = sql_types::BigInt)]
    transactions: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    wal_bytes: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    sessions: i64,
}

impl Work {
    fn of(conn: &mut PgConnection) -> Self {
        sql_query(
            "SELECT xact_commit + xact_rollback AS transactions, (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal_bytes, \
             (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'peng%' AND pid <> pg_backend_pid()) AS sessions \
             FROM pg_stat_database WHERE datname = current_database()",
        )
        .get_result(conn)
        .unwrap()
    }

    /// Per second, over a window of time.
    fn rate(conn: &mut PgConnection, window: Duration) -> (f64, f64) {
        let (before, start) = (Self::of(conn), Instant::now());
        std::thread::sleep(window);
        let (after, seconds) = (Self::of(conn), start.elapsed().as_secs_f64());
        let rate = |before: i64, after: i64| (after - before) as f64 / seconds;
        (rate(before.transactions, after.transactions), rate(before.wal_bytes, after.wal_bytes))
    }
}

fn start(lab: &Lab, poll: &str, ttl: &str, slots: usize) -> Worker {
    let mut command = lab.command("peng-replay-worker");
    command.env("PENG_POLL", poll).env("PENG_LEASE_TTL", ttl).args(["--slots", &slots.to_string()]);
    lab.spawn(command)
}

#[test]
fn idle_slots_look_seldom_and_share_their_sessions() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    let mut conn = lab.connect();
    let window = Duration::from_secs(6);
    // Who came first leads, and does a round with each tick.
    let _leader = start(&lab, "0.1", "16", 1);
    lab.wait_for("maintenance WHERE holder IS NOT NULL", 1);
    std::thread::sleep(Duration::from_secs(5));
    let alone = Work::rate(&mut conn, window);
    let (processes, slots) = (4, 16);
    let _idle: Vec<_> = (0..processes).map(|_| start(&lab, "0.1", "16", slots)).collect();
    lab.wait_for("worker", 1 + processes);
    // Pauses have grown.
    std::thread::sleep(Duration::from_secs(8));
    let herd = Work::rate(&mut conn, window);
    let sessions = Work::of(&mut conn).sessions;
    eprintln!(
        "a second, one worker and {processes} more with {slots} slots: {alone:?}, {herd:?}; {sessions} sessions"
    );
    // A look takes two statements each 1.5 to 3 s, a sign of life one each 8 s: 1.1 to 1.5. Without pauses that grow it was 27
    // for each slot.
    let each = (herd.0 - alone.0) / processes as f64;
    assert!(each < 4.0, "{each} transactions a second and process");
    let bytes = (herd.1 - alone.1) / processes as f64;
    assert!(bytes < 0.2 * alone.1 + 200.0, "{bytes} bytes of WAL a second and process");
    assert!(sessions <= 3 * (1 + processes), "{sessions} sessions of {} processes", 1 + processes);
    // All that they cost does not keep them from starting at once.
    let jobs = processes * 8;
    lab.submit(&tests::spec("random", jobs as u32, 2));
    lab.wait_for("result", jobs);
}

/// Claims and endings a second, by one session.
fn claims(conn: &mut PgConnection, claimer: &mut Claimer, window: Duration) -> f64 {
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < window {
        let claim = claimer.claim(conn).unwrap().expect("jobs are left");
        finish::finish(conn, claim.lease(), JobEnd::plain(Outcome::Diverged)).unwrap().unwrap();
        done += 1;
    }
    f64::from(done) / start.elapsed().as_secs_f64()
}

fn signal(herd: &[Worker], signal: Signal) {
    for worker in herd {
        worker.signal(signal);
    }
}

/// `PENG_HERD_PROCESSES` idle workers of ten slots each, at the default pace, beside one session that claims and finishes jobs of
/// another class, in turns with the herd stopped by SIGSTOP.
#[test]
#[ignore = "takes minutes: cargo nextest run --release -p peng-tests --test herd --run-ignored all --no-capture"]
fn a_herd_beside_a_busy_session() {
    let processes: i64 = std::env::var("PENG_HERD_PROCESSES").map_or(50, |text| text.parse().unwrap());
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    let mut conn = lab.connect();
    lab.submit(&tests::spec("random", 1, 1).replace("[data]", "class = \"other\"\n[data]"));
    conn.batch_execute(
        "INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops) \
         SELECT 1, lpad(i::text, 64, '0'), '{}', 'network', 1, 1 FROM generate_series(1, 200000) AS i; \
         INSERT INTO job (search_id, architecture_id, seed, mode, class) \
         SELECT 1, id, 1, 'terminate', 'bench' FROM architecture WHERE id > 1 ORDER BY id; ANALYZE",
    )
    .unwrap();
    let text = || "bench".to_owned();
    let worker = NewWorker {
        id: Uuid::new_v4(),
        host: text(),
        pid: 1,
        class: text(),
        device: text(),
        version: text(),
    };
    worker.register(&mut conn).unwrap();
    let mut claimer = Claimer::new("bench", worker.id, Duration::from_secs(60));
    let herd: Vec<_> = (0..processes).map(|_| start(&lab, "1", "60", 10)).collect();
    lab.wait_for("worker", 1 + processes);
    wait("pauses to grow", || {
        let rate = Work::rate(&mut conn, Duration::from_secs(5));
        let most = processes as f64 * 0.5 + 10.0;
        if rate.0 < most { Ok(()) } else { Err(format!("{rate:?}")) }
    });
    std::thread::sleep(Duration::from_secs(40));
    let (transactions, bytes) = Work::rate(&mut conn, Duration::from_secs(60));
    println!(
        "{processes} idle processes with ten slots: {:.3} transactions and {:.1} bytes of WAL a second each, {} sessions",
        transactions / processes as f64,
        bytes / processes as f64,
        Work::of(&mut conn).sessions
    );
    let (mut beside, mut alone) = (0.0, 0.0);
    for _ in 0..5 {
        beside += claims(&mut conn, &mut claimer, Duration::from_secs(4));
        signal(&herd, Signal::STOP);
        alone += claims(&mut conn, &mut claimer, Duration::from_secs(4));
        signal(&herd, Signal::CONT);
    }
    println!(
        "claims and endings a second: {:.0} beside the herd, {:.0} without, ratio {:.3}",
        beside / 5.0,
        alone / 5.0,
        beside / alone
    );
}

/// Six idle workers of 28 slots each, in a search of 10,000 frozen jobs: how long until each slot trains one, what that asks of the
/// server, and how much of a processor it takes. As many as the sessions of a private server allow.
#[test]
#[ignore = "takes minutes: cargo nextest run --release -p peng-tests --test herd --run-ignored all --no-capture"]
fn a_herd_takes_up_frozen_jobs() {
    let (processes, slots) = (6, 28);
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    let mut conn = lab.connect();
    lab.submit(&tests::spec("random", 1, 20).replace("\"none\"", "\"peng\""));
    conn.batch_execute(
        "UPDATE job SET state = 'paused'; \
         INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops) \
         SELECT 1, lpad(i::text, 64, '0'), genome, 'network', 1, 1 FROM architecture, generate_series(1, 10100) AS i; \
         INSERT INTO job (search_id, architecture_id, seed, mode, state) \
         SELECT 1, id, 1, 'terminate', CASE WHEN id % 100 = 0 THEN 'completed' ELSE 'frozen' END::job_state \
         FROM architecture WHERE hash LIKE '00000000%' ORDER BY id; \
         INSERT INTO observation (job_id, fence, step, epoch, val_acc) \
         SELECT id, 0, step, step, 35 + id % 37 + 15 * (1 - exp(-step / 4.0)) + (id * 7919 + step * 104729) % 100 / 10.0 \
         FROM job, generate_series(1, CASE WHEN state = 'completed' THEN 20 ELSE 2 END) AS step WHERE state <> 'paused'; \
         INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness, final_fitness, fitness) \
         SELECT job_id, 1, 0, 20, 'completed', 20, 1, val_acc, val_acc, val_acc, val_acc FROM observation WHERE step = 20; \
         INSERT INTO finish (search_id, job_id, fitness, step, outcome) SELECT 1, job_id, fitness, 20, 'completed' FROM result; \
         INSERT INTO freezing (search_id, job_id, step) SELECT 1, id, 2 FROM job WHERE state = 'frozen' ORDER BY id; ANALYZE",
    )
    .unwrap();
    // What one worker has learned the others take over.
    let stored = searches::find(&mut conn, "s").unwrap().unwrap();
    let mut live = LiveScheduler::new(&mut conn, stored.id, &Spec::from_json(&stored.spec).unwrap()).unwrap();
    live.refresh(&mut conn).unwrap();
    live.keep(&mut conn).unwrap();
    let herd: Vec<_> = (0..processes)
        .map(|_| {
            let mut command = lab.command("peng-replay-worker");
            command.args(["--slots", &slots.to_string(), "--epoch-seconds", "3600"]);
            lab.spawn(command)
        })
        .collect();
    lab.wait_for("worker", processes);
    std::thread::sleep(Duration::from_secs(20));
    let cpu = |herd: &[Worker]| herd.iter().map(Worker::cpu_seconds).sum::<f64>();
    let (before, spent, start) = (Work::of(&mut conn), cpu(&herd), Instant::now());
    // Nobody else finishes it: the one that waited goes.
    conn.batch_execute("UPDATE job SET state = 'cancelled' WHERE state = 'paused'; SELECT pg_notify('peng_ready', 'default thaw')")
        .unwrap();
    lab.wait_for("lease", slots * processes);
    let seconds = start.elapsed().as_secs_f64();
    let transactions = Work::of(&mut conn).transactions - before.transactions;
    println!(
        "{} idle slots of {processes} processes, 10,000 frozen jobs: all train after {seconds:.1} s, {:.1} transactions and \
         {:.0} ms of a processor for each slot",
        slots * processes,
        transactions as f64 / (slots * processes) as f64,
        1e3 * (cpu(&herd) - spent) / (slots * processes) as f64
    );
    assert!(transactions < 20 * slots * processes, "{transactions} transactions");
}
