//! From enqueueing to the start of a job, and observations per second.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use diesel::{Connection as _, connection::SimpleConnection as _};
use store::{Claimer, Listener, curve, finish, job::Outcome, search};

use crate::{Options, ROUNDS, bare, bench, bench::Bench, bulk};

/// An idle worker that listens, and jobs that come one by one; against a claim that needs no waking.
pub fn latency(bench: &Bench, _: &Options) {
    let database = bench.queue("wake", 1, 1);
    let samples = 300;
    let barrier = Barrier::new(2);
    let (sender, receiver) = std::sync::mpsc::channel();
    let (mut waking, mut claiming) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut conn = database.connect().unwrap();
            let mut claimer = Claimer::new("default", bench::worker(0), Duration::from_secs(60));
            let mut listener = Listener::connect(&database, "default").unwrap();
            while claimer.claim(&mut conn).unwrap().is_some() {}
            for _ in 0..samples {
                barrier.wait();
                let claim = loop {
                    listener.wait(Duration::from_secs(10)).unwrap();
                    let start = Instant::now();
                    if let Some(claim) = claimer.claim(&mut conn).unwrap() {
                        sender.send((Instant::now(), start.elapsed())).unwrap();
                        break claim;
                    }
                };
                finish::finish(&mut conn, claim.lease(), Outcome::Diverged, None, None).unwrap();
            }
        });
        let mut conn = database.connect().unwrap();
        let lot = search::Lot { search_id: 1, seed: 1, class: "default" };
        for i in 0..samples {
            barrier.wait();
            let start = Instant::now();
            conn.transaction(|conn| search::enqueue(conn, &lot, [bulk::job(1000 + i)])).unwrap();
            let (started, claim) = receiver.recv().unwrap();
            waking.push(started - start);
            claiming.push(claim);
        }
    });
    for (what, times) in [("enqueue to start", &mut waking), ("of it the claim", &mut claiming)] {
        times.sort_unstable();
        let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{what}: p50 {:.2} ms, p99 {:.2} ms ({samples} times)", at(0.5), at(0.99));
    }
}

/// The one-statement write of an observation, against a bare INSERT and commit of its row into the same table, and into one
/// whose jobs are not looked up by a foreign key. Own and bare take turns.
pub fn record(bench: &Bench, options: &Options) {
    let database = bench.queue("record", 1000, 1);
    database
        .connect()
        .unwrap()
        .batch_execute("CREATE TABLE unchecked (LIKE observation INCLUDING ALL)")
        .unwrap();
    println!(
        "{:>7} {:>9} {:>6} {:>12} {:>6} {:>9}",
        "clients", "bare/s", "ratio", "unchecked/s", "ratio", "own/s"
    );
    for &clients in &options.clients {
        let seconds = (options.seconds / ROUNDS).max(1);
        let (mut bare, mut unchecked, mut own) = (0.0, 0.0, 0.0);
        for _ in 0..ROUNDS {
            bare += bare::insert(bench, "record", "observation", clients, seconds);
            own += observations(&database, clients, Duration::from_secs(seconds));
            unchecked += bare::insert(bench, "record", "unchecked", clients, seconds);
        }
        let of = |sum: f64| sum / ROUNDS as f64;
        println!(
            "{clients:>7} {:>9.0} {:>6.2} {:>12.0} {:>6.2} {:>9.0}",
            of(bare),
            own / bare,
            of(unchecked),
            own / unchecked,
            of(own)
        );
    }
}

/// Observations per second of so many workers.
fn observations(database: &store::Database, clients: usize, duration: Duration) -> f64 {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..clients).map(|i| scope.spawn(move || observe(database, i, duration))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn observe(database: &store::Database, i: usize, duration: Duration) -> f64 {
    let ttl = Duration::from_secs(60);
    let mut conn = database.connect().unwrap();
    let mut claimer = Claimer::new("default", bench::worker(i), ttl);
    let claim = claimer.claim(&mut conn).unwrap().unwrap();
    let start = Instant::now();
    let mut step = 0;
    while start.elapsed() < duration {
        step += 1;
        let point = curve::Observation {
            step,
            epoch: f64::from(step),
            val_acc: 50.0,
            train_acc: Some(50.0),
            val_loss: Some(1.0),
            train_loss: Some(1.0),
            seconds: Some(1.0),
            prediction: Some(50.0),
            low_80: Some(40.0),
            high_80: Some(60.0),
            decision: Some(curve::Decision::Continue),
            reason: Some("as expected".into()),
            ..curve::Observation::default()
        };
        curve::record(&mut conn, claim.lease(), ttl, &point, None).unwrap().unwrap();
    }
    f64::from(step) / start.elapsed().as_secs_f64()
}
