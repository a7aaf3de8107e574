//! Wakes idle slots when a job is enqueued, and the thread that listens for that.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use store::Listener;
use tracing::{debug, warn};

use crate::slot::Shared;

/// How long one wait for a notification lasts, and so how long the thread takes to leave.
const WAIT: Duration = Duration::from_millis(250);
/// Pause before the next try to listen.
const RETRY: Duration = Duration::from_secs(30);

/// Counts rings, so that one between a look at the queue and the wait is not missed.
#[derive(Debug, Default)]
pub struct Bell {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    /// Rings so far: read it before looking at the queue.
    pub fn rings(&self) -> u64 {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all that wait.
    pub fn ring(&self) {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.rung.notify_all();
    }

    /// Waits until it has rung more often than `heard`, at most so long.
    pub fn wait(&self, heard: u64, timeout: Duration) {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rung.wait_timeout_while(rings, timeout, |rings| *rings == heard);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Rings the bell for every notification until the channel closes. Where it cannot listen, slots poll.
pub fn listen(shared: &Shared, stop: &Receiver<()>) {
    let closed = |pause| stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected);
    let mut said = false;
    loop {
        match Listener::connect(&shared.database, &shared.options.class) {
            Ok(mut listener) => {
                shared.bell.ring(); // Jobs that came before the registration are not announced.
                while !closed(Duration::ZERO) {
                    match listener.wait(WAIT) {
                        Ok(true) => shared.bell.ring(),
                        Ok(false) => {}
                        Err(error) => {
                            debug!("{error}");
                            break;
                        }
                    }
                }
            }
            Err(error) if !said => {
                warn!("{error}; looking at the queue every {} s instead", shared.options.poll.as_secs_f64());
                said = true;
            }
            Err(error) => debug!("{error}"),
        }
        if closed(RETRY.min(shared.options.lease_ttl)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_missed() {
        let bell = Bell::default();
        let heard = bell.rings();
        bell.ring();
        bell.wait(heard, Duration::from_secs(3600)); // Returns at once, or the test hangs.
        assert_eq!(bell.rings(), heard + 1);
    }
}
