//! The keeper: renews all leases of the process in one statement, on a connection of its own, and does the maintenance
//! that any worker does for all.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;
use diesel::PgConnection;
use store::{job::JobState, lease, reaper, worker, worker::WorkerState};
use tracing::{info, warn};

use crate::{Reason, slot::Shared};

/// Renewals are never further apart, so that a cancelled job's worker hears of it soon.
const LONGEST: Duration = Duration::from_secs(12);

/// Works until the channel closes.
pub fn keep(shared: &Shared, mut conn: PgConnection, stop: &Receiver<()>) {
    let ttl = shared.options.lease_ttl;
    let apart = (ttl / 4).min(LONGEST);
    let tick = apart.min(shared.options.poll);
    let mut renewed = Instant::now();
    let closed = |pause| stop.recv_timeout(pause) == Err(crossbeam_channel::RecvTimeoutError::Disconnected);
    while !closed(tick.mul_f64(rand::random_range(0.8..1.0))) {
        let due = renewed.elapsed() >= apart;
        let done = if due { renew(shared, &mut conn) } else { Ok(()) };
        match done.and_then(|()| maintain(&mut conn, ttl)) {
            Ok(()) if due => renewed = Instant::now(),
            Ok(()) => {}
            Err(error) => {
                warn!("cannot renew leases: {error}");
                shared.metrics.renewals_failed.inc();
                match shared.database.connect() {
                    Ok(new) => conn = new,
                    Err(error) => warn!("{error}"),
                }
                // Renew with the next tick, however short ago the last one was.
                renewed = Instant::now().checked_sub(ttl).unwrap_or(renewed);
            }
        }
    }
}

fn renew(shared: &Shared, conn: &mut PgConnection) -> diesel::QueryResult<()> {
    let holds = shared.holds.all();
    let at = Instant::now();
    let leases: Vec<_> = holds.iter().map(|(lease, _)| *lease).collect();
    let renewed = lease::renew(conn, &leases, shared.options.lease_ttl)?;
    for (lease, hold) in &holds {
        match renewed.iter().find(|r| (r.job_id, r.fence) == (lease.job_id, lease.fence)) {
            None => hold.interrupt.set(Reason::Lost),
            Some(renewal) => {
                hold.confirm(at);
                if renewal.cancel {
                    hold.interrupt.set(Reason::Cancelled);
                }
            }
        }
    }
    if worker::touch(conn, shared.worker_id)? == Some(WorkerState::Draining)
        && !shared.draining.swap(true, Ordering::Relaxed)
    {
        info!("asked to drain: leaving after the running jobs");
    }
    Ok(())
}

fn maintain(conn: &mut PgConnection, ttl: Duration) -> diesel::QueryResult<()> {
    let round = reaper::round(conn, ttl / 2)?;
    if round.extended > 0 {
        info!("nobody had reaped for a while: {} leases were extended first", round.extended);
    }
    for job in &round.reaped {
        let id = job.job_id;
        let next = if job.state == JobState::Failed { "it has failed" } else { "it can be claimed again" };
        warn!(job.id = id, "job {id}: its worker {} is gone, crash {}; {next}", job.worker_id, job.crashes);
    }
    Ok(())
}
