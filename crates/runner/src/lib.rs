//! The life of a worker: claim, train, checkpoint, record, decide, renew, drain.
//!
//! One process holds a handful of threads. Each slot claims jobs and trains them through a [`Trainer`]; while it trains
//! the next interval, its recorder makes the last one durable and asks the judge. The keeper renews all leases of the
//! process on a connection of its own and does the maintenance that any worker does for all. The main thread waits
//! for signals and watches how long ago the last renewal was, by its own clock.

mod attempt;
mod bell;
mod gate;
mod hold;
mod keeper;
mod log;
mod metrics;
mod options;
mod recorder;
mod scratch;
mod slot;
mod trainer;
mod worker;

pub use hold::{Interrupt, Reason};
pub use log::init_logs;
pub use options::{OnDbLost, Options, PreemptSignal};
pub use trainer::{Advance, Backend, Measurement, Order, TrainError, Trainer};
pub use worker::{Left, run};
