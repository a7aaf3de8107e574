//! A database that is away for longer than any limit of a worker.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{thread, time::Duration};

use tests::{Lab, Postgres, Worker, spec};

const REPLAY: &str = "peng-replay-worker";
const EPOCHS: i64 = 40;
/// More than three times `--hang-after` beyond the ten intervals, and twice the lease.
const OUTAGE: Duration = Duration::from_secs(4);

/// A worker with two slots at work, whose intervals of a tenth of a second are hung after a second.
fn at_work(lab: &Lab, arguments: &[&str]) -> Worker {
    lab.submit(&spec("random", 2, EPOCHS as u32));
    let limits =
        ["--once", "--slots", "2", "--epoch-seconds", "0.1", "--hang-after", "1", "--lease-ttl", "2"];
    let worker = lab.worker(REPLAY, &[&limits, arguments].concat());
    lab.wait_for("observation WHERE step = 3", 2);
    worker
}

/// Stops Postgres for longer than anything may take.
fn outage(postgres: &Postgres) {
    postgres.server().down().unwrap();
    thread::sleep(OUTAGE); // Not to wait for something: an outage lasts so long.
    postgres.restart();
}

/// After which epoch a job was first resumed, and the last one that its worker had seen recorded.
fn resumed(log: &str, job: i32) -> (i64, i64) {
    let number = |line: &str, before: &str| -> Option<i64> {
        let rest = line.split_once(&format!("job {job}: {before} "))?.1;
        rest.split('.').next()?.parse().ok()
    };
    let after = log.lines().position(|line| number(line, "resumed after epoch").is_some());
    let after = after.unwrap_or_else(|| panic!("job {job} was not resumed: {log}"));
    let last = log.lines().take(after).filter_map(|line| number(line, "epoch")).last();
    (number(log.lines().nth(after).unwrap(), "resumed after epoch").unwrap(), last.unwrap())
}

#[test]
fn a_training_that_was_stopped_by_an_outage_goes_on_from_the_same_interval() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    let mut worker = at_work(&lab, &[]);
    outage(&postgres);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    let log = worker.log();
    for job in [1, 2] {
        let (from, last) = resumed(&log, job);
        // The answer to one more may have been lost with the connection.
        assert!(from == last || from == last + 1, "job {job}: from {from}, recorded {last}: {log}");
        assert!(log.contains(&format!("job {job}: the database is back and the lease still ours")), "{log}");
    }
    lab.assert_whole(2, EPOCHS);
    assert_eq!(lab.count("attempt"), 2, "both went on: {log}");
    // Two slots and the heartbeat.
    assert!(worker.said("trying again") <= 3, "a sentence a minute: {log}");
}

#[test]
fn a_training_that_goes_on_through_an_outage_trains_nothing_twice() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    let mut worker = at_work(&lab, &["--on-db-lost", "finish-interval"]);
    outage(&postgres);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    lab.assert_whole(2, EPOCHS);
    assert_eq!(lab.count("attempt"), 2, "both went on: {}", worker.log());
    assert_eq!(worker.said("resumed after epoch"), 0, "{}", worker.log());
}

/// Idle slots take the jobs up at once, while their old workers are still in the middle of an interval.
#[test]
fn raised_fences_take_every_job_from_its_worker_and_each_is_trained_once_more() {
    let lab = Lab::new();
    lab.submit(&spec("random", 4, 12));
    let worker = |slots| lab.worker(REPLAY, &["--once", "--slots", slots, "--epoch-seconds", "0.3"]);
    let mut workers = vec![worker("2"), worker("2")];
    lab.wait_for("lease", 4);
    workers.push(worker("4"));
    lab.wait_for("worker", 3);
    lab.wait_for("observation WHERE step = 3", 4);
    let bumped = lab.peng_json(&["db", "fence", "--bump", "--yes"]);
    let bumped = bumped.as_array().unwrap();
    assert!(!bumped.is_empty());
    let before = |job: &serde_json::Value| {
        lab.count(&format!("observation WHERE job_id = {} AND fence < {}", job["job_id"], job["fence"]))
    };
    let stored: Vec<_> = bumped.iter().map(before).collect();
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
    }
    let logs = workers.iter().map(Worker::log).collect::<String>();
    for (bumped, stored) in bumped.iter().zip(stored) {
        assert_eq!(before(bumped), stored, "nothing more is written under the old fence: {bumped}");
        let (job, fence) = (&bumped["job_id"], &bumped["fence"]);
        assert!(fence.as_i64().unwrap() > 1000, "{bumped}");
        assert!(logs.contains(&format!("job {job}: dropped, another attempt may own it")), "{job}: {logs}");
        let again = format!("attempt WHERE job_id = {job} AND fence > {fence} AND \"end\" = 'finished'");
        assert_eq!(lab.count(&again), 1, "{job}: {logs}");
    }
    lab.assert_whole(4, 12);
}
