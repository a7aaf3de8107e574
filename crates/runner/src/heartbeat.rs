//! The control thread: renews all leases of the process in one statement, tells the database what keeps the worker from
//! training, and does the maintenance of all where this worker is the one that does.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::{PgConnection, QueryResult};
use store::{Session, lease, worker, worker::WorkerState};
use tracing::info;

use crate::{StopReason, context::WorkerContext, maintenance::Maintenance};

/// Renewals are never further apart, so that a cancelled job's worker hears of it soon.
const LONGEST: Duration = Duration::from_secs(12);

/// Works until the channel closes.
pub fn beat(worker: &WorkerContext, stop: &Receiver<()>) {
    let options = &worker.options;
    let apart = (options.lease_ttl / 4).min(LONGEST);
    let tick = apart.min(options.poll);
    let mut session = Session::new(worker.database.clone());
    let mut maintenance = Maintenance::new(worker.worker_id, options.lease_ttl, apart);
    let (mut renewed, mut told) = (None::<Instant>, None);
    let stopped = |pause| stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected);
    while !stopped(tick.mul_f64(rand::random_range(0.8..1.0))) {
        let is_due = renewed.is_none_or(|at| at.elapsed() >= apart);
        let fault = worker.host_breaker.cause();
        let done = session.attempt(|conn| {
            if is_due {
                renew(worker, conn)?;
            }
            if fault != told {
                worker::set_fault(conn, worker.worker_id, fault.as_deref())?;
            }
            maintenance.run(conn)
        });
        if done.is_ok() {
            told = fault;
            renewed = if is_due { Some(Instant::now()) } else { renewed };
        } else {
            // The session says what is wrong, once a minute. Renew with the next tick, however short ago the last one was.
            worker.metrics.renewals_failed.inc();
            renewed = None;
        }
    }
}

fn renew(worker: &WorkerContext, conn: &mut PgConnection) -> QueryResult<()> {
    let (all, at) = (worker.leases.all(), Instant::now());
    let leases: Vec<_> = all.iter().map(|(lease, _)| *lease).collect();
    let renewed = lease::renew(conn, worker.worker_id, &leases, worker.options.lease_ttl)?;
    for (lease, held) in &all {
        match renewed.iter().find(|r| (r.job_id, r.fence) == (lease.job_id, lease.fence)) {
            None => held.interrupt.set(StopReason::LeaseLost),
            Some(renewal) => {
                held.renewed(at);
                if renewal.cancel {
                    held.interrupt.set(StopReason::Cancelled);
                }
            }
        }
    }
    if worker::touch(conn, worker.worker_id)? == Some(WorkerState::Draining)
        && !worker.draining.swap(true, Ordering::Relaxed)
    {
        info!("asked to drain: leaving after the running jobs");
    }
    Ok(())
}
