//! Says which training goes on, which is set aside, and which is taken up next.
//!
//! A [`Scheduler`] is asked after each observation whether a training continues, is frozen (set aside at its checkpoint,
//! without an ending) or is stopped for good, and for each free slot whether a new job is started or a frozen one is taken
//! up. "Freeze" and "thaw" are the words of Swersky, Snoek and Adams (arXiv 1406.3896). There is no database, no clock and no
//! random number here: the same events give the same answers, in a live search as in a [`simulation`].
//!
//! | scheduler | source |
//! | --- | --- |
//! | [`Best`] | engine `peng`: freezes what is unlikely to be among the best, and takes up the likeliest |
//! | [`Asha`] | engines `asha` and `asha-promotion`: asynchronous successive halving, promotion and stopping variants (arXiv 1810.05934) |
//! | [`Hyperband`] | engine `hyperband`: several brackets of it (arXiv 1603.06560) |
//! | [`Single`] | each training by its own curve, as the engine says: `penguin-*`, `median`, `menndl`, `last`, `none` |
//!
//! `docs/closed-loop.md` says what writing another one takes.

mod asha;
mod best;
mod choice;
mod hyperband;
mod ledger;
mod play;
mod rungs;
mod scheduler;
pub mod simulation;
mod single;

pub use asha::{Asha, Variant};
pub use best::{Best, RESTART};
pub use choice::of;
pub use hyperband::Hyperband;
pub use ledger::{Job, Ledger, LedgerError, State};
pub use predictor::Prefer;
pub use scheduler::{Decision, Next, Scheduler, SchedulerError, Verdict};
pub use single::Single;
