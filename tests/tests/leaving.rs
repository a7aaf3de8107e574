//! How a worker leaves: signals, limits, hangs.
#![expect(clippy::unwrap_used, reason = "a test")]

use rustix::process::{Pid, Signal, kill_process};
use tests::{Lab, Worker};

const REPLAY: &str = "peng-replay-worker";
/// An epoch that no test waits for.
const ENDLESS: [&str; 2] = ["--epoch-seconds", "3600"];

fn lab(jobs: u32) -> Lab {
    let lab = Lab::new();
    lab.submit(&format!(
        "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         [budget]\njobs = {jobs}\nmax_epochs = 12\n[predictor]\nengine = \"none\"\n"
    ));
    lab
}

/// A worker in the middle of a job.
fn at_work(lab: &Lab, arguments: &[&str]) -> Worker {
    let before = lab.count("attempt");
    let worker = lab.worker(REPLAY, arguments);
    lab.wait_for("attempt", before + 1);
    worker
}

#[test]
fn the_preemption_signal_finishes_the_interval_and_asks_to_be_requeued() {
    let lab = lab(1);
    let arguments = ["--epoch-seconds", "0.5", "--preempt-signal", "USR1", "--requeue-exit-code", "99"];
    let mut worker = at_work(&lab, &arguments);
    lab.wait_for("observation", 1);
    worker.signal(Signal::USR1);
    assert_eq!(worker.join(), Some(99), "{}", worker.log());
    assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), 1);
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0"), 1);
    let steps = lab.count("observation");
    assert!(steps >= 2, "the running interval was finished: {}", worker.log());
    assert_eq!(lab.count(&format!("checkpoint WHERE step = {steps}")), 1, "and saved");
}

/// Key of the status that the system shows of a process; `None` where there is none.
fn status(pid: i32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start_matches(':').trim().to_owned()))
}

/// A zombie runs no more.
fn is_running(pid: i32) -> bool {
    status(pid, "State").is_some_and(|state| !state.starts_with('Z'))
}

/// A process and the others of the same parent.
fn siblings(pid: i32) -> Vec<i32> {
    let parent = status(pid, "PPid");
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|&other| status(other, "PPid") == parent).collect()
}

/// As systemd does by default: the worker, its guard and its program are told to leave at the same time.
#[test]
fn a_signal_to_all_processes_of_a_worker_releases_the_job_of_its_program() {
    for on_signal in ["signal.SIG_DFL", "lambda *_: sys.exit(0)", "lambda *_: sys.exit(1)"] {
        let lab = lab(1);
        let program = lab.file(
            "train.py",
            &format!(
                "import json, os, signal, sys, time\nsignal.signal(signal.SIGTERM, {on_signal})\n\
                 print(json.dumps(dict(type='hello', protocol=1)), flush=True)\njob = input()\n\
                 open('../../../pid.new', 'w').write(str(os.getpid())); os.rename('../../../pid.new', '../../../pid')\n\
                 while True: time.sleep(1)\n"
            ),
        );
        let arguments = ["--grace", "60", "--", "python3", program.to_str().unwrap()];
        let mut worker = lab.worker("peng-exec-worker", &arguments);
        let file = lab.dir.path().join("pid");
        tests::wait("the program", || if file.exists() { Ok(()) } else { Err(worker.log()) });
        let pid: i32 = std::fs::read_to_string(file).unwrap().parse().unwrap();
        let children = siblings(pid);
        assert_eq!(children.len(), 2, "the guard and the program");
        assert!(children.contains(&pid), "{children:?}, {pid}");

        worker.signal(Signal::TERM);
        for child in &children {
            kill_process(Pid::from_raw(*child).unwrap(), Signal::TERM).unwrap();
        }
        assert_eq!(worker.join(), Some(0), "{on_signal}: {}", worker.log());
        tests::wait("its processes to go", || {
            let left: Vec<_> = children.iter().filter(|pid| is_running(**pid)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
        assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), 1, "{on_signal}: {}", worker.log());
        assert_eq!(
            lab.count("job WHERE state = 'ready' AND crashes = 0"),
            1,
            "{on_signal}: {}",
            worker.log()
        );
    }
}

/// A terminal that breaks sends SIGHUP more than once: from the kernel, and from the shell.
#[test]
fn a_hangup_releases_the_job_however_often_it_comes() {
    let lab = lab(1);
    let mut worker = at_work(&lab, &["--epoch-seconds", "1"]);
    lab.wait_for("observation", 1);
    worker.signal(Signal::HUP);
    worker.wait_for("asked to leave");
    worker.signal(Signal::HUP);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), 1, "{}", worker.log());
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0 AND losses = 0"), 1);
}

#[test]
fn a_worker_under_nohup_goes_on_after_a_hangup() {
    let lab = lab(1);
    let mut command = lab.command(REPLAY);
    command.args(["--epoch-seconds", "0.2", "--once"]);
    let mut nohup = std::process::Command::new("nohup");
    nohup.arg(command.get_program()).args(command.get_args()).current_dir(lab.dir.path());
    nohup.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut worker = lab.spawn(nohup);
    lab.wait_for("observation", 1);
    worker.signal(Signal::HUP);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!((lab.count("attempt"), lab.count("result WHERE outcome = 'completed'")), (1, 1));
}

/// A broken ssh: worker, guard and program are of one session. The program dies at once.
#[test]
fn a_hangup_of_a_worker_and_its_program_releases_the_job() {
    let lab = lab(1);
    let program = lab.file(
        "train.py",
        "import json, os, time\nprint(json.dumps(dict(type='hello', protocol=1)), flush=True)\njob = input()\n\
         open('../../../pid.new', 'w').write(str(os.getpid())); os.rename('../../../pid.new', '../../../pid')\n\
         while True: time.sleep(1)\n",
    );
    let arguments = ["--grace", "60", "--", "python3", program.to_str().unwrap()];
    let mut worker = lab.worker("peng-exec-worker", &arguments);
    let file = lab.dir.path().join("pid");
    tests::wait("the program", || if file.exists() { Ok(()) } else { Err(worker.log()) });
    let pid: i32 = std::fs::read_to_string(file).unwrap().parse().unwrap();
    worker.signal(Signal::HUP);
    for child in siblings(pid) {
        kill_process(Pid::from_raw(child).unwrap(), Signal::HUP).unwrap();
    }
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), 1, "{}", worker.log());
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0"), 1, "{}", worker.log());
}

#[test]
fn an_interval_longer_than_the_grace_period_is_abandoned() {
    let lab = lab(1);
    let mut worker = at_work(&lab, &[&ENDLESS[..], &["--grace", "0.5"]].concat());
    worker.signal(Signal::TERM);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0"), 1);
    assert_eq!((lab.count("lease"), lab.count("attempt WHERE \"end\" = 'released'")), (0, 1));
}

#[test]
fn a_second_signal_leaves_at_once() {
    let lab = lab(1);
    let mut worker = at_work(&lab, &[&ENDLESS[..], &["--grace", "3600"]].concat());
    worker.signal(Signal::TERM);
    tests::wait("the worker to say that it leaves", || {
        if worker.log().contains("asked to leave") { Ok(()) } else { Err(worker.log()) }
    });
    worker.signal(Signal::TERM);
    assert_eq!(worker.join(), Some(130), "{}", worker.log());
    assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), 0, "there was no time for it");
}

#[test]
fn a_time_limit_releases_what_runs_and_claims_nothing_that_cannot_be_saved() {
    let lab = lab(2);
    let limited = ["--time-limit", "2", "--grace", "1"];
    let mut worker = at_work(&lab, &[&ENDLESS[..], &limited].concat());
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert!(worker.log().contains("the time limit is near"), "{}", worker.log());
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0"), 2);

    let mut late = lab.worker(REPLAY, &["--time-limit", "1", "--grace", "2"]);
    assert_eq!(late.join(), Some(0), "{}", late.log());
    let mut command = lab.command(REPLAY);
    // Slurm tells when its job ends, by the wall clock: long ago.
    command.arg("--once").env("SLURM_JOB_END_TIME", "1000000000");
    let mut slurm = lab.spawn(command);
    assert_eq!(slurm.join(), Some(0), "{}", slurm.log());
    assert_eq!(lab.count("attempt"), 1, "neither claimed a job: {}", slurm.log());
}

#[test]
fn a_worker_leaves_after_so_many_jobs_and_takes_only_its_class() {
    let lab = lab(5);
    let mut other = lab.worker(REPLAY, &["--once", "--class", "gpu"]);
    assert_eq!(other.join(), Some(0), "{}", other.log());
    let mut idle = lab.worker(REPLAY, &["--idle-timeout", "0.2", "--class", "gpu"]);
    assert_eq!(idle.join(), Some(0), "{}", idle.log());
    assert_eq!(lab.count("attempt"), 0);
    let mut worker = lab.worker(REPLAY, &["--max-jobs", "3", "--slots", "2"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!((lab.count("attempt"), lab.count("result")), (3, 3));
}

#[test]
fn a_training_that_hangs_ends_its_worker_and_counts_a_crash() {
    let lab = lab(1);
    let mut worker = at_work(&lab, &[&ENDLESS[..], &["--hang-after", "0.2"]].concat());
    assert_eq!(worker.join(), Some(70), "{}", worker.log());
    assert!(worker.log().contains("job 1: its training hangs"), "{}", worker.log());
    let mut next = lab.worker(REPLAY, &["--once"]);
    assert_eq!(next.join(), Some(0), "{}", next.log());
    assert_eq!(lab.count("attempt WHERE \"end\" = 'retried' AND error = 'the training hangs'"), 1);
    assert_eq!(lab.count("job WHERE crashes = 1 AND losses = 0 AND state = 'completed'"), 1);
}

#[test]
fn a_cancelled_job_stops_in_the_middle_of_its_interval() {
    let lab = lab(1);
    let mut worker = at_work(&lab, &[&ENDLESS[..], &["--max-jobs", "1"]].concat());
    assert!(lab.peng(&["job", "cancel", "1", "--yes"]).status.success());
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'cancelled' AND step = 0"), 1, "{}", worker.log());
}

/// With a lease of an hour renewals are twelve seconds apart, and the job would be over before the next.
#[test]
fn a_cancelled_job_stops_with_the_interval_that_is_recorded_next() {
    let lab = lab(1);
    let arguments = ["--epoch-seconds", "0.3", "--lease-ttl", "3600", "--max-jobs", "1"];
    let mut worker = at_work(&lab, &arguments);
    lab.wait_for("observation", 1);
    assert!(lab.peng(&["job", "cancel", "1", "--yes"]).status.success());
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'cancelled'"), 1, "{}", worker.log());
}

#[test]
fn an_error_that_would_come_again_fails_the_job_at_once() {
    let lab = lab(1);
    let program = lab.file("babble.sh", "echo this is no protocol; cat >/dev/null");
    let mut worker = lab.worker("peng-exec-worker", &["--once", "--", "sh", program.to_str().unwrap()]);
    assert_eq!(worker.join(), Some(3), "some jobs failed: {}", worker.log());
    assert_eq!((lab.count("attempt"), lab.count("job WHERE state = 'failed' AND crashes = 0")), (1, 1));
    assert_eq!(lab.count("result WHERE outcome = 'failed' AND error IS NOT NULL"), 1);
}
