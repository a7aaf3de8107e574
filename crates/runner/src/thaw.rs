//! Bringing a search with nothing left to start to its end: taking up frozen jobs while one deserves it, then ending them.

use domain::{SearchId, chain};
use search::{LiveError, LiveNext, ProposalError, Spec};
use store::{
    Claim, DbError, Session, freeze,
    search::{self as searches, Exhausted},
};
use tracing::{info, warn};

use crate::context::WorkerContext;

/// What came of a look at a search.
pub enum Thawed {
    /// A frozen job to be trained on.
    Claimed(Box<Claim>),
    /// Nothing now; it may have something later.
    Nothing,
    /// Nothing more: the search is over.
    Finished,
}

/// In a search with nothing left to start: claims the frozen job that the scheduler takes up, or ends
/// all that are frozen and marks the search finished where it takes up none.
pub fn next(worker: &WorkerContext, session: &mut Session, exhausted: Exhausted) -> Result<Thawed, DbError> {
    let (stop, search) = (|| worker.is_leaving(), exhausted.id);
    let known = match session.run(&stop, |conn| worker.known.read(conn, search))? {
        Ok(known) => known,
        Err(error) => {
            warn!("search {search} cannot be brought to its end: {}", chain(&error));
            return Ok(Thawed::Nothing);
        }
    };
    if known.had_nothing(exhausted, worker.options.poll * 60) {
        return Ok(Thawed::Nothing);
    }
    let (spec, freezes) = (&known.spec, known.scheduler().freezes());
    let others = spec.class != worker.options.class || worker.unsupported.has(search);
    if freezes && others {
        return Ok(Thawed::Nothing); // Those who train its jobs decide what is taken up, and when it is over.
    }
    // An ending that nobody answered: a job cancelled while it waited, one failed by the reaper, or a worker that died.
    if exhausted.proposing && propose(worker, session, search, spec)? {
        return Ok(Thawed::Nothing);
    }
    loop {
        let next =
            session.run(&stop, |conn| known.scheduler().next(conn).map(Ok).or_else(LiveError::parted))?;
        let best = match next {
            Err(error) => {
                warn!("search {} cannot be brought to its end: {}", spec.name, chain(&error));
                return Ok(Thawed::Nothing);
            }
            Ok(LiveNext::Wait) => {
                known.note_nothing(exhausted);
                return Ok(Thawed::Nothing);
            }
            Ok(LiveNext::Done) => break,
            Ok(LiveNext::Resume(best)) => best,
        };
        let (id, ttl) = (worker.worker_id, worker.options.lease_ttl);
        if let Some(claim) =
            session.run(&stop, |conn| worker.entered(conn, |conn| freeze::thaw(conn, &best, id, ttl)))?
        {
            let (job, percent) = (claim.job_id, 100.0 * best.chance);
            info!(job.id = %job, "job {job}: taken up again: chance {percent:.1} % of the best");
            return Ok(Thawed::Claimed(Box::new(claim)));
        }
        known.scheduler().is_taken(best.job_id);
        // Whoever was faster may have taken the last room of the search.
        if session.run(&stop, |conn| searches::exhausted(conn, Some(search)))?.is_empty() {
            return Ok(Thawed::Nothing);
        }
    }
    if freezes {
        let (mut stopped, seen) = (0, known.scheduler().seen());
        loop {
            match session.run(&stop, |conn| freeze::stop_all(conn, search, seen))? {
                0 => break,
                some => stopped += some,
            }
        }
        if stopped > 0 {
            info!("search {}: {stopped} jobs that were set aside have ended", spec.name);
            if exhausted.proposing && propose(worker, session, search, spec)? {
                return Ok(Thawed::Nothing);
            }
        }
        session.run(&stop, |conn| known.scheduler().refresh(conn).map(Ok).or_else(LiveError::parted))?.ok();
    }
    let seen = freezes.then(|| known.scheduler().seen());
    if let Some(name) = session.run(&stop, |conn| searches::finish_if_done(conn, search, seen))? {
        info!("search {name} is finished");
        return Ok(Thawed::Finished);
    }
    known.note_nothing(exhausted);
    Ok(Thawed::Nothing)
}

/// Lets the strategy of a search answer what has ended; whether it proposed something, or cannot.
fn propose(
    worker: &WorkerContext,
    session: &mut Session,
    search: SearchId,
    spec: &Spec,
) -> Result<bool, DbError> {
    let populations = &worker.populations;
    let proposed = session.run_in_steps(&|| worker.is_leaving(), |conn| {
        search::propose(conn, search, spec, populations).map(Ok).or_else(ProposalError::parted)
    })?;
    match proposed {
        Ok(count) => Ok(count > 0),
        Err(error) => {
            warn!("search {} cannot go on: {}", spec.name, chain(&error));
            Ok(true)
        }
    }
}
