//! Claims and finishes per second.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{ExpressionMethods as _, RunQueryDsl as _, connection::SimpleConnection as _};
use domain::SearchId;
use store::{
    Claimer, Database,
    finish::{self, JobEnd},
    job::{JobMode, Outcome},
    lease::{self, GiveBack},
    schema,
};

use crate::{Options, ROUNDS, bare, bench, bench::Bench};

/// Against the bare statements, by clients and backlog. Own and bare take turns, and so do the backlogs, so that a disk that is
/// slow for a while is slow for all.
pub fn claim(bench: &Bench, options: &Options) {
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>6} {:>8}",
        "waiting", "clients", "bare/s", "own/s", "ratio", "to first"
    );
    let queues: Vec<_> = options.jobs.iter().map(|&jobs| (jobs, format!("claim_{jobs}"))).collect();
    let databases: Vec<_> = queues.iter().map(|(jobs, name)| bench.queue(name, *jobs, 1)).collect();
    let seconds = (options.seconds / ROUNDS).max(1);
    for &clients in &options.clients {
        let mut sums = vec![(0.0, 0.0); queues.len()];
        for _ in 0..ROUNDS {
            for (((_, name), database), (bare, own)) in queues.iter().zip(&databases).zip(&mut sums) {
                *bare += bare::claim_and_finish(bench, name, clients, seconds);
                *own += rate(database, clients, Duration::from_secs(seconds), 0);
            }
        }
        for ((jobs, _), (bare, own)) in queues.iter().zip(&sums) {
            let mean = |sum: f64| sum / ROUNDS as f64;
            println!(
                "{jobs:>9} {clients:>7} {:>9.0} {:>9.0} {:>6.2} {:>8.2}",
                mean(*bare),
                mean(*own),
                own / bare,
                own / sums[0].1
            );
        }
    }
}

/// Five priorities, and each tenth job is released and comes again. The backlogs take turns.
pub fn mixed(bench: &Bench, options: &Options) {
    println!("{:>9} {:>7} {:>9} {:>8}", "waiting", "clients", "own/s", "to first");
    let queue = |&jobs| bench.queue(&format!("mixed_{jobs}"), jobs, 5);
    let databases: Vec<_> = options.jobs.iter().map(queue).collect();
    let stretch = Duration::from_secs((options.seconds / ROUNDS).max(1));
    for &clients in &options.clients {
        let mut sums = vec![0.0; databases.len()];
        for _ in 0..ROUNDS {
            for (database, own) in databases.iter().zip(&mut sums) {
                *own += rate(database, clients, stretch, 10);
            }
        }
        for (jobs, own) in options.jobs.iter().zip(&sums) {
            println!("{jobs:>9} {clients:>7} {:>9.0} {:>8.2}", own / ROUNDS as f64, own / sums[0]);
        }
    }
}

/// While another session holds a snapshot: the rate against that without, and the last quarter against the first.
pub fn snapshot(bench: &Bench, options: &Options) {
    println!(
        "{:>10} {:>9} {:>9} {:>6} {:>17}",
        "priorities", "without/s", "with/s", "ratio", "last/first 1/4"
    );
    for (priorities, release) in [(1, 0), (5, 10), (1000, 10)] {
        let database = bench.queue("snapshot", 200_000, priorities);
        let without = rate(&database, 16, options.duration(), release);
        let mut reader = database.connect().unwrap();
        reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM job").unwrap();
        let quarter = options.duration().max(Duration::from_secs(4)) / 4;
        let quarters = series(&database, 16, quarter, 4, release);
        let with = quarters.iter().sum::<f64>() / 4.0;
        println!(
            "{priorities:>10} {without:>9.0} {with:>9.0} {:>6.2} {:>17.2}",
            with / without,
            quarters[3] / quarters[0]
        );
    }
}

/// The largest backlog, without refill: the rate of each tenth.
pub fn drain(bench: &Bench, options: &Options) {
    let jobs = options.jobs.iter().copied().max().unwrap_or(1_000_000);
    let database = bench.queue("drain", jobs, 1);
    let done = AtomicUsize::new(0);
    let start = Instant::now();
    let mut tenths = Vec::new();
    std::thread::scope(|scope| {
        for i in 0..16 {
            let (database, done) = (&database, &done);
            scope.spawn(move || {
                let mut session = Session::new(database, i, 0);
                while session.cycle(false) {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while tenths.len() < 10 {
            std::thread::sleep(Duration::from_millis(5));
            if done.load(Ordering::Relaxed) >= jobs * (tenths.len() + 1) / 10 {
                tenths.push(start.elapsed().as_secs_f64());
            }
        }
    });
    let rate = |i: usize| jobs as f64 / 10.0 / (tenths[i] - if i == 0 { 0.0 } else { tenths[i - 1] });
    let rates: Vec<_> = (0..10).map(|i| format!("{:.0}", rate(i))).collect();
    println!("{jobs} jobs, 16 clients, per second by tenths: {}", rates.join(" "));
    println!("last to first: {:.2}", rate(9) / rate(0));
}

/// Claims and endings per second, each ending with a new job in its place.
pub fn rate(database: &Database, clients: usize, duration: Duration, release: u64) -> f64 {
    series(database, clients, duration, 1, release)[0]
}

/// The same for as long as something else takes.
pub fn rate_until(database: &Database, clients: usize, over: &AtomicBool) -> f64 {
    let (start, done) = (Instant::now(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for i in 0..clients {
            let done = &done;
            scope.spawn(move || {
                let mut session = Session::new(database, i, 0);
                while !over.load(Ordering::Relaxed) {
                    assert!(session.cycle(true), "the queue ran dry");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// Rates of consecutive stretches of time, by the same sessions.
fn series(database: &Database, clients: usize, stretch: Duration, count: u32, release: u64) -> Vec<f64> {
    let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let barrier = Barrier::new(clients);
    std::thread::scope(|scope| {
        for i in 0..clients {
            let (done, barrier) = (&done, &barrier);
            scope.spawn(move || {
                let mut session = Session::new(database, i, release);
                barrier.wait();
                let start = Instant::now();
                while start.elapsed() < stretch * count {
                    assert!(session.cycle(true), "the queue ran dry");
                    let now = (start.elapsed().as_secs_f64() / stretch.as_secs_f64()) as usize;
                    done[now.min(count as usize - 1)].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.iter().map(|done| done.load(Ordering::Relaxed) as f64 / stretch.as_secs_f64()).collect()
}

/// A worker that trains nothing.
struct Session {
    conn: diesel::PgConnection,
    claimer: Claimer,
    release: u64,
    cycles: u64,
}

impl Session {
    fn new(database: &Database, i: usize, release: u64) -> Self {
        let claimer = Claimer::new("default", bench::worker(i), Duration::from_secs(60));
        Self { conn: database.connect().unwrap(), claimer, release, cycles: 0 }
    }

    /// Claims and finishes a job, or releases it, and puts a new one in its place; false: there is none.
    fn cycle(&mut self, refill: bool) -> bool {
        let Some(claim) = self.claimer.claim(&mut self.conn).unwrap() else {
            return false;
        };
        self.cycles += 1;
        if self.release > 0 && self.cycles.is_multiple_of(self.release) {
            lease::release(&mut self.conn, claim.lease(), GiveBack::Leaving).unwrap().unwrap();
            return true;
        }
        finish::finish(&mut self.conn, claim.lease(), JobEnd::plain(Outcome::Diverged)).unwrap().unwrap();
        if refill {
            use schema::job::dsl as job;
            diesel::insert_into(job::job)
                .values((
                    job::search_id.eq(SearchId(1)),
                    job::architecture_id.eq(claim.architecture_id),
                    job::seed.eq(rand::random_range(0..i64::MAX)),
                    job::mode.eq(JobMode::Terminate),
                    job::priority.eq(claim.priority),
                ))
                .execute(&mut self.conn)
                .unwrap();
        }
        true
    }
}
