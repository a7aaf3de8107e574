//! Searches share the workers: a large one holds up neither a small one nor one that evolves; limits and priorities hold.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Instant;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use tests::{Lab, Worker, spec, stderr, wait};

const SLOTS: usize = 8;

/// A specification under another name.
fn named(name: &str, strategy: &str, jobs: u32, more: &str) -> String {
    spec(strategy, jobs, 1).replace("name = \"s\"", &format!("name = \"{name}\"")) + more
}

fn workers(lab: &Lab) -> [Worker; 2] {
    let slots = (SLOTS / 2).to_string();
    [(); 2].map(|()| lab.worker("peng-replay-worker", &["--epoch-seconds", "0.4", "--slots", &slots]))
}

/// How long the jobs of a search waited for their first start, in seconds.
#[derive(QueryableByName, Debug)]
struct Waits {
    #[diesel(sql_type = sql_types::Text)]
    search: String,
    #[diesel(sql_type = sql_types::BigInt)]
    started: i64,
    #[diesel(sql_type = sql_types::Double)]
    median: f64,
    #[diesel(sql_type = sql_types::Double)]
    longest: f64,
    /// Claims of all searches between its submission and the start of its last job, or until now.
    #[diesel(sql_type = sql_types::BigInt)]
    meanwhile: i64,
}

fn waits(conn: &mut PgConnection) -> Vec<Waits> {
    sql_query(
        "SELECT search.name AS search, count(*) AS started, \
         percentile_cont(0.5) WITHIN GROUP (ORDER BY waited) AS median, max(waited)::float8 AS longest, \
         (SELECT count(*) FROM attempt WHERE started_at BETWEEN search.created_at AND max(first_at)) AS meanwhile \
         FROM search JOIN job ON job.search_id = search.id JOIN architecture ON architecture.id = job.architecture_id \
         CROSS JOIN LATERAL (SELECT min(started_at) AS first_at FROM attempt WHERE attempt.job_id = job.id) AS first \
         CROSS JOIN LATERAL (SELECT extract(epoch FROM first_at - architecture.created_at) AS waited) AS wait \
         WHERE first_at IS NOT NULL GROUP BY search.id ORDER BY search.id",
    )
    .load(conn)
    .unwrap()
}

/// `PENG_FAIRNESS_JOBS` makes the large search larger.
#[test]
fn a_large_search_holds_up_neither_a_small_one_nor_one_that_evolves() {
    let large: u32 = std::env::var("PENG_FAIRNESS_JOBS").map_or(1000, |text| text.parse().unwrap());
    let lab = Lab::new();
    lab.submit(&named("large", "random", large, ""));
    let _workers = workers(&lab);
    lab.wait_for("lease", SLOTS as i64);
    lab.submit(&named("small", "random", 20, ""));
    let evolving =
        named("evolving", "evolution", 20, "").replace("[budget]", "population = 4\nsample = 2\n[budget]");
    lab.submit(&evolving);
    let start = Instant::now();
    lab.wait_for("search WHERE name <> 'large' AND state = 'finished'", 2);
    let waits = waits(&mut lab.connect());
    println!("{SLOTS} slots, jobs of 0.4 s; both are done after {:.1} s", start.elapsed().as_secs_f64());
    for Waits { search, started, median, longest, .. } in &waits {
        println!(
            "{search}: {started} jobs started, which had waited {median:.1} s by the median, {longest:.1} s at most"
        );
    }
    // Each of three has a third of the slots, from the first look on.
    for small in &waits[1..] {
        assert_eq!(small.started, 20, "{small:?}");
        assert!(small.meanwhile < 20 * 3 + 6 * SLOTS as i64, "others went first: {small:?}");
    }
    assert!(
        lab.count("job WHERE search_id = 1 AND state = 'ready'") > i64::from(large) / 2,
        "the large one goes on"
    );
}

/// The greatest number of jobs of a search that were seen to run at once, until so many results are there.
fn most_running(lab: &Lab, search: i64, results: i64) -> i64 {
    let mut most = 0;
    let results_of = format!("result WHERE search_id = {search}");
    wait("results", || {
        most = most.max(lab.count(&format!("job WHERE search_id = {search} AND state = 'running'")));
        let found = lab.count(&results_of);
        if found >= results { Ok(()) } else { Err(format!("{found} of {results}")) }
    });
    most
}

#[test]
fn limits_and_priorities_of_specifications_and_commands_hold() {
    let lab = Lab::new();
    lab.submit(&named("usual", "random", 400, ""));
    lab.submit(&named("limited", "random", 60, "[search]\npriority = 5\nmax_running = 2\n"));
    let _workers = workers(&lab);
    assert_eq!(most_running(&lab, 2, 12), 2, "so many may run, and go first");
    assert!(lab.count("lease") > 2, "the other slots train another search");
    let listed = lab.peng_json(&["search", "list"]);
    assert_eq!((&listed[1]["priority"], &listed[1]["max_running"]), (&5.into(), &2.into()), "{listed}");
    let shown = lab.text(&["search", "show", "limited"]);
    assert!(shown.contains("[search]\npriority = 5\nmax_running = 2\n"), "{shown}");
    assert!(listed[1]["submitted_by"].as_str().unwrap().contains('@'), "{listed}");

    let set = lab.peng_json(&["search", "set", "limited", "--max-running", "none"])[0].take();
    assert_eq!((&set["priority"], set["max_running"].is_null()), (&5.into(), true), "{set}");
    let most = most_running(&lab, 2, 60);
    assert!(most > 2, "{most}");
    for (arguments, said) in [
        (&["--max-running", "0"][..], "expected a number of jobs from 1 on, or `none`"),
        (&["--priority", "40000"], "-32768"),
        (&[], "--priority"),
    ] {
        let output = lab.peng(&[&["search", "set", "usual"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_drain_is_taken_back_while_a_job_runs() {
    let lab = Lab::new();
    lab.submit(&spec("random", 40, 1));
    let mut worker = lab.worker("peng-replay-worker", &["--epoch-seconds", "2", "--slots", "2"]);
    lab.wait_for("lease", 2);
    let host = lab.peng_json(&["worker", "list"])[0]["host"].as_str().unwrap().to_owned();
    let elsewhere = lab.peng_json(&["worker", "drain", "--host", "elsewhere"])[0].take();
    assert_eq!(elsewhere["unchanged"], true, "{elsewhere}");
    let said =
        |text: &str| wait(text, || if worker.log().contains(text) { Ok(()) } else { Err(worker.log()) });
    assert_eq!(lab.peng_json(&["worker", "drain", "--host", &host])[0]["draining"], 1);
    said("asked to drain");
    assert_eq!(lab.peng_json(&["worker", "undrain", "--host", &host])[0]["running"], 1);
    said("the drain was taken back");
    let before = lab.count("attempt");
    lab.wait_for("attempt", before + 4);
    lab.wait_for("lease", 2);
    assert_eq!(lab.peng_json(&["worker", "drain", "--host", &host])[0]["draining"], 1);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("lease"), 0);
    lab.assert_unharmed();
}
