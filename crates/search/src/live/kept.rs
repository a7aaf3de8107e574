//! What a scheduler has learned, kept in the database for workers that join a large search.

use std::collections::HashMap;

use diesel::PgConnection;
use domain::{JobId, Ordinal};
use scheduler::State;
use store::{
    finish::Cursor,
    freeze,
    scheduler_state::{self, KeptState},
};
use tracing::warn;

use super::{AT_ONCE, LiveError, LiveScheduler, curves_of, state_of};

/// Endings and freezes from which on learning anew takes longer than reading what was kept.
const FROM: i64 = 2000;
/// It is kept again when a search has learned so many times as much, so that writing it costs little of what learning does.
const GROWTH: f64 = 1.25;

impl LiveScheduler {
    /// Keeps what was learned, if that is much more than what anybody has kept.
    pub(super) fn keep_if_due(&mut self, conn: &mut PgConnection) -> Result<(), LiveError> {
        let due = |kept: Ordinal| self.seen.ordinal.0 as f64 >= GROWTH * kept.0 as f64;
        if self.seen.ordinal.0 < FROM || !due(self.kept) {
            return Ok(());
        }
        let by_others = scheduler_state::kept_to(conn, self.search_id, &self.fingerprint)?;
        if due(by_others) {
            self.keep(conn)?;
        }
        self.kept = self.kept.max(by_others);
        Ok(())
    }

    /// Keeps what was learned, where learning it anew would take long.
    ///
    /// # Errors
    /// Those of the database, and if memory for it cannot be had.
    pub fn keep(&mut self, conn: &mut PgConnection) -> Result<(), LiveError> {
        if let Some(state) = self.scheduler.state().map_err(LiveError::Kept)? {
            let kept = KeptState { seen: self.seen, state };
            scheduler_state::keep(conn, self.search_id, &self.fingerprint, &kept)?;
        }
        self.kept = self.seen.ordinal;
        Ok(())
    }

    /// Takes over what was kept, if that goes no further than this ordinal and the database has not lost what it was learned from.
    pub(super) fn take_over(&mut self, conn: &mut PgConnection, up_to: Ordinal) -> Result<(), LiveError> {
        if scheduler_state::kept_to(conn, self.search_id, &self.fingerprint)? == Ordinal::default() {
            return Ok(());
        }
        let all = freeze::since(conn, self.search_id, Cursor::default())?.unwrap_or_default();
        let Some(kept) = scheduler_state::load(conn, self.search_id, &self.fingerprint)? else {
            return Ok(());
        };
        let at = all.iter().position(|learned| learned.cursor() == kept.seen);
        let Some(at) = at.filter(|_| kept.seen.ordinal <= up_to) else { return Ok(()) };
        if let Err(error) = self.scheduler.restore(&kept.state) {
            warn!("search {}: {}; learning anew", self.spec.name, domain::chain(&error));
            return Ok(());
        }
        let learned = &all[..=at];
        for some in learned.chunks(AT_ONCE) {
            self.read_costs(conn, &some.iter().map(|learned| learned.job_id).collect::<Vec<_>>())?;
        }
        let mut steps: HashMap<JobId, i32> = HashMap::new();
        for learned in learned {
            let (job, state) = (learned.job_id, state_of(learned.outcome));
            if state == State::Lost && self.ledger.job(job.0).is_none() {
                continue;
            }
            self.ledger.start(job.0, self.costs.get(&job).copied());
            self.ledger.settle(job.0, state)?;
            if state != State::Lost {
                steps.insert(job, learned.step);
            }
        }
        // Of those that have ended nothing is asked, unless one comes back.
        let frozen: Vec<JobId> = self.ledger.frozen().map(|(job, _)| JobId(job)).collect();
        for some in frozen.chunks(AT_ONCE) {
            self.read_curves(conn, some, &steps)?;
        }
        // Their curves are theirs already, and the others' stay where they are.
        steps.retain(|job, _| self.ledger.job(job.0).is_some_and(|entry| entry.curve().points().is_empty()));
        (self.unread, self.seen, self.kept) = (steps, kept.seen, kept.seen.ordinal);
        Ok(())
    }

    /// Reads the curves of those among some jobs that come back after what they taught was taken over.
    pub(super) fn read_unread(&mut self, conn: &mut PgConnection, jobs: &[JobId]) -> Result<(), LiveError> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let steps: HashMap<JobId, i32> =
            jobs.iter().filter_map(|job| self.unread.remove_entry(job)).collect();
        let back: Vec<JobId> = steps.keys().copied().collect();
        self.read_curves(conn, &back, &steps)
    }

    /// Reads the curves of some jobs up to their steps.
    fn read_curves(
        &mut self,
        conn: &mut PgConnection,
        jobs: &[JobId],
        steps: &HashMap<JobId, i32>,
    ) -> Result<(), LiveError> {
        let curves = curves_of(conn, jobs)?;
        for job in jobs {
            let curve = curves.get(job).map_or(&[][..], Vec::as_slice);
            let steps = steps.get(job).map_or(0, |step| *step as usize);
            self.ledger.replace(job.0, &curve[..curve.len().min(steps)])?;
        }
        Ok(())
    }
}
