//! A worker whose network is cut.

use std::{
    thread,
    time::{Duration, Instant},
};

use rand::RngExt as _;
use tests::{Lab, Postgres};

use crate::{
    crew::{Crew, Pace},
    namespace::Namespace,
    run::Run,
    verify::Verification,
};

/// After how long a connection counts as broken whose packets are not acknowledged, in seconds.
const TCP_USER_TIMEOUT: f64 = 2.0;
/// Time to live of leases, in seconds.
const TTL: f64 = 2.0;
const EPOCH_SECONDS: f64 = 0.3;
const JOBS_A_MINUTE: f64 = 30.0;
/// Of the minutes, that this test takes.
const SHARE: f64 = 0.5;

#[test]
fn a_worker_that_was_cut_off_loses_its_job_writes_nothing_and_goes_on_when_it_is_back() {
    let Some(namespace) = Namespace::make() else { return };
    let Run { minutes, mut draw } = Run::begin();
    let mut postgres = Postgres::start();
    postgres.listen_on(&namespace.here(), &namespace.network());
    let (lab, jobs) = (Lab::on(postgres.url()), (JOBS_A_MINUTE * minutes) as u32);
    let pace = Pace {
        jobs,
        workers: 1,
        epoch_seconds: EPOCH_SECONDS,
        ttl: TTL,
        poll: TTL,
        hang_after: 600.0,
        on_db_lost: "finish-interval",
    };
    let mut crew = Crew::begin(&lab, pace);
    crew.workers[0].await_entrance();
    let url = format!(
        "DATABASE_URL=postgresql://peng@{}/peng?tcp_user_timeout={}&connect_timeout=2",
        namespace.here(),
        TCP_USER_TIMEOUT * 1e3
    );
    crew.join(&[&["env", &url], &namespace.words()[..]].concat());
    crew.workers[1].await_entrance();
    let last = "(SELECT id FROM worker ORDER BY started_at DESC LIMIT 1)";
    let its = format!("attempt a WHERE worker_id = {last}");
    let mut cuts = 0;
    let end = Instant::now() + Duration::from_secs_f64(SHARE * 60.0 * minutes);
    while Instant::now() < end {
        lab.wait_for(&format!("lease WHERE worker_id = {last}"), 1);
        thread::sleep(Duration::from_secs_f64(draw.random_range(0.0..2.0)));
        let taken = format!(
            "{its} AND \"end\" = 'lost' AND EXISTS (SELECT FROM attempt b WHERE b.job_id = a.job_id AND b.fence > a.fence)"
        );
        let before = lab.count(&taken);
        let cut = Instant::now();
        namespace.cut();
        // One that had none to lose is cut off all the same.
        tests::wait("others to take its job over", || {
            let (now, seconds) = (lab.count(&taken), cut.elapsed().as_secs_f64());
            let over = now > before || lab.count(&format!("lease WHERE worker_id = {last}")) == 0;
            if over && seconds > TTL.max(TCP_USER_TIMEOUT) * 1.5 {
                Ok(())
            } else {
                Err(format!("{now} after {seconds} s"))
            }
        });
        let claimed = lab.count(&its);
        namespace.mend();
        lab.wait_for(&its, claimed + 1);
        cuts += 1;
    }
    let ended = crew.settle();
    eprintln!("chaos, network: cut {cuts} times; {ended}");
    Verification { lab: &lab, crew: &crew, jobs }.all();
    assert!(ended.woken > 0 && ended.lost > 0, "it was cut off in the middle of trainings");
}
