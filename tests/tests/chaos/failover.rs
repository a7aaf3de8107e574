//! Fail-over to a streaming standby under load.

use std::{
    fmt,
    ops::{AddAssign, Sub},
    thread,
    time::{Duration, Instant},
};

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use testing::{Pair, Postgres};
use tests::Lab;

use crate::{
    Run,
    crew::{Crew, TTL},
    verify::Verification,
};

const WORKERS: usize = 4;
/// So short that many jobs are claimed and ended within what a fail-over loses.
const INTERVAL: f64 = 0.06;
const JOBS_A_MINUTE: f64 = 90.0;
/// Of the minutes, that each of the two tests takes.
const SHARE: f64 = 0.5;

#[test]
fn a_synchronous_standby_that_is_promoted_has_every_acknowledged_observation() {
    fail_over(true);
}

#[test]
fn a_standby_that_lost_commits_lets_no_two_workers_write_as_one() {
    fail_over(false);
}

/// Kills the primary under load, promotes the standby, makes the old one a standby of it, and again.
fn fail_over(is_synchronous: bool) {
    let Run { minutes, mut draw } = Run::begin();
    let (mut pair, jobs) = (Pair::start(is_synchronous), (JOBS_A_MINUTE * minutes) as u32);
    let lab = Lab::on(pair.url());
    let mut crew = Crew::begin(&lab, jobs, WORKERS, 2.0 * INTERVAL);
    let (mut rounds, mut lost, mut entered) = (0, Extent::default(), 0);
    let end = Instant::now() + Duration::from_secs_f64(SHARE * 60.0 * minutes);
    while Instant::now() < end {
        pause(&mut draw, 0.5, 2.0);
        if !is_synchronous {
            pair.cut_stream();
            // It enters in what will be lost, too.
            crew.replace(0);
            crew.workers[0].await_entrance();
            pause(&mut draw, 0.5, 1.5);
            entered += 1;
        }
        let before = Extent::of(pair.primary());
        if !is_synchronous {
            // They wake up when others have been given their fences.
            (1..=WORKERS / 2).for_each(|which| crew.stop(which, Duration::ZERO));
        }
        pair.primary().kill();
        if !is_synchronous {
            lost += before - Extent::of(pair.standby());
        }
        pause(&mut draw, 0.0, 0.75 * TTL);
        pair.promote();
        pause(&mut draw, 0.5, 1.0);
        crew.wake(Instant::now());
        pair.follow();
        rounds += 1;
    }
    let ended = crew.settle();
    let kind = if is_synchronous { "synchronous" } else { "asynchronous" };
    eprintln!(
        "chaos, {kind} fail-over: {rounds} promotions, {lost} and {entered} workers that had just entered; {ended}"
    );
    let verification = Verification { lab: &lab, crew: &crew, jobs };
    if is_synchronous {
        verification.all();
    } else {
        verification.consistent();
        // What a lost commit pointed to may be gone, but never the newest.
        verification.checkpoints(1);
        assert!(lost.claims > 0 && lost.observations > 0, "{lost}");
    }
    assert!(ended.when_over > 0 && rounds > 0, "trainings survived it");
}

fn pause(draw: &mut ChaCha8Rng, least: f64, most: f64) {
    thread::sleep(Duration::from_secs_f64(draw.random_range(least..most)));
}

/// What one server has of a run.
#[derive(Debug, Default, Clone, Copy, QueryableByName)]
struct Extent {
    /// Transactions that wrote.
    #[diesel(sql_type = sql_types::BigInt)]
    commits: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    claims: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    observations: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    results: i64,
}

impl Extent {
    fn of(postgres: &Postgres) -> Self {
        let asked = sql_query(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS commits, \
             (SELECT coalesce(sum(fence), 0)::bigint FROM job) AS claims, \
             (SELECT count(*) FROM observation) AS observations, (SELECT count(*) FROM result) AS results",
        );
        asked.get_result(&mut postgres.connect()).unwrap()
    }
}

impl Sub for Extent {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            commits: self.commits - other.commits,
            claims: self.claims - other.claims,
            observations: self.observations - other.observations,
            results: self.results - other.results,
        }
    }
}

impl AddAssign for Extent {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.claims += other.claims;
        self.observations += other.observations;
        self.results += other.results;
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commits, claims, observations, results } = self;
        write!(
            f,
            "{commits} commits lost with {claims} claims, {observations} observations and {results} results"
        )
    }
}
