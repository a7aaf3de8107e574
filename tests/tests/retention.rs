//! What goes in the end, and what a restore still finds.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use diesel::connection::SimpleConnection as _;
use tests::{Lab, Worker, spec, stderr};

const REPLAY: &str = "peng-replay-worker";

fn text(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.peng(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.peng(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    stderr(&output)
}

fn objects(lab: &Lab) -> Vec<PathBuf> {
    fn files(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let mut files = files(&lab.dir.path().join("checkpoints"));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ckpt"));
    files.sort();
    files
}

fn join(mut worker: Worker) -> String {
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    worker.log()
}

#[test]
fn a_search_is_archived_and_deleted_and_its_checkpoints_go_later() {
    let lab = Lab::new();
    lab.submit(&spec("random", 2, 3));
    let error = refused(&lab, &["search", "delete", "s", "--yes"]);
    assert!(error.contains("has not ended: cancel it first, with `peng search cancel s`"), "{error}");
    let error = refused(&lab, &["search", "archive", "s"]);
    assert!(error.contains("has not ended"), "{error}");
    join(lab.worker(REPLAY, &["--once"]));
    assert_eq!(
        (objects(&lab).len(), lab.count("discarded_checkpoint")),
        (6, 2),
        "one of each job was replaced"
    );

    let error = refused(&lab, &["search", "archive", "s", "--keep-checkpoints", "best:1"]);
    assert!(
        error.contains("discard the checkpoints of search s but for those of its best 1 jobs?"),
        "{error}"
    );
    let archived = lab.peng_json(&["search", "archive", "s", "--keep-checkpoints", "best:1", "--yes"]);
    assert_eq!(archived[0]["checkpoints"], 2, "{archived}");
    assert!(!text(&lab, &["search", "list"]).contains("archived"));
    assert!(text(&lab, &["search", "list", "--all"]).contains("archived"));
    assert_eq!(lab.peng_json(&["search", "results", "s"]).as_array().unwrap().len(), 2);
    lab.connect()
        .batch_execute("UPDATE search SET finished_at = now() - interval '100 days'; UPDATE event SET at = now() - interval '100 days'")
        .unwrap();
    let events = lab.count("event");
    let prune = |options: &[&str]| {
        let lines = lab.peng_json(&[&["db", "prune", "--older-than", "90d"], options].concat());
        let rows = |what: &str| {
            let lines = lines.as_array().unwrap();
            lines.iter().find(|line| line["what"] == what).unwrap()["rows"].as_i64().unwrap()
        };
        (rows("searches"), rows("jobs"), rows("observations"), rows("checkpoints"), rows("events"))
    };
    assert_eq!(prune(&["--dry-run"]), (0, 0, 0, 0, events), "archived");
    text(&lab, &["search", "unarchive", "s"]);
    assert_eq!(prune(&["--dry-run"]), (1, 2, 6, 2, 0), "events of a search go with it");

    let error = refused(&lab, &["search", "delete", "s"]);
    assert!(
        error.contains("delete search s with 2 jobs, 6 observations, 2 attempts and 2 checkpoints ("),
        "{error}"
    );
    // As if it had been interrupted.
    lab.connect().batch_execute("UPDATE search SET deleting_since = now()").unwrap();
    assert!(text(&lab, &["search", "list"]).contains("deleting"));
    let error = refused(&lab, &["search", "promote", "s", "--top", "1"]);
    assert!(error.contains("`peng search delete s` goes on"), "{error}");
    assert_eq!(prune(&["--yes"]), (1, 2, 6, 2, 0));
    assert_eq!(
        (lab.count("search"), lab.count("job"), lab.count("observation"), lab.count("event")),
        (0, 0, 0, 0)
    );

    // A restore could still need them all.
    let gc = |options: &[&str]| lab.peng_json(&[&["db", "gc"], options].concat()).as_array().unwrap().len();
    assert_eq!((gc(&["--yes"]), objects(&lab).len()), (0, 6));
    assert_eq!((gc(&["--grace", "0s", "--dry-run"]), objects(&lab).len()), (6, 6));
    assert_eq!((gc(&["--grace", "0s", "--yes"]), objects(&lab).len()), (6, 0));
    assert_eq!(lab.count("discarded_checkpoint"), 0);
    for command in [&["search", "list", "--all"][..], &["db", "prune", "--older-than", "1h", "--dry-run"]] {
        text(&lab, &[command, &["--output", "csv"]].concat());
    }
}

/// The rows of a job as they were when its third interval was done; since then it had gone on, and replaced what they point to.
#[test]
fn after_a_restore_to_yesterday_a_job_goes_on_from_what_was_discarded_before() {
    let lab = Lab::new();
    lab.submit(&spec("random", 1, 12));
    let mut first = lab.worker(REPLAY, &["--epoch-seconds", "0.1"]);
    lab.wait_for("observation WHERE step = 6", 1);
    first.kill();
    assert_eq!(lab.count("discarded_checkpoint WHERE step = 1"), 1);
    lab.connect()
        .batch_execute(
            "DELETE FROM observation WHERE step > 3; DELETE FROM lease; \
             UPDATE checkpoint SET step = step - (SELECT max(step) FROM checkpoint) + 3, \
                    key = regexp_replace(key, '/[0-9]+-', '/00000' || step - (SELECT max(step) FROM checkpoint) + 3 || '-'); \
             UPDATE job SET state = 'ready', fence = fence + 1000",
        )
        .unwrap();
    let log = join(lab.worker(REPLAY, &["--once"]));
    assert!(log.contains("job 1: resumed after epoch 1.0"), "{log}");
    assert_eq!(lab.count("observation"), 12);
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
}

#[test]
fn workers_delete_what_was_discarded_long_ago_without_anybody_asking() {
    let lab = Lab::new();
    lab.submit(&spec("random", 1, 4));
    join(lab.worker(REPLAY, &["--once"]));
    text(&lab, &["search", "delete", "s", "--yes"]);
    assert_eq!((objects(&lab).len(), lab.count("discarded_checkpoint")), (3, 3));
    let old: Vec<_> = objects(&lab);
    lab.connect()
        .batch_execute("UPDATE discarded_checkpoint SET discarded_at = now() - interval '49 hours'")
        .unwrap();
    lab.submit(&spec("random", 1, 4));
    join(lab.worker(REPLAY, &["--once"]));
    let left = objects(&lab);
    assert!(old.iter().all(|object| !left.contains(object)), "{left:?}");
    assert_eq!((left.len(), lab.count("discarded_checkpoint")), (3, 1));
}

#[test]
fn a_search_is_pruned_while_a_worker_trains_another_one() {
    let lab = Lab::new();
    lab.submit(&spec("random", 5, 3));
    join(lab.worker(REPLAY, &["--once"]));
    lab.connect()
        .batch_execute("UPDATE search SET finished_at = now() - interval '100 days', name = 'old'")
        .unwrap();
    lab.submit(&spec("random", 3, 6));
    let worker = lab.worker(REPLAY, &["--once", "--epoch-seconds", "0.1"]);
    lab.wait_for("observation JOIN job ON job.id = job_id WHERE state = 'running'", 1);
    text(&lab, &["db", "prune", "--older-than", "90d", "--yes"]);
    assert_eq!(lab.count("search WHERE name = 'old'"), 0);
    assert!(lab.count("lease") > 0, "the worker trains on");
    let log = join(worker);
    assert!(!log.contains("WARN"), "{log}");
    assert_eq!((lab.count("result WHERE outcome = 'completed'"), lab.count("observation")), (3, 18));
    assert_eq!(lab.count("attempt"), 3);
}
