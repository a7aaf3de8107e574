//! What a slot has read of the searches that it works on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{PgConnection, QueryResult};
use domain::{Ordinal, SearchId, chain};
use search::{LiveError, LiveScheduler, Spec, SpecError};
use store::{
    job::Outcome,
    search::{self as searches, Exhausted},
};

use crate::attempt::AttemptOutcome;

/// A search as a slot has read it.
pub struct KnownSearch {
    pub spec: Arc<Spec>,
    pub scheduler: LiveScheduler,
    /// When there was nothing to do for it, and after which ending.
    nothing: Option<(Ordinal, Instant)>,
}

/// Why a search is not understood.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Its specification: this peng may be too old for it.
    #[error("cannot read the specification of the search")]
    Spec(#[from] SpecError),
    /// What its scheduler has to know.
    #[error(transparent)]
    Scheduler(#[from] LiveError),
}

impl SearchError {
    /// How an attempt at a job of the search ends.
    pub fn into_outcome(self) -> AttemptOutcome {
        let cause = chain(&self);
        match self {
            // Another worker may be new enough for it.
            Self::Spec(_) => AttemptOutcome::Unsupported(cause),
            Self::Scheduler(LiveError::NoWarmStart(_)) => AttemptOutcome::Ended(Outcome::Failed, Some(cause)),
            Self::Scheduler(_) => AttemptOutcome::Crashed { cause, early: false },
        }
    }
}

/// All searches that a slot has read. Those that have ended are forgotten when another one is read, with all their curves: one that
/// goes on, since somebody adds jobs to it, is read again.
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
        let scheduler = LiveScheduler::new(conn, id, &spec).map(Ok).or_else(LiveError::parted)?;
        self.forget_ended(conn)?;
        Ok(scheduler.map_err(SearchError::from).map(|scheduler| {
            let known = KnownSearch { spec: Arc::new(spec), scheduler, nothing: None };
            self.0.insert(id, known);
        }))
    }

    /// Whether there was nothing to do for a search when this slot last looked, no longer ago than `recently`, and nothing has
    /// ended or been set aside since.
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

    fn forget_ended(&mut self, conn: &mut PgConnection) -> QueryResult<()> {
        let unended = searches::unended(conn, &self.0.keys().copied().collect::<Vec<_>>())?;
        self.0.retain(|id, _| unended.contains(id));
        Ok(())
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

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use testing::TestDatabase;

    use super::*;

    const SPEC: &str = "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
                        [budget]\njobs = 1\nmax_epochs = 3\n[predictor]\nengine = \"none\"\n";

    #[test]
    fn searches_that_have_ended_are_forgotten() {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        let mut known = KnownSearches::default();
        let submit = |conn: &mut PgConnection, name: &str| {
            let spec = Spec::parse(SPEC, "test").unwrap().renamed(name).unwrap();
            search::submit(conn, &spec, Vec::<searches::NewJob>::new(), None).unwrap().0
        };
        let ids = ["finished", "deleted", "paused", "running"].map(|name| submit(&mut conn, name));
        for id in ids {
            known.read(&mut conn, id).unwrap().unwrap();
        }
        conn.batch_execute(
            "UPDATE search SET state = 'finished', finished_at = now() WHERE name = 'finished'; \
             DELETE FROM search WHERE name = 'deleted'; UPDATE search SET state = 'paused' WHERE name = 'paused'",
        )
        .unwrap();
        let newest = submit(&mut conn, "newest");
        known.read(&mut conn, newest).unwrap().unwrap();
        for (id, is_known) in ids.into_iter().chain([newest]).zip([false, false, true, true, true]) {
            assert_eq!(known.get_mut(id).is_some(), is_known, "search {id}");
        }
        known.read(&mut conn, ids[0]).unwrap().unwrap();
        assert!(known.spec(ids[0]).is_some(), "one that goes on");
    }
}
