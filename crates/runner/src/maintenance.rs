//! What one worker does for all: dead workers' jobs are reaped, waiting jobs wake up.

use std::time::Duration;

use diesel::{PgConnection, QueryResult};
use store::{
    job::{JobState, LOSS_LIMIT},
    maintenance::{self, Round},
};
use tracing::{info, warn};
use uuid::Uuid;

/// This worker's part in the maintenance of all: rounds while it leads, and a try to lead while nobody does.
#[derive(Debug)]
pub struct Maintenance {
    worker: Uuid,
    /// For how long this worker leads from each round on: so short that another one follows before a lease expires.
    term: Duration,
    /// A gap between two rounds that means that the database was away.
    gap: Duration,
    leads: bool,
}

impl Maintenance {
    pub fn new(worker: Uuid, lease_ttl: Duration) -> Self {
        Self { worker, term: lease_ttl / 8, gap: lease_ttl / 2, leads: false }
    }

    /// Does a round if this worker leads, or nobody does and it is elected.
    pub fn run(&mut self, conn: &mut PgConnection, leaderless: bool) -> QueryResult<()> {
        if !self.leads && !leaderless {
            return Ok(());
        }
        let round = maintenance::round(conn, self.worker, self.term, self.gap)?;
        self.leads = round.is_some();
        round.iter().for_each(log);
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
