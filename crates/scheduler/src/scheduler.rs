//! What every scheduler answers.

use predictor::{CurveError, Prediction, SnapshotError};

use crate::Ledger;

/// What becomes of a training after an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Train on.
    Continue,
    /// Set the training aside at its checkpoint; it may be taken up again.
    Freeze,
    /// End it: nothing worth its price would be learned by training on.
    Stop,
}

/// A decision, what it rests on, and why, for the person who reads the job's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What becomes of the training.
    pub decision: Decision,
    /// Where the curve is expected to end; none where nothing is known yet.
    pub prediction: Option<Prediction>,
    /// Why.
    pub reason: String,
}

/// What a free slot does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Starts a job that was never claimed.
    Start,
    /// Takes up this frozen job.
    Resume(i64),
    /// Nothing now; what runs may change that.
    Wait,
    /// Nothing more: whatever is frozen stays so, and is stopped for good.
    Done,
}

/// Why a scheduler cannot answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SchedulerError {
    /// It was asked about a job that was never started.
    #[error("job {0} was never started")]
    Unknown(i64),
    /// A curve that an engine does not take.
    #[error(transparent)]
    Curve(#[from] CurveError),
}

/// Who trains next. Every answer follows from the ledger and from what was learned before, in the order of the calls.
pub trait Scheduler: Send {
    /// Takes in what has become of a job: its state or its curve in the ledger is another one now.
    ///
    /// # Errors
    /// [`SchedulerError`]; nothing was then learned.
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError>;

    /// Whether a running job trains on, after an observation that is in the ledger. Not asked at the last epoch. Where it cannot
    /// be taken up again, since it has no checkpoint, it must not be frozen: what is decided is final.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn decide(&mut self, ledger: &Ledger, job: i64, may_freeze: bool) -> Result<Verdict, SchedulerError>;

    /// What a free slot does.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError>;

    /// Whether it has to know the curves of jobs that others train now.
    fn watches_running(&self) -> bool {
        false
    }

    /// How many of the first jobs it has to know at present ([`Ledger::set_first`]).
    fn first_jobs(&self) -> usize {
        0
    }

    /// Whether a frozen job may go before a new one, so that it has to be asked before each start. Else a job that waits is
    /// started without asking, and [`Self::next`] says so.
    fn promotes_first(&self) -> bool {
        false
    }

    /// Whether it ever freezes a job.
    fn freezes(&self) -> bool {
        false
    }

    /// What was learned of the jobs in the ledger, for [`Self::restore`]; none where learning it anew costs little.
    ///
    /// # Errors
    /// If memory for it cannot be had.
    fn state(&self) -> Result<Option<Vec<u8>>, SnapshotError> {
        Ok(None)
    }

    /// Takes over what a scheduler of the same settings had learned.
    ///
    /// # Errors
    /// If that is damaged, or of another kind; nothing is then taken over.
    fn restore(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        Err(SnapshotError::Foreign { bytes: state.len() })
    }

    /// Where a job that is not completed is expected to end, by what is known now. By default its last accuracy.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn estimate(&self, ledger: &Ledger, job: i64) -> Result<Option<Prediction>, SchedulerError> {
        let job = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        Ok(job.last().map(Prediction::point))
    }
}
