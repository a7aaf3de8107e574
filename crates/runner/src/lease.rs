//! The leases that this process holds, shared between its threads.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use domain::Lease;

use crate::Interrupt;

/// The first call of an attempt also loads the data, and may take so many times as long.
const FIRST: u32 = 6;
/// So many of the longest intervals are no interval any more.
const INTERVALS: u32 = 10;

/// One held lease, with what its attempt is at.
#[derive(Debug)]
pub struct HeldLease {
    /// Asks its training to return.
    pub interrupt: Interrupt,
    renewed: Mutex<Instant>,
    calls: Mutex<Calls>,
    /// The last evaluation interval known to be recorded; 0 before the first.
    recorded: AtomicI32,
}

/// Calls into the trainer: only they can hang. Waits for the database, the checkpoint store or a lock are none.
#[derive(Debug, Default)]
struct Calls {
    /// How long the call under way has been watched; none where none is.
    watched: Option<Duration>,
    /// The longest interval so far; zero before the first.
    longest: Duration,
}

impl HeldLease {
    fn new(renewed: Instant) -> Self {
        Self {
            interrupt: Interrupt::default(),
            renewed: Mutex::new(renewed),
            calls: Mutex::default(),
            recorded: AtomicI32::new(0),
        }
    }

    /// Calls the trainer, under the eyes of the watchdog.
    pub fn watched<T>(&self, call: impl FnOnce() -> T) -> T {
        lock(&self.calls).watched = Some(Duration::ZERO);
        let done = call();
        lock(&self.calls).watched = None;
        done
    }

    /// Notes how long an interval took.
    pub fn note_interval(&self, took: Duration) {
        let mut calls = lock(&self.calls);
        calls.longest = calls.longest.max(took);
    }

    /// The longest interval so far; zero before the first.
    pub fn longest_interval(&self) -> Duration {
        lock(&self.calls).longest
    }

    /// Notes that the watchdog has been awake for so long. Whether a call into the trainer is under way that has taken longer
    /// than ten of its longest intervals and than `least`; the first one has six times as long. Time in which the whole process
    /// was stopped does not count: nobody was awake.
    pub fn is_hung(&self, awake: Duration, least: Duration) -> bool {
        let mut calls = lock(&self.calls);
        let least = if calls.longest.is_zero() { least * FIRST } else { least };
        let limit = least.max(calls.longest * INTERVALS);
        calls.watched.as_mut().is_some_and(|watched| {
            *watched += awake;
            *watched > limit
        })
    }

    /// Notes that the curve reaches this evaluation interval.
    pub fn note_recorded(&self, step: i32) {
        self.recorded.fetch_max(step, Ordering::Relaxed);
    }

    /// The last evaluation interval known to be recorded; 0 before the first.
    pub fn recorded(&self) -> i32 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Notes that the database confirmed the lease at `at`.
    pub fn renewed(&self, at: Instant) {
        let mut renewed = lock(&self.renewed);
        *renewed = (*renewed).max(at);
    }

    /// How long ago the database last confirmed the lease, by this process's clock.
    pub fn since_renewal(&self) -> Duration {
        lock(&self.renewed).elapsed()
    }
}

/// All leases of the process.
#[derive(Debug, Default)]
pub struct HeldLeases(Mutex<HashMap<Lease, Arc<HeldLease>>>);

impl HeldLeases {
    /// Enters a lease that was confirmed at `at`.
    pub fn enter(&self, lease: Lease, at: Instant) -> Arc<HeldLease> {
        let held = Arc::new(HeldLease::new(at));
        lock(&self.0).insert(lease, Arc::clone(&held));
        held
    }

    /// Forgets a lease.
    pub fn leave(&self, lease: Lease) {
        lock(&self.0).remove(&lease);
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<(Lease, Arc<HeldLease>)> {
        let mut all: Vec<_> = lock(&self.0).iter().map(|(lease, held)| (*lease, Arc::clone(held))).collect();
        all.sort_unstable_by_key(|(lease, _)| *lease);
        all
    }
}

/// A thread that panicked while it held one of these locks left a whole value behind: each is replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_a_call_into_the_trainer_can_hang() {
        for (longest, least, seconds, calling, expected, why) in [
            (2, 600, 100_000, false, false, "it waits for the database, the store or a lock"),
            (2, 600, 601, true, true, "longer than the least and than ten intervals"),
            (2, 600, 599, true, false, "shorter than the least"),
            (100, 600, 999, true, false, "shorter than ten intervals"),
            (100, 600, 1001, true, true, "longer than ten intervals"),
            (0, 600, 3599, true, false, "the first call also loads the data"),
            (0, 600, 3601, true, true, "but not for ever"),
        ] {
            let held = HeldLease::new(Instant::now());
            held.note_interval(SECOND * longest);
            let is_hung = || (0..seconds).any(|_| held.is_hung(SECOND, SECOND * least));
            assert_eq!(if calling { held.watched(is_hung) } else { is_hung() }, expected, "{why}");
            assert!(!held.is_hung(SECOND * 1_000_000, SECOND), "{why}: the call is over");
        }
    }
}
