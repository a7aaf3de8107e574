//! Reports say what happened: of the same jobs, a search that terminates, the simulation of one that observes, and the scheduler run on
//! their curves agree in every number.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use domain::JobId;
use predictor::{Calibration, replay::Recorded};
use scheduler::simulation::{Measured, Setup, Simulation, simulate};
use search::Spec;
use serde_json::{Value, json};
use store::{curve, search as searches};
use tests::Lab;

const JOBS: usize = 100;

fn train(lab: &Lab, name: &str, predictor: &str) {
    lab.submit(&format!(
        "name = \"{name}\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         seed = 4\n[budget]\njobs = {JOBS}\nmax_epochs = 8\n[predictor]\naudit = 0.0\n{predictor}\n"
    ));
    let mut worker = lab.worker("peng-replay-worker", &["--once"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
}

#[derive(QueryableByName)]
struct Job {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
}

fn jobs(conn: &mut PgConnection, search: &str) -> Vec<Job> {
    sql_query("SELECT job_id, hash FROM job_outcome WHERE search = $1 ORDER BY job_id")
        .bind::<sql_types::Text, _>(search)
        .load(conn)
        .unwrap()
}

/// The scheduler of a search run on the curves that it observed.
fn played(conn: &mut PgConnection, search: &str, workers: usize) -> Simulation {
    let spec = Spec::from_json(&searches::find(conn, search).unwrap().unwrap().spec).unwrap();
    let recorded: Vec<Recorded> = jobs(conn, search)
        .into_iter()
        .map(|job| {
            let curve = search::curve_of(&curve::load(conn, JobId(job.job_id), i32::MAX).unwrap());
            Recorded { job: job.job_id, curve, cost: None }
        })
        .collect();
    let mut scheduler = scheduler::of(&spec.predictor, spec.target(), Calibration::default()).unwrap();
    let setup = Setup { workers, restart: 0, target: spec.target() };
    simulate(scheduler.as_mut(), &recorded.iter().collect::<Vec<_>>(), &setup).unwrap()
}

/// What a report must say of a simulated search.
fn expected(played: &Simulation) -> BTreeMap<&'static str, Value> {
    let measured = Measured::of(played);
    let count =
        |of: fn(&scheduler::simulation::Simulated) -> bool| played.jobs.iter().filter(|job| of(job)).count();
    BTreeMap::from([
        ("jobs", json!(JOBS)),
        ("epochs", json!(played.jobs.iter().map(|job| job.outcome.epochs).sum::<f64>())),
        ("epochs_saved_percent", json!(measured.measures.epochs_saved_percent)),
        ("terminated", json!(count(|job| job.outcome.terminated))),
        ("resumed", json!(count(|job| job.resumed > 0))),
        ("restarts", json!(played.restarts())),
        ("speed", json!(measured.speed)),
    ])
}

/// Jobs by the epoch at which they were stopped for good.
fn stops(played: &Simulation) -> Value {
    let mut stops = BTreeMap::<u64, usize>::new();
    for job in played.jobs.iter().filter(|job| job.outcome.terminated) {
        *stops.entry(job.outcome.epochs as u64).or_default() += 1;
    }
    stops.into_iter().map(|(epoch, jobs)| json!({ "stop_epoch": epoch as f64, "jobs": jobs })).collect()
}

#[test]
fn every_number_is_that_of_the_simulation() {
    let lab = Lab::new();
    train(&lab, "observing", "mode = \"observe\"");
    train(&lab, "terminating", "");
    let mut conn = lab.connect();
    let hashes =
        |search| jobs(&mut lab.connect(), search).into_iter().map(|job| job.hash).collect::<Vec<_>>();
    assert_eq!(hashes("observing"), hashes("terminating"), "the same jobs in the same order");

    for workers in [1, 8] {
        let played = played(&mut conn, "observing", workers);
        let measures = Measured::of(&played).measures;
        let many = workers.to_string();
        let report = |kind| lab.peng_json(&["report", kind, "observing", "--workers", &many]);
        let (summary, savings, ranking, calibration) =
            (report("summary"), report("savings"), report("ranking"), report("calibration"));
        for (key, value) in expected(&played) {
            for (name, report) in [
                ("summary", &summary),
                ("savings", &savings),
                ("ranking", &ranking),
                ("calibration", &calibration),
            ] {
                assert_eq!(report["terminating"][key], value, "{key} of {name}, {workers} workers");
            }
        }
        assert_eq!(savings["stops_by_epoch"], stops(&played));
        assert_eq!(summary["would_have_saved_percent"], json!(measures.epochs_saved_percent));
        assert_eq!(summary["epochs_saved_percent"], json!(0.0), "it trained them all");
        for (key, value) in [
            ("overlap_5", None),
            ("overlap_10", measures.overlap_10),
            ("overlap_25", measures.overlap_25),
            ("regret_1", measures.regret_1),
            ("best_mean_gap_10", measures.best_mean_gap_10),
            ("mae", measures.mae),
            ("spearman", measures.spearman),
            ("coverage_80", measures.coverage_80),
        ] {
            assert_eq!(summary["drawn"][key], json!(value), "{key}, {workers} workers");
        }
        let kept = ranking["drawn"]["measures"].as_array().unwrap();
        let kept = kept.iter().find(|row| row["measure"] == "overlap_10").unwrap();
        assert_eq!(kept["predicted"], json!(measures.overlap_10.map(|kept| 100.0 * kept)));
        assert_eq!(
            calibration["all"]["jobs"],
            expected(&played)["terminated"],
            "of what was used, all of it"
        );
    }

    let played = played(&mut conn, "observing", 1);
    let said = expected(&played);
    let (summary, savings) = (
        lab.peng_json(&["report", "summary", "terminating"]),
        lab.peng_json(&["report", "savings", "terminating"]),
    );
    assert!(played.restarts() > 3, "{said:?}");
    assert_eq!(savings["epochs_trained"], said["epochs"]);
    assert_eq!(summary["epochs_saved_percent"], said["epochs_saved_percent"]);
    assert_eq!(summary["would_have_saved_percent"], Value::Null, "it saved what it saved");
    assert_eq!(savings["terminated"], said["terminated"]);
    assert_eq!(savings["stops_by_epoch"], stops(&played));
    for (attempts, of) in [(&savings, "savings"), (&summary["attempts"], "summary")] {
        assert_eq!(attempts["resumed"], said["resumed"], "{of}");
        assert_eq!(attempts["resumptions"], said["restarts"], "{of}");
        assert_eq!(attempts["restarts"], said["restarts"], "{of}: no other claim began anew");
        assert_eq!(attempts["epochs_repeated"], json!(0.0), "{of}");
    }
    let factor = savings["factors"]["epochs"].as_f64().unwrap();
    let saved = said["epochs_saved_percent"].as_f64().unwrap();
    assert!((factor - 1.0 / (1.0 - saved / 100.0)).abs() < 1e-9, "{factor} times as many epochs");
}
