//! Migrations, embedded in the binary, and the check that a binary and a database fit each other.

use std::time::{Duration, Instant};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _,
    pg::Pg, sql_query, sql_types,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use domain::chain;
use tracing::info;

/// All migrations of this version.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// What the roles of a database may do: granted after the migrations, each time.
pub const ROLES: &str = include_str!("sql/roles.sql");
/// The oldest schema that the statements of this version run on, by its newest migration: before `peng db migrate` a new
/// worker starts beside old ones from there on. A migration adds; see docs/adr/0010-rolling-upgrades.md.
pub const OLDEST_SCHEMA: &str = "20261126000021";
/// Lets one migration run at a time, over all hosts.
const LOCK: i64 = 0x7065_6e67_0001;
/// How long a migration waits for a table, with everybody who comes later behind it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before it tries again.
const RETRY: Duration = Duration::from_secs(3);

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
    /// The database has migrations that this binary does not know, and no longer takes it.
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
    /// A migration did not get its locks.
    #[error(
        "a migration waits for tables that others use, and nothing was changed by it: run `peng db migrate` again, and look for \
         long transactions in pg_stat_activity if that does not help"
    )]
    Busy,
    /// A migration failed; its transaction was rolled back.
    #[error("a migration failed: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database did not answer.
    #[error("cannot read the schema version")]
    Query(#[from] diesel::result::Error),
}

/// Runs the migrations that are missing, each in a transaction of its own, and grants the roles of the database what they may do;
/// returns the versions. A migration waits two seconds for its locks, so that nobody queues behind it for longer, and is tried
/// again after a pause, for as long as `patience` lasts.
///
/// # Errors
/// [`SchemaError::Newer`] for a database that no longer takes this peng, [`SchemaError::Busy`] once patience is over.
pub fn migrate(conn: &mut PgConnection, patience: Duration) -> Result<Vec<String>, SchemaError> {
    match check(conn) {
        Ok(()) | Err(SchemaError::Missing | SchemaError::Older { .. }) => {}
        Err(error) => return Err(error),
    }
    let (start, mut ran) = (Instant::now(), Vec::new());
    loop {
        match run_next(conn) {
            Ok(Some(version)) => ran.push(version),
            Ok(None) => break,
            Err(error) if !is_lock_timeout(&error) => return Err(error),
            Err(_) if start.elapsed() >= patience => return Err(SchemaError::Busy),
            Err(_) => {
                info!("a migration waits for a table that others use; again in {} s", RETRY.as_secs());
                std::thread::sleep(RETRY);
            }
        }
    }
    alone(conn, |conn| Ok(conn.batch_execute(ROLES)?))?;
    Ok(ran)
}

/// Runs the oldest migration that is missing, alone among all who migrate.
fn run_next(conn: &mut PgConnection) -> Result<Option<String>, SchemaError> {
    let mut beside = None;
    let ran = alone(conn, |conn| {
        let pending = conn.pending_migrations(MIGRATIONS).map_err(SchemaError::Migration)?;
        let Some(next) = pending.into_iter().next() else { return Ok(None) };
        if !next.metadata().run_in_transaction() {
            beside = Some(next);
            return Ok(None);
        }
        conn.batch_execute(&format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis()))?;
        let ran = conn.run_migration(&next).map_err(SchemaError::Migration)?;
        Ok(Some(ran.to_string()))
    })?;
    // An index that is built beside running work: in no transaction, and harmless when two build it.
    let Some(next) = beside else { return Ok(ran) };
    conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
    let ran = conn.run_migration(&next).map(|ran| ran.to_string()).map_err(SchemaError::Migration);
    conn.batch_execute("RESET statement_timeout; RESET lock_timeout")?;
    ran.map(Some)
}

/// By the words of a server that speaks English, since diesel passes no SQLSTATE on. What another one says is shown, and whoever
/// migrates tries again.
fn is_lock_timeout(error: &SchemaError) -> bool {
    chain(error).contains("lock timeout")
}

/// Reverts every migration: all tables and what is in them are gone.
///
/// # Errors
/// [`SchemaError::Migration`] if one cannot be reverted.
pub fn revert_all(conn: &mut PgConnection) -> Result<usize, SchemaError> {
    alone(conn, |conn| Ok(conn.revert_all_migrations(MIGRATIONS).map_err(SchemaError::Migration)?.len()))
}

/// Refuses a database whose schema is too old for this binary, or whose owner has ended the support of this version.
///
/// # Errors
/// [`SchemaError::Missing`], [`SchemaError::Older`], [`SchemaError::Newer`] or [`SchemaError::Denied`], each with what to
/// do.
pub fn check(conn: &mut PgConnection) -> Result<(), SchemaError> {
    let known = versions();
    let expected = known.last().cloned().unwrap_or_default();
    let Applied { versions, oldest_schema } = applied(conn)?;
    let Some(found) = versions.last().cloned() else {
        return Err(SchemaError::Missing);
    };
    let has_newer = versions.iter().any(|version| !known.contains(version));
    if has_newer && !oldest_schema.is_some_and(|oldest| is_supported(&oldest)) {
        return Err(SchemaError::Newer { found, expected });
    }
    let mut needed = known.iter().filter(|version| version.as_str() <= OLDEST_SCHEMA);
    if !needed.all(|version| versions.contains(version)) {
        return Err(SchemaError::Older { found, expected: OLDEST_SCHEMA.to_owned() });
    }
    Ok(())
}

/// Whether a database whose [`compatibility`](crate::schema) row says `oldest` takes this binary.
pub fn is_supported(oldest: &str) -> bool {
    versions().last().is_some_and(|own| own.as_str() >= oldest)
}

/// Versions of the embedded migrations, oldest first.
pub fn versions() -> Vec<String> {
    let migrations = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .expect("embedded migrations can always be listed");
    let mut versions: Vec<_> = migrations.iter().map(|m| m.name().version().to_string()).collect();
    versions.sort();
    versions
}

/// What has been done to a database.
struct Applied {
    /// Versions of the migrations that ran, oldest first.
    versions: Vec<String>,
    /// The oldest binary that it takes, by the newest migration of that; none before there was such a row.
    oldest_schema: Option<String>,
}

/// From the view, which readers may see, where it is there.
fn applied(conn: &mut PgConnection) -> Result<Applied, SchemaError> {
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
        #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
        oldest_schema: Option<String>,
    }
    let place: Place = sql_query(include_str!("sql/schema_version.sql")).get_result(conn)?;
    let Some(relation) = place.relation else {
        return Ok(Applied { versions: Vec::new(), oldest_schema: None });
    };
    if !place.readable {
        return Err(SchemaError::Denied { user: place.user, role: place.role });
    }
    // Databases before the row have no such column.
    let rows: Vec<Row> = sql_query(format!(
        "SELECT version::text AS version, to_jsonb(applied) ->> 'oldest_schema' AS oldest_schema \
         FROM {relation} AS applied ORDER BY 1"
    ))
    .load(conn)?;
    let oldest_schema = rows.first().and_then(|row| row.oldest_schema.clone());
    Ok(Applied { versions: rows.into_iter().map(|row| row.version).collect(), oldest_schema })
}

/// Does work in a transaction that no other migration runs beside, behind a pooler too. Whoever waits for another migration waits
/// as long as that takes.
fn alone<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, SchemaError>,
) -> Result<T, SchemaError> {
    conn.transaction(|conn| {
        conn.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
        conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})"))?;
        work(conn)
    })
}
