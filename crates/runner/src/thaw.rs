//! Taking up frozen jobs: before new ones start, where the scheduler promotes first, else in a search with nothing left to start;
//! when none deserves it, that search is brought to its end.

use diesel::{PgConnection, QueryResult};
use domain::{SearchId, chain};
use search::{LiveError, LiveNext, ProposalError, Spec};
use store::{
    Claim, DbError, Session, freeze,
    search::{self as searches, Exhausted},
};
use tracing::{info, warn};

use crate::{context::WorkerContext, known_search::KnownSearch};

/// What came of a look at a search.
pub enum Thawed {
    /// A frozen job to be trained on.
    Claimed(Box<Claim>),
    /// Nothing now; it may have something later.
    Nothing,
    /// Nothing more: the search is over.
    Finished,
}

/// What a scheduler has for a free slot.
enum TakenUp {
    Claimed(Box<Claim>),
    /// Others have it, or the search takes no more workers.
    Refused,
    Wait,
    Done,
}

/// In a search whose turn it is: claims the frozen job that goes before those that wait to be started, if its scheduler has one.
pub fn before_start(
    worker: &WorkerContext,
    conn: &mut PgConnection,
    search: SearchId,
) -> QueryResult<Option<Claim>> {
    // What is wrong with a search is said by the attempt at its next job.
    let Ok(known) = worker.known.read(conn, search)? else { return Ok(None) };
    if !known.scheduler().promotes_first() {
        return Ok(None);
    }
    Ok(match take_up(worker, conn, &known)? {
        Ok(TakenUp::Claimed(claim)) => Some(*claim),
        _ => None,
    })
}

/// Claims the frozen job that the scheduler takes up. Whoever was faster is seen by the next look of the scheduler.
fn take_up(
    worker: &WorkerContext,
    conn: &mut PgConnection,
    known: &KnownSearch,
) -> QueryResult<Result<TakenUp, LiveError>> {
    let mut refused = vec![];
    loop {
        let next = known.scheduler().next(conn);
        let candidates = match next.map(Ok).or_else(LiveError::parted)? {
            Err(error) => return Ok(Err(error)),
            Ok(LiveNext::Wait) => return Ok(Ok(TakenUp::Wait)),
            Ok(LiveNext::Done) => return Ok(Ok(TakenUp::Done)),
            Ok(LiveNext::Resume(candidates)) if candidates == refused => return Ok(Ok(TakenUp::Refused)),
            Ok(LiveNext::Resume(candidates)) => candidates,
        };
        if let Some(claim) = freeze::thaw(conn, &candidates, worker.worker_id, worker.options.lease_ttl)? {
            let job = claim.job_id;
            let chance = candidates.iter().find(|best| best.job_id == job).map_or(0.0, |best| best.chance);
            let why = match chance {
                0.0 => String::new(),
                chance => format!(": chance {:.1} % of the best", 100.0 * chance),
            };
            info!(job.id = %job, "job {job}: taken up again{why}");
            return Ok(Ok(TakenUp::Claimed(Box::new(claim))));
        }
        refused = candidates;
    }
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
    match session.run(&stop, |conn| worker.entered(conn, |conn| take_up(worker, conn, &known)))? {
        Ok(TakenUp::Claimed(claim)) => return Ok(Thawed::Claimed(claim)),
        Ok(TakenUp::Done) => {}
        Ok(TakenUp::Refused) => return Ok(Thawed::Nothing),
        Ok(TakenUp::Wait) => {
            known.note_nothing(exhausted);
            return Ok(Thawed::Nothing);
        }
        Err(error) => {
            warn!("search {} cannot be brought to its end: {}", spec.name, chain(&error));
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
