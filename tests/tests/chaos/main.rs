//! Chaos: workers are killed and stopped past their leases, Postgres is killed, turned read-only, filled and failed over, hosts
//! cannot train, networks are cut; afterwards nothing may be lost, doubled or written by a worker whose job another one has.
//!
//! `PENG_CHAOS_SEED` repeats the draws of a run, `PENG_CHAOS_MINUTES` makes it longer, with more jobs.
#![expect(clippy::unwrap_used, reason = "a test")]

mod crew;
#[path = "../../../workers/replay/src/curves.rs"]
mod curves;
mod ended;
mod failover;
mod namespace;
mod network;
mod run;
mod strikes;
mod verify;

use std::time::{Duration, Instant};

use crew::{Crew, EPOCHS, Pace};
use run::Run;
use strikes::Chaos;
use testing::SmallDisk;
use tests::{Lab, Postgres};
use verify::Verification;

const WORKERS: usize = 4;
const JOBS_A_MINUTE: f64 = 25.0;
/// Of the chaos, that the jobs would take if nothing happened.
const SHARE: f64 = 0.3;

#[test]
fn nothing_is_lost_doubled_or_written_twice() {
    let Run { minutes, mut draw } = Run::begin();
    let disk = SmallDisk::mount(1024);
    if disk.is_none() {
        eprintln!("skipped: a full disk of Postgres, since only root may mount a small one");
    }
    let postgres = disk.as_ref().map_or_else(Postgres::start, |disk| Postgres::start_in(disk.path()));
    // Its log of changes must not fill the small disk by itself.
    postgres.set("max_wal_size", "256MB");
    let lab = Lab::on(postgres.url());
    let jobs = (JOBS_A_MINUTE * minutes) as u32;
    let epoch_seconds = SHARE * 60.0 * WORKERS as f64 / (JOBS_A_MINUTE * f64::from(EPOCHS));
    let (ttl, hang_after) = (strikes::TTL, strikes::HANG_AFTER);
    let pace = Pace { jobs, workers: WORKERS, epoch_seconds, ttl, poll: 0.1, hang_after, on_db_lost: "stop" };
    let mut crew = Crew::begin(&lab, pace);
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes);
    let mut chaos = Chaos::new(&lab, &postgres, disk.as_ref(), &mut crew, &mut draw);
    while Instant::now() < end {
        chaos.strike();
    }
    let struck = chaos.end();
    let ended = crew.settle();
    eprintln!("chaos: {struck}; {ended}");
    Verification { lab: &lab, crew: &crew, jobs }.all();
    eprintln!("0 lost, 0 doubled, 0 failed");
    assert!(ended.when_over > 0 && ended.lost > 0, "the chaos struck trainings, and trainings survived it");
    assert!(ended.woken > 0, "no worker ever woke up too late");
}
