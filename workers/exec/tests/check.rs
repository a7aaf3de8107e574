//! `peng-exec-worker check` with programs that do one thing wrong each.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fs, process::Command};

const GOOD: &str = r#"
import json, os, sys
def say(**line): print(json.dumps(line), flush=True)
HELLO
job = json.loads(input())
step = int(open(job["resume_from"]).read()) if job["resume_from"] else 0
while step < 3:
    step += 1
    open("state", "w").write(str(step))
    say(type="observation", epoch=step, val_acc=ACCURACY, checkpoint=CHECKPOINT)
    line = sys.stdin.readline()
    END
"#;
const HELLO: &str = "say(type='hello', protocol=1)";
const END: &str = "if '\"stop\"' in line or not line: break";

/// Exit code, and the findings that are not `ok`.
fn check(hello: &str, accuracy: &str, checkpoint: &str, end: &str) -> (Option<i32>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let text = GOOD.replace("HELLO", hello).replace("ACCURACY", accuracy).replace("CHECKPOINT", checkpoint);
    fs::write(dir.path().join("train.py"), text.replace("END", end)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_peng-exec-worker"));
    command.args([
        "check",
        "--timeout",
        "2",
        "--stop-grace",
        "1",
        "--output",
        "json",
        "--",
        "python3",
        "train.py",
    ]);
    let output = command.current_dir(dir.path()).env("PENG_LOG", "error").output().unwrap();
    let findings: Vec<serde_json::Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let bad = findings.iter().filter(|finding| finding["verdict"] != "ok");
    let bad = bad.map(|f| format!("{} {}: {}", f["verdict"], f["check"], f["text"]).replace('"', ""));
    (output.status.code(), bad.collect())
}

#[test]
fn a_good_program_passes() {
    assert_eq!(check(HELLO, "50 + step", "'state'", END), (Some(0), vec![]));
}

#[test]
fn each_fault_is_said() {
    let table = [
        (check("", "50", "'state'", END), 1, "failed whole: hung", "no hello"),
        (
            check("print('hi')", "50", "'state'", END),
            1,
            "failed whole: the program wrote no line of the protocol",
            "chat",
        ),
        (
            check(HELLO, "0.5 + step * 200", "'state'", END),
            1,
            "failed whole: the observation of epoch 1 has val_acc",
            "unit",
        ),
        (
            check(HELLO, "50", "'gone'", END),
            1,
            "failed whole: the checkpoint of epoch 1 cannot be read",
            "checkpoint",
        ),
        (
            check(HELLO, "50", "'state'", "if not line: os._exit(0)"),
            0,
            "",
            "stop is followed by the end of input",
        ),
        (
            check(HELLO, "50", "'state'", "if '\"stop\"' in line or not line: sys.exit(3)"),
            1,
            "failed stop: after `stop` it ended with exit status: 3",
            "exit code",
        ),
        (
            check(
                HELLO,
                "50",
                "'state'",
                "if not line: import time; time.sleep(60)\n    if '\"stop\"' in line: break",
            ),
            1,
            "failed orphan: still ran",
            "outlives its worker",
        ),
        (
            check(HELLO, "50", "'state'", "if '\"stop\"' in line or not line: import time; time.sleep(60)"),
            1,
            "failed stop: still ran 1 s after `stop`; ended by SIGTERM",
            "ignores stop",
        ),
        (check(HELLO, "50", "None", END), 0, "note resume: it names no checkpoint", "no checkpoint"),
        (
            check(HELLO, "50 + os.getpid() % 7 / 100 + os.urandom(1)[0] / 100", "'state'", END),
            0,
            "note resume: goes on, but differently",
            "not exact",
        ),
    ];
    for ((code, findings), expected_code, expected, why) in table {
        assert_eq!(code, Some(expected_code), "{why}: {findings:?}");
        let found =
            expected.is_empty() && findings.is_empty() || findings.iter().any(|f| f.starts_with(expected));
        assert!(found, "{why}: {findings:?}");
    }
}

#[test]
fn a_genome_with_a_number_that_would_be_rounded_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("genome.json");
    for (number, refused) in [("18446744073709551616", true), ("18446744073709551615", false)] {
        fs::write(&file, format!("{{\"space\":\"external\",\n\"description\":{{\"id\":{number}}}}}"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_peng-exec-worker"));
        let output = command.args(["check", "--genome"]).arg(&file).args(["--", "false"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!("genome.json` as a genome: the whole number {number} is beyond 64 bits");
        assert_eq!(said.contains(&expected), refused, "{said}");
    }
}
