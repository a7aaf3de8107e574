//! Wakes idle slots when a job is enqueued.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Counts notifications, so that one between a look at the queue and the wait is not missed.
#[derive(Debug, Default)]
pub struct Wakeup {
    generation: Mutex<u64>,
    changed: Condvar,
}

impl Wakeup {
    /// Notifications so far: read it before looking at the queue.
    pub fn generation(&self) -> u64 {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all that wait.
    pub fn notify(&self) {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits for a notification after `generation`, at most so long.
    pub fn wait(&self, generation: u64, timeout: Duration) {
        let current = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(current, timeout, |current| *current == generation);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_before_the_wait_is_not_missed() {
        let wakeup = Wakeup::default();
        let generation = wakeup.generation();
        wakeup.notify();
        wakeup.wait(generation, Duration::from_secs(3600)); // Returns at once, or the test hangs.
        assert_eq!(wakeup.generation(), generation + 1);
    }
}
