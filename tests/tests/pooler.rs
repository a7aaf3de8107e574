//! Workers and commands behind PgBouncer in transaction mode, where each transaction may get another session.

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use rustix::process::Signal;
use store::{Database, ListenError, Listener, search as searches};
use tests::{Lab, pooler::Pooler, spec, wait};

const REPLAY: &str = "peng-replay-worker";
const SPEC: &str = "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"evolution\"\n\
    population = 4\nsample = 2\n[budget]\njobs = 12\nmax_epochs = 6\n[predictor]\nengine = \"penguin-v4\"\n";

#[test]
fn workers_drain_a_search_through_a_pooler() {
    let lab = Lab::new();
    let Some(pooler) = Pooler::start(&lab, 2) else { return };
    let listening = Listener::connect(&Database::new(pooler.url()).unwrap(), "default");
    assert!(matches!(listening, Err(ListenError::Pooled)), "it would never hear of anything");
    assert!(
        Listener::connect(&Database::new(lab.url()).unwrap(), "default").is_ok(),
        "without it all is well"
    );

    let file = lab.file("spec.toml", SPEC);
    let submitted = lab
        .command("peng")
        .env("DATABASE_URL", pooler.url_to_submit())
        .args(["search", "submit", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(submitted.status.success(), "{}", tests::stderr(&submitted));
    let mut workers: Vec<_> =
        (0..2).map(|_| lab.worker_at(pooler.url(), REPLAY, &["--once", "--slots", "2"])).collect();
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
        assert!(worker.log().contains("connection pooler"), "it says that it polls:\n{}", worker.log());
        assert!(!worker.log().contains("prepared statement"), "{}", worker.log());
    }
    assert_eq!(lab.count("result"), 12);
    assert_eq!(lab.count("attempt WHERE \"end\" <> 'finished'"), 0, "nothing was lost on the way");
    let found = searches::find(&mut Database::new(pooler.url()).unwrap().connect().unwrap(), "s").unwrap();
    assert!(found.is_some(), "commands read through it too");
}

/// Nothing can be set in a session of a pooler: what a statement brings along is all that ends it.
#[test]
fn no_command_waits_behind_a_pooler_beyond_the_time_outs_of_its_connection_string() {
    let lab = Lab::new();
    let Some(pooler) = Pooler::start(&lab, 2) else { return };
    lab.submit(&spec("random", 4, 12));
    let file = lab.file("spec.toml", SPEC);
    let file = file.to_str().unwrap();
    let mut holding = lab.connect();
    AnsiTransactionManager::begin_transaction(&mut holding).unwrap();
    holding.batch_execute("LOCK TABLE search, job, worker IN ACCESS EXCLUSIVE MODE").unwrap();
    let url = format!("{}&options=-c%20lock_timeout%3D100ms", pooler.url_to_submit());
    for command in [
        "search list",
        "search show s",
        "search watch s",
        "search results s",
        "search pause s",
        "search resume s",
        "search cancel s --yes",
        "search promote s --top 1",
        "search archive s --yes",
        "search delete s --yes",
        &format!("search submit {file} --name other"),
        &format!("search add s {file}"),
        "job list",
        "job show 1",
        "job log 1",
        "job priority 1 1",
        "job retry 1",
        "job cancel 1 --yes",
        "worker list",
        "worker drain --all",
        "db prune --older-than 1d --yes",
    ] {
        let mut child = lab
            .command("peng")
            .env("DATABASE_URL", &url)
            .args(command.split(' '))
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        wait(&format!("`peng {command}` to give up"), || match child.try_wait().unwrap() {
            Some(_) => Ok(()),
            None => Err("it waits".to_owned()),
        });
        let output = child.wait_with_output().unwrap();
        assert!(tests::stderr(&output).contains("lock timeout"), "{command}: {}", tests::stderr(&output));
    }
}

#[test]
fn a_worker_goes_on_when_its_pooler_was_killed() {
    let lab = Lab::new();
    let Some(mut pooler) = Pooler::start(&lab, 4) else { return };
    lab.submit(&spec("random", 4, 12));
    let mut worker =
        lab.worker_at(pooler.url(), REPLAY, &["--once", "--slots", "2", "--epoch-seconds", "0.1"]);
    for outage in 1..=2 {
        lab.wait_for("observation", 12 * outage);
        pooler.kill();
        let complaints = worker.said("trying again");
        wait("the worker to notice", || match worker.said("trying again") {
            said if said > complaints || outage > 1 => Ok(()),
            _ => Err(worker.log()),
        });
        pooler.restart();
    }
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    lab.assert_whole(4, 12);
}

/// The worker is frozen in the middle of the transaction that renews its lease: the server has done it and waits for the commit.
#[test]
fn a_worker_that_is_frozen_in_a_transaction_holds_its_locks_no_longer_than_the_time_out() {
    let lab = Lab::new();
    let Some(pooler) = Pooler::start(&lab, 4) else { return };
    lab.submit(&spec("random", 1, 12));
    let mut worker = lab.worker_at(pooler.url(), REPLAY, &["--once", "--epoch-seconds", "1"]);
    lab.wait_for("lease", 1);
    let mut holding = lab.connect();
    AnsiTransactionManager::begin_transaction(&mut holding).unwrap();
    holding.batch_execute("SELECT FROM lease FOR UPDATE").unwrap();
    let of_worker = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    lab.wait_for(&format!("{of_worker} AND wait_event_type = 'Lock'"), 1);
    worker.signal(Signal::STOP);
    AnsiTransactionManager::commit_transaction(&mut holding).unwrap();
    let idle = format!("{of_worker} AND state = 'idle in transaction'");
    lab.wait_for(&idle, 1);

    wait("another session to cancel the search", || {
        let cancelled = lab.peng(&["search", "cancel", "s", "--yes"]);
        if cancelled.status.success() { Ok(()) } else { Err(tests::stderr(&cancelled)) }
    });
    assert_eq!(lab.count(&idle), 0, "the server has ended the transaction");
    worker.signal(Signal::CONT);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'cancelled'"), 1, "{}", worker.log());
}
