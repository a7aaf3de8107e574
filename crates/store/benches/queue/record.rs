//! Observations per second: one statement under the fence, against a bare INSERT of the same row into the same table.

use std::time::{Duration, Instant};

use diesel::{Connection as _, ExpressionMethods as _, PgConnection, RunQueryDsl as _};
use domain::{CheckpointKey, Lease, NewCheckpoint, SearchId};
use store::{
    Claimer, Database,
    curve::{self, Decision, Observation},
    schema::{checkpoint::dsl as checkpoints, observation::dsl},
};

use crate::{Options, ROUNDS, bare, bench, bench::Bench};

/// Writes one point of the curve of a held job.
type Write = fn(&mut PgConnection, Lease, &Observation);

/// Bare and own take turns: through the same client with the same rows, and pgbench's rows all over the table. What a worker
/// writes has a checkpoint's pointer too, a second row: bare, two statements in a transaction.
pub fn record(bench: &Bench, options: &Options) {
    let database = bench.queue("record", 2000, 1);
    println!(
        "{:>7} {:>9} {:>9} {:>6} {:>9} {:>6} {:>14} {:>9} {:>6}",
        "clients", "own/s", "bare/s", "ratio", "pgbench/s", "ratio", "with pointer/s", "bare/s", "ratio"
    );
    for &clients in &options.clients {
        let seconds = (options.seconds / ROUNDS).max(1);
        let (mut own, mut same, mut other, mut pointed, mut both) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for _ in 0..ROUNDS {
            same += rate(&database, clients, seconds, insert);
            own += rate(&database, clients, seconds, |conn, lease, point| write(conn, lease, point, None));
            other += bare::insert(bench, "record", clients, seconds);
            both += rate(&database, clients, seconds, |conn, lease, point| {
                let transaction = conn.transaction(|conn| {
                    insert(conn, lease, point);
                    insert_pointer(conn, lease, &pointer(lease, point), point.step);
                    diesel::QueryResult::Ok(())
                });
                transaction.unwrap();
            });
            pointed += rate(&database, clients, seconds, |conn, lease, point| {
                write(conn, lease, point, Some(&pointer(lease, point)));
            });
        }
        let of = |sum: f64| sum / ROUNDS as f64;
        println!(
            "{clients:>7} {:>9.0} {:>9.0} {:>6.2} {:>9.0} {:>6.2} {:>14.0} {:>9.0} {:>6.2}",
            of(own),
            of(same),
            own / same,
            of(other),
            own / other,
            of(pointed),
            of(both),
            pointed / both
        );
    }
}

/// Writes per second of so many sessions, each with a job of its own.
fn rate(database: &Database, clients: usize, seconds: u64, write: Write) -> f64 {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|i| scope.spawn(move || observe(database, i, Duration::from_secs(seconds), write)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn observe(database: &Database, i: usize, duration: Duration, write: Write) -> f64 {
    let mut conn = database.connect().unwrap();
    let mut claimer = Claimer::new("default", bench::worker(i), Duration::from_secs(60));
    let lease = claimer.claim(&mut conn).unwrap().unwrap().lease();
    let start = Instant::now();
    let mut step = 0;
    while start.elapsed() < duration {
        step += 1;
        let point = Observation {
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
            decision: Some(Decision::Continue),
            reason: Some("as expected".into()),
            ..Observation::default()
        };
        write(&mut conn, lease, &point);
    }
    f64::from(step) / start.elapsed().as_secs_f64()
}

fn write(conn: &mut PgConnection, lease: Lease, point: &Observation, checkpoint: Option<&NewCheckpoint>) {
    let recorded = curve::record(conn, lease, point, checkpoint).unwrap().unwrap();
    assert!(!recorded.behind, "step {} was not written", point.step);
}

fn pointer(lease: Lease, point: &Observation) -> NewCheckpoint {
    let key = CheckpointKey::new(SearchId(1), lease, point.step).to_string();
    let uri = format!("file:///checkpoints/{key}");
    NewCheckpoint { key, uri, bytes: 1, sha256: "0".repeat(64) }
}

fn insert_pointer(conn: &mut PgConnection, lease: Lease, checkpoint: &NewCheckpoint, step: i32) {
    diesel::insert_into(checkpoints::checkpoint)
        .values((
            checkpoints::job_id.eq(lease.job_id),
            checkpoints::step.eq(step),
            checkpoints::fence.eq(lease.fence),
            checkpoints::key.eq(&checkpoint.key),
            checkpoints::uri.eq(&checkpoint.uri),
            checkpoints::bytes.eq(checkpoint.bytes),
            checkpoints::sha256.eq(&checkpoint.sha256),
        ))
        .execute(conn)
        .unwrap();
}

/// The row alone, by a statement that diesel prepares.
fn insert(conn: &mut PgConnection, lease: Lease, point: &Observation) {
    diesel::insert_into(dsl::observation)
        .values((
            dsl::job_id.eq(lease.job_id),
            dsl::fence.eq(lease.fence),
            dsl::step.eq(point.step),
            dsl::epoch.eq(point.epoch),
            dsl::val_acc.eq(point.val_acc),
            dsl::train_acc.eq(point.train_acc),
            dsl::val_loss.eq(point.val_loss),
            dsl::train_loss.eq(point.train_loss),
            dsl::seconds.eq(point.seconds),
            dsl::prediction.eq(point.prediction),
            dsl::low_80.eq(point.low_80),
            dsl::high_80.eq(point.high_80),
            dsl::decision.eq(point.decision),
            dsl::reason.eq(point.reason.as_deref()),
        ))
        .execute(conn)
        .unwrap();
}
