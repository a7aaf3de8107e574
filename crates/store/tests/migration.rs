//! Migrations run up, down and up again, and a binary knows a schema that is not its own.

use std::time::Duration;

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use diesel_migrations::MigrationHarness as _;
use store::{SchemaError, migration};
use testing::TestDatabase;

#[test]
fn up_down_up() {
    let database = TestDatabase::empty();
    let mut conn = database.connect();
    assert!(matches!(migration::check(&mut conn), Err(SchemaError::Missing)));
    let ran = migration::migrate(&mut conn, Duration::ZERO).unwrap();
    assert_eq!(ran.len(), migration::versions().len());
    assert!(migration::migrate(&mut conn, Duration::ZERO).unwrap().is_empty(), "a second run does nothing");
    migration::revert_all(&mut conn).unwrap();
    let left = sql_query(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'S') AND relname NOT LIKE '\\_\\_diesel%'",
    );
    assert_eq!(left.execute(&mut conn).unwrap(), 0, "down.sql leaves nothing");
    migration::migrate(&mut conn, Duration::ZERO).unwrap();
    migration::check(&mut conn).unwrap();
}

/// A migration of a peng to come.
const LATER: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')";

#[test]
fn a_schema_to_come_is_accepted_until_it_ends_the_support_of_this_version() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(LATER).unwrap();
    migration::check(&mut conn).unwrap();
    assert!(
        migration::migrate(&mut conn, Duration::ZERO).unwrap().is_empty(),
        "it has all that this version needs"
    );
    conn.batch_execute("UPDATE compatibility SET oldest_schema = '99999999999999'").unwrap();
    let error = migration::check(&mut conn).unwrap_err();
    assert!(matches!(error, SchemaError::Newer { .. }), "{error}");
    assert!(matches!(migration::migrate(&mut conn, Duration::ZERO), Err(SchemaError::Newer { .. })));
}

#[test]
fn a_schema_without_what_this_version_needs_is_refused() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let delete =
        format!("DELETE FROM __diesel_schema_migrations WHERE version = '{}'", migration::OLDEST_SCHEMA);
    conn.batch_execute(&delete).unwrap();
    let error = migration::check(&mut conn).unwrap_err();
    assert!(matches!(error, SchemaError::Older { .. }), "{error}");
    assert!(
        migration::versions().iter().any(|version| version == migration::OLDEST_SCHEMA),
        "it is one of ours"
    );
}

#[test]
fn a_migration_waits_for_a_table_in_short_turns_and_says_so_when_it_gives_up() {
    let database = TestDatabase::new();
    let (mut conn, mut worker) = (database.connect(), database.connect());
    // Down to one whose successor changes a table.
    while migration::versions().len() - conn.pending_migrations(migration::MIGRATIONS).unwrap().len() > 12 {
        conn.revert_last_migration(migration::MIGRATIONS).unwrap();
    }
    worker.batch_execute("BEGIN; LOCK TABLE job, search IN ROW EXCLUSIVE MODE").unwrap();
    let error = migration::migrate(&mut conn, Duration::ZERO).unwrap_err();
    assert!(matches!(error, SchemaError::Busy), "{error}");
    worker.batch_execute("COMMIT").unwrap();
    assert!(!migration::migrate(&mut conn, Duration::ZERO).unwrap().is_empty());
}

#[test]
fn every_table_and_column_is_explained() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let silent = sql_query(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped \
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v') AND c.relname NOT LIKE '\\_\\_diesel%' \
         AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)",
    );
    assert_eq!(silent.execute(&mut conn).unwrap(), 0, "a COMMENT ON is missing");
}
