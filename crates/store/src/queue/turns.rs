//! Whose turn it is among the searches of a class.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use diesel::{PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use domain::SearchId;

use super::walk::again_after;
use crate::statement::prepared;

/// The searches of a class that have ready jobs and room, as a process last saw them: all its slots share one. The highest
/// priority goes first; of equals the search of which fewest jobs run; of equals again the one that this process served least
/// recently, and one at random of those that it never did.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    turns: Vec<Turn>,
    /// When to look anew; none before the first look.
    again: Option<Instant>,
    /// Claims so far, and how many there had been when each search was last served.
    claims: u64,
    served: HashMap<SearchId, u64>,
}

/// A search that may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
struct Turn {
    #[diesel(sql_type = sql_types::BigInt)]
    search_id: SearchId,
    #[diesel(sql_type = sql_types::SmallInt)]
    priority: i16,
    #[diesel(sql_type = sql_types::BigInt)]
    running: i64,
}

impl Turns {
    /// Whether what was last seen is a second old, or as old as a look is dear.
    pub fn is_due(&self) -> bool {
        self.state().again.is_none_or(|again| Instant::now() >= again)
    }

    /// Looks anew.
    ///
    /// # Errors
    /// Those of the database.
    pub fn look(&self, conn: &mut PgConnection, class: &str) -> QueryResult<()> {
        let start = Instant::now();
        let query = sql_query(include_str!("../sql/turns.sql")).bind::<sql_types::Text, _>(class);
        let turns = prepared(query).load(conn)?;
        let mut state = self.state();
        (state.turns, state.again) = (turns, Some(again_after(start.elapsed())));
        Ok(())
    }

    /// The search whose turn it is, but for some.
    pub fn next(&self, left_out: &[SearchId]) -> Option<SearchId> {
        let state = self.state();
        let turns = state.turns.iter().filter(|turn| !left_out.contains(&turn.search_id));
        let next = turns.min_by_key(|turn| {
            let served = state.served.get(&turn.search_id).copied();
            (-i32::from(turn.priority), turn.running, served, rand::random::<u32>())
        });
        next.map(|turn| turn.search_id)
    }

    /// A job of the search was claimed.
    pub fn served(&self, search: SearchId) {
        let mut state = self.state();
        state.claims += 1;
        let claims = state.claims;
        state.served.insert(search, claims);
        if let Some(turn) = state.turns.iter_mut().find(|turn| turn.search_id == search) {
            turn.running += 1;
        }
    }

    /// The search has no ready job left, or no room.
    pub fn pass(&self, search: SearchId) {
        self.state().turns.retain(|turn| turn.search_id != search);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[SearchId] = &[];

    fn turns(turns: &[(i64, i16, i64)]) -> Turns {
        let turn = |&(id, priority, running)| Turn { search_id: SearchId(id), priority, running };
        Turns(Arc::new(Mutex::new(State { turns: turns.iter().map(turn).collect(), ..State::default() })))
    }

    /// The searches that are served one after the other, without a look in between.
    fn order(turns: &Turns, count: usize) -> Vec<i64> {
        let next = || turns.next(NONE).inspect(|search| turns.served(*search)).map(|search| search.0);
        (0..count).map_while(|_| next()).collect()
    }

    #[test]
    fn priority_goes_first_then_the_search_that_has_least() {
        for (searches, expected, why) in [
            (&[(1, 0, 0), (2, 5, 9), (3, -1, 0)][..], &[2, 2, 2][..], "priority, whatever runs"),
            (&[(1, 0, 3), (2, 0, 0)], &[2, 2, 2], "who has least catches up"),
            (&[], &[], "nobody"),
        ] {
            assert_eq!(order(&turns(searches), 3), expected, "{why}");
        }
    }

    #[test]
    fn equals_take_turns() {
        let turns = turns(&[(1, 0, 0), (2, 0, 0), (3, 0, 0)]);
        let mut first = order(&turns, 3);
        assert_eq!(order(&turns, 3), first, "who was served least recently");
        first.sort_unstable();
        assert_eq!(first, [1, 2, 3]);
    }

    #[test]
    fn who_is_passed_or_left_out_is_not_served() {
        let turns = turns(&[(1, 9, 0), (2, 5, 0), (3, 0, 0)]);
        turns.pass(SearchId(1));
        assert_eq!(turns.next(&[SearchId(2)]), Some(SearchId(3)));
        assert!(turns.is_due(), "it has never looked");
    }
}
