//! Migrations run up, down and up again, and a binary knows a schema that is not its own.

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use store::{SchemaError, migration};
use testing::TestDatabase;

#[test]
fn up_down_up() {
    let database = TestDatabase::empty();
    let mut conn = database.connect();
    assert!(matches!(migration::check(&mut conn), Err(SchemaError::Missing)));
    let ran = migration::migrate(&mut conn).unwrap();
    assert_eq!(ran.len(), migration::versions().len());
    assert!(migration::migrate(&mut conn).unwrap().is_empty(), "a second run does nothing");
    migration::revert_all(&mut conn).unwrap();
    let left = sql_query(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'S') AND relname NOT LIKE '\\_\\_diesel%'",
    );
    assert_eq!(left.execute(&mut conn).unwrap(), 0, "down.sql leaves nothing");
    migration::migrate(&mut conn).unwrap();
    migration::check(&mut conn).unwrap();
}

#[test]
fn a_schema_that_is_older_or_newer_is_refused() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')").unwrap();
    let error = migration::check(&mut conn).unwrap_err();
    assert!(matches!(error, SchemaError::Newer { .. }), "{error}");
    assert!(matches!(migration::migrate(&mut conn), Err(SchemaError::Newer { .. })));
    conn.batch_execute(
        "DELETE FROM __diesel_schema_migrations WHERE version IN \
         (SELECT version FROM __diesel_schema_migrations ORDER BY version DESC LIMIT 1);
         INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000001')",
    )
    .unwrap();
    conn.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '00000000000001'").unwrap();
    let missing = migration::versions().pop().unwrap();
    conn.batch_execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{missing}'"))
        .unwrap();
    let error = migration::check(&mut conn).unwrap_err();
    assert!(matches!(error, SchemaError::Older { .. } | SchemaError::Missing), "{error}");
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
