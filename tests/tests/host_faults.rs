//! Faults of a host: they harm no job, and the worker that has them steps aside. And failures that are not the host's.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path};

use rustix::process::Signal;
use tests::{Lab, Worker, disk::Disk, spec, stderr, wait};

const EXEC: &str = "peng-exec-worker";
const REPLAY: &str = "peng-replay-worker";
/// A program that trains whatever it is told to.
const GOOD: &str = r#"
echo '{"type":"hello","protocol":1}'
read -r job
epoch=1
while true; do
  echo "{\"type\":\"observation\",\"epoch\":$epoch,\"val_acc\":50}"
  read -r answer || exit 0
  case $answer in *stop*) exit 0 ;; esac
  epoch=$((epoch + 1))
done
"#;

fn lab(jobs: u32) -> Lab {
    let lab = Lab::new();
    lab.submit(&spec("random", jobs, 2));
    lab
}

/// A worker whose program is not there.
fn bad(lab: &Lab, arguments: &[&str]) -> Worker {
    lab.worker(EXEC, &[arguments, &["--", "/nowhere/train"]].concat())
}

/// A worker whose program is a shell script.
fn scripted(lab: &Lab, arguments: &[&str], script: &str) -> Worker {
    let script = lab.file("train.sh", script);
    lab.worker(EXEC, &[arguments, &["--", "sh", script.to_str().unwrap()]].concat())
}

/// Waits until `peng worker list` shows a fault, and returns it.
fn shown_fault(lab: &Lab, worker: &Worker) -> String {
    let mut shown = None;
    wait("the list of workers to show a fault", || {
        let workers = lab.peng_json(&["worker", "list"]);
        shown = workers[0]["fault"].as_str().map(str::to_owned);
        if shown.is_some() { Ok(()) } else { Err(format!("{workers}\n{}", worker.log())) }
    });
    shown.unwrap()
}

#[test]
fn a_worker_without_its_program_steps_aside_and_harms_no_job_of_sixty() {
    let lab = lab(60);
    let mut bad = bad(&lab, &["--slots", "4"]);
    bad.wait_for("this host cannot train, claiming no job for");
    assert!(shown_fault(&lab, &bad).contains("cannot start `/nowhere/train`"));
    assert!(lab.text(&["worker", "list"]).contains("steps aside"), "{}", lab.text(&["worker", "list"]));
    lab.assert_unharmed();

    let mut good = scripted(&lab, &["--slots", "4", "--once"], GOOD);
    assert_eq!(good.join(), Some(0), "{}", good.log());
    lab.assert_whole(60, 2);
    assert_eq!(bad.said("claiming no job for"), 1, "a sentence a minute: {}", bad.log());
    bad.signal(Signal::TERM);
    assert_eq!(bad.join(), Some(0), "{}", bad.log());
    let by_good = "attempt JOIN worker ON worker.id = worker_id WHERE fault IS NULL AND \"end\" = 'finished'";
    assert_eq!(lab.count(by_good), 60);
}

#[test]
fn where_no_worker_can_train_everybody_who_asks_hears_which_hosts_and_why() {
    let lab = lab(60);
    let bad_worker = bad(&lab, &[]);
    shown_fault(&lab, &bad_worker);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let why =
        "no worker of class `default` can train: cannot start `/nowhere/train`: No such file or directory";
    let told = |text: &str| {
        let line = text.lines().find(|line| line.contains(why));
        assert!(line.is_some_and(|line| line.contains(&format!("(on {host})"))), "{text}");
    };
    told(&lab.text(&["search", "show", "s"]));
    told(&lab.text(&["job", "show", "60"]));
    let watched = lab.peng(&["search", "watch", "s", "--timeout", "1"]);
    assert_eq!(watched.status.code(), Some(4), "{}", stderr(&watched));
    told(&stderr(&watched));
    // One that is to leave when nothing is left to do leaves, since nobody will do it.
    let mut once = bad(&lab, &["--once"]);
    assert_eq!(once.join(), Some(69), "{}", once.log());
    told(&once.log());
    lab.assert_unharmed();
    assert_eq!(lab.count("job WHERE state IN ('ready', 'running')"), 60);
}

#[test]
fn a_host_that_cannot_train_so_many_times_in_a_row_ends_its_worker() {
    let lab = lab(60);
    let mut worker = bad(&lab, &["--host-faults", "3"]);
    assert_eq!(worker.join(), Some(69), "{}", worker.log());
    assert!(worker.log().contains("this host could not train 3 times in a row"), "{}", worker.log());
    assert_eq!((lab.count("attempt"), lab.count("job WHERE state = 'ready'")), (3, 60));
    lab.assert_unharmed();
}

/// A replay worker with a scratch directory of its own, in the middle of its first job.
fn with_scratch(lab: &Lab, scratch: &Path, arguments: &[&str]) -> Worker {
    let mut command = lab.command(REPLAY);
    command.args(["--epoch-seconds", "0.1", "--scratch"]).arg(scratch).args(arguments);
    let worker = lab.spawn(command);
    lab.wait_for("observation", 2);
    worker
}

#[test]
fn a_scratch_directory_that_vanishes_is_the_hosts_fault() {
    let lab = Lab::new();
    lab.submit(&spec("random", 2, 12));
    let scratch = lab.dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut worker = with_scratch(&lab, &scratch, &["--host-faults", "3"]);
    fs::remove_dir_all(&scratch).unwrap();
    assert_eq!(worker.join(), Some(69), "{}", worker.log());
    assert!(worker.log().contains("No such file or directory"), "{}", worker.log());
    lab.assert_unharmed();
    let mut next = lab.worker(REPLAY, &["--once"]);
    assert_eq!(next.join(), Some(0), "{}", next.log());
    lab.assert_whole(2, 12);
}

#[test]
fn a_full_scratch_directory_is_waited_for_and_costs_no_crash() {
    let Some(disk) = Disk::mount() else { return };
    let lab = Lab::new();
    lab.submit(&spec("random", 2, 12));
    let mut worker = with_scratch(&lab, disk.path(), &["--max-jobs", "9", "--idle-timeout", "2"]);
    let ballast = disk.fill();
    assert!(shown_fault(&lab, &worker).contains("No space left on device"));
    fs::remove_file(ballast).unwrap();
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert!(worker.log().contains("this host can train again"), "{}", worker.log());
    lab.assert_whole(2, 12);
}

#[test]
fn three_different_jobs_that_fail_before_their_first_interval_open_the_breaker() {
    let lab = lab(5);
    let worker = scripted(&lab, &[], "echo broken library >&2; exit 1");
    let fault = shown_fault(&lab, &worker);
    assert!(
        fault.starts_with("3 jobs in a row failed before their first interval")
            && fault.contains("broken library"),
        "{fault}"
    );
    let counted = "job WHERE crashes > 0";
    assert!(lab.count(counted) >= 3, "each of them counts: nobody knows whose fault it is");
    assert_eq!(lab.count("job WHERE crashes > 1 OR state = 'failed'"), 0);
}

#[test]
fn jobs_that_fail_after_their_first_interval_leave_the_breaker_closed() {
    let lab = lab(5);
    let once = r#"echo '{"type":"hello","protocol":1}'; read -r job
        echo '{"type":"observation","epoch":1,"val_acc":50}'; read -r answer; exit 1"#;
    let worker = scripted(&lab, &[], once);
    lab.wait_for("attempt WHERE \"end\" = 'retried'", 5);
    // The breaker would have said so before the end of the attempt was written.
    assert_eq!(worker.said("this host cannot train"), 0, "{}", worker.log());
    assert_eq!(lab.count("worker WHERE fault IS NOT NULL"), 0);
}

#[test]
fn a_program_that_writes_a_nul_byte_fails_its_attempt_alone() {
    let lab = lab(3);
    let script = format!(
        "case $PENG_JOB in\n1) printf 'a\\000b' >&2; exit 1 ;;\n2) echo '{{\"type\":\"hello\",\"protocol\":1}}'; read -r job\n   \
         echo '{{\"type\":\"failed\",\"message\":\"c\\u0000d\"}}'; exit 0 ;;\nesac\n{GOOD}"
    );
    let mut worker = scripted(&lab, &[], &script);
    lab.wait_for("result WHERE outcome = 'completed' AND job_id = 3", 1);
    assert_eq!(lab.count("attempt WHERE job_id = 1 AND \"end\" = 'retried' AND error LIKE '%a␀b%'"), 1);
    assert_eq!(lab.count("result WHERE job_id = 2 AND outcome = 'failed' AND error LIKE '%c␀d%'"), 1);
    assert_eq!(worker.said("invalid byte sequence"), 0, "{}", worker.log());
    worker.signal(Signal::TERM);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
}
