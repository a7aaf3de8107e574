//! What a search took, beside what training all to the end would have taken; and what is not said where it is not known.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod made_up;

use diesel::connection::SimpleConnection as _;
use report::{Basis, Filter};
use testing::TestDatabase;

fn close(found: Option<f64>, expected: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what}: none"));
    assert!((found - expected).abs() < 1e-6, "{what}: {found}, expected {expected}");
}

/// Job 7 trained 5 of 20 epochs of 10 s each. A claim of 10 s was lost, and ten seconds before the end of another begins one of 40 s.
#[test]
fn times_are_those_of_claims_and_of_training_to_the_end_those_of_the_job() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 30);
    let seven = Filter::parse(None, &["job_id=7"]).unwrap();
    let savings = report::savings(conn, "one", &seven, 1).unwrap();
    let (attempts, factors) = (savings.attempts, savings.factors);
    assert_eq!((attempts.starts, attempts.restarts, attempts.resumptions, attempts.resumed), (2, 1, 0, 0));
    close(Some(attempts.device_seconds), 50.0, "two claims");
    close(factors.epochs, 4.0, "epochs");
    close(factors.device_seconds_full, 200.0, "no start is left beside 50 s of training");
    close(factors.device_time, 4.0, "device time");
    close(factors.wall_time, 200.0 / 70.0, "from the first claim to the last end");

    conn.batch_execute(
        "UPDATE attempt SET chance = 0.4, calibration = 9, repeated = 3, ended_at = ended_at + interval '20 s' \
         WHERE job_id = 7 AND fence = 1",
    )
    .unwrap();
    let savings = report::savings(conn, "one", &seven, 1).unwrap();
    let (attempts, factors) = (savings.attempts, savings.factors);
    assert_eq!((attempts.restarts, attempts.resumptions, attempts.resumed), (1, 1, 1), "taken up again");
    close(Some(attempts.epochs_repeated), 3.0, "trained again");
    close(factors.device_seconds_full, 210.0, "one of two starts of 10 s");
    close(factors.device_time, 3.0, "70 s were spent");
    close(factors.wall_seconds_full, 210.0, "one slot");

    // A second job at the same time makes two slots, but one job needs only one.
    conn.batch_execute(
        "INSERT INTO attempt (job_id, fence, worker_id, started_at, first_step, ended_at, \"end\") \
         SELECT 9, 1, worker_id, started_at, 1, ended_at, 'finished' FROM attempt WHERE job_id = 7 AND fence = 1",
    )
    .unwrap();
    let both = Filter::parse(None, &["job_id>=7", "job_id<=9", "job_id!=8"]).unwrap();
    let savings = report::savings(conn, "one", &both, 1).unwrap();
    assert_eq!((savings.timing.slots, savings.epochs.jobs), (Some(2), 2));
    let full = savings.factors.device_seconds_full.unwrap();
    close(savings.factors.wall_seconds_full, full / 2.0, "side by side");
}

#[test]
fn nothing_is_said_of_a_terminating_search_that_cannot_be_simulated() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 200);
    let all = Filter::default();
    let terminating = report::savings(conn, "one", &all, 1).unwrap();
    assert!(matches!(terminating.terminating, Basis::Search), "{:?}", terminating.terminating);
    assert_eq!(terminating.epochs.stops, terminating.epochs.terminated, "those that were stopped for good");
    let ranking = report::ranking(conn, "one", &all, 1).unwrap();
    let said = |ranking: &report::Ranking| {
        let rows = ranking.drawn.measures.iter().filter(|row| row.predicted.is_some());
        rows.map(|row| row.measure).collect::<Vec<_>>()
    };
    assert_eq!(
        said(&ranking),
        ["spearman", "kendall", "mae"],
        "an audit does not tell which of the best are kept"
    );

    conn.batch_execute("UPDATE job SET mode = 'observe'").unwrap();
    let table = [
        ("{}", "its settings are not understood"),
        (
            r#"{"predictor": {"engine": "peng", "warm_start": "nowhere"}}"#,
            "search `nowhere`, which it began with, is gone",
        ),
    ];
    for (spec, expected) in table {
        conn.batch_execute(&format!("UPDATE search SET spec = '{spec}'")).unwrap();
        let savings = report::savings(conn, "one", &all, 1).unwrap();
        let Basis::Unknown { why } = &savings.terminating else { panic!("{:?}", savings.terminating) };
        assert!(why.contains(expected), "{why}");
        assert_eq!(savings.epochs.would_have_saved_percent(), None);
        assert_eq!(report::ranking(conn, "one", &all, 1).unwrap().drawn.jobs, 0);
    }
    conn.batch_execute("UPDATE search SET engine = 'penguin-v4'").unwrap();
    let ranking = report::ranking(conn, "one", &all, 1).unwrap();
    assert!(
        said(&ranking).contains(&"overlap_25") && !said(&ranking).contains(&"overlap_10"),
        "{:?}",
        said(&ranking)
    );
    let tenth = ranking.drawn.measures.iter().find(|row| row.measure == "overlap_10").unwrap();
    assert!(tenth.fewer_than_ten, "a tenth of these is fewer");
}

#[test]
fn a_network_that_diverges_after_it_was_taken_up_leaves_the_best() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 60);
    let best = |conn: &mut _| {
        let best = report::summary(conn, "one", &Filter::default(), 1).unwrap().best;
        best.into_iter().map(|network| (network.job_id, network.fitness_source)).collect::<Vec<_>>()
    };
    let before = best(conn);
    let (job, _) = before.iter().find(|(_, source)| source == "predicted").unwrap();
    conn.batch_execute(&format!(
        "UPDATE job SET state = 'diverged' WHERE id = {job}; \
         SELECT write_result({job}, search_id, 1, 'diverged', NULL) FROM job WHERE id = {job}"
    ))
    .unwrap();
    let after = best(conn);
    assert!(after.iter().all(|network| network.0 != *job), "{job} in {after:?}");
    assert_eq!(after.len(), 10, "another one takes its place");
}
