//! Writes how an attempt ended; the fence decides whether it may.

use std::{sync::atomic::Ordering, time::Duration};

use domain::chain;
use search::{ProposalError, Spec};
use store::{
    Claim, DbError, Session,
    finish::{self, JobEnd},
    freeze,
    job::{CRASH_LIMIT, JobState, Outcome},
    lease::{self, GiveBack, Retried},
};
use tracing::{error, info, warn};

use crate::{
    attempt::AttemptOutcome,
    breaker::Breaker,
    context::WorkerContext,
    exit::{DEVICE_LOST, HOST_FAULT},
    log,
};

/// How long a job waits that could not keep its checkpoint.
const SNOOZE: Duration = Duration::from_secs(10);
/// How long a job waits after its first crash.
const CRASH_PAUSE: Duration = Duration::from_secs(10);

/// Writes the ending of one attempt, and what follows from it.
pub struct EndingWriter<'a> {
    pub worker: &'a WorkerContext,
    /// That of the slot.
    pub breaker: &'a Breaker,
    pub session: &'a mut Session,
    pub claim: &'a Claim,
    /// Of the search, where it has been read.
    pub spec: Option<&'a Spec>,
    /// Whether waiting for the database is of no use: the lease is another's, or the worker has to go.
    pub hopeless: &'a dyn Fn() -> bool,
}

impl EndingWriter<'_> {
    /// Writes it, over as many connections as it takes.
    pub fn write(mut self, outcome: &AttemptOutcome) -> Result<(), DbError> {
        let job = self.claim.job_id;
        let written = match outcome {
            AttemptOutcome::Decided(outcome, step) => {
                let end = JobEnd { step: Some(*step), ..JobEnd::plain(*outcome) };
                // Where the database has lost the observation that decided it, the job goes on from what is there.
                self.finish(end)? || self.give_back(GiveBack::Leaving)?
            }
            AttemptOutcome::Frozen(step) => self.freeze(*step)? || self.give_back(GiveBack::Leaving)?,
            AttemptOutcome::Ended(outcome, cause) => {
                let log = cause.as_ref().map(|_| log::last_lines());
                let (error, log) = (cause.as_deref(), log.as_deref());
                self.finish(JobEnd { error, log, ..JobEnd::plain(*outcome) })?
            }
            AttemptOutcome::Crashed { cause, early } => {
                if *early {
                    self.note_early_failure(cause);
                }
                self.retry(cause)?
            }
            AttemptOutcome::HostFault { cause, device_lost } => self.step_aside(cause, *device_lost)?,
            AttemptOutcome::Unsupported(cause) => self.leave_to_others(cause)?,
            AttemptOutcome::StoreAway(cause) => {
                self.worker.store_breaker.trip(cause);
                self.snooze(cause, SNOOZE)?
            }
            AttemptOutcome::Released => self.give_back(GiveBack::Leaving)?,
            AttemptOutcome::LeaseLost | AttemptOutcome::LeaseUncertain => false,
        };
        if !written {
            warn!(job.id = %job, "job {job}: dropped, another attempt may own it ({outcome:?})");
        }
        Ok(())
    }

    fn run<T>(
        &mut self,
        work: impl FnMut(&mut diesel::PgConnection) -> diesel::QueryResult<T>,
    ) -> Result<T, DbError> {
        self.session.run(self.hopeless, work)
    }

    fn finish(&mut self, end: JobEnd<'_>) -> Result<bool, DbError> {
        let (job, lease, outcome) = (self.claim.job_id, self.claim.lease(), end.outcome);
        let finished = self.run(|conn| finish::finish(conn, lease, end))?;
        let Some(finished) = finished else { return Ok(false) };
        self.worker.metrics.ended(outcome.as_str());
        match (outcome, end.error, finished.fitness) {
            (Outcome::Failed, Some(cause), _) => {
                self.worker.failed.fetch_add(1, Ordering::Relaxed);
                error!(job.id = %job, "job {job}: failed: {cause}");
            }
            (_, _, Some(fitness)) => {
                info!(job.id = %job, fitness, "job {job}: {}, fitness {fitness:.2} %", outcome.as_str());
            }
            _ => info!(job.id = %job, "job {job}: {}", outcome.as_str()),
        }
        self.propose()?;
        Ok(true)
    }

    fn freeze(&mut self, step: i32) -> Result<bool, DbError> {
        let (job, lease) = (self.claim.job_id, self.claim.lease());
        let state = self.run(|conn| freeze::freeze(conn, lease, step))?;
        match state {
            Some(JobState::Cancelled) => {
                info!(job.id = %job, "job {job}: cancelled");
                self.propose()?;
            }
            Some(_) => {
                self.worker.metrics.ended("frozen");
                info!(job.id = %job, "job {job}: set aside at its checkpoint");
            }
            None => {}
        }
        Ok(state.is_some())
    }

    /// The first ending of a job makes room for a proposal; one that is promoted has made it already. Apart from the ending,
    /// which neither waits for it nor is undone by it: an idle worker proposes where this one dies before it could.
    fn propose(&mut self) -> Result<(), DbError> {
        let Some(spec) = self.spec.filter(|_| !self.claim.is_resumed()) else { return Ok(()) };
        let (search, populations) = (self.claim.search_id, &self.worker.populations);
        let proposed = self.session.run_in_steps(self.hopeless, |conn| {
            search::propose(conn, search, spec, populations).map(Ok).or_else(ProposalError::parted)
        })?;
        if let Err(error) = proposed {
            error!("search {} cannot go on: {}", spec.name, chain(&error));
        }
        Ok(())
    }

    fn retry(&mut self, cause: &str) -> Result<bool, DbError> {
        let (job, lease, log) = (self.claim.job_id, self.claim.lease(), log::last_lines());
        let pause = CRASH_PAUSE.mul_f64(rand::random_range(0.75..1.25));
        let retried = self.run(|conn| lease::retry(conn, lease, cause, &log, pause))?;
        let Some(Retried { state, crashes, hosts, pause }) = retried else { return Ok(false) };
        self.worker.metrics.ended(if state == JobState::Failed { "failed" } else { "retried" });
        match state {
            JobState::Failed => {
                self.worker.failed.fetch_add(1, Ordering::Relaxed);
                error!(job.id = %job, "job {job}: failed after {crashes} crashes on {hosts} hosts: {cause}");
                self.propose()?;
            }
            JobState::Waiting => warn!(
                job.id = %job,
                "job {job}: crash {crashes} of {CRASH_LIMIT} without progress: {cause}; again in {pause:.0} s"
            ),
            _ => warn!(job.id = %job, "job {job}: {}: {cause}", state.as_str()),
        }
        Ok(true)
    }

    /// This host cannot train the job: others may, at once.
    fn step_aside(&mut self, cause: &str, device_lost: bool) -> Result<bool, DbError> {
        let job = self.claim.job_id;
        self.worker.metrics.host_faults.inc();
        let trips = self.breaker.trip(cause);
        if device_lost {
            self.worker.fail(DEVICE_LOST, format!("the device is lost for this process: {cause}"));
        }
        self.leave_after(trips, cause);
        let written = self.give_back(GiveBack::HostFault { error: cause })?;
        warn!(job.id = %job, "job {job}: left to other hosts, nothing is counted against it: {cause}");
        Ok(written)
    }

    /// This worker trains no job of the search, whatever its host: workers of another kind may, at once.
    fn leave_to_others(&mut self, cause: &str) -> Result<bool, DbError> {
        let name = self.spec.map_or_else(|| self.claim.search_id.to_string(), |spec| spec.name.clone());
        let cause = format!("search {name}: {cause}");
        if self.worker.unsupported.insert(self.claim.search_id, &cause) {
            warn!("{cause}; its jobs are left to others, nothing is counted against them");
        }
        self.worker.unreserve_job();
        self.give_back(GiveBack::HostFault { error: &cause })
    }

    fn note_early_failure(&self, cause: &str) {
        if let Some(trips) = self.breaker.note_early_failure(self.claim.job_id, cause) {
            self.worker.metrics.host_faults.inc();
            self.leave_after(trips, cause);
        }
    }

    fn leave_after(&self, trips: u32, cause: &str) {
        if trips >= self.worker.options.host_faults && self.worker.host_fault().is_some() {
            let why = format!("this host could not train {trips} times in a row, last since: {cause}");
            self.worker.fail(HOST_FAULT, why);
        }
    }

    /// No fault of the job: it waits for a moment.
    fn snooze(&mut self, cause: &str, pause: Duration) -> Result<bool, DbError> {
        let pause = pause.mul_f64(rand::random_range(0.75..1.25));
        let (job, seconds) = (self.claim.job_id, pause.as_secs());
        warn!(job.id = %job, "job {job}: snoozed, no crash: {cause}; again in {seconds} s");
        self.worker.metrics.ended("snoozed");
        self.give_back(GiveBack::Snooze { error: cause, pause })
    }

    fn give_back(&mut self, why: GiveBack<'_>) -> Result<bool, DbError> {
        let (job, lease) = (self.claim.job_id, self.claim.lease());
        let state = self.run(|conn| lease::release(conn, lease, why))?;
        match state {
            Some(JobState::Cancelled) => {
                info!(job.id = %job, "job {job}: cancelled");
                self.propose()?;
            }
            Some(_) => info!(job.id = %job, "job {job}: released"),
            None => {}
        }
        Ok(state.is_some())
    }
}
