//! What one worker does for all: dead workers' jobs are reaped, waiting jobs wake up.

use std::time::{Duration, Instant};

use diesel::{PgConnection, QueryResult};
use store::{
    job::{JobState, LOSS_LIMIT},
    maintenance::{self, Round},
};
use tracing::{info, warn};
use uuid::Uuid;

/// This worker's part in the maintenance of all. While another worker leads it asks only now and then whether that still lives.
#[derive(Debug)]
pub struct Maintenance {
    worker: Uuid,
    /// For how long this worker leads from each round on: so short that another one follows before a lease expires.
    term: Duration,
    /// A gap between two rounds that means that the database was away.
    gap: Duration,
    /// How often to ask while another one leads.
    apart: Duration,
    next: Instant,
}

impl Maintenance {
    pub fn new(worker: Uuid, lease_ttl: Duration, apart: Duration) -> Self {
        let apart = apart.min(lease_ttl / 8);
        Self { worker, term: lease_ttl / 8, gap: lease_ttl / 2, apart, next: Instant::now() }
    }

    /// Does a round if it is this worker's turn.
    pub fn run(&mut self, conn: &mut PgConnection) -> QueryResult<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        match maintenance::round(conn, self.worker, self.term, self.gap)? {
            Some(round) => log(&round),
            None => self.next = Instant::now() + self.apart,
        }
        Ok(())
    }
}

fn log(round: &Round) {
    if round.extended > 0 {
        info!("nobody had reaped for a while: {} leases were extended first", round.extended);
    }
    for job in &round.reaped {
        let (id, worker, losses) = (job.job_id, job.worker_id, job.losses);
        let next = if job.state == JobState::Failed { "it has failed" } else { "it can be claimed again" };
        warn!(job.id = %id, "job {id}: its worker {worker} is gone, loss {losses} of {LOSS_LIMIT} without progress; {next}");
    }
}
