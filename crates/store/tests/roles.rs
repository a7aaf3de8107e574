//! What each role of a database may do, statement by statement, and how a database comes to its roles.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeSet, fs, path::Path};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};
use diesel_migrations::MigrationHarness as _;
use store::{Database, SchemaError, migration};
use testing::TestDatabase;
use uuid::Uuid;

const ROLES: [&str; 3] = ["submit", "worker", "read"];

/// Who may run each statement of the store beside the owner: roles by their first letters.
const STATEMENTS: [(&str, &str); 50] = [
    ("bump_fences", "w"),
    ("claim", "w"),
    ("delete_jobs", ""),
    ("discard_checkpoints", "sw"),
    ("endings", "swr"),
    ("enqueue", "sw"),
    ("exhausted", "swr"),
    ("finish", "w"),
    ("finish_if_done", "swr"), // What a function does is not asked here.
    ("first_jobs", "swr"),
    ("first_step", "w"),
    ("freeze", "w"),
    ("grown", "swr"),
    ("host_faults", "swr"),
    ("job_attempts", "swr"),
    ("job_list", "swr"),
    ("job_priority", "sw"),
    ("job_retry", "s"),
    ("job_waits", "swr"),
    ("keep_state", "w"),
    ("lead", "w"),
    ("learned", "swr"),
    ("number", "swr"),
    ("orphans", "swr"),
    ("population", "swr"),
    ("progress", "swr"),
    ("promote", "sw"),
    ("prunable", "swr"),
    ("prune", "sw"),
    ("prune_counts", "swr"),
    ("prune_events", ""),
    ("prune_logs", "w"),
    ("prune_workers", ""),
    ("reap", "w"),
    ("record", "w"),
    ("release", "w"),
    ("renew", "w"),
    ("restart_price", "swr"),
    ("restorable", "swr"),
    ("retry", "w"),
    ("running", "swr"),
    ("search_contents", "swr"),
    ("search_set", "s"),
    ("stop_frozen", "swr"),
    ("take_discarded", "w"),
    ("thaw", "w"),
    ("touch", "w"),
    ("turns", "swr"),
    ("wake", "sw"),
    ("worker_list", "swr"),
    // What is deleted for good only its owner deletes.
];
/// Read whatever the role, or run by `migrate` alone.
const OTHERS: [&str; 3] = ["roles", "schema_version", "worker_attempts"];

const NEW_SEARCH: &str = "INSERT INTO search (name, spec, spec_hash, engine, max_epochs, \"interval\", budget, version) \
                          VALUES ('new', '{}', repeat('0', 64), 'none', 1, 1, 1, '0')";

/// What somebody might type, and who may.
const TYPED: [(&str, &str); 47] = [
    ("SELECT FROM job", "swr"),
    ("SELECT FROM identity", "swr"),
    ("SELECT FROM __diesel_schema_migrations", "swr"),
    ("SELECT FROM job_outcome", "swr"),
    ("SELECT number_endings(1)", "swr"),
    ("SELECT finish_search_if_done(1, NULL)", "sw"),
    ("SELECT write_result(1, 1, 1, 'cancelled', NULL)", "sw"),
    ("SELECT set_search_paused(1, true)", "sw"),
    ("SELECT cancel_jobs('{}')", "sw"),
    ("SELECT note_jobs_from_outside(1, 1)", "s"),
    ("UPDATE search SET deleting_since = now()", "s"),
    (NEW_SEARCH, "s"),
    ("UPDATE search SET state = 'paused'", "sw"),
    ("UPDATE search SET spec = '{}'", "s"),
    ("UPDATE search SET budget = 1", "s"),
    ("DELETE FROM search", ""),
    ("DELETE FROM architecture", ""),
    ("UPDATE architecture SET genome = '{}'", ""),
    ("UPDATE job SET priority = 1", "sw"),
    ("DELETE FROM job", ""),
    ("UPDATE lease SET cancel = true", "sw"),
    ("UPDATE lease SET expires_at = now()", "w"),
    ("DELETE FROM lease", "w"),
    ("UPDATE observation SET val_acc = 99", ""),
    ("DELETE FROM observation", ""),
    ("DELETE FROM checkpoint", "sw"),
    ("UPDATE result SET fitness = 99", "sw"),
    ("DELETE FROM result", "s"),
    ("UPDATE finish SET ordinal = 1", ""),
    ("DELETE FROM finish", ""),
    ("DELETE FROM freezing", ""),
    ("DELETE FROM scheduler_state", ""),
    ("SELECT stop_frozen_jobs(1, 1, 1)", "sw"),
    ("DELETE FROM attempt", ""),
    ("DELETE FROM event", ""),
    ("UPDATE worker SET state = 'draining'", "sw"),
    ("UPDATE worker SET host = 'elsewhere'", "w"),
    ("DELETE FROM worker", ""),
    ("UPDATE identity SET store_id = gen_random_uuid(), store_url = 'file:///elsewhere'", "w"),
    ("UPDATE identity SET id = gen_random_uuid()", ""),
    ("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')", ""),
    ("TRUNCATE event", ""),
    ("ALTER TABLE job ADD mine integer", ""),
    ("DROP TABLE event", ""),
    ("CREATE TABLE mine (i integer)", ""),
    ("CREATE INDEX mine ON job (seed)", ""),
    ("CREATE OR REPLACE FUNCTION number_endings(of_search bigint) RETURNS void LANGUAGE sql AS ''", ""),
];

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows: Vec<Text> =
        sql_query(format!("SELECT value::text AS text FROM ({sql}) AS found (value)")).load(conn).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// The first digits of the database's identity.
fn id(conn: &mut PgConnection) -> String {
    texts(conn, "SELECT left(id::text, 8) FROM identity").remove(0)
}

/// Whether the role may run some SQL, of which nothing stays. Another error than a refusal is as good as none, but for one of
/// the statement itself.
fn may(conn: &mut PgConnection, role: &str, sql: &str) -> bool {
    conn.batch_execute(&format!("BEGIN; SET LOCAL ROLE {role}")).unwrap();
    let done = conn.batch_execute(sql);
    conn.batch_execute("ROLLBACK").unwrap();
    let error = done.err().map_or_else(String::new, |error| error.to_string());
    assert!(!sql.starts_with("EXPLAIN") || error.is_empty() || error.contains("denied"), "{error}: {sql}");
    !(error.contains("permission denied") || error.contains("must be owner"))
}

/// Checks who may run some SQL.
fn assert_may(conn: &mut PgConnection, id: &str, sql: &str, allowed: &str, what: &str) {
    for role in ROLES {
        let expected = allowed.contains(&role[..1]);
        let verb = if expected { "may" } else { "may not" };
        assert_eq!(may(conn, &format!("peng_{role}_{id}"), sql), expected, "{role} {verb}: {what}");
    }
    assert!(may(conn, "peng", sql), "the owner may: {what}");
}

#[test]
fn each_role_may_run_its_own_statements_and_no_others() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    let id = id(conn);
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql")).unwrap();
    for path in files.map(|file| file.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some((_, allowed)) = STATEMENTS.iter().find(|(listed, _)| *listed == name) else {
            assert!(OTHERS.contains(&name.as_str()), "say in this test who may run `{name}.sql`");
            continue;
        };
        let sql = fs::read_to_string(&path).unwrap();
        // It is planned and begun, which asks for all rights, and not run.
        let sql = (1..40).rev().fold(sql, |sql, n| sql.replace(&format!("${n}"), "NULL"));
        assert_may(conn, &id, &format!("EXPLAIN {sql}"), allowed, &name);
    }
}

#[test]
fn what_is_typed_is_refused_to_whom_it_is_not_granted() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    let id = id(conn);
    for (sql, allowed) in TYPED {
        assert_may(conn, &id, sql, allowed, sql);
    }
}

#[test]
fn every_table_is_read_by_all_and_emptied_by_none() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    let id = id(conn);
    let tables = texts(
        conn,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')",
    );
    assert!(tables.len() > 24, "{tables:?}");
    for (table, role) in tables.iter().flat_map(|table| ROLES.map(|role| (table, role))) {
        let has = |conn: &mut PgConnection, right: &str| {
            texts(conn, &format!("SELECT has_table_privilege('peng_{role}_{id}', '{table}', '{right}')"))[0]
                == "true"
        };
        assert!(has(conn, "SELECT"), "{role} reads {table}");
        assert!(!has(conn, "TRUNCATE, REFERENCES, TRIGGER"), "{role}: {table}");
        assert!(role != "read" || !has(conn, "INSERT, UPDATE, DELETE"), "{table} is read");
    }
}

#[test]
fn a_role_is_of_one_database() {
    let (one, other) = (TestDatabase::empty(), TestDatabase::empty());
    let [conn, elsewhere] = &mut [one.connect(), other.connect()];
    migration::migrate(conn, std::time::Duration::ZERO).unwrap();
    migration::migrate(elsewhere, std::time::Duration::ZERO).unwrap();
    let role = format!("peng_worker_{}", id(conn));
    assert!(may(conn, &role, "SELECT FROM lineage"));
    assert!(!may(elsewhere, &role, "SELECT FROM lineage"), "it has no right there");
    assert!(!may(elsewhere, "peng_read", "SELECT FROM lineage"), "nor has a reader of the cluster");

    let reader = format!("peng_read_{}", id(conn));
    conn.batch_execute(&format!("SET ROLE {role}")).unwrap();
    elsewhere.batch_execute(&format!("SET ROLE {role}")).unwrap();
    migration::check(conn).unwrap();
    let error = migration::check(elsewhere).unwrap_err();
    assert!(matches!(&error, SchemaError::Denied { role, .. } if *role != reader), "{error}");
    conn.batch_execute("RESET ROLE").unwrap();
    migration::revert_all(conn).unwrap();
    let left = format!("SELECT rolname FROM pg_roles WHERE rolname = '{role}'");
    assert!(texts(conn, &left).is_empty(), "down.sql leaves none");
}

#[test]
fn readers_of_the_cluster_go_on_where_there_are_searches() {
    let database = TestDatabase::empty();
    let conn = &mut database.connect();
    while let Some(next) = conn.pending_migrations(migration::MIGRATIONS).unwrap().into_iter().next()
        && next.name().version().to_string().as_str() < "20261126000012"
    {
        conn.run_migration(&next).unwrap();
    }
    assert!(may(conn, "peng_read", "SELECT FROM lineage"), "as the version before has it");
    conn.batch_execute(NEW_SEARCH).unwrap();
    migration::migrate(conn, std::time::Duration::ZERO).unwrap();
    assert!(may(conn, "peng_read", "SELECT FROM lineage"));
    assert!(!may(conn, "peng_read", "SELECT FROM job"));
}

#[test]
fn who_may_not_create_roles_can_migrate_and_again_when_they_are_there() {
    let database = TestDatabase::empty();
    let admin = &mut database.connect();
    let plain = format!("plain_{}", Uuid::new_v4().simple());
    admin
        .batch_execute(&format!(
            "CREATE ROLE {plain} LOGIN; \
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO {plain}', current_database()); END $$"
        ))
        .unwrap();
    let url = database.url().replace("user=peng", &format!("user={plain}"));
    let owner = &mut Database::new(url).unwrap().connect().unwrap();
    assert!(!migration::migrate(owner, std::time::Duration::ZERO).unwrap().is_empty());
    migration::check(owner).unwrap();
    let roles = ROLES.map(|role| format!("peng_{role}_{}", id(owner)));
    let sql = format!("SELECT rolname FROM pg_roles WHERE rolname IN ('{}')", roles.join("', '"));
    assert!(texts(admin, &sql).is_empty(), "there was nobody to make them");

    for role in &roles {
        admin.batch_execute(&format!("CREATE ROLE {role} NOLOGIN")).unwrap();
    }
    assert!(
        migration::migrate(owner, std::time::Duration::ZERO).unwrap().is_empty(),
        "the schema is as it was"
    );
    let found: BTreeSet<_> = texts(admin, &sql).into_iter().collect();
    assert_eq!(found, roles.iter().cloned().collect());
    assert!(may(admin, &roles[1], "UPDATE job SET priority = 1"), "and what was missing is granted");
    migration::revert_all(owner).unwrap();
    // Who may not make roles cannot drop them either.
    admin
        .batch_execute(&format!(
            "DROP ROLE {}; REASSIGN OWNED BY {plain} TO peng; DROP ROLE {plain}",
            roles.join(", ")
        ))
        .unwrap();
}
