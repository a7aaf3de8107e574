//! How Postgres runs the hot statements on a queue of 100,000 jobs, before and after it has statistics: by index, with
//! no scan of a large table and no sort.

#![expect(clippy::unwrap_used, reason = "a test")]

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};
use testing::TestDatabase;

/// The statement, values for its parameters, and the indexes that must serve it.
const HOT: &[(&str, &str, &str, &[&str])] = &[
    (
        "claim",
        include_str!("../src/sql/claim.sql"),
        CLAIM,
        &["job_turn", "search_pkey", "job_pkey", "architecture_pkey"],
    ),
    (
        "claim_before",
        include_str!("claim_before.sql"),
        CLAIM_BEFORE,
        &["job_ready", "job_pkey", "architecture_pkey"],
    ),
    ("turns", include_str!("../src/sql/turns.sql"), "'default'", &["job_turn", "search_pkey"]),
    (
        "thaw",
        include_str!("../src/sql/thaw.sql"),
        "'{10,20}', :w, 60, '{0.5,0.4}', 1",
        &["Index Cond: (id = $0)", "job_pkey"],
    ),
    (
        "record",
        include_str!("../src/sql/record.sql"),
        RECORD,
        &["job_pkey", "lease_pkey", "observation_pkey"],
    ),
    ("renew", include_str!("../src/sql/renew.sql"), "'{10,20,30}', '{1,1,1}', :w, 60", &["lease_pkey"]),
    ("finish", include_str!("../src/sql/finish.sql"), "10, 1, :w, 'terminated', NULL, NULL, 20", ENDING),
    ("freeze", include_str!("../src/sql/freeze.sql"), "10, 1, :w, 20", ENDING_IN_SEARCH),
    ("release", include_str!("../src/sql/release.sql"), "10, 1, :w, 'x', NULL, 10", ENDING_IN_SEARCH),
    ("retry", include_str!("../src/sql/retry.sql"), "10, 1, :w, 'x', '', 10", CRASHING),
    (
        "prune",
        include_str!("../src/sql/prune.sql"),
        "10, 1, :w, 3",
        &["lease_pkey", "job_pkey", "checkpoint_pkey", "discarded_checkpoint_job"],
    ),
    (
        "restorable",
        include_str!("../src/sql/restorable.sql"),
        "10",
        &["checkpoint_pkey", "discarded_checkpoint_job"],
    ),
    (
        "take_discarded",
        include_str!("../src/sql/take_discarded.sql"),
        "172800, 10, 10, 1, :w",
        &["discarded_checkpoint_at", "discarded_checkpoint_pkey", "lease_pkey", "checkpoint_pkey"],
    ),
    (
        "discard_checkpoints",
        include_str!("../src/sql/discard_checkpoints.sql"),
        "2, 1000, 500, 10",
        &["search_pkey", "job_search", "job_pkey", "checkpoint_pkey"],
    ),
    (
        "delete_jobs",
        include_str!("../src/sql/delete_jobs.sql"),
        "2, 1000, 500, 10000",
        &["search_pkey", "job_search", "job_pkey", "architecture_pkey", "checkpoint_pkey"],
    ),
    ("prune_logs", include_str!("../src/sql/prune_logs.sql"), "7776000, 5000", &["attempt_log", "Tid Scan"]),
    (
        "prune_events",
        include_str!("../src/sql/prune_events.sql"),
        "7776000, 5000",
        &["event_at", "event_pkey"],
    ),
    // The lease table is as small as the number of running jobs: it has no index on expires_at, see docs/queue.md.
    ("reap", include_str!("../src/sql/reap.sql"), "100", CRASHING),
    ("wake", include_str!("../src/sql/wake.sql"), "100", &["job_waiting", "job_pkey"]),
    ("lead", include_str!("../src/sql/lead.sql"), ":w, 15, 30", &["maintenance_pkey"]),
    ("host_faults", include_str!("../src/sql/host_faults.sql"), "'default'", &[]),
];
const CLAIM: &str = "'default', :w, 60, -1, 50000, 1";
const CLAIM_BEFORE: &str = "'default', :w, 60, -1, 50000, '{}'";
const RECORD: &str = "10, 1, :w, 100, 100, 50, 50, 1, 1, 1, 50, 40, 60, 30, 70, 1, 'continue', 'x', 'key', 'file:///x', 1, repeat('0', 64)";
const ENDING: &[&str] = &["lease_pkey", "job_pkey", "attempt_pkey"];
const ENDING_IN_SEARCH: &[&str] = &["search_pkey", "lease_pkey", "job_pkey", "attempt_pkey"];
/// An error or an expiry also asks what the curve has reached.
const CRASHING: &[&str] = &["lease_pkey", "job_pkey", "attempt_pkey", "observation_pkey"];
/// The worker of all leases.
const WORKER: &str = "'00000000-0000-0000-0000-000000000001'";
/// Statements that are planned each time, for their values: people's, and those of the worker that does for all what one can.
const CUSTOM: &[&str] = &[
    "prune",
    "reap",
    "wake",
    "take_discarded",
    "discard_checkpoints",
    "delete_jobs",
    "prune_logs",
    "prune_events",
];
/// Parameters whose types their statements leave open.
const TYPES: &[(&str, &str)] = &[
    ("claim", "(text, uuid, float8, int, bigint, bigint)"),
    ("claim_before", "(text, uuid, float8, int, bigint, bigint[])"),
    ("turns", "(text)"),
    ("thaw", "(bigint[], uuid, float8, float8[], bigint)"),
    ("freeze", "(bigint, bigint, uuid, int)"),
    (
        "record",
        "(bigint, bigint, uuid, int, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, \
         float8, bigint, decision, text, text, text, bigint, text)",
    ),
    ("renew", "(bigint[], bigint[], uuid, float8)"),
    ("finish", "(bigint, bigint, uuid, text, text, text, int)"),
    ("release", "(bigint, bigint, uuid, text, text, float8)"),
    ("retry", "(bigint, bigint, uuid, text, text, float8)"),
    ("lead", "(uuid, float8, float8)"),
    ("restorable", "(bigint)"),
    ("take_discarded", "(float8, bigint, bigint, bigint, uuid)"),
    ("discard_checkpoints", "(bigint, bigint, bigint, bigint)"),
    ("delete_jobs", "(bigint, bigint, bigint, bigint)"),
    ("prune_logs", "(float8, bigint)"),
    ("prune_events", "(float8, bigint)"),
];
/// Tables that grow with the queue or with time: to scan one is a fault.
const LARGE: &[&str] = &[
    "job",
    "architecture",
    "observation",
    "attempt",
    "checkpoint",
    "discarded_checkpoint",
    "result",
    "finish",
    "event",
];

#[test]
fn hot_statements_go_by_index_with_and_without_statistics() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(include_str!("hundred_thousand.sql")).unwrap();
    assert_plans(&mut conn, "before ANALYZE");
    conn.batch_execute("ANALYZE").unwrap();
    assert_plans(&mut conn, "after ANALYZE");
}

fn assert_plans(conn: &mut PgConnection, when: &str) {
    for (name, sql, values, indexes) in HOT {
        let mode = if CUSTOM.contains(name) { "custom" } else { "generic" };
        let types = TYPES.iter().find(|(n, _)| n == name).map_or("", |(_, types)| types);
        conn.batch_execute(&format!(
            "SET plan_cache_mode = force_{mode}_plan; DEALLOCATE ALL; PREPARE hot {types} AS {sql}"
        ))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        let values = if values.is_empty() { String::new() } else { format!("({values})") };
        let plan = explain(conn, &format!("EXECUTE hot {}", values.replace(":w", WORKER)));
        assert_no_scan(&format!("{name} {when}"), &plan);
        for index in *indexes {
            assert!(plan.contains(index), "{name} {when} does not use {index}:\n{plan}");
        }
        // A thousand searches, unknown to the planner, fit on few pages.
        let scans_searches = when == "after ANALYZE" && plan.contains("Seq Scan on search");
        assert!(!scans_searches, "{name} {when} goes through all searches:\n{plan}");
        let in_order = ["claim", "claim_before", "turns"].contains(name);
        assert!(!in_order || !plan.contains("Sort"), "{name} {when} sorts:\n{plan}");
    }
}

/// The statements within the functions of the schema, which the plan of their caller does not show, by their own plans and the pages that they touch.
#[test]
fn what_functions_do_inside_goes_by_index_with_and_without_statistics() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(include_str!("hundred_thousand.sql")).unwrap();
    for when in ["before ANALYZE", "after ANALYZE"] {
        for (name, call, indexes) in [
            ("curve_result", "SELECT * FROM curve_result(10, 'completed')", &["observation_pkey"][..]),
            (
                "crash_evidence",
                "SELECT * FROM crash_evidence(10, 'host', true)",
                &["observation_pkey", "job_pkey"],
            ),
        ] {
            let plan = explain(&mut conn, call);
            assert!(
                !plan.contains("Function Scan"),
                "{name} {when} is not part of its caller's plan:\n{plan}"
            );
            assert_no_scan(&format!("{name} {when}"), &plan);
            for index in indexes {
                assert!(plan.contains(index), "{name} {when} does not use {index}:\n{plan}");
            }
        }
        for call in [
            "SELECT write_result(10, 1, 1, 'diverged', NULL)",
            "SELECT cancel_jobs('{10,11,20,30}')",
            "SELECT open_for_jobs(1, 50, false)",
        ] {
            // The first call of a session also reads what the catalogue says of the function.
            let plans = [explain_run(&mut conn, call), explain_run(&mut conn, call)];
            assert!(buffers(&plans[1]) < 150, "{call} {when} touches many pages:\n{}", plans[1]);
        }
        conn.batch_execute("ANALYZE").unwrap();
    }
}

/// What is run once a second by idle workers, once an ending, or by a person, on a search of 100,000 jobs of which none is
/// left to start: the statement, its values, the indexes that serve it, and tables that it may not go through.
const QUIET: &[(&str, &str, &str, &[&str])] = &[
    ("claim", include_str!("../src/sql/claim.sql"), CLAIM, &["job_turn"]),
    ("turns", include_str!("../src/sql/turns.sql"), "'default'", &["job_turn"]),
    ("exhausted", include_str!("../src/sql/exhausted.sql"), "NULL", &["job_open", "job_running"]),
    ("running", include_str!("../src/sql/running.sql"), "1", &["job_running"]),
    ("grown", include_str!("../src/sql/grown.sql"), "'{10,20}', '{1,2}'", &["observation_pkey"]),
    ("first_jobs", include_str!("../src/sql/first_jobs.sql"), "1, 7", &["job_search"]),
    ("learned", include_str!("../src/sql/learned.sql"), "1, 99990", &["finish_search_id_ordinal_key"]),
    ("finish_if_done", include_str!("../src/sql/finish_if_done.sql"), "1, 7", &["job_running"]),
    ("number", include_str!("../src/sql/number.sql"), "1", &[]),
    (
        "orphans",
        include_str!("../src/sql/orphans.sql"),
        "'{10,20}', '{1,2}', '{1,1}', ARRAY[NULL, :w::uuid]",
        &["attempt_pkey", "checkpoint_pkey"],
    ),
    ("enqueue", include_str!("../src/sql/enqueue.sql"), ENQUEUE, &[]),
];
const ENQUEUE: &str = "1, ARRAY[repeat('a', 64)], '{\"{}\"}', '{n}', '{1}', '{1}', '{0}', '{\"{}\"}', '{terminate}', '{0}', 1, 'default', 100000, false, true";

#[test]
fn what_idle_workers_ask_does_not_read_all_jobs_of_a_search() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(include_str!("hundred_thousand.sql")).unwrap();
    conn.batch_execute(
        "DELETE FROM lease; UPDATE job SET state = 'terminated', run_after = NULL WHERE state <> 'terminated'; \
         INSERT INTO finish (search_id, job_id, step, outcome, ordinal) \
         SELECT search_id, id, 1, 'terminated', CASE WHEN id < 100000 THEN id END FROM job ORDER BY id",
    )
    .unwrap();
    conn.batch_execute("VACUUM ANALYZE").unwrap();
    // The last ten run, nine of them resumed: a join that goes through all jobs in order would read them all.
    conn.batch_execute(
        "UPDATE job SET state = 'running' WHERE id > 99990; \
         INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at, thaw) \
         SELECT id, 1, '00000000-0000-0000-0000-000000000001', '1 min', now() + interval '1 min', id > 99991 \
         FROM job WHERE id > 99990; ANALYZE lease",
    )
    .unwrap();
    for (name, sql, values, indexes) in QUIET {
        let types = match *name {
            "enqueue" => {
                "(bigint, text[], jsonb[], text[], bigint[], bigint[], int[], text[], text[], smallint[], bigint, text, bigint, bool, bool)"
            }
            "exhausted" | "running" | "number" => "(bigint)",
            "first_jobs" | "learned" | "finish_if_done" => "(bigint, bigint)",
            "claim" => "(text, uuid, float8, int, bigint, bigint)",
            "turns" => "(text)",
            _ => "",
        };
        conn.batch_execute("SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL").unwrap();
        conn.batch_execute(&format!("PREPARE hot {types} AS {sql}"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let call = format!("EXECUTE hot ({})", values.replace(":w", WORKER));
        // The first call of a session also reads what the catalogue says; what is done inside a function shows in the pages alone.
        explain_run(&mut conn, &call);
        let plan = explain_run(&mut conn, &call);
        assert_no_scan(name, &plan);
        for index in *indexes {
            assert!(plan.contains(index), "{name} does not use {index}:\n{plan}");
        }
        let pages = buffers(&plan);
        assert!(pages < 150, "{name} touches {pages} pages:\n{plan}");
    }
}

/// Rows that refer to a deleted job go by cascades, whose plans no plan shows: what a batch has read shows it.
#[test]
fn a_batch_of_deleted_jobs_scans_no_large_table() {
    #[derive(QueryableByName)]
    struct Scanned {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(include_str!("hundred_thousand.sql")).unwrap();
    conn.batch_execute(
        "INSERT INTO finish (search_id, job_id, step, outcome) SELECT search_id, id, 1, 'cancelled' FROM job; \
         INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'cancelled' FROM job; \
         INSERT INTO result (job_id, search_id, fence, step, outcome) SELECT id, search_id, 1, 1, 'cancelled' FROM job \
         ON CONFLICT DO NOTHING; \
         DELETE FROM lease; UPDATE job SET state = 'cancelled', run_after = NULL; \
         UPDATE search SET state = 'cancelled', finished_at = now(), deleting_since = now() WHERE id = 1; ANALYZE",
    )
    .unwrap();
    conn.batch_execute("BEGIN").unwrap();
    let batch =
        store::retention::delete_batch(&mut conn, domain::SearchId(1), domain::JobId(0)).unwrap().unwrap();
    assert_eq!(batch.jobs, 500);
    let scanned: Vec<Scanned> = sql_query(
        "SELECT relname || ': ' || seq_scan AS name FROM pg_stat_xact_user_tables WHERE seq_scan > 0 AND relname = ANY ($1)",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(LARGE)
    .load(&mut conn)
    .unwrap();
    let scanned: Vec<_> = scanned.into_iter().map(|table| table.name).collect();
    assert_eq!(scanned, [""; 0], "scans of large tables");
    conn.batch_execute("COMMIT").unwrap();
}

#[test]
fn a_claim_begins_at_its_place_and_reads_few_pages() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(include_str!("hundred_thousand.sql")).unwrap();
    conn.batch_execute("VACUUM ANALYZE job").unwrap();
    let mut reader = database.connect();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM job LIMIT 1").unwrap();
    // All jobs of priority 1 up to 50,000 were claimed since the reader took its snapshot.
    conn.batch_execute(
        "UPDATE job SET state = 'diverged' WHERE state = 'ready' AND priority = 1 AND id <= 50000",
    )
    .unwrap();
    let sql = include_str!("../src/sql/claim.sql");
    conn.batch_execute(&format!("PREPARE hot (text, uuid, float8, int, bigint, bigint) AS {sql}")).unwrap();
    let from = CLAIM.replace(":w", WORKER);
    let behind = explain_run(&mut conn, &format!("EXECUTE hot ({from})"));
    let from = from.replace("-1, 50000", "-2147483648, 0");
    let head = explain_run(&mut conn, &format!("EXECUTE hot ({from})"));
    assert!(buffers(&behind) < 100, "{behind}");
    assert!(buffers(&head) > 10 * buffers(&behind), "the place saves nothing:\n{head}");
}

/// What runs is counted by an index of the search, and what is ready is found from the far end of its queue.
#[test]
fn whose_turn_it_is_is_seen_in_few_pages_while_a_snapshot_is_held() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    conn.batch_execute(include_str!("hundred_thousand.sql")).unwrap();
    conn.batch_execute(
        "DELETE FROM lease; UPDATE job SET state = 'ready' WHERE state = 'running' AND id > 1000",
    )
    .unwrap();
    conn.batch_execute("VACUUM ANALYZE job").unwrap();
    let mut reader = database.connect();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM job LIMIT 1").unwrap();
    conn.batch_execute("UPDATE job SET state = 'diverged' WHERE state = 'ready' AND id <= 90000").unwrap();
    conn.batch_execute(&format!("PREPARE hot (text) AS {}", include_str!("../src/sql/turns.sql"))).unwrap();
    explain_run(&mut conn, "EXECUTE hot ('default')");
    let plan = explain_run(&mut conn, "EXECUTE hot ('default')");
    assert!(buffers(&plan) < 100, "{plan}");
}

/// Pages that a statement that was run has found in memory.
fn buffers(plan: &str) -> u32 {
    let line = plan.lines().find(|line| line.contains("Buffers:")).unwrap();
    line.split("hit=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

fn assert_no_scan(what: &str, plan: &str) {
    for table in LARGE {
        let scan = format!("Seq Scan on {table}");
        let scanned = plan.lines().any(|line| {
            let rest = line.split_once(&scan).map(|(_, rest)| rest);
            rest.is_some_and(|rest| {
                !rest.starts_with(char::is_alphanumeric) && !rest.contains("never executed")
            })
        });
        assert!(!scanned, "{what} scans {table}:\n{plan}");
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = sql_types::Text, column_name = "QUERY PLAN")]
    text: String,
}

fn explain(conn: &mut PgConnection, sql: &str) -> String {
    let lines: Vec<Line> = sql_query(format!("EXPLAIN (COSTS off) {sql}")).load(conn).unwrap();
    lines.into_iter().map(|line| line.text + "\n").collect()
}

fn explain_run(conn: &mut PgConnection, sql: &str) -> String {
    let options = "ANALYZE, BUFFERS, COSTS off, TIMING off";
    let lines: Vec<Line> = sql_query(format!("EXPLAIN ({options}) {sql}")).load(conn).unwrap();
    lines.into_iter().map(|line| line.text + "\n").collect()
}
