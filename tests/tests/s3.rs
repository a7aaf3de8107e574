//! Checkpoints in an object store: a real S3 server on loopback.

use std::{
    fs,
    time::{Duration, Instant},
};

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use store::maintenance;
use tests::{
    Lab, Worker,
    s3::{BUCKET, SECRET, Server},
    stderr,
};

const REPLAY: &str = "peng-replay-worker";

fn spec(jobs: u32) -> String {
    format!(
        "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         [budget]\njobs = {jobs}\nmax_epochs = 12\n[predictor]\nengine = \"none\"\n"
    )
}

/// A replay worker whose checkpoints are on the server.
fn worker(lab: &Lab, server: &Server, arguments: &[&str]) -> Worker {
    let mut command = lab.command(REPLAY);
    server.configure(&mut command, BUCKET).args(arguments);
    lab.spawn(command)
}

fn wait_for_log(worker: &Worker, text: &str) {
    tests::wait(text, || if worker.log().contains(text) { Ok(()) } else { Err(worker.log()) });
}

#[test]
fn a_killed_worker_is_resumed_from_an_object_store_and_damage_gives_way_to_the_object_before() {
    for damage in [false, true] {
        let (lab, server) = (Lab::new(), Server::start());
        lab.submit(&spec(1));
        let mut first = worker(&lab, &server, &["--epoch-seconds", "0.1"]);
        lab.wait_for("checkpoint WHERE step = 4", 1);
        first.kill();
        let steps = lab.count("observation");
        if damage {
            let newest = server
                .objects()
                .into_iter()
                .rfind(|file| file.to_string_lossy().contains(&format!("{steps:06}-")));
            fs::write(newest.unwrap(), b"not what was written").unwrap();
        }
        let mut second = worker(&lab, &server, &["--once"]);
        assert_eq!(second.join(), Some(0), "{}", second.log());
        let log = second.log();
        assert_eq!(
            log.contains("is damaged") && log.contains("falling back to the one before"),
            damage,
            "{log}"
        );
        let resumed = if damage { steps } else { steps + 1 };
        assert_eq!(lab.count(&format!("attempt WHERE first_step = {resumed}")), 1, "{log}");
        assert_eq!(lab.count("observation"), 12);
        assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
        assert_eq!(lab.count(&format!("checkpoint WHERE uri NOT LIKE 's3://{BUCKET}/checkpoints/%'")), 0);
        assert!(!(first.log() + &log).contains(SECRET), "{log}");
    }
}

#[test]
fn a_store_that_is_set_wrongly_ends_the_worker_at_once_with_one_sentence() {
    let (lab, server) = (Lab::new(), Server::start());
    lab.submit(&spec(1));
    let cases: [(&str, &[(&str, &str)], &str); 5] = [
        (BUCKET, &[("AWS_SECRET_ACCESS_KEY", "wr0ng-s3cret")], "SignatureDoesNotMatch"),
        (BUCKET, &[("AWS_ACCESS_KEY_ID", "nobody")], "check AWS_ACCESS_KEY_ID"),
        ("nowhere", &[], "does the bucket exist?"),
        (BUCKET, &[("AWS_ALLOW_HTTP", "false")], "set AWS_ALLOW_HTTP=true"),
        (BUCKET, &[("AWS_ENDPOINT", "http://me:wr0ng-s3cret@localhost:1")], "must not hold credentials"),
    ];
    for (bucket, settings, expected) in cases {
        let mut command = lab.command(REPLAY);
        server.configure(&mut command, bucket).arg("--once").envs(settings.iter().copied());
        let mut worker = lab.spawn(command);
        assert_eq!(worker.join(), Some(1), "{}", worker.log());
        let log = worker.log();
        assert!(log.contains(expected) && log.lines().count() == 1, "{expected}: {log}");
        assert!(!log.contains(SECRET) && !log.contains("wr0ng-s3cret"), "{log}");
    }
    assert_eq!((lab.count("attempt"), lab.count("job WHERE state = 'ready'")), (0, 1));
}

#[test]
fn a_store_that_is_away_at_the_start_is_waited_for() {
    let (lab, mut server) = (Lab::new(), Server::start());
    lab.submit(&spec(1));
    server.stop();
    let mut worker = worker(&lab, &server, &["--once"]);
    wait_for_log(&worker, "trying again");
    assert!(worker.log().contains("Connection refused"), "{}", worker.log());
    server.restart();
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(worker.log().matches("trying again").count(), 1, "a sentence a minute: {}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
}

#[test]
fn an_outage_of_the_store_costs_no_crash_and_no_job_is_claimed_until_it_is_over() {
    let (lab, mut server) = (Lab::new(), Server::start());
    lab.submit(&spec(3));
    // The training waits for half of this time, then the job is snoozed.
    let mut worker = worker(&lab, &server, &["--once", "--epoch-seconds", "0.2", "--hang-after", "2"]);
    lab.wait_for("observation", 2);
    server.stop();
    wait_for_log(&worker, "snoozed, no crash");
    wait_for_log(&worker, "the checkpoint store takes nothing, claiming no job for");
    let observed = lab.count("observation");
    // Two jobs are ready all the while; the worker looks at the queue ten times a second.
    lab.wait_for("worker WHERE now() > (SELECT max(ended_at) FROM attempt) + interval '3 s'", 1);
    assert_eq!((lab.count("attempt"), lab.count("job WHERE state = 'ready'")), (1, 2), "{}", worker.log());
    server.restart();
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    let log = worker.log();
    assert!(log.contains("the checkpoint store is back"), "{log}");
    assert_eq!(log.matches("claiming no job for").count(), 1, "a sentence a minute: {log}");
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 3);
    assert_eq!((lab.count("attempt"), lab.count("job WHERE crashes > 0")), (4, 0));
    assert_eq!(lab.count(&format!("attempt WHERE first_step = {}", observed + 1)), 1, "resumed: {log}");
}

#[test]
fn a_worker_leaves_in_time_though_the_store_hangs() {
    let (lab, mut server) = (Lab::new(), Server::start());
    lab.submit(&spec(1));
    let mut worker = worker(&lab, &server, &["--epoch-seconds", "0.2", "--grace", "3"]);
    lab.wait_for("observation", 2);
    server.stall();
    // An interval trained while the store hangs cannot be kept: it is given up within the grace period.
    let asked = Instant::now();
    worker.signal(rustix::process::Signal::TERM);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    // Well before the store's own limit of half a minute.
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}: {}", asked.elapsed(), worker.log());
    assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), 1, "{}", worker.log());
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0"), 1);
}

#[test]
fn what_was_written_and_never_committed_is_collected_and_nothing_else() {
    let (lab, server) = (Lab::new(), Server::start());
    lab.submit(&spec(1));
    let mut worker = worker(&lab, &server, &["--once", "--epoch-seconds", "0.1"]);
    lab.wait_for("checkpoint WHERE step = 2", 1);
    // Whoever holds the job's row holds up its worker between writing and committing; then the job is taken from it.
    let mut taking = lab.connect();
    AnsiTransactionManager::begin_transaction(&mut taking).unwrap();
    taking
        .batch_execute("SELECT FROM job FOR UPDATE; UPDATE lease SET expires_at = now() - interval '1 s'")
        .unwrap();
    let committed = lab.count("observation");
    tests::wait("a checkpoint that is not committed", || {
        let next = format!("/{:06}-", committed + 1);
        let objects = server.objects();
        let written = objects.iter().any(|file| file.to_string_lossy().contains(&next));
        if written { Ok(()) } else { Err(format!("{objects:?}")) }
    });
    let gc = |arguments: &[&str]| {
        let mut command = lab.command("peng");
        command.env("DATABASE_URL", lab.url_as(tests::Role::Worker));
        let output =
            server.configure(&mut command, BUCKET).args(["db", "gc", "--output", "json"]).args(arguments);
        let output = output.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        rows.as_array().unwrap().clone()
    };
    assert_eq!(gc(&["--yes"]), Vec::<serde_json::Value>::new(), "its attempt may still commit it");
    assert_eq!(maintenance::reap(&mut taking).unwrap().len(), 1);
    AnsiTransactionManager::commit_transaction(&mut taking).unwrap();
    assert_eq!(worker.join(), Some(0), "{}", worker.log());

    let orphan = |deleted: bool| {
        let rows = gc(if deleted { &["--yes"] } else { &["--dry-run"] });
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((&rows[0]["known"], &rows[0]["deleted"]), (&true.into(), &deleted.into()));
        assert!(rows[0]["uri"].as_str().unwrap().contains(&format!("/{:06}-1-", committed + 1)), "{rows:?}");
    };
    orphan(false);
    // What it replaced first stays for a while.
    let named = lab.count("checkpoint") + lab.count("discarded_checkpoint");
    assert_eq!(server.objects().len() as i64, named + 1, "a dry run deletes nothing");
    orphan(true);
    assert_eq!(server.objects().len() as i64, named);
    assert_eq!(gc(&["--yes"]).len(), 0);
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
}

#[test]
fn a_store_that_cannot_be_read_now_is_not_taken_for_lost_checkpoints() {
    let (lab, mut server) = (Lab::new(), Server::start());
    lab.submit(&spec(1));
    let mut first = worker(&lab, &server, &["--epoch-seconds", "0.1"]);
    lab.wait_for("observation", 3);
    first.signal(rustix::process::Signal::TERM);
    assert_eq!(first.join(), Some(0), "{}", first.log());
    let observed = lab.count("observation");
    assert!(lab.peng(&["search", "pause", "s"]).status.success());
    // It has just found the store well, and claims the job when that is away.
    let mut second = worker(&lab, &server, &["--idle-timeout", "60", "--max-jobs", "2"]);
    wait_for_log(&second, "device replay");
    server.stop();
    assert!(lab.peng(&["search", "resume", "s"]).status.success());
    wait_for_log(&second, "snoozed, no crash");
    server.restart();
    assert_eq!(second.join(), Some(0), "{}", second.log());
    let log = second.log();
    assert!(!log.contains("falling back"), "{log}");
    assert_eq!(lab.count(&format!("attempt WHERE first_step = {}", observed + 1)), 1, "{log}");
    assert_eq!((lab.count("observation"), lab.count("job WHERE crashes = 0")), (12, 1));
}
