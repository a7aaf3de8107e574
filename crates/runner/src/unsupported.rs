//! Searches whose networks this kind of worker does not train.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::SearchId;
use store::{DbError, Session, queue};

/// The searches that the slots have met, each with the reason in words. What a search consists of never changes, so none is
/// forgotten.
#[derive(Debug, Default)]
pub struct UnsupportedSearches(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    met: BTreeMap<SearchId, String>,
    /// One of them whose jobs wait while there are no others.
    blocked_by: Option<SearchId>,
}

impl UnsupportedSearches {
    /// Notes a search; whether it is the first time.
    pub fn insert(&self, search: SearchId, why: &str) -> bool {
        self.state().met.insert(search, why.to_owned()).is_none()
    }

    /// Whether the search is one of them.
    pub fn has(&self, search: SearchId) -> bool {
        self.state().met.contains_key(&search)
    }

    /// All of them.
    pub fn all(&self) -> Vec<SearchId> {
        self.state().met.keys().copied().collect()
    }

    /// With no other job at hand: notes whether jobs of one of them wait.
    ///
    /// # Errors
    /// Those of the session.
    pub fn look(&self, session: &mut Session, stop: &dyn Fn() -> bool, class: &str) -> Result<(), DbError> {
        let all = self.all();
        if !all.is_empty() {
            self.note_blocked(session.run(stop, |conn| queue::first_ready(conn, class, &all))?);
        }
        Ok(())
    }

    fn note_blocked(&self, by: Option<SearchId>) {
        self.state().blocked_by = by;
    }

    /// Why the worker has nothing to do though jobs of its class wait, if that is so.
    pub fn blocked(&self) -> Option<String> {
        let state = self.state();
        state.met.get(&state.blocked_by?).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_new_once_and_blocks_while_nothing_else_waits() {
        let searches = UnsupportedSearches::default();
        let [a, b] = [SearchId(1), SearchId(2)];
        assert_eq!((searches.insert(a, "no"), searches.insert(a, "no")), (true, false));
        assert_eq!((searches.has(a), searches.has(b), searches.all()), (true, false, vec![a]));
        for (by, expected) in [(None, None), (Some(a), Some("no".to_owned())), (Some(b), None)] {
            searches.note_blocked(by);
            assert_eq!(searches.blocked(), expected);
        }
    }
}
