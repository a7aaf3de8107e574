//! The life of a search, with workers that replay curves: killed, stopped, cancelled.
#![expect(clippy::unwrap_used, reason = "a test")]

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use rustix::process::Signal;
use search::{LiveScheduler, Spec};
use store::{curve, search as searches};
use tests::{Lab, stderr, wait};

fn spec(name: &str, strategy: &str, jobs: u32, predictor: &str) -> String {
    format!(
        "name = \"{name}\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\n{strategy}\n\
         [budget]\njobs = {jobs}\nmax_epochs = 12\n[predictor]\n{predictor}\n"
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
}

fn curves(lab: &Lab, search: &str) -> Vec<Point> {
    sql_query(
        "SELECT hash, step, val_acc FROM observation JOIN job ON job.id = job_id \
         JOIN architecture ON architecture.id = architecture_id JOIN search ON search.id = job.search_id \
         WHERE search.name = $1 ORDER BY hash, step",
    )
    .bind::<sql_types::Text, _>(search)
    .load(&mut lab.connect())
    .unwrap()
}

#[test]
fn a_killed_worker_loses_nothing() {
    let lab = Lab::new();
    let observe = "engine = \"penguin-v2\"\nmode = \"observe\"";
    lab.submit(&spec("whole", "kind = \"random\"\nseed = 1", 6, observe));
    let mut worker = lab.worker("peng-replay-worker", &["--once"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());

    lab.submit(&spec("killed", "kind = \"random\"\nseed = 1", 6, observe));
    let mut first = lab.worker("peng-replay-worker", &["--epoch-seconds", "0.1"]);
    lab.wait_for("observation JOIN job ON job.id = job_id JOIN search s ON s.id = search_id WHERE s.name = 'killed' AND step = 3", 1);
    first.kill();
    // What it leaves, until another worker comes: the end of its lease, and how far its job was recorded.
    sql_query("CREATE TABLE left_behind AS SELECT job_id, expires_at, (SELECT max(step) FROM observation o WHERE o.job_id = lease.job_id) AS step FROM lease")
        .execute(&mut lab.connect())
        .unwrap();
    let mut second = lab.worker("peng-replay-worker", &["--once"]);
    assert_eq!(second.join(), Some(0), "{}", second.log());
    let next = "left_behind l JOIN attempt a ON a.job_id = l.job_id AND a.\"end\" = 'lost' \
                JOIN attempt n ON n.job_id = a.job_id AND n.fence = a.fence + 2";
    assert_eq!(lab.count(next), 1, "the reaper and the next claim raise the fence");
    assert_eq!(
        lab.count(&format!("{next} WHERE n.first_step = l.step + 1")),
        1,
        "only the running interval is lost"
    );
    // A worker looks each tick, here 0.1 s; what is above that is room for a busy machine.
    assert_eq!(lab.count(&format!("{next} WHERE a.ended_at < l.expires_at + interval '1.5 s'")), 1);

    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 12, "one result per job");
    assert_eq!(lab.count("attempt WHERE \"end\" = 'lost'"), 1);
    assert_eq!(lab.count("lease"), 0);
    assert_eq!(curves(&lab, "whole"), curves(&lab, "killed"));
    let superseded = "observation o JOIN attempt a ON a.job_id = o.job_id AND a.fence > o.fence AND o.recorded_at > a.started_at";
    assert_eq!(lab.count(superseded), 0, "nothing was written under a superseded fence");
}

#[test]
fn a_stopping_worker_releases_its_job_without_a_crash() {
    let lab = Lab::new();
    lab.submit(&spec("s", "kind = \"random\"", 2, "engine = \"none\""));
    for signal in [Signal::TERM, Signal::INT] {
        let before = lab.count("attempt WHERE \"end\" = 'released'");
        let mut worker = lab.worker("peng-replay-worker", &["--epoch-seconds", "0.2"]);
        lab.wait_for("lease", 1);
        worker.signal(signal);
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
        assert_eq!(lab.count("attempt WHERE \"end\" = 'released'"), before + 1);
    }
    assert_eq!(lab.count("job WHERE state = 'ready' AND crashes = 0"), 2);
    assert_eq!(lab.count("worker WHERE state = 'stopped'"), 2);
}

#[test]
fn a_running_job_is_cancelled_and_a_drained_worker_finishes_its_own() {
    let lab = Lab::new();
    lab.submit(&spec("s", "kind = \"random\"", 3, "engine = \"none\""));
    let mut worker = lab.worker("peng-replay-worker", &["--epoch-seconds", "0.3"]);
    lab.wait_for("observation", 1);
    let running = lab.peng_json(&["job", "list", "--state", "running"])[0]["id"].to_string();
    assert!(lab.peng(&["job", "cancel", &running, "--yes"]).status.success());
    lab.wait_for("result WHERE outcome = 'cancelled'", 1);
    lab.wait_for("lease", 1);
    assert!(lab.peng(&["worker", "drain", "--all"]).status.success());
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
    assert_eq!(lab.count("job WHERE state = 'ready'"), 1);
}

#[test]
fn every_stored_decision_can_be_recomputed() {
    let lab = Lab::new();
    lab.submit(&spec("s", "kind = \"random\"", 40, "engine = \"peng\"\nrisk = 0.05\naudit = 0.1"));
    let mut workers = [
        lab.worker("peng-replay-worker", &["--once", "--slots", "2"]),
        lab.worker("peng-replay-worker", &["--once"]),
    ];
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
    }
    assert_eq!(lab.count("result"), 40);
    assert!(lab.count("result WHERE outcome = 'terminated'") > 5, "the predictor stopped some");
    let mut conn = lab.connect();
    let stored = searches::find(&mut conn, "s").unwrap().unwrap();
    let spec = Spec::from_json(&stored.spec).unwrap();
    let mut recomputed = 0;
    for job in store::job::list(&mut conn, Some(stored.id), &[], None, 1000).unwrap() {
        let points = curve::load(&mut conn, job.id, i32::MAX).unwrap();
        let mut live = LiveScheduler::new(&mut conn, stored.id, &spec).unwrap();
        let trained = points.iter().filter(|point| point.epoch < spec.budget.max_epochs).count();
        for (i, point) in points[..trained].iter().enumerate() {
            live.refresh_to(&mut conn, point.calibration.unwrap()).unwrap();
            live.take(&mut conn, job.id, &search::curve_of(&points[..=i])).unwrap();
            let again = live.decide(job.id, true).unwrap();
            assert_eq!(
                again.prediction.map(|p| p.fitness.to_bits()),
                point.prediction.map(f64::to_bits),
                "job {} step {}",
                job.id,
                point.step
            );
            recomputed += 1;
        }
    }
    assert!(recomputed > 200, "{recomputed}");
}

#[test]
fn an_evolving_search_proposes_until_its_budget_is_spent() {
    let lab = Lab::new();
    lab.submit(&spec(
        "s",
        "kind = \"evolution\"\nseed = 3\npopulation = 8\nsample = 3",
        20,
        "engine = \"penguin-v4\"",
    ));
    assert!(lab.count("job") < 20, "children come later");
    assert_eq!(lab.count("search WHERE proposing"), 1);
    let mut workers =
        [lab.worker("peng-replay-worker", &["--once"]), lab.worker("peng-replay-worker", &["--once"])];
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
    }
    assert_eq!(lab.count("result WHERE fitness IS NOT NULL"), 20);
    assert_eq!(
        lab.count("search WHERE proposing"),
        0,
        "the population is not read again for what remains to end"
    );
    assert!(lab.count("architecture WHERE cardinality(parents) > 0") > 5);
    assert_eq!(lab.count("search WHERE state = 'finished'"), 1);
}

#[test]
fn bad_input_is_one_clear_error_and_loses_nothing() {
    let lab = Lab::new();
    let good = spec("s", "kind = \"random\"", 2, "engine = \"none\"");
    lab.submit(&good);
    let again = lab.peng(&["search", "submit", "spec.toml"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("a search named `s` exists already"), "{}", stderr(&again));
    lab.file("bad.toml", &good.replace("engine", "engin"));
    let misspelt = lab.peng(&["search", "submit", "bad.toml"]);
    assert_eq!(misspelt.status.code(), Some(1));
    assert!(
        stderr(&misspelt).contains("bad.toml:12: unknown key `predictor.engin` (did you mean `engine`?)"),
        "{}",
        stderr(&misspelt)
    );
    assert_eq!(lab.peng(&["search", "sumbit"]).status.code(), Some(2));
    let unknown = lab.peng(&["search", "show", "t"]);
    assert!(stderr(&unknown).contains("did you mean `s`?"), "{}", stderr(&unknown));

    let unreachable = lab
        .command("peng")
        .env("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:1/x")
        .args(["search", "list"])
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(1));
    let text = stderr(&unreachable);
    assert!(text.contains("cannot reach the database") && !text.contains("s3cret"), "{text}");

    let nowhere =
        lab.command("peng-replay-worker").env("PENG_CHECKPOINTS", "file:///dev/null/x").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("/dev/null/x"), "{}", stderr(&nowhere));
    assert_eq!((lab.count("search"), lab.count("job WHERE state = 'ready'")), (1, 2));
}

#[test]
fn a_worker_that_cannot_reach_the_database_leaves_when_asked_to() {
    let lab = Lab::new();
    let nowhere = format!("postgresql:///peng?host={}", lab.dir.path().display());
    let mut worker = lab.worker_at(&nowhere, "peng-replay-worker", &["--requeue-exit-code", "7"]);
    wait("the worker to say that it waits", || match worker.log() {
        log if log.contains("trying again") => Ok(()),
        log => Err(log),
    });
    worker.signal(Signal::TERM);
    assert_eq!(worker.join(), Some(7), "{}", worker.log());
}
