//! The programs in poor environments: each does its work or says what is wrong, and none panics.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt as _, process::ExitStatusExt as _},
    process::{Command, Stdio},
};

use tests::{Lab, spec, stderr};

/// What a command does.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// It ends with exit code 0.
    Works,
    /// It ends with exit code 1 and says this.
    Says(&'static str),
    /// It ends as SIGPIPE would end it, and says nothing.
    EndsQuietly,
}
use Does::{EndsQuietly, Says, Works};

/// How the streams, variables and the directory of a command are made, by a shell that then becomes the command; what commands
/// then do that print results, and what workers do.
struct Environment {
    name: &'static str,
    before: &'static str,
    streams: &'static str,
    command: Does,
    worker: Does,
}

const fn sound(name: &'static str, before: &'static str, streams: &'static str) -> Environment {
    Environment { name, before, streams, command: Works, worker: Works }
}

const ENVIRONMENTS: [Environment; 20] = [
    sound("plain", "", ""),
    sound("LANG=C", "export LC_ALL=C LANG=C", ""),
    sound("a locale that is not there", "export LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8", ""),
    sound("no HOME", "unset HOME XDG_DATA_HOME", ""),
    sound("empty HOME", "export HOME=", ""),
    sound("HOME that nobody can write", "export HOME=/proc", ""),
    Environment {
        name: "no TMPDIR",
        before: "export TMPDIR=/missing",
        streams: "",
        command: Works,
        worker: Says("/missing"),
    },
    sound("TMPDIR with spaces", "export TMPDIR=\"$PWD/a b & c\"; mkdir -p \"$TMPDIR\"", ""),
    sound("TERM=dumb", "export TERM=dumb", ""),
    sound("no TERM", "unset TERM", ""),
    sound("closed stdin", "", "<&-"),
    sound("closed stdout", "", ">&-"),
    sound("closed stderr", "", "2>&-"),
    sound("full stderr", "", "2>/dev/full"),
    sound("all closed", "", "<&- >&- 2>&-"),
    Environment {
        name: "full stdout",
        before: "",
        streams: ">/dev/full",
        command: Says("cannot write to standard output: No space left on device"),
        worker: Works,
    },
    sound("umask 077", "umask 077", ""),
    sound("a directory that is not UTF-8", "mkdir -p \"$ODD\"; cd \"$ODD\"", ""),
    sound("a directory that has gone", "mkdir gone; cd gone; rmdir ../gone", ""),
    sound("a small stack of variables", "unset PATH LANG LOGNAME USER SHELL", ""),
];

/// Commands that print results; each in a form of its own.
const COMMANDS: [&[&str]; 9] = [
    &["--help"],
    &["job", "list", "--help"],
    &["job", "list"],
    &["job", "list", "--output", "json"],
    &["job", "list", "--output", "jsonl"],
    &["search", "list", "--output", "csv"],
    &["db", "status"],
    &["report", "summary", "s"],
    &["report", "savings", "s", "--output", "html"],
];

/// A program of the line protocol, for searches of one epoch.
const PROGRAM: &str = r#"echo '{"type":"hello","protocol":1}'; read job
echo '{"type":"observation","epoch":1.0,"val_acc":61.2}'; read answer"#;

fn workers(program: &str) -> Vec<Vec<String>> {
    let replay = "peng-replay-worker --max-jobs 1".split(' ').map(str::to_owned).collect();
    let exec = format!("peng-exec-worker --max-jobs 1 -- /bin/sh {program}");
    vec![replay, exec.split(' ').map(str::to_owned).collect()]
}

/// A laboratory with more jobs than the workers of a test take, each of one epoch, of which one is trained.
fn lab() -> (Lab, String) {
    let lab = Lab::new();
    lab.submit(&spec("random", 80, 1));
    assert_eq!(lab.worker("peng-replay-worker", &["--max-jobs", "1"]).join(), Some(0));
    let program = lab.file("train.sh", PROGRAM).to_str().unwrap().to_owned();
    lab.file("curve.csv", "epoch,val_acc\n1,50\n2,60\n3,65\n");
    (lab, program)
}

/// A program of the system, with the variables that a binary gets in a laboratory.
fn shell(lab: &Lab, program: &str, binary: &str) -> Command {
    let mut command = Command::new(program);
    let variables = lab.command(binary);
    command.envs(variables.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(lab.dir.path()).stdin(Stdio::null());
    command
}

/// A command in an environment.
fn command(lab: &Lab, environment: &Environment, binary: &str, arguments: &[String]) -> Command {
    let mut command = shell(lab, "/bin/sh", binary);
    let line = format!("{}\nexec \"$0\" \"$@\" {}", environment.before, environment.streams);
    command.args(["-c", &line]).arg(Lab::binary(binary)).args(arguments);
    command.env("ODD", OsStr::from_bytes(b"od\xffd"));
    command
}

fn check(what: &str, mut command: Command, expected: Does) {
    let output = command.output().unwrap();
    let said = stderr(&output);
    let seen = format!("{what}: {}, {said}", output.status);
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{seen}");
    assert_eq!(output.status.signal(), None, "{seen}");
    match expected {
        Works => assert_eq!(output.status.code(), Some(0), "{seen}"),
        Says(text) => {
            assert_eq!(output.status.code(), Some(1), "{seen}");
            assert!(said.contains(text), "{seen}");
        }
        EndsQuietly => assert_eq!((output.status.code(), said.as_str()), (Some(141), ""), "{seen}"),
    }
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn commands_work_in_every_environment_or_say_what_is_wrong() {
    let (lab, _) = lab();
    let curve = lab.dir.path().join("curve.csv");
    let predict = ["predict", "--epochs", "25", "--follow", curve.to_str().unwrap()];
    for environment in &ENVIRONMENTS {
        for arguments in COMMANDS.iter().copied().chain([&predict[..]]) {
            let what = format!("{}: peng {arguments:?}", environment.name);
            check(&what, command(&lab, environment, "peng", &words(arguments)), environment.command);
        }
    }
}

#[test]
fn workers_train_in_every_environment_or_say_what_is_wrong() {
    let (lab, program) = lab();
    for environment in &ENVIRONMENTS {
        for worker in workers(&program) {
            let done = lab.count("result");
            let what = format!("{}: {worker:?}", environment.name);
            check(&what, command(&lab, environment, &worker[0], &worker[1..]), environment.worker);
            let trained = i64::from(matches!(environment.worker, Works));
            assert_eq!(lab.count("result"), done + trained, "{what}");
        }
    }
}

/// The help of workers, and of a worker that is linked with libtorch.
#[test]
fn a_help_that_cannot_be_written_is_an_error() {
    let (lab, program) = lab();
    let full = ENVIRONMENTS.iter().find(|environment| environment.name == "full stdout").unwrap();
    for binary in ["peng", "peng-replay-worker", "peng-exec-worker", "peng-worker"] {
        for asked in ["--help", "--version"] {
            check(binary, command(&lab, full, binary, &words(&[asked])), full.command);
        }
    }
    let check_program = words(&["check", "--", "/bin/sh", &program]);
    check("check", command(&lab, full, "peng-exec-worker", &check_program), full.command);
}

/// A pipe that nobody reads, as behind a `head` that has seen enough.
fn closed_pipe() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe_ends_a_command_quietly_whatever_it_prints() {
    let (lab, program) = lab();
    let curve = lab.dir.path().join("curve.csv");
    let curve = curve.to_str().unwrap();
    let more: [&[&str]; 6] = [
        &["predict", "--epochs", "25", curve],
        &["predict", "--epochs", "25", "--follow", curve],
        &["predict", "--epochs", "25", "--follow", "--output", "csv", curve],
        &["job", "list", "--output", "csv"],
        &["curve", "export", "--search", "s"],
        &["report", "ranking", "s", "--output", "json"],
    ];
    let quietly = |mut command: Command, arguments: &[&str]| {
        command.args(arguments).env("PENG_LOG", "warn").stdout(closed_pipe());
        check(&format!("{command:?}"), command, EndsQuietly);
    };
    for arguments in COMMANDS.iter().chain(&more) {
        quietly(lab.command("peng"), arguments);
    }
    for binary in ["peng-replay-worker", "peng-exec-worker", "peng-worker"] {
        quietly(lab.command(binary), &["--help"]);
    }
    let program = ["check", "--output", "json", "--", "/bin/sh", &program];
    quietly(lab.command("peng-exec-worker"), &program);
}

/// Whoever looked at its log has gone: nobody else trains the job.
#[test]
fn a_worker_whose_log_nobody_reads_goes_on() {
    let (lab, program) = lab();
    for worker in workers(&program) {
        let done = lab.count("result");
        let mut command = lab.command(&worker[0]);
        command.args(&worker[1..]).stdout(closed_pipe()).stderr(closed_pipe());
        check(&format!("{worker:?}"), command, Works);
        assert_eq!(lab.count("result"), done + 1, "{worker:?}");
    }
}

#[test]
fn a_terminal_may_be_narrow_or_dumb() {
    let (lab, _) = lab();
    for (terminal, columns) in [("xterm", 40), ("dumb", 40), ("dumb", 0)] {
        for arguments in COMMANDS {
            let (peng, arguments) = (Lab::binary("peng"), arguments.join(" "));
            let line = format!("stty cols {columns}; exec {} {arguments}", peng.display());
            let mut command = shell(&lab, "script", "peng");
            command.args(["-qec", &line, "/dev/null"]).env("TERM", terminal);
            let output = command.output().unwrap();
            let shown = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && !shown.contains("panicked"), "{terminal}, {line}: {shown}");
        }
    }
}
