//! What an operator asks and orders by `peng job` and `peng worker`, in every format.
#![expect(clippy::unwrap_used, reason = "a test")]

use diesel::connection::SimpleConnection as _;
use tests::{Lab, stderr};

fn submit(lab: &Lab, jobs: u32) {
    lab.submit(&format!(
        "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         [budget]\njobs = {jobs}\nmax_epochs = 12\n[predictor]\nengine = \"none\"\n"
    ));
}

fn text(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.peng(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn next(lab: &Lab, job: &str) -> String {
    lab.peng_json(&["job", "show", job])[0]["next"].as_str().unwrap().to_owned()
}

/// A worker that is only a row, seen just now.
const WORKER: &str = "INSERT INTO worker (id, host, pid, class, device, version) \
    VALUES ('0badcafe-0000-4000-8000-000000000001', 'host', 7, 'default', 'cpu', '0')";

#[test]
fn a_job_says_why_it_is_where_it_is() {
    let lab = Lab::new();
    submit(&lab, 7);
    assert_eq!(next(&lab, "1"), "no worker of class `default` lives: start one with --class default");
    let mut conn = lab.connect();
    conn.batch_execute(WORKER).unwrap();
    assert_eq!(
        next(&lab, "1"),
        "a free worker of class `default` claims it: it is the next of its search, 1 workers live"
    );
    assert_eq!(
        next(&lab, "3"),
        "a free worker of class `default` claims it: 2 jobs of its search stand before it, 1 workers live"
    );
    assert_eq!(text(&lab, &["job", "priority", "3,7", "5"]), "2 jobs have priority 5\n");
    assert!(
        next(&lab, "3").contains("it is the next of its search")
            && next(&lab, "1").contains("2 jobs of its search stand before it")
    );
    assert_eq!(text(&lab, &["job", "priority", "3,7", "-5"]), "2 jobs have priority -5\n");
    assert!(next(&lab, "3").contains("5 jobs of its search stand before it"));

    conn.batch_execute(
        "UPDATE job SET state = 'running', fence = 1, attempts = 1 WHERE id IN (1, 2);
         INSERT INTO attempt (job_id, fence, worker_id) SELECT job.id, 1, worker.id FROM job, worker WHERE job.state = 'running';
         INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at)
         SELECT job.id, 1, worker.id, '1 min', now() + CASE WHEN job.id = 1 THEN interval '1 min' ELSE '-1 min' END
         FROM job, worker WHERE job.state = 'running'",
    )
    .unwrap();
    assert_eq!(next(&lab, "1"), "it trains on host:7");
    assert!(next(&lab, "2").starts_with("host:7 has been silent for too long"), "{}", next(&lab, "2"));
    let doomed = lab.peng_json(&["db", "reap", "--dry-run"]);
    assert_eq!((doomed.as_array().unwrap().len(), &doomed[0]["job_id"]), (1, &2.into()), "{doomed}");
    assert_eq!(lab.count("lease"), 2, "a dry run takes nothing");
    assert_eq!(text(&lab, &["job", "cancel", "1", "--yes"]), "0 cancelled, 1 asked to stop\n");
    assert_eq!(next(&lab, "1"), "it is cancelled as soon as host:7 sees it");

    let unsure = lab.peng(&["job", "cancel", "3-9"]);
    assert_eq!(unsure.status.code(), Some(1));
    assert!(stderr(&unsure).contains("say --yes"), "{}", stderr(&unsure));
    assert_eq!(lab.peng(&["job", "show", "8"]).status.code(), Some(1));
    assert!(text(&lab, &["search", "show", "last"]).contains("name = \"s\""));
}

#[test]
fn a_failed_attempt_keeps_its_error_and_its_log() {
    let lab = Lab::new();
    submit(&lab, 1);
    lab.connect().batch_execute("UPDATE architecture SET genome = '{\"no\": 1}'").unwrap();
    let program = lab.file("fail.sh", "echo a last word >&2; exit 3");
    let arguments = ["--once", "--", "sh", program.to_str().unwrap()];
    let mut worker = lab.worker("peng-exec-worker", &arguments);
    tests::wait("an attempt that failed", || match lab.count("attempt WHERE \"end\" = 'retried'") {
        0 => Err(worker.log()),
        _ => Ok(()),
    });
    worker.kill();
    let log = text(&lab, &["job", "log", "last"]);
    assert!(log.starts_with("job 1, fence 1, on "), "{log}");
    assert!(log.contains("retried") && log.contains("a last word"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("    ") && line.contains("claimed")), "{log}");
    assert!(
        next(&lab, "1").starts_with("crash 1 of 5 without progress; it is ready again at "),
        "{}",
        next(&lab, "1")
    );
    let stored = lab.peng_json(&["job", "log", "1"]);
    assert_eq!((&stored[0]["fence"], &stored[0]["end"]), (&1.into(), &"retried".into()), "{stored}");

    let id = lab.peng_json(&["worker", "list"])[0]["id"].as_str().unwrap().to_owned();
    let shown = lab.peng_json(&["worker", "show", &id[..8]]);
    assert_eq!(shown[0]["attempts"][0]["job_id"], 1, "{shown}");
    assert!(text(&lab, &["worker", "show", &id]).contains("a last word"));
    let unknown = lab.peng(&["worker", "show", "zzz"]);
    assert!(stderr(&unknown).contains("peng worker list --all"), "{}", stderr(&unknown));
}

#[test]
fn every_listing_has_three_formats() {
    let lab = Lab::new();
    submit(&lab, 2);
    let mut worker = lab.worker("peng-replay-worker", &["--once"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    for command in [
        &["search", "list"][..],
        &["job", "list"],
        &["job", "show", "1-2"],
        &["job", "log", "1-2"],
        &["worker", "list", "--all"],
        &["worker", "show", ""],
        &["db", "reap", "--dry-run"],
        &["db", "status"],
    ] {
        assert!(!text(&lab, command).is_empty(), "{command:?}");
        lab.peng_json(command);
        let csv = text(&lab, &[command, &["--output", "csv"]].concat());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert!(reader.records().all(|record| record.is_ok()), "{command:?}: {csv}");
    }
}
