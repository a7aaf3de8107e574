//! Who the database is, and which checkpoint store is its own.

use diesel::{
    ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, Queryable, RunQueryDsl as _,
    Selectable, SelectableHelper as _,
};
use uuid::Uuid;

/// The identity of this database, made with its schema. It names the database's part of a checkpoint store, so that two
/// databases with the same store never meet there. A copy of a database has the identity of its original.
///
/// # Errors
/// Those of the database.
pub fn identity(conn: &mut PgConnection) -> QueryResult<Uuid> {
    use crate::schema::identity::dsl;
    dsl::identity.select(dsl::id).get_result(conn)
}

/// The checkpoint store that the workers of this database use.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = crate::schema::identity)]
pub struct KnownStore {
    /// By the marker in the store.
    pub store_id: Option<Uuid>,
    /// How the worker that was first reached it, for people.
    pub store_url: Option<String>,
}

/// Makes a store the one of this database, if it has none yet; returns which one it is.
///
/// # Errors
/// Those of the database.
pub fn claim_store(conn: &mut PgConnection, store: Uuid, url: &str) -> QueryResult<KnownStore> {
    use crate::schema::identity::dsl;
    diesel::update(dsl::identity.filter(dsl::store_id.is_null()))
        .set((dsl::store_id.eq(store), dsl::store_url.eq(url)))
        .execute(conn)?;
    dsl::identity.select(KnownStore::as_select()).get_result(conn)
}
