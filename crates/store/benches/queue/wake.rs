//! From enqueueing to the start of a job.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use store::{
    Claimer, Listener,
    finish::{self, JobEnd},
    job::Outcome,
};

use crate::{Options, bench, bench::Bench, bulk};

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
                finish::finish(&mut conn, claim.lease(), JobEnd::plain(Outcome::Diverged)).unwrap();
            }
        });
        let mut conn = database.connect().unwrap();
        for i in 0..samples {
            barrier.wait();
            let start = Instant::now();
            bulk::add(&mut conn, [bulk::job(1000 + i)]);
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
