//! What an attempt works with.

use std::time::Duration;

use checkpoint::CheckpointError;
use domain::chain;
use store::Claim;

use super::AttemptOutcome;
use crate::{
    StopReason, breaker::Breaker, context::WorkerContext, known_search::KnownSearch, lease::HeldLease,
};

/// What an attempt works with.
#[derive(Clone, Copy)]
pub struct AttemptContext<'a> {
    pub worker: &'a WorkerContext,
    /// That of the slot.
    pub breaker: &'a Breaker,
    pub claim: &'a Claim,
    pub held: &'a HeldLease,
    /// That of the job, with what decides in it.
    pub search: &'a KnownSearch,
    /// Evaluation intervals of a full training.
    pub steps: u32,
}

impl AttemptContext<'_> {
    /// Whether there is no use in waiting for the database: the lease may be another's, or the worker has to go.
    pub fn is_hopeless(&self) -> bool {
        let reason = self.held.interrupt.reason();
        reason >= Some(StopReason::LeaseUncertain) || reason == Some(StopReason::Grace)
    }

    /// How the attempt ends whose database was not waited for any longer.
    pub fn given_up(&self) -> AttemptOutcome {
        match self.held.interrupt.reason() {
            Some(StopReason::LeaseUncertain) => AttemptOutcome::LeaseUncertain,
            Some(StopReason::LeaseLost) => AttemptOutcome::LeaseLost,
            // What was not recorded is trained again elsewhere.
            _ => AttemptOutcome::Released,
        }
    }

    /// What others have decided about the attempt goes before how it went.
    pub fn concluded(&self, outcome: AttemptOutcome) -> AttemptOutcome {
        match self.held.interrupt.reason() {
            Some(StopReason::LeaseLost) => AttemptOutcome::LeaseLost,
            Some(StopReason::Cancelled) => AttemptOutcome::Ended(store::job::Outcome::Cancelled, None),
            Some(StopReason::LeaseUncertain)
                if !matches!(
                    outcome,
                    AttemptOutcome::Decided(..) | AttemptOutcome::Frozen(_) | AttemptOutcome::Ended(..)
                ) =>
            {
                AttemptOutcome::LeaseUncertain
            }
            _ => outcome,
        }
    }

    /// How an attempt ends whose checkpoint could not be written or read: a store that takes nothing at all is no fault of the
    /// job, and a local file that cannot be used is the host's.
    pub fn store_failure(&self, error: &CheckpointError) -> AttemptOutcome {
        let cause = chain(error);
        match error {
            CheckpointError::Abandoned { .. } => AttemptOutcome::Released,
            CheckpointError::Io { .. } => AttemptOutcome::HostFault { cause, device_lost: false },
            _ => match self.worker.checkpoints.probe(&|| self.held.interrupt.is_set()) {
                Ok(()) => AttemptOutcome::Crashed { cause, early: false },
                Err(_) => AttemptOutcome::StoreAway(cause),
            },
        }
    }

    /// Whether the worker leaves. A signal for a whole group of processes reaches a program as soon as its worker, so an error
    /// that a signal made waits a moment for that of the worker.
    pub fn is_leaving_soon(&self) -> bool {
        const MOMENT: Duration = Duration::from_secs(1);
        const LOOK: Duration = Duration::from_millis(20);
        let looks = MOMENT.as_millis() / LOOK.as_millis();
        (0..looks).any(|look| {
            if look > 0 {
                std::thread::sleep(LOOK);
            }
            self.worker.is_leaving()
        })
    }
}
