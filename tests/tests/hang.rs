//! What hangs: one training of several, the database, the checkpoint store. Nothing keeps a worker from leaving.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use local_postgres::Status;
use rustix::process::{Pid, Signal, kill_process};
use tests::{
    Lab, Postgres, Worker,
    s3::{BUCKET, Server},
    spec, wait,
};

const REPLAY: &str = "peng-replay-worker";
const GRACE: Duration = Duration::from_secs(2);
/// What the last words may take, and a busy machine.
const GOODBYE: Duration = Duration::from_secs(8);

/// The training hangs in the kernel: it opens a pipe that nobody reads.
#[test]
fn a_hang_of_one_slot_of_four_counts_a_crash_for_its_job_alone() {
    let lab = Lab::new();
    lab.submit(&spec("random", 4, 100));
    let scratch = lab.dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut command = lab.command(REPLAY);
    command.args(["--slots", "4", "--epoch-seconds", "0.3", "--hang-after", "1", "--scratch"]).arg(&scratch);
    let mut worker = lab.spawn(command);
    lab.wait_for("observation", 4);
    let next = lab.count("observation WHERE job_id = 3") + 5;
    let pipe = only_entry(&scratch).join(format!("3-1-{next}"));
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    assert_eq!(worker.join(), Some(70), "{}", worker.log());
    assert!(worker.log().contains("job 3: its training hangs"), "{}", worker.log());
    let hung = "attempt WHERE job_id = 3 AND \"end\" = 'retried' AND error = 'the training hangs'";
    assert_eq!(lab.count(hung), 1, "{}", worker.log());
    assert_eq!(lab.count("job WHERE id = 3 AND crashes = 1 AND state = 'waiting'"), 1);
    let released = "attempt WHERE job_id <> 3 AND \"end\" = 'released'";
    assert_eq!(lab.count(released), 3, "{}", worker.log());
    assert_eq!(lab.count("job WHERE id <> 3 AND crashes = 0 AND losses = 0 AND state = 'ready'"), 3);
    assert_eq!((lab.count("lease"), lab.count("worker WHERE state = 'stopped'")), (0, 1));
}

fn only_entry(dir: &std::path::Path) -> PathBuf {
    fs::read_dir(dir).unwrap().next().unwrap().unwrap().path()
}

/// Asks workers to leave, and checks that they do within their grace period and their last words.
fn assert_leave(workers: &mut [Worker]) {
    let asked = Instant::now();
    for worker in &mut *workers {
        worker.signal(Signal::TERM);
    }
    for worker in workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
        let took = asked.elapsed();
        assert!(took < GRACE + GOODBYE, "{took:?}: {}", worker.log());
    }
}

/// Arguments of a worker with a training of so long an epoch.
fn arguments(epoch_seconds: &str) -> [&str; 4] {
    ["--grace", "2", "--epoch-seconds", epoch_seconds]
}

#[test]
fn a_worker_whose_database_is_away_leaves_within_its_grace_period() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    lab.submit(&spec("random", 2, 1000));
    // One between two intervals, one in the middle of its own.
    let mut workers = ["0.1", "3600"].map(|seconds| lab.worker(REPLAY, &arguments(seconds)));
    lab.wait_for("attempt", 2);
    postgres.server().down().unwrap();
    for worker in &workers {
        worker.wait_for("trying again");
    }
    assert_leave(&mut workers);
    postgres.restart();
    lab.assert_unharmed();
}

/// It is there and says nothing, as one behind a network that swallows packets.
#[test]
fn a_worker_whose_database_is_frozen_leaves_within_its_grace_period() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    lab.submit(&spec("random", 2, 60));
    let mut worker = lab.worker(REPLAY, &[&arguments("0.1")[..], &["--slots", "2"]].concat());
    lab.wait_for("observation", 4);
    let processes = processes(&postgres);
    let signal = |signal| processes.iter().for_each(|pid| kill_process(*pid, signal).unwrap());
    signal(Signal::STOP);
    worker.wait_for("its lease could not be renewed for");
    assert_leave(std::slice::from_mut(&mut worker));
    signal(Signal::CONT);
    let mut next = lab.worker(REPLAY, &["--max-jobs", "2", "--slots", "2"]);
    assert_eq!(next.join(), Some(0), "{}", next.log());
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 2, "nothing is lost");
    assert_eq!(lab.count("job WHERE crashes > 0"), 0);
}

/// The postmaster and its children.
fn processes(postgres: &Postgres) -> Vec<Pid> {
    let Ok(Status::Up(postmaster)) = postgres.server().status() else { panic!("it runs") };
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
    [postmaster].into_iter().chain(children).filter_map(Pid::from_raw).collect()
}

#[test]
fn a_worker_whose_checkpoint_store_hangs_leaves_within_its_grace_period() {
    let (lab, mut server) = (Lab::new(), Server::start());
    lab.submit(&spec("random", 2, 1000));
    let mut command = lab.command(REPLAY);
    server.configure(&mut command, BUCKET).args(arguments("0.1")).args(["--slots", "2"]);
    let mut worker = lab.spawn(command);
    lab.wait_for("observation", 4);
    server.stall();
    let observations = "observation";
    let mut last = (lab.count(observations), Instant::now());
    wait("the trainings to stand still", || match lab.count(observations) {
        count if count == last.0 && last.1.elapsed() > Duration::from_secs(1) => Ok(()),
        count => {
            last = if count == last.0 { last } else { (count, Instant::now()) };
            Err(format!("{count} observations"))
        }
    });
    assert_leave(std::slice::from_mut(&mut worker));
    assert!(lab.count("attempt WHERE \"end\" = 'released'") > 0, "{}", worker.log());
    lab.assert_unharmed();
}
