//! What a slot has read of the searches that it works on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{PgConnection, QueryResult};
use domain::{Ordinal, SearchId, chain};
use search::{FrozenJobs, Judge, JudgeError, Spec, SpecError};
use store::{
    job::Outcome,
    search::{self as searches, Exhausted},
};

use crate::attempt::AttemptOutcome;

/// A search as a slot has read it.
pub struct KnownSearch {
    pub spec: Arc<Spec>,
    pub judge: Judge,
    pub frozen: FrozenJobs,
    /// When there was nothing to do for it, and after which ending.
    nothing: Option<(Ordinal, Instant)>,
}

/// Why a search is not understood.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Its specification: this peng may be too old for it.
    #[error("cannot read the specification of the search")]
    Spec(#[from] SpecError),
    /// What its predictor has to know.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

impl SearchError {
    /// How an attempt at a job of the search ends.
    pub fn into_outcome(self) -> AttemptOutcome {
        let cause = chain(&self);
        match self {
            // Another worker may be new enough for it.
            Self::Spec(_) => AttemptOutcome::Unsupported(cause),
            Self::Judge(JudgeError::NoWarmStart(_)) => AttemptOutcome::Ended(Outcome::Failed, Some(cause)),
            Self::Judge(_) => AttemptOutcome::Crashed { cause, early: false },
        }
    }
}

/// All searches that a slot has read.
#[derive(Default)]
pub struct KnownSearches(HashMap<SearchId, KnownSearch>);

impl KnownSearches {
    /// Reads a search, if that has not been done yet. An error of its own is a value, since it stays; one of the database may
    /// pass.
    pub fn read(&mut self, conn: &mut PgConnection, id: SearchId) -> QueryResult<Result<(), SearchError>> {
        if self.0.contains_key(&id) {
            return Ok(Ok(()));
        }
        let stored = searches::get(conn, id)?;
        let spec = match Spec::from_json(&stored.spec) {
            Ok(spec) => spec,
            Err(error) => return Ok(Err(error.into())),
        };
        let judge = Judge::new(conn, id, &spec).map(Ok).or_else(JudgeError::parted)?;
        Ok(judge.map_err(SearchError::from).map(|judge| {
            let known =
                KnownSearch { spec: Arc::new(spec), judge, frozen: FrozenJobs::default(), nothing: None };
            self.0.insert(id, known);
        }))
    }

    /// Whether there was nothing to do for a search when this slot last looked, no longer ago than `recently`, and nothing has
    /// ended since. A job that was resumed may come back without an ending, and then somebody has to look again.
    pub fn had_nothing(&self, exhausted: Exhausted, recently: Duration) -> bool {
        let nothing = self.0.get(&exhausted.id).and_then(|known| known.nothing);
        nothing.is_some_and(|(ordinal, at)| {
            ordinal == exhausted.ordinal && !exhausted.unnumbered && at.elapsed() < recently
        })
    }

    /// Notes that there is nothing to do for a search.
    pub fn note_nothing(&mut self, exhausted: Exhausted) {
        if let Some(known) = self.0.get_mut(&exhausted.id) {
            known.nothing = Some((exhausted.ordinal, Instant::now()));
        }
    }

    /// One that was read.
    pub fn get_mut(&mut self, id: SearchId) -> Option<&mut KnownSearch> {
        self.0.get_mut(&id)
    }

    /// The specification of one that was read.
    pub fn spec(&self, id: SearchId) -> Option<Arc<Spec>> {
        self.0.get(&id).map(|known| Arc::clone(&known.spec))
    }
}
