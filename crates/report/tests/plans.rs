//! No report reads observations where a result row holds the answer, nor tables whose columns it does not show.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod made_up;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use testing::TestDatabase;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = sql_types::Text)]
    #[diesel(column_name = "QUERY PLAN")]
    line: String,
}

fn plan(conn: &mut PgConnection, sql: &str, arguments: &[&str]) -> String {
    let mut sql = sql.replace("/* and filter */", "");
    for (at, argument) in arguments.iter().enumerate() {
        sql = sql.replace(&format!("${}", at + 1), argument);
    }
    let lines: Vec<Line> = sql_query(format!("EXPLAIN {sql}")).load(conn).unwrap();
    lines.into_iter().map(|line| line.line + "\n").collect()
}

/// `Seq Scan on job j`, `Index Only Scan using job_search on job`
fn reads(plan: &str, table: &str) -> bool {
    plan.lines().filter_map(|line| line.split_once(" on ")).any(|(_, of)| of.split(' ').next() == Some(table))
}

#[test]
fn observations_are_left_alone() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "big", 2_000);
    let table = [
        ("tally", include_str!("../src/tally.sql"), &["observation", "architecture"][..]),
        ("commonest_error", include_str!("../src/commonest_error.sql"), &["observation", "architecture"]),
        ("known", include_str!("../src/known.sql"), &["observation", "architecture"]),
        ("observed", include_str!("../src/observed.sql"), &["observation", "architecture"]),
        ("attempts", include_str!("../src/attempts.sql"), &["observation", "architecture", "worker"]),
        ("measured_best", include_str!("../src/measured_best.sql"), &["observation", "architecture"]),
        ("within", include_str!("../src/within.sql"), &["observation", "architecture"]),
        ("best", include_str!("../src/best.sql"), &["observation"]),
        ("pareto", include_str!("../src/pareto.sql"), &["observation"]),
        ("comparison", include_str!("../src/comparison.sql"), &["observation"]),
        ("workers", include_str!("../src/workers.sql"), &["observation", "architecture", "result"]),
        (
            "timing",
            include_str!("../src/timing.sql"),
            &["observation", "architecture", "result", "worker", "search"],
        ),
        ("citation", include_str!("../src/citation.sql"), &["observation", "architecture", "result"]),
        ("searches", include_str!("../src/searches.sql"), &["job"]),
    ];
    for (name, sql, unread) in table {
        let plan = plan(conn, sql, &[if name == "citation" { "'big'" } else { "1" }, "80"]);
        for table in unread {
            assert!(!reads(&plan, table), "{name} reads {table}:\n{plan}");
        }
    }
}

#[test]
fn curves_of_few_jobs_are_found_by_their_index() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "big", 5_000);
    for (name, sql, argument) in [
        ("curves", include_str!("../src/curves.sql"), "ARRAY[10, 20, 30]::bigint[]"),
        ("job_curve", include_str!("../src/job_curve.sql"), "10"),
    ] {
        let plan = plan(conn, sql, &[argument]);
        assert!(!reads(&plan, "job"), "{name} needs no job:\n{plan}");
        assert!(plan.contains("observation_pkey"), "{name}:\n{plan}");
        assert!(!plan.contains("Seq Scan on observation"), "{name}:\n{plan}");
    }
}

#[test]
fn the_best_are_found_without_reading_the_others() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "big", 5_000);
    for (name, sql) in
        [("best", include_str!("../src/best.sql")), ("drawn", include_str!("../src/drawn.sql"))]
    {
        let plan = plan(conn, sql, &["1", "100", "50"]);
        assert!(plan.contains("using result_best on result"), "{name}:\n{plan}");
    }
}

#[test]
fn a_restriction_to_a_search_reaches_the_tables() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "large", 4_000);
    made_up::search(conn, "small", 40);
    for view in [
        "job_outcome",
        "learning_curve",
        "predicted_rank",
        "savings",
        "prediction_calibration",
        "pareto_front",
        "worker_use",
        "job_attempt",
        "lineage",
    ] {
        let plan = plan(conn, &format!("SELECT * FROM {view} WHERE search_id = 2"), &[]);
        assert!(!plan.contains("Seq Scan on job "), "{view}:\n{plan}");
        assert!(!plan.contains("Seq Scan on observation"), "{view}:\n{plan}");
    }
}
