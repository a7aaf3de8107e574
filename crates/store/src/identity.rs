//! Who the database is, and which checkpoint store is its own.

use diesel::{ExpressionMethods as _, PgConnection, QueryDsl as _, QueryResult, RunQueryDsl as _};
use domain::StoreMarker;
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

/// The checkpoint store that the workers of this database use; `None` until the first one has started.
///
/// # Errors
/// Those of the database.
pub fn known_store(conn: &mut PgConnection) -> QueryResult<Option<StoreMarker>> {
    use crate::schema::identity::dsl;
    let (id, url): (Option<Uuid>, Option<String>) =
        dsl::identity.select((dsl::store_id, dsl::store_url)).get_result(conn)?;
    Ok(id.zip(url).map(|(id, url)| StoreMarker { id, url }))
}

/// Makes a store the one of this database, if it has none yet; returns which one it is.
///
/// # Errors
/// Those of the database.
pub fn claim_store(conn: &mut PgConnection, store: &StoreMarker) -> QueryResult<StoreMarker> {
    use crate::schema::identity::dsl;
    diesel::update(dsl::identity.filter(dsl::store_id.is_null()))
        .set((dsl::store_id.eq(store.id), dsl::store_url.eq(&store.url)))
        .execute(conn)?;
    known_store(conn)?.ok_or(diesel::result::Error::NotFound)
}
