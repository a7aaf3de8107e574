//! Who the database is.

use diesel::{PgConnection, QueryDsl as _, QueryResult, RunQueryDsl as _};
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
