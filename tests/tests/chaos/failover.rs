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
    crew::{Crew, Pace},
    run::Run,
    verify::Verification,
};

const WORKERS: usize = 4;
/// Time to live of leases, in seconds.
const TTL: f64 = 6.0;
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
    // Those that lost the database write when it is back, before they ask, and leave it to the fence.
    let (epoch_seconds, on_db_lost) = (2.0 * INTERVAL, "finish-interval");
    let pace =
        Pace { jobs, workers: WORKERS, epoch_seconds, ttl: TTL, poll: TTL, hang_after: 600.0, on_db_lost };
    let mut crew = Crew::begin(&lab, pace);
    let (mut rounds, mut lost, mut twins) = (0, Extent::default(), 0);
    let end = Instant::now() + Duration::from_secs_f64(SHARE * 60.0 * minutes);
    // A short run on a slow machine may need a few rounds more.
    while Instant::now() < end || (!is_synchronous && twins == 0 && rounds < 10) {
        pause(&mut draw, 0.5, 2.0);
        if is_synchronous {
            pair.primary().kill();
            pause(&mut draw, 0.0, 0.25 * TTL);
            pair.promote();
        } else {
            lost += lose_commits(&mut pair, &mut crew, &mut draw, &mut twins);
        }
        pause(&mut draw, 0.5, 1.0);
        pair.follow();
        rounds += 1;
    }
    let ended = crew.settle();
    let kind = if is_synchronous { "synchronous" } else { "asynchronous" };
    eprintln!(
        "chaos, {kind} fail-over: {rounds} promotions, {lost}, {twins} workers had another one's fence; {ended}"
    );
    assert!(ended.when_over > 0, "trainings survived it");
    let verification = Verification { lab: &lab, crew: &crew, jobs };
    if is_synchronous {
        return verification.all();
    }
    verification.consistent();
    // What a lost commit pointed to may be gone, but never the newest.
    verification.checkpoints(1);
    assert!(lost.claims > 0 && lost.observations > 0, "{lost}");
    assert!(twins > 0, "no two workers ever had the same fence");
}

/// Fails over to a standby that has not got the last commits: claims and observations, and the entrance of a worker. Workers
/// that were frozen meanwhile wake up when others have been given their fences, and have come further with their jobs.
fn lose_commits(pair: &mut Pair, crew: &mut Crew<'_>, draw: &mut ChaCha8Rng, twins: &mut u32) -> Extent {
    pair.cut_stream();
    crew.replace(0);
    crew.workers[0].await_entrance();
    pause(draw, 0.5, 2.0);
    let before = Extent::of(pair.primary());
    let mut frozen: Vec<_> = (1..=WORKERS / 2)
        .filter_map(|which| {
            crew.stop(which, Duration::ZERO);
            Some((which, Twin::of(&crew.workers[which].id(), pair.primary())?))
        })
        .collect();
    pair.primary().kill();
    let lost = before - Extent::of(pair.standby());
    pause(draw, 0.0, 0.25 * TTL);
    pair.promote();
    let end = Instant::now() + Duration::from_secs_f64(TTL / 2.0);
    while Instant::now() < end && !frozen.is_empty() {
        for (which, _) in frozen.extract_if(.., |(_, twin)| twin.is_overtaken(pair.primary())) {
            crew.workers[which].wake();
            *twins += 1;
        }
        thread::sleep(Duration::from_millis(10));
    }
    crew.wake(Instant::now());
    lost
}

/// A lease that the database will have forgotten.
#[derive(QueryableByName)]
struct Twin {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    fence: i64,
    #[diesel(sql_type = sql_types::Uuid)]
    worker_id: uuid::Uuid,
    #[diesel(sql_type = sql_types::Integer)]
    step: i32,
}

impl Twin {
    /// What a worker has, if anything.
    fn of(worker: &str, postgres: &Postgres) -> Option<Self> {
        let asked = format!(
            "SELECT job_id, fence, worker_id, \
             (SELECT coalesce(max(step), 0) FROM observation WHERE observation.job_id = lease.job_id) AS step \
             FROM lease WHERE worker_id = '{worker}'"
        );
        sql_query(asked).get_result(&mut postgres.connect()).ok()
    }

    /// Whether another worker was given the same fence, and is further.
    fn is_overtaken(&self, postgres: &Postgres) -> bool {
        let Self { job_id, fence, worker_id, step } = self;
        let asked = format!(
            "SELECT FROM lease WHERE job_id = {job_id} AND fence = {fence} AND worker_id <> '{worker_id}' \
             AND EXISTS (SELECT FROM observation WHERE observation.job_id = {job_id} AND step > {step})"
        );
        sql_query(asked).execute(&mut postgres.connect()).unwrap() > 0
    }
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
