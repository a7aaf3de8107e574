//! The thread that hears of new jobs and wakes idle slots.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use domain::chain;
use store::{Listener, News};
use tracing::{debug, warn};

use crate::{context::WorkerContext, wakeup::Look};

/// How long one wait for a notification lasts, and so how long the thread takes to leave.
const WAIT: Duration = Duration::from_millis(250);
/// Pause before the next try to listen.
const RETRY: Duration = Duration::from_secs(30);

/// Wakes slots with every notification until the channel closes. Where it cannot listen, slots poll.
pub fn listen(worker: &WorkerContext, stop: &Receiver<()>) {
    let stopped = |pause| stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected);
    let options = &worker.options;
    let mut said = false;
    loop {
        match Listener::connect(&worker.database, &options.class) {
            Ok(mut listener) => {
                worker.wakeup.set_listening(true);
                worker.wakeup.notify(Look::Everything, 1); // What came before the registration is not announced.
                while !stopped(Duration::ZERO) {
                    match listener.wait(WAIT) {
                        Ok(Some(News::Jobs(jobs))) => worker.wakeup.notify(Look::Queue, jobs),
                        Ok(Some(News::Thawed)) => worker.wakeup.notify(Look::Everything, 1),
                        Ok(None) => {}
                        Err(error) => {
                            debug!("{}", chain(&error));
                            break;
                        }
                    }
                }
            }
            Err(error) if !said => {
                warn!(
                    "{}; looking at the queue every {} s instead",
                    chain(&error),
                    options.poll.as_secs_f64()
                );
                said = true;
            }
            Err(error) => debug!("{}", chain(&error)),
        }
        worker.wakeup.set_listening(false);
        if stopped(RETRY.min(options.lease_ttl)) {
            return;
        }
    }
}
