//! The last words of a worker to the database.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{RecvTimeoutError, bounded};
use domain::{Lease, chain};
use store::{Database, Session, lease};
use tracing::warn;

use crate::{context::WorkerContext, log};

/// How long they may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// Says what became of a training that hangs, and that the worker has left, if the database takes it in time: in a thread that is
/// not waited for any longer than that.
pub fn say(worker: &Arc<WorkerContext>, hung: Option<Lease>) {
    let (said, heard) = bounded::<()>(0);
    let (worker, database) = (Arc::clone(worker), worker.database.clone());
    let goodbye = move || {
        // Closes with the thread.
        let _said = said;
        last_words(&database, &worker, hung);
    };
    if thread::Builder::new().name("goodbye".to_owned()).spawn(goodbye).is_err()
        || heard.recv_timeout(GOODBYE) == Err(RecvTimeoutError::Timeout)
    {
        warn!("cannot note that the worker has left: the database does not answer");
    }
}

fn last_words(database: &Database, worker: &WorkerContext, hung: Option<Lease>) {
    let mut session = Session::new(database.clone());
    let end = Instant::now() + GOODBYE;
    let stop = || Instant::now() >= end;
    if let Some(lease) = hung {
        let written = session.run(&stop, |conn| {
            lease::retry(conn, lease, "the training hangs", &log::last_lines(), Duration::from_secs(10))
        });
        if let Err(error) = written {
            warn!("cannot note that job {} hangs: {}", lease.job_id, chain(&error));
        }
    }
    // A worker that cannot say goodbye is found by its silence.
    if let Err(error) = session.run(&stop, |conn| store::worker::stop(conn, worker.worker_id)) {
        warn!("cannot note that the worker has left: {}", chain(&error));
    }
}
