//! What people have ended or paused stays so, whatever the strategy would propose.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use diesel::{PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use domain::{Lease, SearchId};
use search::{Populations, ProposalError, Spec, add, first_jobs, propose, submit};
use store::{
    Claimer, curve,
    finish::{self, JobEnd},
    job::Outcome,
    search::{self as searches, SearchState},
    worker::NewWorker,
};
use testing::TestDatabase;
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(60);
/// Keeps four in flight, or breeds four when the last of a generation has ended.
const STRATEGIES: [&str; 4] = [
    "kind = 'evolution'\npopulation = 4\nsample = 2\nin_flight = 4",
    "kind = 'evolution'\npopulation = 4\nsample = 2\nbarrier = true",
    "kind = 'nsga2'\npopulation = 4",
    "kind = 'nsga2'\npopulation = 4\nbarrier = false\nin_flight = 4",
];

fn spec(name: &str, strategy: &str) -> Spec {
    let text = format!(
        "name = '{name}'\n[data]\nset = 'digits'\n[space]\nkind = 'random-cnn'\n[strategy]\n{strategy}\n[budget]\njobs = 40\nmax_epochs = 4"
    );
    Spec::parse(&text, "test").unwrap()
}

/// A search that has just been submitted.
fn begun(conn: &mut PgConnection, strategy: &str) -> (SearchId, Spec) {
    let spec = spec(&format!("s{}", Uuid::new_v4().simple()), strategy);
    let jobs = first_jobs(&spec, vec![]).unwrap();
    assert_eq!(jobs.len(), 4);
    (submit(conn, &spec, jobs, None).unwrap().0, spec)
}

fn worker(conn: &mut PgConnection) -> Uuid {
    let id = Uuid::new_v4();
    let text = || "default".to_owned();
    NewWorker { id, host: text(), pid: 1, class: text(), device: text(), version: text() }
        .register(conn)
        .unwrap();
    id
}

/// All jobs that can be claimed.
fn claim_all(conn: &mut PgConnection) -> Vec<Lease> {
    let mut claimer = Claimer::new("default", worker(conn), TTL);
    std::iter::from_fn(|| claimer.claim(conn).unwrap()).map(|claim| claim.lease()).collect()
}

fn end(conn: &mut PgConnection, lease: Lease, outcome: Outcome) {
    let point = curve::Observation { step: 1, epoch: 4.0, val_acc: 50.0, ..Default::default() };
    curve::record(conn, lease, &point, None).unwrap().unwrap();
    finish::finish(conn, lease, JobEnd::plain(outcome)).unwrap().unwrap();
}

fn rows(conn: &mut PgConnection, query: &str) -> usize {
    sql_query(query).execute(conn).unwrap()
}

fn jobs(conn: &mut PgConnection, search: SearchId, which: &str) -> usize {
    rows(conn, &format!("SELECT 1 FROM job WHERE search_id = {search} AND {which}"))
}

#[test]
fn while_it_runs_its_endings_lead_to_proposals() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for strategy in STRATEGIES {
        let (search, spec) = begun(&mut conn, strategy);
        let added: usize = claim_all(&mut conn)
            .into_iter()
            .map(|lease| {
                end(&mut conn, lease, Outcome::Completed);
                propose(&mut conn, search, &spec, &Populations::default()).unwrap()
            })
            .sum();
        assert_eq!((added, claim_all(&mut conn).len()), (4, 4), "{strategy}");
    }
}

#[test]
fn nothing_starts_in_a_search_that_is_cancelled() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for strategy in STRATEGIES {
        let (search, spec) = begun(&mut conn, strategy);
        let held = claim_all(&mut conn);
        assert_eq!(searches::cancel(&mut conn, search).unwrap().unwrap().requested, 4);
        assert_eq!(
            propose(&mut conn, search, &spec, &Populations::default()).unwrap(),
            0,
            "{strategy}: before any ending"
        );
        for lease in held {
            end(&mut conn, lease, Outcome::Cancelled);
            assert_eq!(propose(&mut conn, search, &spec, &Populations::default()).unwrap(), 0, "{strategy}");
            assert!(claim_all(&mut conn).is_empty(), "{strategy}");
        }
        assert_eq!(jobs(&mut conn, search, "state = 'cancelled'"), 4, "{strategy}: all that there are");
        assert_eq!(
            rows(&mut conn, &format!("SELECT 1 FROM search WHERE id = {search} AND proposing")),
            0,
            "{strategy}: nor is it looked at again"
        );
    }
}

/// Whoever is about to propose when the search ends: the state is asked for last.
#[test]
fn nothing_starts_in_a_search_that_is_finished() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for strategy in STRATEGIES {
        let (search, spec) = begun(&mut conn, strategy);
        for lease in claim_all(&mut conn) {
            end(&mut conn, lease, Outcome::Completed);
        }
        assert!(searches::finish_if_done(&mut conn, search, None).unwrap().is_some());
        assert_eq!(
            rows(&mut conn, &format!("SELECT 1 FROM search WHERE id = {search} AND proposing")),
            1,
            "{strategy}: it would"
        );
        assert_eq!(propose(&mut conn, search, &spec, &Populations::default()).unwrap(), 0, "{strategy}");
        assert_eq!(jobs(&mut conn, search, "true"), 4, "{strategy}");
    }
}

#[test]
fn what_is_proposed_for_a_paused_search_waits_for_it() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for strategy in STRATEGIES {
        let (search, spec) = begun(&mut conn, strategy);
        let held = claim_all(&mut conn);
        assert_eq!(searches::pause(&mut conn, search).unwrap(), Some(0));
        for lease in held {
            end(&mut conn, lease, Outcome::Completed);
            propose(&mut conn, search, &spec, &Populations::default()).unwrap();
            assert!(claim_all(&mut conn).is_empty(), "{strategy}");
        }
        assert_eq!(jobs(&mut conn, search, "state = 'paused'"), 4, "{strategy}");
        assert_eq!(searches::resume(&mut conn, search).unwrap(), Some(4));
        assert_eq!(claim_all(&mut conn).len(), 4, "{strategy}");
    }
}

#[test]
fn a_cancelled_search_takes_no_jobs_and_a_finished_one_goes_on_with_them() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let given = |seed: u64| {
        let spec = spec("other", &format!("kind = 'random'\nseed = {seed}"));
        let jobs = first_jobs(&spec, vec![]).unwrap();
        jobs.into_iter().take(2).map(|job| serde_json::from_value(job.genome).unwrap()).collect::<Vec<_>>()
    };
    let (cancelled, spec) = begun(&mut conn, STRATEGIES[0]);
    searches::cancel(&mut conn, cancelled).unwrap().unwrap();
    let error = add(&mut conn, cancelled, &spec, &given(7)).unwrap_err();
    assert!(matches!(error, ProposalError::Cancelled { .. }), "{error}");
    let expected = format!("search `{}` is cancelled and takes no more jobs: submit another one", spec.name);
    assert_eq!(error.to_string(), expected);
    assert_eq!((jobs(&mut conn, cancelled, "true"), claim_all(&mut conn).len()), (4, 0));

    let (finished, spec) = begun(&mut conn, STRATEGIES[0]);
    for lease in claim_all(&mut conn) {
        end(&mut conn, lease, Outcome::Completed);
    }
    searches::finish_if_done(&mut conn, finished, None).unwrap().unwrap();
    assert_eq!(add(&mut conn, finished, &spec, &given(7)).unwrap(), 2);
    let search = searches::get(&mut conn, finished).unwrap();
    assert_eq!((search.state, search.finished_at), (SearchState::Running, None));
    assert_eq!(claim_all(&mut conn).len(), 2);
    assert_eq!(add(&mut conn, finished, &spec, &given(7)).unwrap(), 0, "it has them");
}

#[test]
fn a_command_that_changes_nothing_says_so_and_leaves_no_event() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, _) = begun(&mut conn, STRATEGIES[0]);
    for (state, pause, resume, cancel) in [
        ("running", true, false, true),
        ("paused", false, true, true),
        ("finished", false, false, false),
        ("cancelled", false, false, false),
    ] {
        for (command, changes) in [("pause", pause), ("resume", resume), ("cancel", cancel)] {
            let at = if ["finished", "cancelled"].contains(&state) { "now()" } else { "NULL" };
            conn.batch_execute(&format!(
                "UPDATE search SET state = '{state}', finished_at = {at}; DELETE FROM event"
            ))
            .unwrap();
            let before = rows(&mut conn, "SELECT 1 FROM job WHERE state = 'cancelled'");
            let did = match command {
                "pause" => searches::pause(&mut conn, search).unwrap().is_some(),
                "resume" => searches::resume(&mut conn, search).unwrap().is_some(),
                _ => searches::cancel(&mut conn, search).unwrap().is_some(),
            };
            assert_eq!(did, changes, "{command} of one that is {state}");
            if !changes {
                let is_same = rows(&mut conn, &format!("SELECT 1 FROM search WHERE state = '{state}'")) == 1
                    && rows(&mut conn, "SELECT 1 FROM event") == 0
                    && rows(&mut conn, "SELECT 1 FROM job WHERE state = 'cancelled'") == before;
                assert!(is_same, "{command} of one that is {state}");
            }
        }
    }
}

/// Workers that end jobs and propose, a person who cancels: no deadlock, and afterwards nothing can be trained.
#[test]
fn a_search_that_is_cancelled_in_the_middle_of_proposals_ends() {
    let database = TestDatabase::new();
    for (round, strategy) in STRATEGIES.iter().cycle().take(8).enumerate() {
        let mut conn = database.connect();
        let (search, spec) = begun(&mut conn, strategy);
        let faults: Vec<String> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| -> Result<(), ProposalError> {
                        let mut conn = database.connect();
                        let mut claimer = Claimer::new("default", worker(&mut conn), TTL);
                        while searches::get(&mut conn, search)?.state == SearchState::Running {
                            let Some(claim) = claimer.claim(&mut conn)? else { continue };
                            finish::finish(&mut conn, claim.lease(), JobEnd::plain(Outcome::Diverged))?;
                            propose(&mut conn, search, &spec, &Populations::default())?;
                        }
                        Ok(())
                    })
                })
                .collect();
            let begun = std::time::Instant::now();
            while rows(&mut conn, &format!("SELECT 1 FROM finish WHERE search_id = {search}")) < round {
                assert!(begun.elapsed() < TTL, "nobody ends a job");
            }
            let cancelled = searches::cancel(&mut conn, search).map(drop);
            let workers = workers.into_iter().filter_map(|worker| worker.join().unwrap().err());
            let workers: Vec<_> = workers.map(|error| domain::chain(&error)).collect();
            workers.into_iter().chain(cancelled.err().map(|error| error.to_string())).collect()
        });
        assert!(faults.is_empty(), "{strategy}: {faults:#?}");
        assert_eq!(propose(&mut conn, search, &spec, &Populations::default()).unwrap(), 0);
        let left = jobs(&mut conn, search, "state IN ('ready', 'waiting', 'paused', 'running')");
        assert_eq!(left, 0, "{strategy}: jobs that may be trained");
    }
}
