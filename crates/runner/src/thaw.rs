//! Bringing a search with nothing left to start to its end: resuming terminated jobs while one deserves it, then finishing it.

use domain::chain;
use search::{JudgeError, ProposalError};
use store::{
    Claim, DbError, Session,
    search::{self as searches, Exhausted},
    thaw,
};
use tracing::{info, warn};

use crate::{
    context::WorkerContext,
    known_search::{KnownSearch, KnownSearches},
};

/// What came of a look at a search.
pub enum Thawed {
    /// A job to be trained for one more interval.
    Claimed(Box<Claim>),
    /// Nothing now; it may have something later.
    Nothing,
    /// Nothing more: the search is over.
    Finished,
}

/// In a search with nothing left to start: claims the terminated job that most deserves one more interval, or marks the search
/// finished where none deserves it.
pub fn next(
    worker: &WorkerContext,
    session: &mut Session,
    known: &mut KnownSearches,
    exhausted: Exhausted,
) -> Result<Thawed, DbError> {
    let (stop, search) = (|| worker.is_leaving(), exhausted.id);
    if known.had_nothing(exhausted, worker.options.poll * 60) {
        return Ok(Thawed::Nothing);
    }
    if let Err(error) = session.run(&stop, |conn| known.read(conn, search))? {
        warn!("search {search} cannot be brought to its end: {}", chain(&error));
        return Ok(Thawed::Nothing);
    }
    let KnownSearch { spec, judge, frozen, .. } = known.get_mut(search).expect("the search was just read");
    let others = spec.class != worker.options.class || worker.unsupported.has(search);
    if judge.thaw_above().is_some() && others {
        return Ok(Thawed::Nothing); // Those who train its jobs decide what is resumed, and when it is over.
    }
    // An ending that nobody answered: a job cancelled while it waited, one failed by the reaper, or a worker that died.
    let populations = &worker.populations;
    let proposed = if exhausted.proposing {
        session.run_in_steps(&stop, |conn| {
            search::propose(conn, search, spec, populations).map(Ok).or_else(ProposalError::parted)
        })?
    } else {
        Ok(0)
    };
    match proposed {
        Ok(0) => {}
        Ok(_) => return Ok(Thawed::Nothing),
        Err(error) => {
            warn!("search {} cannot go on: {}", spec.name, chain(&error));
            return Ok(Thawed::Nothing);
        }
    }
    loop {
        let best = session.run(&stop, |conn| frozen.best(conn, judge).map(Ok).or_else(JudgeError::parted))?;
        let best = match best {
            Ok(best) => best,
            Err(error) => {
                warn!("search {} cannot be brought to its end: {}", spec.name, chain(&error));
                return Ok(Thawed::Nothing);
            }
        };
        let Some(best) = best else { break };
        let (id, ttl) = (worker.worker_id, worker.options.lease_ttl);
        if let Some(claim) =
            session.run(&stop, |conn| worker.entered(conn, |conn| thaw::claim(conn, &best, id, ttl)))?
        {
            let (job, percent) = (claim.job_id, 100.0 * best.chance);
            info!(job.id = %job, "job {job}: resumed for an interval: chance {percent:.1} % of the best");
            return Ok(Thawed::Claimed(Box::new(claim)));
        }
        frozen.reconsider();
        // Whoever was faster may have taken the last room of the search.
        if session.run(&stop, |conn| searches::exhausted(conn, Some(search)))?.is_empty() {
            return Ok(Thawed::Nothing);
        }
    }
    let seen = judge.thaw_above().map(|_| judge.seen());
    if let Some(name) = session.run(&stop, |conn| searches::finish_if_done(conn, search, seen))? {
        info!("search {name} is finished");
        return Ok(Thawed::Finished);
    }
    if !frozen.has_resumed() {
        known.note_nothing(exhausted);
    }
    Ok(Thawed::Nothing)
}
