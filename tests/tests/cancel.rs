//! Cancelling, pausing and resuming a search whose strategy goes on proposing.

use serde_json::Value;
use tests::{Lab, Worker, spec};

const SLOTS: i64 = 4;

/// A search with more to propose, and a worker that has ended four of its jobs.
fn at_work(strategy: &str) -> (Lab, Worker) {
    let lab = Lab::new();
    let strategy = format!("kind = \"{strategy}\"\npopulation = 8\nbarrier = {}", strategy == "nsga2");
    lab.submit(&spec("random", 60, 12).replace("kind = \"random\"", &strategy));
    let arguments = ["--once", "--slots", "4", "--epoch-seconds", "0.05"];
    let worker = lab.worker("peng-replay-worker", &arguments);
    lab.wait_for("result", 4);
    assert!(lab.count("job WHERE state NOT IN ('completed', 'cancelled')") > 0, "it goes on");
    (lab, worker)
}

/// What the text and the JSON say of a command that changes nothing.
fn assert_unchanged(lab: &Lab, command: &[&str], state: &str) {
    let jobs = lab.count("job");
    let text = lab.text(command);
    assert!(text.starts_with(&format!("nothing was changed: search s is {state} already")), "{text}");
    let json = lab.peng_json(command)[0].take();
    assert_eq!((&json["unchanged"], &json["state"]), (&Value::Bool(true), &state.into()), "{json}");
    assert_eq!(lab.count("job"), jobs);
}

fn cancel(strategy: &str) {
    let (lab, mut worker) = at_work(strategy);
    let cancelled = lab.peng_json(&["search", "cancel", "s", "--yes"]);
    let (attempts, jobs, observed) = (lab.count("attempt"), lab.count("job"), lab.count("observation"));
    // A worker that is to leave when nothing is left finds that nothing is.
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!((lab.count("attempt"), lab.count("job")), (attempts, jobs), "{cancelled}: {}", worker.log());
    assert!(jobs < 60, "{jobs}");
    let late = lab.count("observation") - observed;
    assert!(late <= SLOTS, "{late} intervals: at most the running ones end\n{}", worker.log());
    assert_eq!(lab.count("job WHERE state NOT IN ('completed', 'cancelled')"), 0);
    assert_eq!(lab.count("search WHERE state = 'cancelled'"), 1);
    let mut next = lab.worker("peng-replay-worker", &["--once"]);
    assert_eq!(next.join(), Some(0), "{}", next.log());
    assert_eq!((lab.count("attempt"), lab.count("job")), (attempts, jobs), "{}", next.log());
    assert_unchanged(&lab, &["search", "cancel", "s", "--yes"], "cancelled");
    assert_unchanged(&lab, &["search", "pause", "s"], "cancelled");
    assert_unchanged(&lab, &["search", "resume", "s"], "cancelled");
    lab.assert_unharmed();
}

#[test]
fn a_cancelled_search_that_evolves_starts_nothing_more() {
    cancel("evolution");
}

#[test]
fn a_cancelled_search_of_generations_starts_nothing_more() {
    cancel("nsga2");
}

fn pause(strategy: &str) {
    let (lab, mut worker) = at_work(strategy);
    assert_unchanged(&lab, &["search", "resume", "s"], "running");
    lab.peng_json(&["search", "pause", "s"]);
    let attempts = lab.count("attempt");
    // What runs is trained to its end, and nothing else is begun; then there is nothing to wait for.
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("attempt"), attempts, "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), attempts);
    assert_eq!(lab.count("search WHERE state = 'paused'"), 1);
    assert_unchanged(&lab, &["search", "pause", "s"], "paused");
    lab.peng_json(&["search", "resume", "s"]);
    let mut next = lab.worker("peng-replay-worker", &["--once", "--slots", "4"]);
    assert_eq!(next.join(), Some(0), "{}", next.log());
    lab.assert_whole(60, 12);
    assert_eq!(lab.count("search WHERE state = 'finished'"), 1);
    assert_unchanged(&lab, &["search", "pause", "s"], "finished");
}

#[test]
fn a_paused_search_that_evolves_starts_nothing_until_it_is_resumed() {
    pause("evolution");
}

#[test]
fn a_paused_search_of_generations_starts_nothing_until_it_is_resumed() {
    pause("nsga2");
}

#[test]
fn a_drain_of_nothing_says_so() {
    let lab = Lab::new();
    for command in [&["worker", "drain", "--all"][..], &["worker", "drain", "0badcafe"]] {
        assert_eq!(lab.text(command), "nothing was changed: no such worker claims jobs\n");
        let json = lab.peng_json(command)[0].take();
        assert_eq!((&json["unchanged"], &json["draining"]), (&Value::Bool(true), &0.into()), "{json}");
    }
}
