//! Migrations, embedded in the binary, and the check that a binary and a database have the same schema.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, pg::Pg, sql_query,
    sql_types,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

/// All migrations of this version.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Lets one migration run at a time, over all hosts.
const LOCK: i64 = 0x7065_6e67_0001;

/// Why the schema of the database does not fit this binary, or a migration failed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// No migration has run.
    #[error("the database has no peng schema yet: run `peng db migrate`")]
    Missing,
    /// The database lacks migrations.
    #[error(
        "the schema of the database ({found}) is older than this peng's ({expected}): run `peng db migrate`"
    )]
    Older {
        /// Newest migration that ran.
        found: String,
        /// Newest migration of this binary.
        expected: String,
    },
    /// The database has migrations that this binary does not know.
    #[error("the schema of the database ({found}) is newer than this peng's ({expected}): use a newer peng")]
    Newer {
        /// Newest migration that ran.
        found: String,
        /// Newest migration of this binary.
        expected: String,
    },
    /// The user may read neither the tables nor the views.
    #[error(
        "the user `{user}` may not read this database of peng: for reports, its owner runs `peng db migrate` and, in psql, \
         `GRANT {role} TO \"{user}\";` (docs/security.md has the roles of workers and of who submits)"
    )]
    Denied {
        /// Name of the role that is connected.
        user: String,
        /// The role that reads this database.
        role: String,
    },
    /// A migration failed; its transaction was rolled back.
    #[error("a migration failed: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database did not answer.
    #[error("cannot read the schema version")]
    Query(#[from] diesel::result::Error),
}

/// Runs the migrations that are missing, and grants the roles of the database what they may do; returns the versions.
///
/// # Errors
/// [`SchemaError::Newer`] for a database that a newer peng has migrated.
pub fn migrate(conn: &mut PgConnection) -> Result<Vec<String>, SchemaError> {
    locked(conn, |conn| {
        match check(conn) {
            Ok(()) | Err(SchemaError::Missing | SchemaError::Older { .. }) => {}
            Err(error) => return Err(error),
        }
        let ran = conn.run_pending_migrations(MIGRATIONS).map_err(SchemaError::Migration)?;
        let ran = ran.iter().map(ToString::to_string).collect();
        conn.batch_execute(include_str!("sql/roles.sql"))?;
        Ok(ran)
    })
}

/// Reverts every migration: all tables and what is in them are gone.
///
/// # Errors
/// [`SchemaError::Migration`] if one cannot be reverted.
pub fn revert_all(conn: &mut PgConnection) -> Result<usize, SchemaError> {
    locked(conn, |conn| {
        let reverted = conn.revert_all_migrations(MIGRATIONS).map_err(SchemaError::Migration)?;
        Ok(reverted.len())
    })
}

/// Refuses a database whose schema is older or newer than this binary's.
///
/// # Errors
/// [`SchemaError::Missing`], [`SchemaError::Older`], [`SchemaError::Newer`] or [`SchemaError::Denied`], each with what to
/// do.
pub fn check(conn: &mut PgConnection) -> Result<(), SchemaError> {
    let known = versions();
    let expected = known.last().cloned().unwrap_or_default();
    let applied = applied(conn)?;
    let Some(found) = applied.last().cloned() else {
        return Err(SchemaError::Missing);
    };
    if applied.iter().any(|version| !known.contains(version)) {
        return Err(SchemaError::Newer { found, expected });
    }
    if applied.len() < known.len() {
        return Err(SchemaError::Older { found, expected });
    }
    Ok(())
}

/// Versions of the embedded migrations, oldest first.
pub fn versions() -> Vec<String> {
    let migrations = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .expect("embedded migrations can always be listed");
    let mut versions: Vec<_> = migrations.iter().map(|m| m.name().version().to_string()).collect();
    versions.sort();
    versions
}

/// Versions of the migrations that ran, oldest first; from the view, which readers may see, where it is there.
fn applied(conn: &mut PgConnection) -> Result<Vec<String>, SchemaError> {
    #[derive(QueryableByName)]
    struct Place {
        #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
        relation: Option<String>,
        #[diesel(sql_type = sql_types::Bool)]
        readable: bool,
        #[diesel(sql_type = sql_types::Text)]
        user: String,
        #[diesel(sql_type = sql_types::Text)]
        role: String,
    }
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        version: String,
    }
    let place: Place = sql_query(include_str!("sql/schema_version.sql")).get_result(conn)?;
    let Some(relation) = place.relation else {
        return Ok(Vec::new());
    };
    if !place.readable {
        return Err(SchemaError::Denied { user: place.user, role: place.role });
    }
    let rows = sql_query(format!("SELECT version::text AS version FROM {relation} ORDER BY 1"));
    Ok(rows.load::<Row>(conn)?.into_iter().map(|row| row.version).collect())
}

fn locked<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, SchemaError>,
) -> Result<T, SchemaError> {
    // Whoever waits for another migration, or for a table, waits as long as that takes.
    conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
    let done = work(conn);
    conn.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})"))?;
    done
}
