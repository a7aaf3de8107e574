//! The leases that this process holds, shared between its threads.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
        Self { interrupt: Interrupt::default(), renewed: Mutex::new(renewed), calls: Mutex::default() }
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
    /// Holds a lease, confirmed at `at`, for as long as the value lives: a slot that panics has nothing renewed. `None`: another
    /// slot of this process holds the very same one, which a database that was failed over and has lost the first claim may give
    /// out again. It is one right, for one of them.
    pub fn hold(&self, lease: Lease, at: Instant) -> Option<Holding<'_>> {
        let held = match lock(&self.0).entry(lease) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => Arc::clone(place.insert(Arc::new(HeldLease::new(at)))),
        };
        Some(Holding { leases: self, lease, held })
    }

    /// Forgets a lease.
    fn leave(&self, lease: Lease) {
        lock(&self.0).remove(&lease);
    }

    /// Whether this worker has no lease.
    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<(Lease, Arc<HeldLease>)> {
        let mut all: Vec<_> = lock(&self.0).iter().map(|(lease, held)| (*lease, Arc::clone(held))).collect();
        all.sort_unstable_by_key(|(lease, _)| *lease);
        all
    }
}

/// A lease that its slot works under.
#[derive(Debug)]
pub struct Holding<'a> {
    leases: &'a HeldLeases,
    lease: Lease,
    held: Arc<HeldLease>,
}

impl Holding<'_> {
    /// Begins anew, for another try at the same job: the lease was confirmed at `at`.
    pub fn begin_anew(&mut self, at: Instant) {
        self.held = Arc::new(HeldLease::new(at));
        lock(&self.leases.0).insert(self.lease, Arc::clone(&self.held));
    }
}

impl Deref for Holding<'_> {
    type Target = HeldLease;

    fn deref(&self) -> &HeldLease {
        &self.held
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.leases.leave(self.lease);
    }
}

/// A thread that panicked while it held one of these locks left a whole value behind: each is replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use domain::{Fence, JobId};
    use uuid::Uuid;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_is_held_by_one_slot() {
        let leases = HeldLeases::default();
        let lease = Lease { job_id: JobId(1), fence: Fence(1), worker_id: Uuid::nil() };
        let later = Lease { fence: Fence(2), ..lease };
        let held = leases.hold(lease, Instant::now());
        assert!(held.is_some());
        assert!(leases.hold(lease, Instant::now()).is_none(), "given out twice after a fail-over");
        assert!(leases.hold(later, Instant::now()).is_some(), "another attempt");
        drop(held);
        assert!(leases.hold(lease, Instant::now()).is_some());
    }

    #[test]
    fn a_slot_that_panics_holds_no_lease_any_more() {
        let leases = HeldLeases::default();
        let lease = Lease { job_id: JobId(1), fence: Fence(1), worker_id: Uuid::nil() };
        let slot = std::panic::catch_unwind(|| {
            let _held = leases.hold(lease, Instant::now());
            assert!(leases.all().is_empty(), "a training that goes wrong");
        });
        assert!(
            slot.is_err() && leases.all().is_empty(),
            "it would be renewed for ever, and its job never trained"
        );
    }

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
