//! Postgres is killed and comes back: on a durable server of its own, which no other test uses.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{sync::mpsc, time::Duration};

use diesel::{PgConnection, connection::SimpleConnection as _};
use store::{Claimer, Database, curve, job::JobState, lease, maintenance, migration};
use support::{TTL, claim, expire, point, rows, state, submit, worker};
use testing::Postgres;

const GAP: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(120);

/// A migrated server of its own.
fn postgres() -> Postgres {
    let own = Postgres::start();
    migration::migrate(&mut connect(&own), std::time::Duration::ZERO).unwrap();
    own
}

fn connect(own: &Postgres) -> PgConnection {
    Database::new(own.url()).unwrap().connect().unwrap()
}

#[test]
fn every_acknowledged_observation_survives_the_death_of_postgres() {
    let own = postgres();
    let mut conn = connect(&own);
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    let (sender, acknowledged) = mpsc::channel();
    let last = std::thread::scope(|scope| {
        scope.spawn(move || {
            let write = |step: &i32| curve::record(&mut conn, held, &point(*step, 50.0), None).is_ok();
            (1..1_000_000).take_while(write).for_each(|step| sender.send(step).unwrap());
        });
        while acknowledged.recv_timeout(PATIENCE).unwrap() < 100 {}
        own.kill();
        acknowledged.iter().last().unwrap_or(100)
    });
    own.restart();
    let steps: Vec<_> =
        curve::load(&mut connect(&own), held.job_id, i32::MAX).unwrap().iter().map(|p| p.step).collect();
    assert!(steps.len() >= last as usize, "{last} were acknowledged, {} are there", steps.len());
    assert!(steps.iter().copied().eq(1..=steps.len() as i32), "no gap: {steps:?}");
}

#[test]
fn a_restart_requeues_nothing_from_workers_that_come_back() {
    let own = postgres();
    let mut conn = connect(&own);
    submit(&mut conn, "s", 2);
    let id = worker(&mut conn);
    let mut claimer = Claimer::new("default", id, TTL);
    let back = claimer.claim(&mut conn).unwrap().unwrap().lease();
    let gone = claimer.claim(&mut conn).unwrap().unwrap().lease();
    maintenance::round(&mut conn, id, TTL, GAP).unwrap().unwrap();
    // As if it had been away for longer than the leases last.
    conn.batch_execute(
        "UPDATE maintenance SET last_at = last_at - interval '1 hour'; \
         UPDATE lease SET expires_at = expires_at - interval '1 hour'",
    )
    .unwrap();
    own.kill();
    own.restart();

    let mut conn = connect(&own);
    let round = maintenance::round(&mut conn, id, TTL, GAP).unwrap().unwrap();
    assert_eq!(
        (round.extended, round.reaped.len()),
        (2, 0),
        "the first round after the outage takes nothing"
    );
    assert_eq!(lease::renew(&mut conn, id, &[back], TTL).unwrap().len(), 1, "this worker is back");
    expire(&mut conn, gone.job_id);
    let round = maintenance::round(&mut conn, id, TTL, GAP).unwrap().unwrap();
    assert_eq!(round.reaped.iter().map(|job| job.job_id).collect::<Vec<_>>(), [gone.job_id]);
    assert_eq!(state(&mut conn, back.job_id), JobState::Running);
    assert_eq!(rows(&mut conn, "SELECT 1 FROM job WHERE losses > 0 OR crashes > 0"), 1);
}
