//! What programs get to see of their worker, tried with `peng-exec-worker check`, which needs no database.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Output},
};

use rustix::process::getuid;
use serde_json::Value;

/// Trains well, and notes what it sees of its worker.
const CURIOUS: &str = r#"
import json, os, sys
def say(**line): print(json.dumps(line), flush=True)
def read(path):
    try:
        return open(path, "rb").read(100).decode()
    except OSError as error:
        return type(error).__name__
say(type="hello", protocol=1)
job = json.loads(input())
step = int(open(job["resume_from"]).read()) if job["resume_from"] else 0
seen = dict(environment=dict(os.environ), worker=read(f"/proc/{os.getppid()}/environ"), user=os.getuid(),
            group=os.getgid(), groups=os.getgroups())
json.dump(seen, open(sys.argv[1] + "/seen", "w"))
while step < 3:
    step += 1
    open("state", "w").write(str(step))
    say(type="observation", epoch=step, val_acc=50 + step, checkpoint=CHECKPOINT)
    line = sys.stdin.readline()
    if '"stop"' in line or not line: break
"#;

/// A directory that any user may enter and write to, with a program.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(checkpoint: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(dir.path().join("train.py"), CURIOUS.replace("CHECKPOINT", checkpoint)).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peng-exec-worker"));
        command.args(["check", "--timeout", "10", "--stop-grace", "1", "--output", "json"]).args(options);
        command.args(["--", "python3", "train.py"]).arg(self.path()).current_dir(self.path());
        command.env("PENG_LOG", "error").env("DATABASE_URL", "postgresql://u:s3cret@db/peng");
        command
    }

    /// What the program saw.
    fn seen(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path().join("seen")).unwrap()).unwrap()
    }
}

fn findings(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The text of one finding.
fn finding(output: &Output, check: &str) -> String {
    let found = findings(output).into_iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("{check}: {output:?}"))["text"].as_str().unwrap().to_owned()
}

#[test]
fn programs_get_what_is_on_the_list_and_what_is_asked_for() {
    let place = Place::new("'state'");
    let secrets =
        ["DATABASE_URL", "PGPASSWORD", "PGUSER", "AWS_SECRET_ACCESS_KEY", "PENG_CHECKPOINTS", "OTHER_TOKEN"];
    let passed = ["PATH", "OMP_NUM_THREADS", "PENG_JOB", "PENG_ATTEMPT", "PENG_SLOT", "PENG_PROTOCOL"];
    let mut command = place.command(&["--pass-env", "WANDB_*,MY_DATA"]);
    command.env("OMP_NUM_THREADS", "2").envs(secrets.map(|name| (name, "x")));
    let output = command.env("WANDB_API_KEY", "x").env("MY_DATA", "/data").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let environment = place.seen()["environment"].take();
    for name in passed.iter().chain(&["WANDB_API_KEY", "MY_DATA"]) {
        assert!(environment.get(name).is_some(), "{name}: {environment}");
    }
    for name in secrets {
        assert!(environment.get(name).is_none(), "{name}: {environment}");
    }
    let said = finding(&output, "environment");
    let (on, out) = said.split_once("; left out: ").unwrap();
    assert!(on.contains("MY_DATA") && out.contains("DATABASE_URL") && !said.contains("/data"), "{said}");
}

/// A program of the worker's own user. Root reads all, so the worker is somebody else then.
#[test]
fn a_program_cannot_read_the_workers_environment() {
    let place = Place::new("'state'");
    let mut command = place.command(&[]);
    if getuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(place.seen()["worker"], "PermissionError", "{}", place.seen());
}

#[test]
fn a_program_of_another_user_is_that_user_and_no_more() {
    if !getuid().is_root() {
        return;
    }
    let place = Place::new("'state'");
    let output = place.command(&["--user", "nobody"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(findings(&output).iter().all(|finding| finding["verdict"] == "ok"), "{output:?}");
    assert!(finding(&output, "resume").contains("exactly where it was"), "{output:?}");
    let seen = place.seen();
    assert_eq!((&seen["user"], &seen["worker"]), (&65534.into(), &"PermissionError".into()), "{seen}");
    assert_eq!(seen["groups"], Value::Array(vec![]), "none of root's: {seen}");
    assert_eq!(
        (&seen["environment"]["USER"], &seen["environment"]["LOGNAME"]),
        (&"nobody".into(), &"nobody".into())
    );
    assert_ne!(seen["environment"]["HOME"], "/root");

    let output = place.command(&["--user", "nobody:daemon"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_ne!(place.seen()["group"], seen["group"], "another group");
}

/// The worker copies what a program names, and must not read for it what the program itself could not.
#[test]
fn a_program_of_another_user_cannot_have_a_file_of_roots_saved() {
    if !getuid().is_root() {
        return;
    }
    let place = Place::new("sys.argv[1] + '/secret'");
    fs::write(place.path().join("secret"), "of root").unwrap();
    fs::set_permissions(place.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = place.command(&[]).output().unwrap();
    assert!(finding(&output, "whole").contains("3 intervals"), "root's own program may: {output:?}");
    fs::remove_file(place.path().join("seen")).unwrap();
    let output = place.command(&["--user", "nobody"]).output().unwrap();
    let said = finding(&output, "whole");
    assert!(said.contains("cannot be read") && said.contains("Permission denied"), "{output:?}");
}

#[test]
fn a_user_that_cannot_be_is_refused_in_words() {
    let place = Place::new("'state'");
    let error = |options: &[&str]| {
        let output = place.command(options).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    if !getuid().is_root() {
        assert!(error(&["--user", "nobody"]).contains("--user needs a worker that runs as root"));
        return;
    }
    for (user, expected) in [
        ("no-such-user", "there is no user `no-such-user` on this host"),
        ("nobody:no-such-group", "there is no group `no-such-group` on this host"),
        ("root", "programs run as root without it"),
    ] {
        assert!(error(&["--user", user]).contains(expected), "{user}: {}", error(&["--user", user]));
    }
    let mut command = place.command(&["--user", "nobody"]);
    let error = String::from_utf8(command.uid(65534).gid(65534).output().unwrap().stderr).unwrap();
    assert!(
        error.contains("--user needs a worker that runs as root; this one runs as user 65534"),
        "{error}"
    );

    // A worker whose programs could not enter their directories says so before it claims a job.
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_peng-exec-worker"));
    worker
        .args(["--db-patience", "1", "--user", "nobody", "--jobs-dir"])
        .arg(closed.path().join("jobs"))
        .args(["--", "true"]);
    let output = worker.env("DATABASE_URL", "postgresql://nowhere.invalid/peng").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("user `nobody` may not enter `") && error.contains("--jobs-dir"), "{error}");
}
