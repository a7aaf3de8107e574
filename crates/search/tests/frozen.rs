//! A client that is frozen between any two round trips of a command holds nothing that others need: they claim, end, propose, pause
//! and cancel meanwhile, and wait for no lock.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use diesel::{PgConnection, QueryResult, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use domain::{JobId, Lease, SearchId, chain};
use search::{Populations, Spec, add, first_jobs, propose, submit};
use store::{
    Claimer, Database, curve,
    finish::{self, JobEnd},
    job::{self, Outcome},
    maintenance, retention, search as searches,
    worker::NewWorker,
};
use testing::{Link, TestDatabase};
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(60);
/// Round trips after which a command is taken for endless.
const ENDLESS: usize = 200;

/// What somebody's client does, to be frozen.
type Command = fn(&mut PgConnection, &Searches) -> Result<(), String>;

const COMMANDS: [(&str, Command); 13] = [
    ("pause", |conn, on| told(searches::pause(conn, on.search))),
    ("resume", |conn, on| told(searches::resume(conn, on.paused))),
    ("cancel a search", |conn, on| told(searches::cancel(conn, on.search))),
    ("cancel jobs", |conn, on| told(job::cancel(conn, &on.jobs))),
    ("priority", |conn, on| told(job::set_priority(conn, &on.jobs, 3))),
    ("retry", |conn, on| told(job::retry(conn, &on.jobs))),
    ("promote", |conn, on| told(searches::promote(conn, on.search, 3))),
    ("propose", |conn, on| {
        propose(conn, on.search, &on.spec, &Populations::default()).map(drop).map_err(|e| chain(&e))
    }),
    ("add", |conn, on| add(conn, on.search, &on.spec, &on.given).map(drop).map_err(|error| chain(&error))),
    ("submit", |conn, on| {
        let spec = on.spec.renamed("another").unwrap();
        submit(conn, &spec, first_jobs(&spec, vec![]).unwrap(), None).map(drop).map_err(|error| chain(&error))
    }),
    ("delete", |conn, on| {
        retention::begin_delete(conn, on.ended).map_err(|error| chain(&error))?;
        told(retention::delete(conn, on.ended, &|_| {}))
    }),
    ("reap", |conn, _| told(maintenance::reap_once(conn))),
    ("results", |conn, on| told(finish::results(conn, on.search, domain::Ordinal(0)))),
];

fn told<T>(done: QueryResult<T>) -> Result<(), String> {
    done.map(drop).map_err(|error| error.to_string())
}

fn spec(name: &str) -> Spec {
    let text = format!(
        "name = '{name}'\n[data]\nset = 'digits'\n[space]\nkind = 'random-cnn'\n\
         [strategy]\nkind = 'evolution'\npopulation = 8\nsample = 2\nin_flight = 8\n[budget]\njobs = 40\nmax_epochs = 4"
    );
    Spec::parse(&text, "test").unwrap()
}

/// A search with jobs in all states, one that is paused, and one that has ended.
#[derive(Clone)]
struct Searches {
    spec: Spec,
    search: SearchId,
    paused: SearchId,
    ended: SearchId,
    /// Its jobs.
    jobs: Vec<JobId>,
    /// What may be added.
    given: Vec<genome::Genome>,
}

/// Those, and a worker.
struct Scene {
    database: TestDatabase,
    searches: Searches,
    /// A job that runs.
    held: Lease,
    claimer: Claimer,
}

fn begin(conn: &mut PgConnection, spec: &Spec) -> SearchId {
    submit(conn, spec, first_jobs(spec, vec![]).unwrap(), None).unwrap().0
}

fn end(conn: &mut PgConnection, lease: Lease, outcome: Outcome) {
    let decision = (outcome == Outcome::Terminated).then_some(curve::Decision::Stop);
    let prediction = decision.map(|_| 60.0);
    let point =
        curve::Observation { step: 1, epoch: 2.0, val_acc: 50.0, prediction, decision, ..Default::default() };
    curve::record(conn, lease, &point, None).unwrap().unwrap();
    let error = (outcome == Outcome::Failed).then_some("an error");
    finish::finish(conn, lease, JobEnd { error, ..JobEnd::plain(outcome) }).unwrap().unwrap();
}

impl Scene {
    fn new() -> Self {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        let text = || "default".to_owned();
        let id = Uuid::new_v4();
        NewWorker { id, host: text(), pid: 1, class: text(), device: text(), version: text() }
            .register(&mut conn)
            .unwrap();
        let mut claimer = Claimer::new("default", id, TTL);
        let mut claim = |conn: &mut PgConnection| claimer.claim(conn).unwrap().unwrap().lease();

        let ended = begin(&mut conn, &spec("ended"));
        for _ in 0..8 {
            let lease = claim(&mut conn);
            end(&mut conn, lease, Outcome::Completed);
        }
        searches::finish_if_done(&mut conn, ended, None).unwrap().unwrap();
        let spec = spec("s");
        let search = begin(&mut conn, &spec);
        for outcome in [Outcome::Terminated, Outcome::Failed] {
            let lease = claim(&mut conn);
            end(&mut conn, lease, outcome);
        }
        let held = claim(&mut conn);
        let paused = begin(&mut conn, &spec.renamed("paused").unwrap());
        searches::pause(&mut conn, paused).unwrap().unwrap();
        let other = Spec::parse(&spec_of_others(), "test").unwrap();
        let given = first_jobs(&other, vec![]).unwrap().into_iter().take(2);
        let given = given.map(|job| serde_json::from_value(job.genome).unwrap()).collect();
        let jobs =
            job::list(&mut conn, Some(search), &[], None, 100).unwrap().iter().map(|job| job.id).collect();
        let searches = Searches { spec, search, paused, ended, jobs, given };
        Self { database, searches, held, claimer }
    }

    /// What others do meanwhile, and which of it had to wait.
    fn meanwhile(&mut self) -> Vec<String> {
        let mut conn = self.database.connect();
        conn.batch_execute("SET lock_timeout = '1s'").unwrap();
        let (conn, Searches { search, spec, jobs, .. }) = (&mut conn, self.searches.clone());
        let ready = sql_query("SELECT 1 FROM job WHERE state = 'ready'").execute(conn).unwrap();
        let mut waited = Vec::new();
        let mut note = |what: &str, done: Result<(), String>| {
            if let Err(error) = done {
                waited.push(format!("{what}: {error}"));
            }
        };
        let claimed = self.claimer.claim(conn);
        if let Ok(claimed) = &claimed
            && claimed.is_some() != (ready > 0)
        {
            note("claim", Err(format!("{} of {ready} that are ready", i32::from(claimed.is_some()))));
        }
        note("claim", told(claimed));
        note("finish", told(finish::finish(conn, self.held, JobEnd::plain(Outcome::Diverged))));
        let proposed = propose(conn, search, &spec, &Populations::default());
        note("propose", proposed.map(drop).map_err(|error| chain(&error)));
        note("pause", told(searches::pause(conn, search)));
        note("resume", told(searches::resume(conn, search)));
        note("cancel jobs", told(job::cancel(conn, &jobs[..1])));
        note("retry", told(job::retry(conn, &jobs)));
        note("reap", told(maintenance::reap_once(conn)));
        note("results", told(finish::results(conn, search, domain::Ordinal(0))));
        waited
    }
}

/// Random networks, which no other search has.
fn spec_of_others() -> String {
    "name = 'o'\n[data]\nset = 'digits'\n[space]\nkind = 'random-cnn'\n[strategy]\nkind = 'random'\nseed = 7\n\
     [budget]\njobs = 4\nmax_epochs = 4"
        .to_owned()
}

#[test]
fn nobody_waits_for_a_client_that_is_frozen_between_two_round_trips() {
    let mut faults = Vec::new();
    for (name, command) in COMMANDS {
        let mut trips = 1;
        while frozen_after(trips, name, command, &mut faults) {
            trips += 1;
            assert!(trips < ENDLESS, "{name} has no end");
        }
        assert!(trips > 1, "{name} was never frozen");
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Whoever has read a search and is frozen before it writes proposes nothing that others have proposed since.
#[test]
fn what_others_have_proposed_meanwhile_is_not_proposed_again() {
    for trips in 1.. {
        let scene = Scene::new();
        let (Searches { search, spec, .. }, link) = (scene.searches, Link::to(&scene.database));
        let mut conn = Database::new(link.url()).unwrap().connect().unwrap();
        link.freeze_after(trips);
        let (was_frozen, counts) = std::thread::scope(|scope| {
            let propose =
                |conn: &mut PgConnection| propose(conn, search, &spec, &Populations::default()).unwrap();
            let conn = &mut conn;
            let client = scope.spawn(move || propose(conn));
            let was_frozen = link.await_frozen(|| client.is_finished());
            let others = propose(&mut scene.database.connect());
            link.thaw();
            (was_frozen, [client.join().unwrap(), others])
        });
        assert_eq!(
            counts.iter().sum::<usize>(),
            2,
            "frozen after {trips} round trips, two had ended: {counts:?}"
        );
        if !was_frozen {
            assert!(trips > 1, "it was never frozen");
            return;
        }
    }
}

/// Freezes a command after so many round trips; false if it has no more.
fn frozen_after(trips: usize, name: &str, command: Command, faults: &mut Vec<String>) -> bool {
    let mut scene = Scene::new();
    let link = Link::to(&scene.database);
    let mut conn = Database::new(link.url()).unwrap().connect().unwrap();
    link.freeze_after(trips);
    let (was_frozen, done, waited) = std::thread::scope(|scope| {
        let (conn, searches) = (&mut conn, scene.searches.clone());
        let client = scope.spawn(move || command(conn, &searches));
        let was_frozen = link.await_frozen(|| client.is_finished());
        let waited = if was_frozen { scene.meanwhile() } else { vec![] };
        link.thaw();
        (was_frozen, client.join().unwrap(), waited)
    });
    let when = format!("{name}, frozen after {trips} round trips");
    faults.extend(waited.into_iter().map(|what| format!("{when}: {what}")));
    faults.extend(done.err().map(|error| format!("{when}, thawed: {error}")));
    was_frozen
}
