//! The control thread: renews all leases of the process in one statement, tells the database what keeps the worker from
//! training, and does the maintenance of all where this worker is the one that does.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::{PgConnection, QueryResult};
use domain::chain;
use store::{DbError, Session, lease, migration, worker, worker::WorkerState};
use tracing::warn;

use crate::{StopReason, context::WorkerContext, exit::VERSION_REFUSED, maintenance::Maintenance};

/// Renewals are never further apart, so that a cancelled job's worker hears of it soon.
const LONGEST: Duration = Duration::from_secs(12);

/// The same for a worker that has no lease.
const IDLE: Duration = Duration::from_secs(30);

/// Works until the channel closes.
pub fn beat(worker: &WorkerContext, stop: &Receiver<()>) {
    let options = &worker.options;
    let apart = (options.lease_ttl / 4).min(LONGEST);
    let tick = apart.min(options.poll);
    let mut session = Session::new(worker.database.clone());
    let mut maintenance = Maintenance::new(worker.worker_id, options.lease_ttl);
    let (mut renewed, mut told) = (None::<Instant>, None);
    let stopped = |pause| stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected);
    while !stopped(tick.mul_f64(rand::random_range(0.8..1.0))) {
        let is_idle = worker.leases.is_empty();
        let is_due =
            renewed.is_none_or(|at| at.elapsed() >= if is_idle { IDLE.min(apart * 2) } else { apart });
        let fault = worker.fault();
        let mut leaderless = false;
        let done = session.attempt(|conn| {
            if is_due {
                leaderless |= renew(worker, conn)?;
            }
            if fault != told {
                worker::set_fault(conn, worker.worker_id, fault.as_deref())?;
            }
            maintenance.run(conn, leaderless)
        });
        if let Err(error) = done {
            // What is away the session says itself, once a minute.
            if let DbError::Rejected(error) = error {
                warn!("cannot renew leases: {}", chain(&error));
            }
            worker.metrics.renewals_failed.inc();
            // Renew with the next tick, however short ago the last one was.
            renewed = None;
        } else {
            told = fault;
            renewed = if is_due { Some(Instant::now()) } else { renewed };
        }
    }
}

/// Renews all leases and notes that the worker lives; returns whether nobody does the maintenance of all.
fn renew(worker: &WorkerContext, conn: &mut PgConnection) -> QueryResult<bool> {
    let (all, at) = (worker.leases.all(), Instant::now());
    let leases: Vec<_> = all.iter().map(|(lease, _)| *lease).collect();
    let renewed = match leases.as_slice() {
        [] => Vec::new(),
        leases => lease::renew(conn, worker.worker_id, leases, worker.options.lease_ttl)?,
    };
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
    // A database that was failed over or restored may have lost it.
    let Some(touched) = worker::touch(conn, worker.worker_id)? else {
        worker.registration.register(conn)?;
        return Ok(true);
    };
    match touched.state {
        WorkerState::Draining => worker.drain(),
        WorkerState::Running => worker.undrain(),
        WorkerState::Stopped => {}
    }
    if !migration::is_supported(&touched.oldest_schema) {
        let why = "the database no longer takes this version of peng: start a newer one";
        worker.fail(VERSION_REFUSED, why.to_owned());
    }
    Ok(touched.leaderless)
}
