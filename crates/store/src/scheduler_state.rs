//! What the scheduler of a search has learned, kept so that a new worker need not learn it anew. It may be lost at any time.

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult,
    RunQueryDsl as _, sql_query, sql_types,
};
use domain::{Ordinal, SearchId};

use crate::{
    finish::Cursor,
    schema::scheduler_state::dsl::{fingerprint, learned_id, ordinal, scheduler_state, search_id, state},
};

/// What was learned, and from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    /// The last ending or freeze that was learned from.
    pub seen: Cursor,
    /// What was learned, as the scheduler wrote it.
    pub state: Vec<u8>,
}

/// What was last kept for a search under this fingerprint.
///
/// # Errors
/// Those of the database.
pub fn load(conn: &mut PgConnection, search: SearchId, print: &str) -> QueryResult<Option<KeptState>> {
    let kept: Option<(Ordinal, i64, Vec<u8>)> = scheduler_state
        .filter(search_id.eq(search))
        .filter(fingerprint.eq(print))
        .select((ordinal, learned_id, state))
        .first(conn)
        .optional()?;
    Ok(kept.map(|(last, id, bytes)| KeptState { seen: Cursor::new(last, id), state: bytes }))
}

/// How far what was last kept for a search under this fingerprint goes; 0 for none.
///
/// # Errors
/// Those of the database.
pub fn kept_to(conn: &mut PgConnection, search: SearchId, print: &str) -> QueryResult<Ordinal> {
    let kept = scheduler_state
        .filter(search_id.eq(search))
        .filter(fingerprint.eq(print))
        .select(ordinal)
        .first(conn)
        .optional()?;
    Ok(kept.unwrap_or_default())
}

/// Keeps what was learned, unless somebody has kept as much under this fingerprint.
///
/// # Errors
/// Those of the database.
pub fn keep(conn: &mut PgConnection, search: SearchId, print: &str, kept: &KeptState) -> QueryResult<()> {
    sql_query(include_str!("sql/keep_state.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::BigInt, _>(kept.seen.ordinal)
        .bind::<sql_types::BigInt, _>(kept.seen.id())
        .bind::<sql_types::Text, _>(print)
        .bind::<sql_types::Binary, _>(&kept.state)
        .execute(conn)?;
    Ok(())
}
