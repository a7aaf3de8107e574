//! The leases that this process holds, shared between its threads.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use store::Lease;

/// Why a session should not go on. A later reason replaces an earlier one only if it is stronger: the order below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The grace period of a stopping worker is over.
    Grace,
    /// The predictor has decided, or what was measured could not be recorded.
    Decided,
    /// The lease could not be renewed for three quarters of its time to live.
    Silent,
    /// A person cancelled the job.
    Cancelled,
    /// Another attempt may own the job: write nothing further.
    Lost,
}

/// Asks a session to return early. Cheap to look at between batches.
#[derive(Debug, Default)]
pub struct Interrupt {
    set: AtomicBool,
    reason: Mutex<Option<Reason>>,
}

impl Interrupt {
    /// Whether the session should return.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// The flag itself, for a session that takes one.
    pub fn flag(&self) -> &AtomicBool {
        &self.set
    }

    /// Asks, for a reason.
    pub fn set(&self, reason: Reason) {
        let mut current = lock(&self.reason);
        *current = (*current).max(Some(reason));
        self.set.store(true, Ordering::Relaxed);
    }

    /// Waits until it is set, at most so long.
    pub fn wait(&self, timeout: Duration) {
        let until = Instant::now() + timeout;
        while !self.is_set() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50).min(timeout));
        }
    }

    /// Why, if it is set.
    pub fn reason(&self) -> Option<Reason> {
        *lock(&self.reason)
    }
}

/// One held lease.
#[derive(Debug)]
pub struct Hold {
    /// Asks its session to return.
    pub interrupt: Interrupt,
    renewed: Mutex<Instant>,
    progress: Mutex<Progress>,
}

/// When the session last measured something, and its longest interval so far.
#[derive(Debug, Clone, Copy)]
struct Progress {
    at: Instant,
    longest: Duration,
}

impl Hold {
    /// Notes that an interval was measured.
    pub fn progressed(&self) {
        let mut progress = lock(&self.progress);
        *progress = Progress { at: Instant::now(), longest: progress.longest.max(progress.at.elapsed()) };
    }

    /// The longest interval so far; zero before the first.
    pub fn longest(&self) -> Duration {
        lock(&self.progress).longest
    }

    /// Whether nothing was measured for ten of the longest intervals and for `least`; the first interval, which also
    /// loads the data, has six times as long.
    pub fn is_hung(&self, least: Duration) -> bool {
        let Progress { at, longest } = *lock(&self.progress);
        let least = if longest.is_zero() { least * 6 } else { least };
        at.elapsed() > least.max(longest * 10)
    }

    /// Notes that the database has just confirmed the lease.
    pub fn confirm(&self, at: Instant) {
        let mut renewed = lock(&self.renewed);
        *renewed = (*renewed).max(at);
    }

    /// How long ago the database last confirmed the lease, by this process's clock.
    pub fn silence(&self) -> Duration {
        lock(&self.renewed).elapsed()
    }
}

/// All leases of the process.
#[derive(Debug, Default)]
pub struct Holds(Mutex<HashMap<Lease, Arc<Hold>>>);

impl Holds {
    /// Enters a lease that was confirmed at `at`.
    pub fn enter(&self, lease: Lease, at: Instant) -> Arc<Hold> {
        let progress = Progress { at: Instant::now(), longest: Duration::ZERO };
        let (renewed, progress) = (Mutex::new(at), Mutex::new(progress));
        let hold = Arc::new(Hold { interrupt: Interrupt::default(), renewed, progress });
        lock(&self.0).insert(lease, Arc::clone(&hold));
        hold
    }

    /// Forgets a lease.
    pub fn leave(&self, lease: Lease) {
        lock(&self.0).remove(&lease);
    }

    /// All of them.
    pub fn all(&self) -> Vec<(Lease, Arc<Hold>)> {
        lock(&self.0).iter().map(|(lease, hold)| (*lease, Arc::clone(hold))).collect()
    }
}

/// A thread that panicked while it held one of these locks left a whole value behind: each is replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_reason_stands() {
        let interrupt = Interrupt::default();
        assert_eq!((interrupt.is_set(), interrupt.reason()), (false, None));
        for (set, stands) in [
            (Reason::Decided, Reason::Decided),
            (Reason::Grace, Reason::Decided),
            (Reason::Lost, Reason::Lost),
            (Reason::Cancelled, Reason::Lost),
        ] {
            interrupt.set(set);
            assert_eq!(interrupt.reason(), Some(stands), "after {set:?}");
        }
    }
}
