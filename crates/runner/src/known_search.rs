//! What a worker has read of the searches that its slots work on: once, however many they are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use diesel::{PgConnection, QueryResult};
use domain::{Ordinal, SearchId};
use search::{LiveError, LiveScheduler, Spec, SpecError};
use store::search::{self as searches, Exhausted};

/// A search as a worker has read it.
pub struct KnownSearch {
    pub spec: Arc<Spec>,
    scheduler: Mutex<LiveScheduler>,
    /// When there was nothing to do for it, and after which ending.
    nothing: Mutex<Option<(Ordinal, Instant)>>,
}

impl KnownSearch {
    /// Its scheduler. Hold it for no longer than one try at the database takes: all slots ask it.
    pub fn scheduler(&self) -> MutexGuard<'_, LiveScheduler> {
        self.scheduler.lock().unwrap_or_else(|poisoned| {
            // A slot panicked in it, maybe half way through.
            let mut scheduler = poisoned.into_inner();
            scheduler.begin_anew();
            self.scheduler.clear_poison();
            scheduler
        })
    }

    /// Whether there was nothing to do when a slot last looked, no longer ago than `recently`, and nothing has ended or been set
    /// aside since.
    pub fn had_nothing(&self, exhausted: Exhausted, recently: Duration) -> bool {
        self.nothing().is_some_and(|(ordinal, at)| {
            ordinal == exhausted.ordinal && !exhausted.unnumbered && at.elapsed() < recently
        })
    }

    /// Notes that there is nothing to do.
    pub fn note_nothing(&self, exhausted: Exhausted) {
        *self.nothing() = Some((exhausted.ordinal, Instant::now()));
    }

    fn nothing(&self) -> MutexGuard<'_, Option<(Ordinal, Instant)>> {
        self.nothing.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// All searches that a worker has read. Those that have ended are forgotten when another one is read, with all their curves: one that
/// goes on, since somebody adds jobs to it, is read again.
#[derive(Default)]
pub struct KnownSearches(Mutex<HashMap<SearchId, Arc<KnownSearch>>>);

impl KnownSearches {
    /// A search, read if that has not been done yet. An error of its own is a value, since it stays; one of the database may
    /// pass.
    pub fn read(
        &self,
        conn: &mut PgConnection,
        id: SearchId,
    ) -> QueryResult<Result<Arc<KnownSearch>, SearchError>> {
        if let Some(known) = self.get(id) {
            return Ok(Ok(known));
        }
        let stored = searches::get(conn, id)?;
        let spec = match Spec::from_json(&stored.spec) {
            Ok(spec) => Arc::new(spec),
            Err(error) => return Ok(Err(error.into())),
        };
        let scheduler = match LiveScheduler::new(conn, id, &spec).map(Ok).or_else(LiveError::parted)? {
            Ok(scheduler) => Mutex::new(scheduler),
            Err(error) => return Ok(Err(error.into())),
        };
        let ids: Vec<_> = self.all().keys().copied().collect();
        let unended = searches::unended(conn, &ids)?;
        let mut all = self.all();
        all.retain(|id, _| unended.contains(id) || !ids.contains(id));
        // Another slot may have been faster; all have to ask the same one.
        let known = || Arc::new(KnownSearch { spec, scheduler, nothing: Mutex::default() });
        Ok(Ok(Arc::clone(all.entry(id).or_insert_with(known))))
    }

    /// One that was read.
    pub fn get(&self, id: SearchId) -> Option<Arc<KnownSearch>> {
        self.all().get(&id).map(Arc::clone)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SearchId, Arc<KnownSearch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let known = KnownSearches::default();
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
            assert_eq!(known.get(id).is_some(), is_known, "search {id}");
        }
        known.read(&mut conn, ids[0]).unwrap().unwrap();
        assert!(known.get(ids[0]).is_some(), "one that goes on");
    }
}
