//! The views say what the reports say, and the role of readers sees them and nothing else.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod made_up;

use std::path::PathBuf;

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _,
    sql_query, sql_types,
};
use report::{Filter, Output, Report as _, Style};
use testing::TestDatabase;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

fn names(conn: &mut PgConnection, kind: &str) -> Vec<String> {
    let sql = format!(
        "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = '{kind}'"
    );
    sql_query(sql).load::<Name>(conn).unwrap().into_iter().map(|row| row.name).collect()
}

#[test]
fn readers_see_the_views_and_nothing_else() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 30);
    let (views, tables) = (names(conn, "v"), names(conn, "r"));
    assert_eq!(views.len(), 12, "{views:?}");
    // As a database grants it that had searches before it had roles of its own.
    conn.batch_execute(&format!("GRANT SELECT ON {} TO peng_read; SET ROLE peng_read", views.join(", ")))
        .unwrap();
    for view in views {
        let of_one = if view == "applied_migration" { "" } else { "WHERE search = 'one'" };
        let rows = sql_query(format!("SELECT * FROM {view} {of_one}")).execute(conn).unwrap();
        assert!(rows > 0, "{view} is empty");
        let error = sql_query(format!("DELETE FROM {view}")).execute(conn).unwrap_err().to_string();
        assert!(error.contains("permission denied") || error.contains("cannot delete"), "{view}: {error}");
    }
    for table in tables {
        let error = sql_query(format!("SELECT 1 FROM {table}")).execute(conn).unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{table}: {error}");
    }
    let error = sql_query("CREATE TABLE mine (i integer)").execute(conn).unwrap_err().to_string();
    assert!(error.contains("permission denied"), "{error}");
}

#[test]
fn a_condition_stays_a_text_on_a_server_that_reads_backslashes() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 30);
    conn.batch_execute("SET standard_conforming_strings = off; SET escape_string_warning = off").unwrap();
    let of = |conn: &mut PgConnection, condition| {
        let filter = Filter::parse(None, &[condition]).unwrap();
        report::savings(conn, "one", &filter, 1).map(|savings| savings.epochs.jobs)
    };
    let all = of(conn, "class=default").unwrap();
    assert!(all > 0);
    assert_eq!(of(conn, r"class=\' OR true --").unwrap_or(0), 0, "no job is of such a class");
    assert_eq!(of(conn, r"class!=\' AND false --").unwrap(), all, "every job is of another class");
}

/// What stands between two relations in SQL, in capitals as the house writes it.
const BEFORE_A_RELATION: [&str; 2] = ["FROM", "JOIN"];

#[test]
fn the_reports_name_no_table() {
    let database = TestDatabase::new();
    let tables = names(&mut database.connect(), "r");
    assert!(tables.iter().any(|table| table == "observation"), "{tables:?}");
    let mut files = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut statements = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        statements += usize::from(path.extension().is_some_and(|end| end == "sql"));
        let text = std::fs::read_to_string(&path).unwrap();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        for pair in words.windows(2).filter(|pair| BEFORE_A_RELATION.contains(&pair[0])) {
            assert!(!tables.iter().any(|t| t == pair[1]), "{} reads the table {}", path.display(), pair[1]);
        }
    }
    assert!(statements >= 15, "{statements} statements were read");
}

/// The ends of the migrations that make views, about a role that is not there.
fn role_blocks(role: &str) -> String {
    let migrations = [
        include_str!("../../../migrations/2026-11-24-000002_reports/up.sql"),
        include_str!("../../../migrations/2026-11-24-000008_reader_views/up.sql"),
    ];
    let blocks =
        migrations.map(|migration| migration.split_once("DO $$").unwrap().1.replace("peng_read", role));
    blocks.map(|block| format!("DO $${block};")).concat()
}

#[test]
fn who_may_not_create_roles_can_migrate() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    let id = uuid();
    let (plain, reader) = (format!("plain_{id}"), format!("reader_{id}"));
    conn.batch_execute(&format!("CREATE ROLE {plain} NOLOGIN; SET ROLE {plain}")).unwrap();
    conn.batch_execute(&role_blocks(&reader)).unwrap();
    conn.batch_execute("RESET ROLE").unwrap();
    let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = '{reader}'");
    assert_eq!(sql_query(&exists).execute(conn).unwrap(), 0, "it was skipped");
    conn.batch_execute(&role_blocks(&reader)).unwrap();
    assert_eq!(sql_query(&exists).execute(conn).unwrap(), 1, "who may, creates it");
    let reads = "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'";
    let views = sql_query(reads).execute(conn).unwrap();
    let granted = format!("{reads} AND has_table_privilege('{reader}', oid, 'SELECT')");
    assert_eq!(sql_query(granted).execute(conn).unwrap(), views, "it sees every view");
    conn.batch_execute(&role_blocks(&reader)).unwrap();
    conn.batch_execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}; DROP ROLE {plain}")).unwrap();
}

fn uuid() -> String {
    use std::time::Instant;
    format!("{}_{:?}", std::process::id(), Instant::now())
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase()
}

/// A row of view `prediction_calibration`.
#[derive(QueryableByName)]
struct Errors {
    #[diesel(sql_type = sql_types::Double)]
    stop_epoch: f64,
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
    #[diesel(sql_type = sql_types::Double)]
    bias: f64,
    #[diesel(sql_type = sql_types::Double)]
    mean_absolute_error: f64,
    #[diesel(sql_type = sql_types::Double)]
    root_mean_square_error: f64,
    #[diesel(sql_type = sql_types::Double)]
    width_80: f64,
    #[diesel(sql_type = sql_types::Double)]
    width_90: f64,
    #[diesel(sql_type = sql_types::Double)]
    inside_80: f64,
    #[diesel(sql_type = sql_types::Double)]
    inside_90: f64,
}

#[test]
fn views_and_reports_agree() {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        jobs: i64,
        #[diesel(sql_type = sql_types::Double)]
        saved: f64,
        #[diesel(sql_type = sql_types::Double)]
        would: f64,
        #[diesel(sql_type = sql_types::BigInt)]
        front: i64,
        #[diesel(sql_type = sql_types::Double)]
        bias: f64,
    }
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 60);
    let row: Row = sql_query(
        "SELECT jobs, epochs_saved_percent AS saved, would_have_saved_percent AS would,
                (SELECT count(*) FROM pareto_front WHERE search = 'one') AS front,
                (SELECT sum(bias * jobs) / sum(jobs) FROM prediction_calibration
                 WHERE search = 'one' AND NOT chosen)::double precision AS bias
         FROM savings WHERE search = 'one'",
    )
    .get_result(conn)
    .unwrap();
    let all = Filter::default();
    let savings = report::savings(conn, "one", &all, 1).unwrap();
    assert_eq!(savings.epochs.jobs, row.jobs);
    assert!((savings.epochs.saved_percent().unwrap() - row.saved).abs() < 1e-9);
    assert_eq!(savings.epochs.would_have_saved_percent(), None, "it terminates: it saved what it saved");
    let pareto = report::pareto(conn, "one", &all).unwrap();
    assert_eq!(pareto.fronts[0].members.len() as i64, row.front);
    let calibration = report::calibration(conn, "one", &all, 1).unwrap();
    let sample = calibration.all.unwrap();
    assert!((sample.bias.unwrap() - row.bias).abs() < 1e-9);
    let view: Vec<Errors> = sql_query(
        "SELECT *, (coverage_80 * with_interval_80)::double precision AS inside_80,
                (coverage_90 * with_interval_90)::double precision AS inside_90
         FROM prediction_calibration WHERE search = 'one' AND NOT chosen ORDER BY stop_epoch",
    )
    .load(conn)
    .unwrap();
    assert_eq!(view.len(), calibration.by_epoch.len());
    for (view, report) in view.iter().zip(&calibration.by_epoch) {
        let inside = (report.inside_80 as f64, report.inside_90 as f64);
        assert_eq!((Some(view.stop_epoch), view.jobs), (report.stop_epoch, report.jobs));
        for (view, report) in [
            (view.bias, report.bias),
            (view.mean_absolute_error, report.mean_absolute_error),
            (view.root_mean_square_error, report.root_mean_square_error),
            (view.width_80, report.width_80),
            (view.width_90, report.width_90),
            (view.inside_80, Some(inside.0)),
            (view.inside_90, Some(inside.1)),
        ] {
            assert!((view - report.unwrap()).abs() < 1e-9, "{view} in the view, {report:?} in the report");
        }
    }
    let chosen = calibration.chosen.map_or(0, |errors| errors.jobs);

    conn.batch_execute(
        "UPDATE job SET mode = 'promoted' WHERE id = (SELECT job_id FROM job_outcome \
         WHERE stop_epoch < max_epochs AND true_fitness IS NOT NULL AND prediction IS NOT NULL \
         AND mode = 'audit' LIMIT 1)",
    )
    .unwrap();
    let calibration = report::calibration(conn, "one", &all, 1).unwrap();
    assert_eq!(calibration.all.unwrap().jobs, sample.jobs - 1, "the chosen one is no sample");
    assert_eq!(calibration.chosen.unwrap().jobs, chosen + 1);
    assert!(calibration.by_epoch.iter().all(|errors| !errors.chosen));
    let mut text = Vec::new();
    let summary = report::summary(conn, "one", &all, 1).unwrap();
    summary.write(Output::Table, Style::default(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("The same over the resumed and promoted jobs alone"),
        "a reader can tell them apart: {text}"
    );

    conn.batch_execute("UPDATE search SET engine = 'penguin-v4'; UPDATE job SET mode = 'observe'").unwrap();
    let observing = report::savings(conn, "one", &all, 1).unwrap().epochs;
    assert!(
        (observing.would_have_saved_percent().unwrap() - row.would).abs() < 1e-9,
        "those not stopped count in full"
    );
}

#[test]
fn a_report_leaves_no_transaction_open_and_writes_nothing() {
    let database = TestDatabase::new();
    let [conn, other] = &mut [database.connect(), database.connect()];
    made_up::search(conn, "one", 30);
    report::page([conn, other], "one", &Filter::default(), 1).unwrap();
    assert!(report::page([conn, other], "two", &Filter::default(), 1).is_err());
    for (conn, name) in [(conn, "a"), (other, "b")] {
        let create = format!("CREATE TABLE still_writable_{name} (i integer)");
        conn.transaction(|conn| sql_query(create).execute(conn)).unwrap();
    }
}
