//! Searches and workers of the tests.

use std::time::Duration;

use diesel::PgConnection;
use domain::{Lease, SearchId};
use search::{Spec, first_jobs, submit};
use store::{
    Claimer, curve,
    finish::{self, JobEnd},
    job::Outcome,
    worker::NewWorker,
};
use uuid::Uuid;

pub const STRATEGIES: [&str; 3] = [
    "kind = 'evolution'\npopulation = 4\nsample = 2\nin_flight = 4",
    "kind = 'nsga2'\npopulation = 4",
    "kind = 'nsga2'\npopulation = 4\nbarrier = false\nin_flight = 4",
];

fn spec(strategy: &str, jobs: usize, epochs: u32) -> Spec {
    let text = format!(
        "name = 's'\n[data]\nset = 'digits'\n[space]\nkind = 'random-cnn'\n[strategy]\n{strategy}\n[budget]\njobs = {jobs}\nmax_epochs = {epochs}"
    );
    Spec::parse(&text, "test").unwrap()
}

pub fn begin(conn: &mut PgConnection, strategy: &str, jobs: usize, epochs: u32) -> (SearchId, Spec) {
    let spec = spec(strategy, jobs, epochs);
    let jobs = first_jobs(&spec, vec![]).unwrap();
    (submit(conn, &spec, jobs, None).unwrap().0, spec)
}

pub fn claimer(conn: &mut PgConnection) -> Claimer {
    let id = Uuid::new_v4();
    let text = || "default".to_owned();
    let worker = NewWorker { id, host: text(), pid: 1, class: text(), device: text(), version: text() };
    worker.register(conn).unwrap();
    Claimer::new("default", id, Duration::from_secs(60))
}

/// Ends a job after one interval of this accuracy.
pub fn end(conn: &mut PgConnection, lease: Lease, outcome: Outcome, accuracy: f64) {
    let point = curve::Observation { step: 1, epoch: 4.0, val_acc: accuracy, ..Default::default() };
    curve::record(conn, lease, &point, None).unwrap().unwrap();
    finish::finish(conn, lease, JobEnd::plain(outcome)).unwrap().unwrap();
}
