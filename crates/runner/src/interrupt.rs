//! Asking a training to return early.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Why a training should not go on. A later reason replaces an earlier one only if it is stronger: the order below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// The grace period of a stopping worker is over.
    Grace,
    /// The predictor has decided, or what was measured could not be recorded.
    Decided,
    /// The lease could not be renewed for three quarters of its time to live.
    LeaseUncertain,
    /// A person cancelled the job.
    Cancelled,
    /// Another attempt may own the job: write nothing further.
    LeaseLost,
}

/// Asks a training to return early. Cheap to look at between batches.
#[derive(Debug, Default)]
pub struct Interrupt {
    set: AtomicBool,
    reason: Mutex<Option<StopReason>>,
}

impl Interrupt {
    /// Whether the training should return.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// The flag itself, for a training that takes one.
    pub fn flag(&self) -> &AtomicBool {
        &self.set
    }

    /// Asks, for a reason.
    pub fn set(&self, reason: StopReason) {
        let mut current = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
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
    pub fn reason(&self) -> Option<StopReason> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_reason_stands() {
        let interrupt = Interrupt::default();
        assert_eq!((interrupt.is_set(), interrupt.reason()), (false, None));
        for (set, stands) in [
            (StopReason::Decided, StopReason::Decided),
            (StopReason::Grace, StopReason::Decided),
            (StopReason::LeaseLost, StopReason::LeaseLost),
            (StopReason::Cancelled, StopReason::LeaseLost),
        ] {
            interrupt.set(set);
            assert_eq!(interrupt.reason(), Some(stands), "after {set:?}");
        }
    }
}
