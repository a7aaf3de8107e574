//! A slot: claims one job after the other, trains each, and says how it ended.

use std::{collections::BTreeSet, time::Duration, time::Instant};

use domain::{SearchId, chain};
use store::{
    Claim, Claimer, DbError, Session,
    search::{self as searches, Exhausted},
    worker as workers,
};
use tracing::{info, warn};

use crate::{
    Backend, StopReason,
    attempt::{self, AttemptContext, AttemptOutcome},
    breaker::{Admission, Breaker},
    context::WorkerContext,
    ending::EndingWriter,
    exit::HOST_FAULT,
    lease::HeldLease,
    thaw::{self, Thawed},
    wakeup::Look,
};

/// How often a slot whose lease is uncertain looks whether it was renewed.
const LOOK: Duration = Duration::from_millis(100);

/// What a look for a job came to.
enum Next {
    Job(Box<Claim>),
    /// There is none.
    Nothing,
    /// This host or its checkpoint store cannot work now: the look is left to other slots.
    Refused,
}

/// One slot with its session.
pub struct Slot<'a> {
    worker: &'a WorkerContext,
    breaker: &'a Breaker,
    session: Session,
    claimer: Claimer,
    /// The search of its newest job.
    current: Option<SearchId>,
    /// Running searches that it has left for another one: what is left to resume there goes before new jobs.
    left: BTreeSet<SearchId>,
}

impl<'a> Slot<'a> {
    /// The slot of this number, from 0.
    pub fn new(worker: &'a WorkerContext, number: usize) -> Self {
        Self {
            worker,
            breaker: &worker.slot_breakers[number],
            session: Session::new(worker.database.clone()),
            claimer: Claimer::new(&worker.options.class, worker.worker_id, worker.options.lease_ttl)
                .sharing(worker.turns.clone()),
            current: None,
            left: BTreeSet::new(),
        }
    }

    /// Works until the worker leaves or there is no more to do.
    ///
    /// # Errors
    /// What the database refuses; its outages are none.
    pub fn run(&mut self, backend: &mut dyn Backend) -> Result<(), DbError> {
        let (mut look, mut idle_since) = (Look::Everything, None);
        while self.worker.may_claim() && self.worker.reserve_job() {
            let at = Instant::now();
            let next = match self.next_if_admitted(look) {
                Err(DbError::Stopped) => Next::Nothing, // The worker leaves.
                next => next?,
            };
            let Next::Job(claim) = next else {
                self.worker.unreserve_job();
                let idle_since = *idle_since.get_or_insert(at);
                match self.is_over(idle_since) {
                    Ok(false) => {}
                    Ok(true) | Err(DbError::Stopped) => break,
                    Err(error) => return Err(error),
                }
                look = self.wait(&next, idle_since);
                continue;
            };
            if idle_since.take().is_some() {
                self.worker.wakeup.found(look);
            }
            self.work(&claim, at, backend)?;
            self.breaker.give_up_trial();
            look = Look::Everything;
        }
        // What ended this slot may end another one that waits.
        self.worker.wakeup.found(Look::Everything);
        Ok(())
    }

    /// The next job, if this host can train it and its checkpoints can be kept.
    fn next_if_admitted(&mut self, look: Look) -> Result<Next, DbError> {
        if !self.store_takes() || self.breaker.admit() == Admission::Refused {
            return Ok(Next::Refused);
        }
        let next = self.next(look);
        if !matches!(next, Ok(Some(_))) {
            self.breaker.give_up_trial();
        }
        Ok(next?.map_or(Next::Nothing, |claim| Next::Job(Box::new(claim))))
    }

    /// Whether the checkpoint store takes something; where it did not, one slot asks it after each pause.
    fn store_takes(&self) -> bool {
        let worker = self.worker;
        let breaker: &Breaker = &worker.store_breaker;
        match breaker.admit() {
            Admission::Closed => return true,
            Admission::Refused => return false,
            Admission::Trial => {}
        }
        match worker.checkpoints.probe(&|| worker.is_leaving()) {
            Ok(()) => breaker.close(),
            Err(error) => _ = breaker.trip(&chain(&error)),
        }
        breaker.cause().is_none()
    }

    /// The next job: one to be resumed in a search that this slot has left, else the head of the queue, else one to be
    /// resumed in any search.
    fn next(&mut self, look: Look) -> Result<Option<Claim>, DbError> {
        let worker = self.worker;
        let stop = || worker.is_leaving();
        let left = if look == Look::Everything { self.left.clone() } else { BTreeSet::new() };
        for search in left {
            match self.session.run(&stop, |conn| searches::exhausted(conn, Some(search)))?.pop() {
                None => _ = self.left.remove(&search),
                Some(exhausted) => {
                    if let Some(claim) = self.thaw(exhausted)? {
                        return Ok(Some(claim));
                    }
                }
            }
        }
        if let Some(claim) = self.claim()? {
            let before = self.current.replace(claim.search_id);
            self.left.extend(before.filter(|search| *search != claim.search_id));
            return Ok(Some(claim));
        }
        if look == Look::Queue {
            return Ok(None);
        }
        for exhausted in self.session.run(&stop, |conn| searches::exhausted(conn, None))? {
            if let Some(claim) = self.thaw(exhausted)? {
                return Ok(Some(claim));
            }
        }
        worker.unsupported.look(&mut self.session, &stop, &worker.options.class)?;
        Ok(None)
    }

    fn thaw(&mut self, exhausted: Exhausted) -> Result<Option<Claim>, DbError> {
        match thaw::next(self.worker, &mut self.session, exhausted)? {
            Thawed::Claimed(claim) => return Ok(Some(*claim)),
            Thawed::Nothing => {}
            Thawed::Finished => _ = self.left.remove(&exhausted.id),
        }
        Ok(None)
    }

    fn claim(&mut self) -> Result<Option<Claim>, DbError> {
        let (worker, claimer) = (self.worker, &mut self.claimer);
        claimer.leave_out(worker.unsupported.all());
        // A claim whose answer was lost with its connection is found by the reaper: its lease expires.
        self.session.run(&|| worker.is_leaving(), |conn| {
            let timer = worker.metrics.claim_seconds.start_timer();
            let claimed = worker.entered(conn, |conn| {
                claimer.claim_or(conn, |conn, search| thaw::before_start(worker, conn, search))
            });
            timer.observe_duration();
            claimed
        })
    }

    /// With no job at hand: whether this worker has nothing to wait for. With `--once` that is also so where no living worker of
    /// the class can train: then it is an error.
    fn is_over(&mut self, idle_since: Instant) -> Result<bool, DbError> {
        let (worker, options) = (self.worker, &self.worker.options);
        if options.idle_timeout.is_some_and(|timeout| idle_since.elapsed() >= timeout) {
            return Ok(true);
        }
        if !options.once || worker.is_leaving() {
            return Ok(false);
        }
        let class = &options.class;
        let stop = || worker.is_leaving();
        if worker.host_fault().or_else(|| worker.unsupported.blocked()).is_some()
            && let Some(why) = self.session.run(&stop, |conn| workers::nobody_can_train(conn, class))?
        {
            worker.fail(HOST_FAULT, why);
            return Ok(true);
        }
        self.session.run(&stop, |conn| store::queue::is_drained(conn, class))
    }

    /// Waits until it is this slot's turn to look, and says for what.
    fn wait(&mut self, next: &Next, idle_since: Instant) -> Look {
        let worker = self.worker;
        // Idle slots share one session, which whoever looks takes.
        worker.spare_session.put(std::mem::replace(&mut self.session, Session::new(worker.database.clone())));
        let look = if matches!(next, Next::Refused) {
            worker.wakeup.rest(worker.options.poll.mul_f64(rand::random_range(0.5..1.0)));
            Look::Everything
        } else {
            worker.wakeup.wait(worker.options.idle_timeout.map(|timeout| idle_since + timeout))
        };
        if let Some(session) = worker.spare_session.take() {
            self.session = session;
        }
        look
    }

    fn work(&mut self, claim: &Claim, at: Instant, backend: &mut dyn Backend) -> Result<(), DbError> {
        let (worker, job, lease) = (self.worker, claim.job_id, claim.lease());
        info!(job.id = %job, fence = claim.fence.0, "job {job}: claimed (attempt with fence {})", claim.fence);
        let Some(mut held) = worker.leases.hold(lease, at) else {
            warn!(job.id = %job, "job {job}: another slot of this worker trains it under the same fence already; left to that");
            return Ok(());
        };
        loop {
            let outcome = match self.attempt(claim, &held, backend) {
                AttemptOutcome::LeaseUncertain => self.await_renewal(&held),
                outcome => Some(outcome),
            };
            worker.note_interval(held.longest_interval());
            if let Some(outcome) = outcome {
                return self.end(claim, &held, &outcome);
            }
            held.begin_anew(Instant::now());
            info!(job.id = %job, "job {job}: the database is back and the lease still ours; going on");
        }
    }

    fn attempt(&mut self, claim: &Claim, held: &HeldLease, backend: &mut dyn Backend) -> AttemptOutcome {
        let search = claim.search_id;
        let hopeless =
            || held.interrupt.reason() >= Some(StopReason::LeaseUncertain) || self.worker.is_abandoning();
        let known = match self.session.run(&hopeless, |conn| self.worker.known.read(conn, search)) {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => return AttemptOutcome::of_search(&error),
            Err(DbError::Rejected(_)) => return AttemptOutcome::LeaseLost, // The search has gone, and its jobs with it.
            Err(_) if held.interrupt.reason() == Some(StopReason::LeaseUncertain) => {
                return AttemptOutcome::LeaseUncertain;
            }
            Err(_) => return AttemptOutcome::Released,
        };
        let (search, steps) = (known.as_ref(), known.spec.target().steps());
        let context =
            AttemptContext { worker: self.worker, breaker: self.breaker, claim, held, search, steps };
        attempt::run(context, &mut self.session, backend)
    }

    /// Waits until the lease is renewed. `None`: it is still this worker's, train on; else how the attempt ends.
    fn await_renewal(&self, held: &HeldLease) -> Option<AttemptOutcome> {
        loop {
            match held.interrupt.reason() {
                Some(StopReason::LeaseLost) => return Some(AttemptOutcome::LeaseLost),
                Some(StopReason::Cancelled) => {
                    return Some(AttemptOutcome::Ended(store::job::Outcome::Cancelled, None));
                }
                _ if self.worker.is_leaving() => return Some(AttemptOutcome::Released),
                _ if held.since_renewal() < self.worker.options.lease_ttl / 2 => return None,
                _ => std::thread::sleep(LOOK),
            }
        }
    }

    fn end(&mut self, claim: &Claim, held: &HeldLease, outcome: &AttemptOutcome) -> Result<(), DbError> {
        let worker = self.worker;
        let known = worker.known.get(claim.search_id);
        let hopeless = || held.interrupt.reason() == Some(StopReason::LeaseLost) || worker.is_abandoning();
        let ending = EndingWriter {
            worker,
            breaker: self.breaker,
            session: &mut self.session,
            claim,
            spec: known.as_ref().map(|known| known.spec.as_ref()),
            hopeless: &hopeless,
        };
        match ending.write(outcome) {
            Err(DbError::Stopped | DbError::Unavailable(_)) => {
                let job = claim.job_id;
                warn!(job.id = %job, "job {job}: its ending could not be written; it is resumed from its checkpoint");
                Ok(())
            }
            done => done,
        }
    }
}
