//! The worker with small programs, good and bad, on a real database.
#![expect(clippy::unwrap_used, reason = "a test")]

mod bench;

use bench::Bench;

/// Trains well: accuracy 50 + 2·epoch, a checkpoint that says how far it is.
const GOOD: &str = r#"
import json, os, sys
def say(**line): print(json.dumps(line), flush=True)
say(type="hello", protocol=1)
job = json.loads(input())
start = int(open(job["resume_from"]).read()) if job["resume_from"] else 0
assert start == job["start_epoch"], (start, job)
BEFORE
for epoch in range(start + 1, int(job["epochs"]) + 1):
    path = os.path.join(job["checkpoint_directory"], "state.txt")
    open(path, "w").write(str(epoch))
    line = dict(type="observation", epoch=epoch, val_acc=50 + 2 * epoch, train_acc=60 + epoch, checkpoint=path)
    DURING
    say(**line)
    answer = json.loads(sys.stdin.readline() or '{"type":"stop"}')
    if answer["type"] == "stop":
        AFTER
        break
"#;

fn program(before: &str, during: &str, after: &str) -> String {
    let or_pass = |code: &str| if code.is_empty() { "pass".to_owned() } else { code.to_owned() };
    GOOD.replace("BEFORE", &or_pass(before))
        .replace("DURING", &or_pass(during))
        .replace("AFTER", &or_pass(after))
}

#[test]
fn a_program_trains_a_search_in_two_slots() {
    let bench = Bench::new(3, 4, "none");
    let seen = bench.dir().join("seen");
    let note = format!(
        "open({seen:?} + '-' + str(job['job']), 'w').write(' '.join([os.environ['CUDA_VISIBLE_DEVICES'], \
         str(os.getpgid(0) == os.getpid()), str(sorted(os.listdir('.'))), str('DATABASE_URL' in os.environ)]))"
    );
    let log = bench.work(&program(&note, "", ""), &["--slots", "2", "--devices", "5,GPU-8"]);
    assert_eq!(bench.count("result WHERE outcome = 'completed' AND fitness = 58 AND step = 4"), 3, "{log}");
    assert_eq!(bench.count("observation WHERE train_acc = 60 + epoch AND seconds >= 0"), 12);
    let notes: Vec<_> =
        bench.files("seen-").iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert_eq!(notes.len(), 3);
    for note in notes {
        let (device, rest) = note.split_once(' ').unwrap();
        assert!(device == "5" || device == "GPU-8", "{note}");
        assert_eq!(rest, "True ['checkpoints'] False", "own group, own empty directory, no database");
    }
    assert_eq!(bench.directories(), 0, "working directories go, logs stay");
    assert_eq!(bench.logs().len(), 3);
}

#[test]
fn a_decision_to_stop_ends_the_program() {
    // `last` stops all at half of the budget.
    let bench = Bench::new(1, 8, "last");
    let log = bench.work(&program("", "", "sys.stderr.write('told: ' + answer['reason'] + '\\n')"), &[]);
    assert_eq!(bench.count("result WHERE outcome = 'terminated' AND step = 4"), 1, "{log}");
    assert_eq!(bench.logs(), ["told: terminated\n"]);
}

#[test]
fn a_program_that_ignores_stop_is_killed_and_the_decision_stands() {
    let bench = Bench::new(1, 8, "last");
    let stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)";
    let log = bench.work(&program("", "", stubborn), &["--stop-grace", "0.3"]);
    assert_eq!(bench.count("result WHERE outcome = 'terminated'"), 1, "{log}");
    assert!(log.contains("ignored SIGTERM and was killed"), "{log}");
}

#[test]
fn each_fault_of_a_program_is_named_and_not_tried_again() {
    let table = [
        ("print('epoch 1')", "", "no line of the protocol on stdout: `epoch 1`", "garbage"),
        ("", "line['epoch'] = 3", "out of order: it is of epoch 3, expected epoch 1", "order"),
        ("", "line['val_acc'] = float('nan')", "has val_acc = NaN, expected per cent", "NaN"),
        ("", "line['val_acc'] = 101", "has val_acc = 101, expected per cent", "out of range"),
        (
            "",
            "line['checkpoint'] = 'nowhere/7.pt'",
            "the checkpoint of epoch 1 cannot be read: `",
            "missing checkpoint",
        ),
        ("", "say(**line); say(**line)", "without waiting for the answer", "does not wait"),
        ("sys.exit(0)", "", "ended before its training did (exit status: 0)", "leaves early"),
        ("say(type='failed', message='no conv9'); sys.stdin.readline()", "", "no conv9", "says so itself"),
    ];
    for (before, during, expected, why) in table {
        let bench = Bench::new(1, 3, "none");
        let before = format!("sys.stderr.write('loading data\\n'); {before}");
        let log = bench.work(&program(&before, during, ""), &["--stop-grace", "0.5"]);
        let error = bench.error();
        assert!(error.contains(expected), "{why}: {error}\n{log}");
        assert!(error.contains("last lines of its stderr:\nloading data"), "{why}: {error}");
        assert_eq!(bench.count("attempt"), 1, "{why}");
        assert_eq!(bench.directories(), 1, "{why}: the directory of a failure stays");
    }
}

#[test]
fn other_programs_than_python_and_wrong_first_lines() {
    let table = [
        ("echo '{\"type\":\"hello\",\"protocol\":2}'; sleep 60", "speaks protocol 2; this worker speaks 1"),
        (
            "echo '{\"type\":\"log\",\"message\":\"hm\"}'; echo '{\"type\":\"observation\",\"epoch\":1,\"val_acc\":1}'; sleep 60",
            "first line was no hello",
        ),
        ("head -c 2000000 /dev/zero | tr '\\0' x; sleep 60", "longer than 1048576 bytes"),
    ];
    for (script, expected) in table {
        let bench = Bench::new(1, 3, "none");
        let log = bench.work_with(&["sh", "-c", script], &["--stop-grace", "0.2"]);
        assert!(bench.error().contains(expected), "{}\n{log}", bench.error());
    }
}

/// Postgres refuses NUL in a text: the worker must not send it one, whatever the program says and where.
#[test]
fn nul_bytes_of_a_program_reach_the_database_as_pictures() {
    let table = [
        (
            "say(type='failed', message='no layer `\\0`'); sys.stdin.readline()",
            "no layer `␀`",
            "in its message",
        ),
        ("sys.stderr.write('bad \\0 byte\\n'); print('epoch 1')", "bad ␀ byte", "on stderr"),
        ("print('epoch \\0')", "`epoch ␀`", "on stdout"),
    ];
    for (before, expected, why) in table {
        let bench = Bench::new(1, 3, "none");
        let log = bench.work(&program(before, "", ""), &["--stop-grace", "0.5"]);
        assert!(bench.error().contains(expected), "{why}: {}\n{log}", bench.error());
    }
}

/// One checkpoint for all that wrote it, however often: nothing of it can be stored, so the job fails with its name.
#[test]
fn a_link_to_nothing_in_a_checkpoint_fails_the_job_at_once_with_its_name() {
    let bench = Bench::new(1, 3, "none");
    let link =
        "line['checkpoint'] = 'state'; os.makedirs('state'); os.symlink('/nonexistent/w', 'state/last.ckpt')";
    let log = bench.work(&program("", link, ""), &["--stop-grace", "0.5"]);
    let error = bench.error();
    assert!(error.contains("attempt-1/state/last.ckpt`: it is a link to `/nonexistent/w`"), "{error}\n{log}");
    assert_eq!(bench.count("attempt"), 1);
}

#[test]
fn a_loss_that_is_not_finite_is_an_outcome() {
    for during in ["line['train_loss'] = float('inf')", "say(type='diverged', message='weights'); continue"] {
        let bench = Bench::new(1, 3, "none");
        let log = bench.work(&program("", during, ""), &["--stop-grace", "0.5"]);
        assert_eq!(bench.count("result WHERE outcome = 'diverged'"), 1, "{during}: {log}");
    }
}

#[test]
fn a_crash_is_tried_again_from_the_checkpoint() {
    let bench = Bench::new(1, 4, "none");
    let during =
        "if epoch == 3 and start == 0: sys.stderr.write('out of memory\\n'); os.kill(os.getpid(), 9)";
    // The pause after a first crash is some 10 s.
    let log = bench.work(&program("", during, ""), &[]);
    assert_eq!(bench.count("result WHERE outcome = 'completed' AND fitness = 58"), 1, "{log}");
    assert_eq!(bench.count("attempt WHERE first_step = 3"), 1, "it went on after epoch 2");
    assert_eq!(bench.count("attempt WHERE error LIKE '%signal: 9%out of memory%'"), 1, "{log}");
}

#[test]
fn a_program_without_checkpoints_repeats_what_is_known() {
    let bench = Bench::new(1, 4, "none");
    let marker = bench.dir().join("crashed");
    let during = format!(
        "line.pop('checkpoint'); m = {marker:?}\n    if epoch == 3 and not os.path.exists(m): open(m, 'w'); os._exit(1)"
    );
    let log = bench.work(&program("", &during, ""), &[]);
    assert_eq!(bench.count("result WHERE outcome = 'completed' AND fitness = 58"), 1, "{log}");
    assert_eq!(bench.count("attempt"), 2);
    assert_eq!(bench.count("observation"), 4);
}

#[test]
fn a_hung_program_is_killed_with_its_children() {
    let bench = Bench::new(1, 3, "none");
    let pid = bench.dir().join("child");
    let hang = format!(
        "import subprocess, time; open({pid:?}, 'w').write(str(subprocess.Popen(['sleep', '3600']).pid)); time.sleep(3600)"
    );
    let mut worker = bench.start(&program(&hang, "", ""), &["--timeout", "1", "--max-jobs", "1"]);
    worker.wait();
    assert_eq!(
        bench.count("attempt WHERE error LIKE 'hung: the program wrote no line for 1 s%'"),
        1,
        "{}",
        worker.log()
    );
    assert_eq!(bench.count("job WHERE state = 'waiting' AND crashes = 1"), 1, "a hang is tried again");
    let child = std::fs::read_to_string(pid).unwrap();
    bench::wait("the child to go", || !bench::is_running(&child));
}

#[test]
fn a_cancelled_job_is_ended_in_the_middle_of_an_interval() {
    let bench = Bench::new(1, 3, "none");
    let mut worker =
        bench.start(&program("", "import time; epoch == 2 and time.sleep(3600)", ""), &["--once"]);
    bench::wait("an observation", || bench.count("observation") == 1);
    bench.execute("UPDATE lease SET cancel = true");
    worker.wait();
    assert_eq!(bench.count("result WHERE outcome = 'cancelled'"), 1, "{}", worker.log());
}

#[test]
fn a_leaving_worker_releases_and_another_resumes() {
    let bench = Bench::new(1, 4, "none");
    let slow = program("", "import time; time.sleep(0.2 if start else 1)", "");
    let mut worker = bench.start(&slow, &["--once"]);
    bench::wait("an observation", || bench.count("observation") >= 1);
    worker.terminate();
    assert_eq!(worker.wait(), Some(0), "{}", worker.log());
    assert_eq!(bench.count("job WHERE state = 'ready' AND crashes = 0"), 1);
    let log = bench.work(&slow, &[]);
    assert_eq!(bench.count("result WHERE outcome = 'completed' AND fitness = 58"), 1, "{log}");
}

#[test]
fn a_log_keeps_to_its_limit() {
    let bench = Bench::new(1, 3, "none");
    let flood = "[sys.stderr.write('x' * 99 + '\\n') for _ in range(30000)]; sys.stderr.write('the end\\n')";
    let log = bench.work(&program(flood, "", ""), &["--log-limit", "1"]);
    assert_eq!(bench.count("result WHERE outcome = 'completed'"), 1, "{log}");
    let kept = bench.logs().remove(0);
    assert!(kept.len() < (1 << 20) + 4000, "{}", kept.len());
    assert!(
        kept.contains("bytes are left out here") && kept.ends_with("the end\n"),
        "{}",
        &kept[kept.len() - 300..]
    );
}

/// Writes the numbers of itself and of a child to a file, and hears nothing any more.
fn deaf(pids: &std::path::Path) -> String {
    format!(
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); \
         child = subprocess.Popen(['sleep', '3600']); p = '{}'; \
         open(p + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}'); os.rename(p + '.new', p); time.sleep(3600)",
        pids.display()
    )
}

/// The numbers in the file, as soon as it is there.
fn written(pids: &std::path::Path) -> Vec<String> {
    bench::wait("the program and its child", || pids.exists());
    let pids = std::fs::read_to_string(pids).unwrap();
    let pids: Vec<_> = pids.split(' ').map(str::to_owned).collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| bench::is_running(pid)), "{pids:?}");
    pids
}

#[test]
fn no_program_outlives_a_killed_worker() {
    let bench = Bench::new(1, 3, "none");
    let file = bench.dir().join("pids");
    let mut worker = bench.start(&program("", &deaf(&file), ""), &["--once"]);
    let pids = written(&file);
    let guard = worker.guard();
    worker.kill();
    bench::wait("the program to go", || !bench::is_running(&pids[0]));
    bench::wait("its child to go", || !bench::is_running(&pids[1]));
    bench::wait("the guard to go", || !bench::is_running(&guard));
    bench::wait("its word", || worker.log().contains(&format!("killed its programs {}", pids[0])));
}

/// A supervisor tells all processes of a worker to leave at once; the guard stays until the worker has left.
#[test]
fn a_guard_does_not_leave_on_a_signal() {
    let bench = Bench::new(1, 3, "none");
    let file = bench.dir().join("pids");
    let mut worker = bench.start(&program("", &deaf(&file), ""), &["--once"]);
    let pids = written(&file);
    let guard = worker.guard();
    bench::wait("the guard to be ready", || bench::catches(&guard, rustix::process::Signal::TERM));
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT, rustix::process::Signal::HUP]
    {
        bench::signal(&guard, signal);
    }
    worker.kill();
    bench::wait("the programs to go", || pids.iter().all(|pid| !bench::is_running(pid)));
    bench::wait("the guard to go", || !bench::is_running(&guard));
}

#[test]
fn a_guard_that_was_killed_is_replaced() {
    let bench = Bench::new(2, 1, "none");
    let (file, first) = (bench.dir().join("pids"), bench.dir().join("first"));
    let wait = format!(
        "f = {first:?}\nif not os.path.exists(f):\n    import time; open(f, 'w'); \
         [time.sleep(0.02) for _ in iter(lambda: os.path.exists(f + '-ends'), True)]\nelse:\n    {}",
        deaf(&file)
    );
    let mut worker = bench.start(&program(&wait, "", ""), &["--once"]);
    bench::wait("the first program", || first.exists());
    let guard = worker.guard();
    bench::signal(&guard, rustix::process::Signal::KILL);
    bench::wait("the guard to go", || !bench::is_running(&guard));
    std::fs::write(bench.dir().join("first-ends"), "").unwrap();
    let pids = written(&file);
    assert!(worker.log().contains(&format!("process {guard}, has gone")), "{}", worker.log());
    worker.kill();
    bench::wait("the second program to go", || pids.iter().all(|pid| !bench::is_running(pid)));
}

#[test]
fn the_search_of_the_examples_is_sound() {
    let spec = search::Spec::parse(include_str!("../python/examples/digits.toml"), "digits.toml").unwrap();
    let genomes = include_bytes!("../python/examples/digits.jsonl");
    let genomes = genome::read_genomes(&genomes[..], &spec.space, spec.input()).unwrap();
    assert_eq!(search::first_jobs(&spec, genomes).unwrap().len(), spec.budget.jobs as usize);
}
