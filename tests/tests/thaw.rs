//! Jobs that are set aside and taken up again, and terminated ones that are promoted to the full budget.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, HashMap};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
    sql_query, sql_types,
};
use domain::{JobId, Ordinal};
use predictor::{Calibration, replay::Recorded};
use scheduler::simulation::{Setup, simulate};
use search::{LiveScheduler, Spec};
use store::{curve, search as searches};
use tests::{Lab, stderr};

fn spec(name: &str, jobs: u32, predictor: &str) -> String {
    format!(
        "name = \"{name}\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         seed = 4\n[budget]\njobs = {jobs}\nmax_epochs = 12\n[predictor]\n{predictor}\n"
    )
}

fn work(lab: &Lab, workers: usize) {
    let mut workers: Vec<_> = (0..workers).map(|_| lab.worker("peng-replay-worker", &["--once"])).collect();
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
    }
}

#[derive(QueryableByName, Debug)]
struct Job {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
    #[diesel(sql_type = sql_types::Text)]
    state: String,
}

fn jobs(conn: &mut PgConnection, search: &str) -> Vec<Job> {
    sql_query(
        "SELECT job.id, hash, job.state::text AS state FROM job JOIN architecture ON architecture.id = architecture_id \
         JOIN search ON search.id = job.search_id WHERE search.name = $1 ORDER BY job.id",
    )
    .bind::<sql_types::Text, _>(search)
    .load(conn)
    .unwrap()
}

/// A resumed attempt: what was known and how it was justified.
#[derive(QueryableByName, Debug)]
struct Resumed {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::Double)]
    chance: f64,
    #[diesel(sql_type = sql_types::BigInt)]
    calibration: i64,
}

fn resumed(conn: &mut PgConnection) -> Vec<Resumed> {
    sql_query("SELECT job_id, chance, calibration FROM attempt WHERE chance IS NOT NULL AND first_step IS NOT NULL ORDER BY started_at")
        .load(conn)
        .unwrap()
}

/// Every stored prediction, and every chance for which a job was taken up, comes out again bit for bit from what was known then.
fn recompute(conn: &mut PgConnection, search: &str) -> usize {
    let stored = searches::find(conn, search).unwrap().unwrap();
    let spec = Spec::from_json(&stored.spec).unwrap();
    let mut recomputed = 0;
    for job in jobs(conn, search) {
        let points = curve::load(conn, JobId(job.id), i32::MAX).unwrap();
        let mut live = LiveScheduler::new(conn, stored.id, &spec).unwrap();
        let trained = points.iter().filter(|point| point.epoch < spec.budget.max_epochs).count();
        for (i, point) in points[..trained].iter().enumerate() {
            live.refresh_to(conn, point.calibration.unwrap()).unwrap();
            live.take(conn, JobId(job.id), &search::curve_of(&points[..=i])).unwrap();
            let again = live.decide(JobId(job.id), true).unwrap();
            let place = format!("job {} step {}", job.id, point.step);
            let fitness = again.prediction.map(|p| p.fitness.to_bits());
            assert_eq!(fitness, point.prediction.map(f64::to_bits), "{place}");
            recomputed += 1;
        }
    }
    for attempt in resumed(conn) {
        let mut live = LiveScheduler::new(conn, stored.id, &spec).unwrap();
        live.refresh_to(conn, Ordinal(attempt.calibration)).unwrap();
        let chance = live.estimate(JobId(attempt.job_id)).unwrap().and_then(|p| p.chance).unwrap_or(0.0);
        assert_eq!(chance.to_bits(), attempt.chance.to_bits(), "{attempt:?}");
    }
    recomputed
}

/// Trains all jobs of [`spec`] to the end, and says which job trained which network.
fn whole(lab: &Lab) -> HashMap<String, i64> {
    lab.submit(&spec("whole", 40, "engine = \"none\""));
    work(lab, 1);
    jobs(&mut lab.connect(), "whole").into_iter().map(|job| (job.hash, job.id)).collect()
}

/// Lets one worker train a search over the same networks, and asserts that it does bit for bit what the simulation does on the
/// whole curves. Returns the epochs trained and how often jobs were taken up.
fn decides_as_simulated(
    lab: &Lab,
    whole: &HashMap<String, i64>,
    name: &str,
    predictor: &str,
) -> (f64, usize) {
    lab.submit(&spec(name, 40, predictor));
    work(lab, 1);
    let mut conn = lab.connect();
    let live = jobs(&mut conn, name);
    let recorded: Vec<Recorded> = live
        .iter()
        .map(|job| {
            let curve = curve::load(&mut conn, JobId(whole[&job.hash]), i32::MAX).unwrap();
            Recorded { job: job.id, curve: search::curve_of(&curve), cost: None }
        })
        .collect();
    let stored = searches::find(&mut conn, name).unwrap().unwrap();
    assert_eq!(stored.state, searches::SearchState::Finished);
    let spec = Spec::from_json(&stored.spec).unwrap();
    let mut scheduler = scheduler::of(&spec.predictor, spec.target(), Calibration::default()).unwrap();
    let setup = Setup { workers: 1, restart: 0, target: spec.target() };
    let played = simulate(scheduler.as_mut(), &recorded.iter().collect::<Vec<_>>(), &setup).unwrap();
    let (mut epochs, mut seen): (f64, f64) = (0.0, 0.0);
    for (job, played) in live.iter().zip(&played.jobs) {
        let points = curve::load(&mut conn, JobId(job.id), i32::MAX).unwrap();
        let completed = usize::from(!played.outcome.terminated);
        assert_eq!(points.len(), played.verdicts.len() + completed, "{name}: job {}", job.id);
        for (point, verdict) in points.iter().zip(&played.verdicts) {
            let place = format!("{name}: job {} step {}", job.id, point.step);
            assert_eq!(point.reason.as_ref(), Some(&verdict.reason), "{place}");
            let fitness = verdict.prediction.map(|p| p.fitness.to_bits());
            assert_eq!(point.prediction.map(f64::to_bits), fitness, "{place}");
        }
        assert_eq!(job.state == "terminated", played.outcome.terminated, "{name}: job {}", job.id);
        epochs += played.outcome.epochs;
        seen += points.last().unwrap().epoch;
    }
    let of_search = format!("JOIN job ON job.id = job_id WHERE search_id = {}", stored.id.0);
    let restarts = lab.count(&format!("attempt {of_search} AND chance IS NOT NULL")) as usize;
    assert_eq!(restarts, played.restarts(), "{name}: as many are taken up again");
    assert_eq!(
        lab.count(&format!("freezing JOIN search ON search.id = search_id WHERE name = '{name}'")),
        lab.count(&format!("attempt {of_search} AND \"end\" = 'frozen'"))
    );
    assert_eq!(epochs.to_bits(), seen.to_bits(), "{name}: the same epochs are saved");
    (epochs, restarts)
}

/// Each new job starts only where no frozen one is to be promoted, so the worker has to ask before it claims.
#[test]
fn one_worker_promotes_as_the_simulation_does() {
    let lab = Lab::new();
    let whole = whole(&lab);
    for engine in ["asha-promotion", "hyperband"] {
        let predictor = format!("engine = \"{engine}\"\naudit = 0.0");
        let (epochs, restarts) = decides_as_simulated(&lab, &whole, engine, &predictor);
        assert!(restarts > 3 && epochs < 0.7 * 40.0 * 12.0, "{engine}: {restarts} restarts, {epochs} epochs");
    }
}

/// Rungs are at epochs 3 and 9 of 12, and one of three goes on. Whoever is promoted before all have reached a rung may turn out
/// not to be among the best there, so more than a third go on, but never one that was not.
#[test]
fn several_workers_promote_the_best_third_of_each_rung() {
    let lab = Lab::new();
    lab.submit(&spec("s", 60, "engine = \"asha-promotion\"\naudit = 0.0"));
    // On a busy machine, too, no lease expires: whoever lost one would start anew.
    let slow = ["--epoch-seconds", "0.01", "--slots", "4", "--once", "--lease-ttl", "60"];
    let mut workers: Vec<_> = (0..2).map(|_| lab.worker("peng-replay-worker", &slow)).collect();
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
    }
    assert_eq!(lab.count("search WHERE state = 'finished'"), 1);
    assert_eq!(lab.count("result"), 60);
    assert_eq!(lab.count("result WHERE step NOT IN (3, 9, 12)"), 0, "jobs stand at rungs");
    assert_eq!(lab.count("attempt WHERE chance IS NOT NULL AND first_step NOT IN (4, 10)"), 0);
    assert_eq!(lab.count("attempt WHERE chance IS NULL"), 60, "nobody starts anew");
    let mut conn = lab.connect();
    let curves: Vec<Vec<f64>> = jobs(&mut conn, "s")
        .iter()
        .map(|job| curve::load(&mut conn, JobId(job.id), i32::MAX).unwrap())
        .map(|curve| curve.iter().map(|point| point.val_acc).collect())
        .collect();
    for rung in [3, 9] {
        let mut there: Vec<&Vec<f64>> = curves.iter().filter(|curve| curve.len() >= rung).collect();
        there.sort_by(|a, b| b[rung - 1].total_cmp(&a[rung - 1]));
        let beyond: Vec<bool> = there.iter().map(|curve| curve.len() > rung).collect();
        let third = there.len() / 3;
        assert!(beyond[..third].iter().all(|&beyond| beyond), "the best third goes on: {beyond:?}");
        let many = beyond.iter().filter(|&&beyond| beyond).count();
        assert!(2 * many <= there.len(), "rung {rung}: {many} of {} go on", there.len());
    }
    assert!(lab.count("attempt WHERE chance IS NOT NULL") > 5, "most are promoted after they were frozen");
}

#[test]
fn one_worker_decides_as_the_replay_does() {
    let lab = Lab::new();
    let whole = whole(&lab);
    let (epochs, _) = decides_as_simulated(&lab, &whole, "live", "engine = \"peng\"\naudit = 0.0");
    let mut conn = lab.connect();
    assert!(resumed(&mut conn).len() > 3, "some were resumed: {}", resumed(&mut conn).len());
    assert!(lab.count("result WHERE outcome = 'terminated'") > 10, "some stayed terminated");

    let shown = lab.peng(&["search", "show", "live"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let price = format!("(median of {}; `predictor.restart_epochs`)", resumed(&mut conn).len());
    assert!(shown.contains("taking up a frozen job took ") && shown.contains(&price), "{shown}");

    // Once the truth is known of all, `peng curve replay` plays the same search and saves the same.
    let saved = 100.0 * (1.0 - epochs / (40.0 * 12.0));
    let endings = lab.count("finish JOIN search ON search.id = search_id WHERE name = 'live'");
    let promoted = lab.peng_json(&["search", "promote", "live", "--top", "40"]);
    assert_eq!(promoted.as_array().unwrap().len(), 40);
    let waiting = lab.count("job WHERE mode = 'promoted' AND state = 'ready'");
    assert_eq!(
        waiting,
        lab.count("result WHERE outcome = 'terminated'"),
        "the result stands while the job waits"
    );
    let stopped =
        lab.count("result JOIN search ON search.id = search_id WHERE name = 'live' AND stop_epoch < 12");
    work(&lab, 1);
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 80);
    assert_eq!(
        lab.count("finish JOIN search ON search.id = search_id WHERE name = 'live'"),
        endings + waiting
    );
    let replayed = lab.peng_json(&["curve", "replay", "--search", "live", "--engine", "peng"]);
    let text = replayed.to_string();
    let key = "\"epochs_saved_percent\":";
    let at = text.find(key).unwrap_or_else(|| panic!("{text}")) + key.len();
    let figure: f64 = text[at..].split([',', '}']).next().unwrap().parse().unwrap();
    assert!((figure - saved).abs() < 1e-9, "live {saved}, replayed {figure}");
    let report = lab.peng_json(&["report", "summary", "live"]).to_string();
    assert!(
        report.contains(&format!("\"promoted\":{stopped},")),
        "resumed and promoted ones alike: {report}"
    );
    assert!(recompute(&mut conn, "live") >= 440);
}

#[test]
fn several_workers_take_up_each_job_once_at_a_time_and_lose_nothing_when_killed() {
    let lab = Lab::new();
    lab.submit(&spec("s", 40, "engine = \"peng\"\naudit = 0.1"));
    let slow = ["--epoch-seconds", "0.01", "--slots", "2"];
    let mut first = lab.worker("peng-replay-worker", &slow);
    let mut second = lab.worker("peng-replay-worker", &[&slow[..], &["--once"]].concat());
    lab.wait_for("lease WHERE thaw", 1);
    first.kill();
    assert_eq!(second.join(), Some(0), "{}", second.log());
    assert_eq!(lab.count("search WHERE state = 'finished'"), 1);
    assert_eq!(lab.count("result"), 40);
    assert_eq!(lab.count("lease"), 0);
    assert_eq!(
        lab.count("job WHERE state::text <> (SELECT outcome::text FROM result WHERE job_id = job.id)"),
        0
    );
    let overlap =
        "attempt a JOIN attempt b ON a.job_id = b.job_id AND a.fence < b.fence AND a.ended_at > b.started_at";
    assert_eq!(lab.count(overlap), 0, "no job was held twice at a time");
    assert_eq!(lab.count("attempt WHERE \"end\" = 'lost' AND chance IS NOT NULL AND ended_at IS NULL"), 0);
    let behind = "result WHERE step <> (SELECT step FROM finish WHERE finish.job_id = result.job_id ORDER BY ordinal DESC LIMIT 1)";
    let mut conn = lab.connect();
    assert!(resumed(&mut conn).len() > 3);
    let search = searches::find(&mut conn, "s").unwrap().unwrap();
    let endings = store::finish::results(&mut conn, search.id, Ordinal(0)).unwrap();
    assert_eq!(lab.count(behind), 0, "the result is that of the last ending");
    assert!(recompute(&mut conn, "s") > 200);

    let audited =
        lab.count("result JOIN job ON job.id = job_id WHERE mode = 'audit' AND outcome = 'completed'");
    assert_eq!(audited, lab.count("job WHERE mode = 'audit'"));
    assert_eq!(audited, 4);
    let report = lab.peng(&["report", "calibration", "s"]);
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.contains("4 drawn at random and trained to the end (audit)"), "{report}");

    // Read in pieces, whatever the size of a piece, the endings are the same and each comes once.
    let mut newest = BTreeMap::new();
    let (mut cursor, mut read) = (0, 0);
    loop {
        let output =
            lab.peng(&["search", "results", "s", "--output", "jsonl", "--since", &cursor.to_string()]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let piece: Vec<serde_json::Value> =
            text.lines().take(7).map(|line| serde_json::from_str(line).unwrap()).collect();
        let Some(last) = piece.last() else { break };
        cursor = last["cursor"].as_i64().unwrap();
        read += piece.len();
        newest.extend(piece.iter().map(|end| (end["job"].as_i64().unwrap(), end["fitness"].as_f64())));
    }
    assert_eq!(read, endings.len());
    assert_eq!(read, 40, "a job that was set aside has not ended");
    for (job, fitness) in newest {
        let same = format!("result WHERE job_id = {job} AND abs(fitness - {}) < 1e-9", fitness.unwrap());
        assert_eq!(lab.count(&same), 1, "the newest line of job {job} is its result");
    }
}

#[test]
fn architectures_come_from_outside_and_only_once() {
    let lab = Lab::new();
    let line = |depth: u32| format!("{{\"space\":\"external\",\"description\":{{\"depth\":{depth}}}}}\n");
    let given = spec("s", 2, "engine = \"none\"")
        .replace("\"random-cnn\"", "\"external\"")
        .replace("\"random\"", "\"given\"");
    lab.file("spec.toml", &given);
    lab.file("first.jsonl", &(line(1) + &line(2)));
    lab.file("bad.jsonl", &(line(1) + "\n{\"space\":\"external\"}\n"));
    let submit = |file| lab.peng(&["search", "submit", "spec.toml", "--architectures", file]);
    let bad = submit("bad.jsonl");
    assert_eq!(bad.status.code(), Some(1));
    assert!(stderr(&bad).contains("bad.jsonl:3: no genome in JSON"), "{}", stderr(&bad));
    assert!(submit("first.jsonl").status.success());
    work(&lab, 1);
    assert_eq!(lab.count("search WHERE state = 'finished'"), 1);
    let cursor = lab.peng_json(&["search", "results", "s"])[1]["cursor"].to_string();

    lab.file("more.jsonl", &(line(2) + &line(3) + &line(3)));
    let added = &lab.peng_json(&["search", "add", "s", "more.jsonl"])[0];
    assert_eq!((added["added"].as_u64(), added["known"].as_u64()), (Some(1), Some(1)));
    let again = &lab.peng_json(&["search", "add", "s", "more.jsonl"])[0];
    assert_eq!(again["added"].as_u64(), Some(0));
    assert_eq!(lab.count("search WHERE state = 'running' AND budget = 3"), 1, "it goes on");
    work(&lab, 1);
    let new = lab.peng_json(&["search", "results", "s", "--since", &cursor]);
    assert_eq!(new.as_array().unwrap().len(), 1);
    assert_eq!(new[0]["genome"]["description"]["depth"].as_i64(), Some(3));
    assert_eq!(new[0]["fitness_source"].as_str(), Some("measured"));
    assert_eq!(lab.count("architecture"), 3);
}

#[test]
fn what_is_known_is_not_read_again() {
    let lab = Lab::new();
    lab.submit(&spec("s", 40, "engine = \"peng\"\nrisk = 0.05\naudit = 0.1"));
    work(&lab, 2);
    let mut conn = lab.connect();
    let stored = searches::find(&mut conn, "s").unwrap().unwrap();
    let spec = Spec::from_json(&stored.spec).unwrap();
    let mut live = LiveScheduler::new(&mut conn, stored.id, &spec).unwrap();
    let first = live.next(&mut conn).unwrap();

    // Whoever reads a curve now waits for this session until its time is over.
    let mut holding = lab.connect();
    AnsiTransactionManager::begin_transaction(&mut holding).unwrap();
    holding.batch_execute("LOCK TABLE observation IN ACCESS EXCLUSIVE MODE").unwrap();
    conn.batch_execute("SET statement_timeout = '1 s'").unwrap();
    assert_eq!(live.next(&mut conn).unwrap(), first, "nothing has changed, no curve is read");
    conn.batch_execute(
        "INSERT INTO freezing (search_id, job_id, step) SELECT search_id, job_id, step FROM finish LIMIT 1",
    )
    .unwrap();
    assert!(live.next(&mut conn).is_err(), "a job was set aside: its curve is read");
}
