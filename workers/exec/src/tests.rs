//! Programs that go wrong in one way each, and whose fault that is.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use runner::{Advance, Backend as _, Interrupt, Order, TrainError};
use search::Spec;

use crate::{
    backend::Exec,
    environment::Environment,
    guard::Guard,
    patience::Keep,
    program::{Recipe, located},
};

const SPEC: &str = "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
                    [budget]\njobs = 1\nmax_epochs = 3\n[predictor]\nengine = \"none\"\n";
const HELLO: &str = "echo '{\"type\":\"hello\",\"protocol\":1}'; read job";

fn exec(program: &[&str], jobs: &Path) -> Exec {
    Exec {
        recipe: Recipe {
            program: located(program.iter().map(|&word| word.to_owned()).collect()),
            environment: Environment::of_worker(&[]),
            user: None,
            timeout: Duration::from_secs(20),
            stop_grace: Duration::from_millis(300),
        },
        guard: Guard::idle(),
        jobs: jobs.to_owned(),
        keep: Keep::Never,
        log_limit: 1 << 20,
        slot: 0,
        device: None,
        leaving: Arc::default(),
    }
}

fn order() -> Order {
    let spec = Spec::parse(SPEC, "test").unwrap();
    let genome = search::first_jobs(&spec, vec![]).unwrap().remove(0).genome;
    Order {
        job_id: domain::JobId(1),
        fence: domain::Fence(1),
        seed: 1,
        genome,
        spec: spec.into(),
        steps_done: 0,
    }
}

/// Trains one interval and saves; the error that comes of it.
fn error(exec: &mut Exec, resume: Option<&Path>) -> TrainError {
    let scratch = tempfile::tempdir().unwrap();
    let trained = exec.open(&order(), resume).and_then(|mut session| {
        let advance = session.advance(&Interrupt::default())?;
        session.save(&scratch.path().join("saved")).map(|()| advance)
    });
    match trained {
        Ok(Advance::Measured(measurement)) => panic!("it trained: {measurement:?}"),
        Ok(Advance::Interrupted) => panic!("it was interrupted"),
        Err(error) => error,
    }
}

fn error_of(program: &[&str]) -> TrainError {
    error(&mut exec(program, tempfile::tempdir().unwrap().path()), None)
}

fn error_of_script(script: &str) -> TrainError {
    error_of(&["sh", "-c", script])
}

fn owner(error: &TrainError) -> &'static str {
    match error {
        TrainError::Diverged(_) => "nobody",
        TrainError::Job(_) => "job",
        TrainError::Host(_) => "host",
        TrainError::Unsupported(_) => "other workers",
        TrainError::DeviceLost(_) => "device",
        TrainError::Signalled(_) => "signal",
        TrainError::Checkpoint(_) => "checkpoint",
        TrainError::Unknown(_) => "unknown",
    }
}

fn observation(rest: &str) -> String {
    format!("{HELLO}; echo '{{\"type\":\"observation\",\"epoch\":1,\"val_acc\":50{rest}}}'; read answer")
}

#[test]
fn a_program_that_is_not_here_is_the_hosts_fault() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8], mode: u32| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let forbidden = file("forbidden", b"#!/bin/sh", 0o644);
    let foreign = file("foreign", b"\x7fELF\x02\x01\x01 of a machine that never was", 0o755);
    let orphaned = file("orphaned", b"#!/nowhere/interpreter\n", 0o755);
    let behind_a_shell = format!("exec {forbidden}");
    let table: [(&[&str], &str); 8] = [
        (&["no-such-program"], "cannot start `no-such-program`"),
        (&["/no/such/program"], "cannot start `/no/such/program`"),
        (&[&forbidden], "cannot start `"),
        (&[&foreign], ""),
        (&[&orphaned], "cannot start `"),
        (&["env", "no-such-interpreter", "train.py"], "a command in it (exit status: 127: not found"),
        (&["sh", "-c", "no-such-interpreter train.py"], "a command in it (exit status: 127: not found"),
        (&["sh", "-c", &behind_a_shell], "a command in it (exit status: 126: not found, or not executable)"),
    ];
    for (program, text) in table {
        let error = error_of(program);
        assert_eq!(owner(&error), "host", "{program:?}: {error}");
        assert!(error.to_string().contains(text), "{program:?}: {error}");
    }
}

#[test]
fn a_directory_that_takes_no_files_is_the_hosts_fault() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = dir.path().join("jobs");
    fs::write(&jobs, "no directory").unwrap();
    let error = error(&mut exec(&["true"], &jobs), None);
    assert_eq!(owner(&error), "host", "{error}");
    assert!(error.to_string().contains("jobs/job-1/attempt-1"), "{error}");

    let mut exec = exec(&["sh", "-c", &observation("")], tempfile::tempdir().unwrap().path());
    let mut session = exec.open(&order(), None).unwrap();
    session.advance(&Interrupt::default()).unwrap();
    for full in ["/dev/full", "/nowhere/saved"] {
        let error = session.save(Path::new(full)).unwrap_err();
        assert_eq!(owner(&error), "host", "{error}");
        assert!(error.to_string().contains(full), "{error}");
    }
}

#[test]
fn a_program_that_could_not_start_leaves_no_directory() {
    let jobs = tempfile::tempdir().unwrap();
    error(&mut Exec { keep: Keep::Failed, ..exec(&["no-such-program"], jobs.path()) }, None);
    assert_eq!(fs::read_dir(jobs.path().join("job-1")).unwrap().count(), 0, "neither directory nor log");
}

#[test]
fn breaking_the_protocol_is_the_jobs_fault() {
    let table = [
        ("echo '{\"type\":\"hello\",\"protocol\":2}'; read job", "speaks protocol 2"),
        ("echo epoch 1; read job", "no line of the protocol"),
        ("echo '{\"type\":\"observation\",\"epoch\":1,\"val_acc\":1}'; read job", "no hello"),
        (
            &format!("{HELLO}; echo '{{\"type\":\"observation\",\"epoch\":2,\"val_acc\":1}}'; read answer"),
            "out of order",
        ),
        (
            &format!("{HELLO}; echo '{{\"type\":\"observation\",\"epoch\":1,\"val_acc\":101}}'; read answer"),
            "val_acc = 101",
        ),
        (&format!("{HELLO}; exec >&-; sleep 60"), "closed its stdout"),
        (&format!("{HELLO}; exit 0"), "ended before its training did (exit status: 0)"),
        (
            &format!("{HELLO}; echo '{{\"type\":\"failed\",\"message\":\"no conv9\"}}'; read answer"),
            "no conv9",
        ),
    ];
    for (script, text) in table {
        let error = error_of_script(script);
        assert_eq!(owner(&error), "job", "{script}: {error}");
        assert!(error.to_string().contains(text), "{script}: {error}");
    }
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_the_jobs_fault_and_names_the_culprit() {
    let table = [
        ("", ",\"checkpoint\":\"gone\"", "attempt-1/gone`"),
        ("", ",\"checkpoint\":\"a\\u0000b\"", "attempt-1/a␀b`"),
        ("ln -s /nonexistent/w w", ",\"checkpoint\":\"w\"", "attempt-1/w`: it is a link to `/nonexistent/w`"),
        (
            "mkdir -p state/shards; echo 0 > state/shards/0; ln -s /nonexistent/1 state/shards/1",
            ",\"checkpoint\":\"state\"",
            "attempt-1/state/shards/1`: it is a link to `/nonexistent/1`, which is not there",
        ),
        ("mkfifo pipe", ",\"checkpoint\":\"pipe\"", "attempt-1/pipe`"),
    ];
    for (before, rest, text) in table {
        let error = error_of_script(&format!("{before}\n{}", observation(rest)));
        assert_eq!(owner(&error), "job", "{before}: {error}");
        let start = "the checkpoint of epoch 1 cannot be read: `";
        assert!(
            error.to_string().starts_with(start) && error.to_string().contains(text),
            "{before}: {error}"
        );
    }
}

#[test]
fn a_crash_or_a_hang_is_of_nobody_knows_whose_fault() {
    let say = |line: &str| format!("{HELLO}; echo '{line}'; read answer");
    let table = [
        (format!("{HELLO}; exit 3"), "exit status: 3"),
        ("exit 3".to_owned(), "exit status: 3"),
        (format!("{HELLO}; exit 127"), "exit status: 127"),
        (format!("{HELLO}; kill -KILL $$"), "signal: 9"),
        (format!("{HELLO}; kill -SEGV $$"), "signal: 11"),
        (say("{\"type\":\"failed\",\"message\":\"busy\",\"retry\":true}"), "busy"),
        (say("{\"type\":\"failed\",\"message\":\"busy\",\"retry\":true,\"fault\":\"of our own\"}"), "busy"),
    ];
    for (script, text) in table {
        let error = error_of_script(&script);
        assert_eq!(owner(&error), "unknown", "{script}: {error}");
        assert!(error.to_string().contains(text), "{script}: {error}");
    }
    let mut exec = exec(&["sleep", "60"], tempfile::tempdir().unwrap().path());
    exec.recipe.timeout = Duration::from_millis(100);
    let hung = error(&mut exec, None);
    assert!(owner(&hung) == "unknown" && hung.to_string().starts_with("hung"), "{hung}");
}

#[test]
fn a_byte_order_mark_before_the_first_line_is_no_part_of_it() {
    const MARK: &str = r"\357\273\277";
    let hello = r#"{"type":"hello","protocol":1}\n"#;
    let said = |mark: &str| {
        format!(r#"read job; printf '{mark}{{"type":"failed","message":"it was read"}}\n'; read answer"#)
    };
    for first in [format!("{MARK}{hello}"), format!(r"{MARK}\n{hello}")] {
        let error = error_of_script(&format!("printf '{first}'; {}", said("")));
        assert_eq!(error.to_string(), "it was read", "{first}");
    }
    let within = error_of_script(&format!("printf '{hello}'; {}", said(MARK))).to_string();
    assert!(within.contains("expected value at line 1 column 1"), "{within}");
}

#[test]
fn a_program_may_say_that_the_host_is_at_fault() {
    for rest in
        [",\"fault\":\"host\"", ",\"retry\":true,\"fault\":\"host\"", ",\"retry\":false,\"fault\":\"host\""]
    {
        let line = format!("{{\"type\":\"failed\",\"message\":\"no GPU is free\"{rest}}}");
        let error = error_of_script(&format!("{HELLO}; echo '{line}'; read answer"));
        assert_eq!((owner(&error), error.to_string().as_str()), ("host", "no GPU is free"), "{rest}");
    }
}

#[test]
fn a_signal_that_asks_to_leave_is_told_from_a_crash() {
    for how in ["kill -TERM $$", "kill -INT $$", "kill -HUP $$", "exit 143", "sh -c 'kill -TERM $$'; exit $?"]
    {
        for script in [how.to_owned(), format!("{HELLO}; {how}")] {
            let error = error_of_script(&script);
            assert_eq!(owner(&error), "signal", "{script}: {error}");
        }
    }
}

/// A signal to a whole group reaches the worker, too; what a program makes of it is its own affair.
#[test]
fn a_program_that_ends_while_its_worker_leaves_was_asked_to() {
    let table = [
        (format!("{HELLO}; exit 0"), "signal"),
        (format!("{HELLO}; exit 1"), "signal"),
        (format!("{HELLO}; kill -KILL $$"), "signal"),
        (format!("{HELLO}; echo nonsense; read answer"), "job"),
    ];
    for (script, expected) in table {
        let exec = exec(&["sh", "-c", &script], tempfile::tempdir().unwrap().path());
        exec.leaving.store(true, std::sync::atomic::Ordering::Relaxed);
        let error = error(&mut { exec }, None);
        assert_eq!(owner(&error), expected, "{script}: {error}");
    }
}

#[test]
fn a_checkpoint_that_is_of_no_use_is_told_from_a_file_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let damaged = dir.path().join("damaged");
    fs::write(&damaged, [b'x'; 2000]).unwrap();
    for (file, expected) in [(damaged, "checkpoint"), (dir.path().join("absent"), "host")] {
        let error = error(&mut exec(&["true"], tempfile::tempdir().unwrap().path()), Some(&file));
        assert_eq!(owner(&error), expected, "{error}");
        let start = format!("cannot resume from checkpoint `{}`", file.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

#[test]
fn a_program_ends_when_its_process_does_whoever_holds_its_stdout() {
    for child in ["sleep 30 &", "setsid sleep 30 &"] {
        let said = "echo '{\"type\":\"failed\",\"message\":\"its last words\"}'";
        for (script, text) in [
            (format!("{HELLO}; {child} kill -KILL $$"), "signal: 9"),
            (format!("{HELLO}; {child} {said}; exit 1"), "its last words"),
            (format!("{child} exit 3"), "exit status: 3"),
        ] {
            let error = error_of_script(&script);
            assert!(error.to_string().contains(text), "{script}: {error}");
        }
    }
}

#[test]
fn what_a_program_says_is_fit_for_people_and_the_database() {
    let stderr = error_of_script(&format!("{HELLO}; printf 'bad \\000 \\033[31mbyte\\tx\\n' >&2; exit 3"));
    assert!(stderr.to_string().ends_with("its stderr:\nbad ␀ ␛[31mbyte\tx"), "{stderr}");
    let line = |message: &str| format!("{{\"type\":\"failed\",\"message\":\"{message}\"}}");
    let told = error_of_script(&format!("{HELLO}; echo '{}'; read answer", line("no layer `\\u0000`")));
    assert_eq!(told.to_string(), "no layer `␀`");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("line");
    fs::write(&file, line(&"é".repeat(100_000)) + "\n").unwrap();
    let long = error_of_script(&format!("{HELLO}; cat {}; read answer", file.display()));
    assert!(long.to_string().len() <= 8192 && long.to_string().contains("bytes left out"), "{long}");
}
