//! Going on from the newest checkpoint that is whole.

use domain::{Checkpoint, chain};
use store::{DbError, Session, checkpoint as pointers};
use tracing::{info, warn};

use super::{AttemptContext, AttemptOutcome, scratch_file::ScratchFile};

/// The checkpoints of a job that are still to be tried, newest first.
pub struct Candidates<'a> {
    context: AttemptContext<'a>,
    left: std::vec::IntoIter<Checkpoint>,
}

/// Where a training goes on.
pub struct Restored {
    /// Evaluation intervals behind it.
    pub step: i32,
    /// The checkpoint after them; none for a start from nothing.
    pub file: Option<ScratchFile>,
}

impl<'a> Candidates<'a> {
    /// Reads which there are.
    pub fn read(context: AttemptContext<'a>, session: &mut Session) -> Result<Self, DbError> {
        let job = context.claim.job_id;
        let found = session.run(&|| context.is_hopeless(), |conn| pointers::restorable(conn, job))?;
        Ok(Self { context, left: found.into_iter() })
    }

    /// Fetches the next one that is whole; after the last, a start from nothing. One that is damaged or missing is passed over;
    /// while the store cannot be read nothing is, since all would seem lost.
    pub fn next_whole(&mut self) -> Result<Restored, AttemptOutcome> {
        let AttemptContext { worker, claim, held, search, .. } = self.context;
        let job = claim.job_id;
        for candidate in self.left.by_ref() {
            let file = ScratchFile::new(worker.scratch.join(format!("{job}-{}-resume", claim.fence)));
            match worker.checkpoints.fetch(&candidate, file.path(), &|| held.interrupt.is_set()) {
                Ok(()) => {
                    let epoch = f64::from(candidate.step) * search.spec.budget.interval;
                    info!(job.id = %job, step = candidate.step, "job {job}: resumed after epoch {epoch:.1}");
                    return Ok(Restored { step: candidate.step, file: Some(file) });
                }
                Err(error) if error.is_loss() => {
                    warn!(job.id = %job, "job {job}: {}; falling back to the one before", chain(&error));
                }
                Err(error) => return Err(self.context.concluded(self.context.store_failure(&error))),
            }
        }
        Ok(Restored { step: 0, file: None })
    }
}
