//! Real trainings with libtorch on the digits.
#![expect(clippy::unwrap_used, reason = "a test")]

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use tests::{Lab, stderr};

fn spec(name: &str, jobs: u32, set: &str, predictor: &str) -> String {
    format!(
        "name = \"{name}\"\n[data]\nset = \"{set}\"\ntrain = 600\nvalidation = 300\n[space]\nkind = \"random-cnn\"\n\
         [strategy]\nkind = \"random\"\nseed = 5\n[budget]\njobs = {jobs}\nmax_epochs = 6\n[predictor]\n{predictor}\n\
         [training.augmentation]\nshift = 1\n"
    )
}

#[derive(QueryableByName, PartialEq, Debug)]
struct Point {
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
    #[diesel(sql_type = sql_types::Integer)]
    step: i32,
    #[diesel(sql_type = sql_types::Double)]
    val_acc: f64,
    #[diesel(sql_type = sql_types::Double)]
    train_acc: f64,
    #[diesel(sql_type = sql_types::Double)]
    val_loss: f64,
    #[diesel(sql_type = sql_types::Double)]
    train_loss: f64,
}

fn curves(lab: &Lab, search: &str) -> Vec<Point> {
    sql_query(
        "SELECT hash, step, val_acc, train_acc, val_loss, train_loss FROM observation JOIN job ON job.id = job_id \
         JOIN architecture ON architecture.id = architecture_id JOIN search ON search.id = job.search_id \
         WHERE search.name = $1 ORDER BY hash, step",
    )
    .bind::<sql_types::Text, _>(search)
    .load(&mut lab.connect())
    .unwrap()
}

#[test]
fn a_search_on_the_digits_survives_a_killed_worker_bit_for_bit() {
    let lab = Lab::new();
    let observe = "engine = \"penguin-v2\"\nmode = \"observe\"";
    lab.submit(&spec("whole", 4, "digits", observe));
    let mut worker = lab.worker("peng-worker", &["--once", "--device", "cpu"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());

    lab.submit(&spec("killed", 4, "digits", observe));
    let mut first = lab.worker("peng-worker", &["--device", "cpu"]);
    lab.wait_for("observation JOIN job ON job.id = job_id JOIN search s ON s.id = search_id WHERE s.name = 'killed' AND step = 2", 1);
    first.kill();
    let mut workers = [
        lab.worker("peng-worker", &["--once", "--device", "cpu"]),
        lab.worker("peng-worker", &["--once", "--device", "cpu"]),
    ];
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
    }
    assert_eq!(lab.count("result WHERE outcome IN ('completed', 'diverged')"), 8);
    assert_eq!(lab.count("attempt WHERE \"end\" = 'lost'"), 1);
    let (whole, killed) = (curves(&lab, "whole"), curves(&lab, "killed"));
    assert!(whole.len() >= 4, "{}", whole.len());
    assert_eq!(whole, killed, "accuracies and losses are the same to the last bit");
    let best = whole.iter().map(|point| point.val_acc).fold(0.0, f64::max);
    assert!(best > 80.0, "the networks learn: best {best}");

    let report = lab.peng_json(&["report", "summary", "killed"]);
    assert!(report.to_string().contains("killed"), "{report}");
}

#[test]
fn a_worker_has_the_device_that_was_asked_for_or_leaves() {
    let lab = Lab::new();
    for (device, expected) in [("gpu", "no device `gpu`: expected `cpu`"), ("cuda:99", "no device `cuda:99`")]
    {
        let mut worker = lab.worker("peng-worker", &["--once", "--device", device]);
        assert_eq!(worker.join(), Some(1), "{}", worker.log());
        assert!(worker.log().contains(expected), "{}", worker.log());
    }
    assert_eq!(lab.count("worker"), 0);
    lab.submit(&spec("s", 1, "digits", "engine = \"none\""));
    let mut worker = lab.worker("peng-worker", &["--once", "--device", "cpu"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("worker WHERE device = 'cpu'"), 1);
}

/// The host's fault: another one may have them.
#[test]
fn missing_data_fail_no_job_and_say_how_to_get_them() {
    let lab = Lab::new();
    lab.submit(&spec("s", 60, "cifar10", "engine = \"none\""));
    let mut worker = lab.worker("peng-worker", &["--device", "cpu"]);
    worker.wait_for("this host cannot train, claiming no job for");
    tests::wait("the list of workers to say what is missing", || {
        let fault = lab.peng_json(&["worker", "list"])[0]["fault"].to_string();
        if fault.contains("ops/data.sh cifar10") { Ok(()) } else { Err(fault) }
    });
    let mut once = lab.worker("peng-worker", &["--once", "--device", "cpu"]);
    assert_eq!(once.join(), Some(69), "{}", once.log());
    assert!(once.log().contains("no worker of class `default` can train: "), "{}", once.log());
    worker.signal(rustix::process::Signal::TERM);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    lab.assert_unharmed();
    assert_eq!((lab.count("result"), lab.count("job WHERE state = 'ready'")), (0, 60), "{}", worker.log());
}

/// Networks that another program trains: they harm no job and open no breaker, and what this worker can train goes on.
#[test]
fn a_search_for_other_workers_is_left_to_them() {
    const FOREIGN: &str =
        "search theirs: peng-worker does not train networks of space external, peng-exec-worker does";
    let lab = Lab::new();
    let theirs = spec("theirs", 2, "digits", "engine = \"none\"");
    lab.file(
        "theirs.toml",
        &theirs.replace("\"random-cnn\"", "\"external\"").replace("\"random\"", "\"given\""),
    );
    let line = |depth: u32| format!("{{\"space\":\"external\",\"description\":{{\"depth\":{depth}}}}}\n");
    lab.file("theirs.jsonl", &(line(1) + &line(2)));
    let submitted = lab.peng(&["search", "submit", "theirs.toml", "--architectures", "theirs.jsonl"]);
    assert!(submitted.status.success(), "{}", stderr(&submitted));
    lab.submit(&spec("ours", 2, "digits", "engine = \"none\""));

    let mut worker = lab.worker("peng-worker", &["--device", "cpu"]);
    lab.wait_for("result", 2); // Those of `theirs` stand before them.
    let shown = |expected: Option<&str>| {
        tests::wait("the list of workers to show why this one has nothing to do", || {
            let workers = lab.peng_json(&["worker", "list"]);
            if workers[0]["fault"].as_str() == expected { Ok(()) } else { Err(workers.to_string()) }
        });
    };
    shown(Some(FOREIGN));
    let nobody = format!("no worker of class `default` can train: {FOREIGN} (on ");
    for command in [["job", "show", "1"], ["search", "show", "theirs"]] {
        assert!(lab.text(&command).replace('\n', " ").contains(&nobody), "{}", lab.text(&command));
    }
    assert_eq!(worker.said("its jobs are left to others"), 1, "{}", worker.log());
    assert_eq!(worker.said("claiming no job for"), 0, "{}", worker.log());
    assert_eq!(lab.count("attempt"), 3, "one of them was claimed, once: {}", worker.log());
    lab.assert_unharmed();
    let mut once = lab.worker("peng-worker", &["--once", "--device", "cpu"]);
    assert_eq!(once.join(), Some(69), "{}", once.log());
    assert!(once.log().contains(&nobody), "{}", once.log());

    let program = "echo '{\"type\":\"hello\",\"protocol\":1}'; read -r job; epoch=1; while true; do \
                   echo \"{\\\"type\\\":\\\"observation\\\",\\\"epoch\\\":$epoch,\\\"val_acc\\\":50}\"; \
                   read -r answer || exit 0; case $answer in *stop*) exit 0 ;; esac; epoch=$((epoch + 1)); done";
    let mut other = lab.worker("peng-exec-worker", &["--once", "--", "sh", "-c", program]);
    assert_eq!(other.join(), Some(0), "{}", other.log());
    assert_eq!(lab.count("search WHERE state = 'finished'"), 2, "{}", other.log());
    shown(None);
    worker.signal(rustix::process::Signal::TERM);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
}

#[test]
fn a_missing_libtorch_is_named_with_what_to_do() {
    let lab = Lab::new();
    let launcher = lab.dir.path().join("peng-worker");
    std::fs::copy(Lab::binary("peng-worker"), &launcher).unwrap();
    let alone = std::process::Command::new(&launcher).output().unwrap();
    assert_eq!(alone.status.code(), Some(1));
    assert!(stderr(&alone).contains("peng-worker-torch` is missing"), "{}", stderr(&alone));

    // The same program, but it asks for a library that no machine has.
    let mut trainer = std::fs::read(Lab::binary("peng-worker-torch")).unwrap();
    let name = b"\0libtorch_cpu.so\0";
    let at = trainer.windows(name.len()).position(|bytes| bytes == name).unwrap();
    trainer[at + 4..at + 9].copy_from_slice(b"nowhr");
    let path = lab.dir.path().join("peng-worker-torch");
    std::fs::write(&path, trainer).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let without = std::process::Command::new(&launcher).output().unwrap();
    assert_eq!(without.status.code(), Some(1));
    let said = stderr(&without);
    assert!(said.contains("libnowhr_cpu.so not found") && said.contains("ops/setup.sh"), "{said}");
}

const STRATEGIES: [(&str, &str); 5] = [
    ("random", "kind = \"random\""),
    ("evolution-generations", "kind = \"evolution\"\npopulation = 3\nsample = 2\nbarrier = true"),
    ("evolution-steady", "kind = \"evolution\"\npopulation = 3\nsample = 2\nbarrier = false\nin_flight = 2"),
    ("nsga2-generations", "kind = \"nsga2\"\npopulation = 3\nbarrier = true"),
    ("nsga2-steady", "kind = \"nsga2\"\npopulation = 3\nbarrier = false\nin_flight = 2"),
];

/// A small search by a strategy: two epochs on a slice.
fn search_by(name: &str, strategy: &str, set: &str, train: u32) -> String {
    spec(name, 8, set, "engine = \"none\"")
        .replace("kind = \"random\"\nseed", &format!("{strategy}\nseed"))
        .replace("train = 600\nvalidation = 300", &format!("train = {train}\nvalidation = 100"))
        .replace("max_epochs = 6", "max_epochs = 2")
}

/// An architecture in the order of proposal, its parents named by their hashes.
#[derive(QueryableByName, PartialEq, Debug)]
struct Proposed {
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
    #[diesel(sql_type = sql_types::Integer)]
    generation: i32,
    #[diesel(sql_type = sql_types::Array<sql_types::Text>)]
    parents: Vec<String>,
    #[diesel(sql_type = sql_types::Integer)]
    eldest: i32,
}

fn proposed(lab: &Lab, search: &str) -> Vec<Proposed> {
    sql_query(
        "SELECT a.hash, a.generation, coalesce(array_agg(p.hash ORDER BY p.id) FILTER (WHERE p.id IS NOT NULL), '{}') \
         AS parents, coalesce(max(p.generation), -1) AS eldest FROM architecture a JOIN search ON search.id = a.search_id \
         LEFT JOIN architecture p ON p.id = ANY (a.parents) AND p.search_id = a.search_id AND p.id < a.id \
         WHERE search.name = $1 GROUP BY a.id ORDER BY a.id",
    )
    .bind::<sql_types::Text, _>(search)
    .load(&mut lab.connect())
    .unwrap()
}

fn assert_lineage(kind: &str, all: &[Proposed]) {
    assert_eq!(all.len(), 8, "{kind}");
    for (i, one) in all.iter().enumerate() {
        let place = format!("{kind}, architecture {i}: {one:?}");
        if kind.starts_with("random") || i < 3 {
            assert_eq!((one.generation, one.parents.len()), (0, 0), "{place}");
            continue;
        }
        let most = if kind.starts_with("nsga2") { 2 } else { 1 };
        assert!((1..=most).contains(&one.parents.len()), "{place}");
        assert!(one.eldest < one.generation, "{place}");
        if kind.ends_with("generations") {
            assert_eq!(one.generation, i as i32 / 3, "{place}");
        } else {
            assert_eq!(one.generation, one.eldest + 1, "{place}");
        }
    }
}

/// One worker that seeks data where the caller's environment has them trains all that waits.
fn train_all(lab: &Lab) {
    let mut command = lab.command("peng-worker");
    match std::env::var_os("PENG_DATA_DIR") {
        Some(place) => command.env("PENG_DATA_DIR", place),
        None => command.env_remove("PENG_DATA_DIR"),
    };
    command.args(["--once", "--device", "cpu"]);
    let mut worker = lab.spawn(command);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("search WHERE state <> 'finished'"), 0, "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome NOT IN ('completed', 'diverged')"), 0, "{}", worker.log());
    assert_eq!(lab.count("result"), lab.count("job"), "one result per job");
    assert_eq!(lab.count("finish"), lab.count("job"), "each ended once");
}

#[test]
fn every_strategy_searches_the_digits_and_again_the_same() {
    let lab = Lab::new();
    for (kind, strategy) in STRATEGIES {
        lab.submit(&search_by(kind, strategy, "digits", 200));
        lab.submit(&search_by(&format!("{kind}-again"), strategy, "digits", 200));
    }
    train_all(&lab);
    for (kind, _) in STRATEGIES {
        let first = proposed(&lab, kind);
        assert_lineage(kind, &first);
        assert_eq!(first, proposed(&lab, &format!("{kind}-again")), "{kind}: from the seed alone");
    }
}

#[test]
fn every_kind_of_strategy_searches_fashion_mnist() {
    let lab = Lab::new();
    for (kind, strategy) in [STRATEGIES[0], STRATEGIES[2], STRATEGIES[3]] {
        lab.submit(&search_by(kind, strategy, "fashion-mnist", 200));
    }
    train_all(&lab);
    for (kind, _) in [STRATEGIES[0], STRATEGIES[2], STRATEGIES[3]] {
        assert_lineage(kind, &proposed(&lab, kind));
    }
}
