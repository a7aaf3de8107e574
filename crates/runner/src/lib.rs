//! The life of a worker: claim, train, checkpoint, record, decide, renew, drain.
//!
//! One process holds a handful of threads. Each slot claims jobs and trains them through a [`Trainer`]; while it trains
//! the next interval, its recorder makes the last one durable and asks the judge. The heartbeat renews all leases of the
//! process on a session of its own, and does the maintenance that one worker does for all. The supervisor, on the main thread,
//! watches signals, leases and trainings, by its own clock.
//!
//! Files point downwards only: supervisor, slot, ending, attempt, context, lease.

mod attempt;
mod breaker;
mod context;
mod ending;
mod entrance;
mod exit;
mod goodbye;
mod heartbeat;
mod interrupt;
mod known_search;
mod lease;
mod log;
mod maintenance;
mod metrics;
mod metrics_server;
mod notifier;
mod options;
mod scratch;
mod signals;
mod slot;
mod supervisor;
mod thaw;
mod trainer;
mod unsupported;
mod wakeup;

pub use interrupt::{Interrupt, StopReason};
pub use log::init_logs;
pub use options::{OnDbLost, Options, PreemptSignal};
pub use signals::leave_signals;
pub use supervisor::{ExitStatus, run};
pub use trainer::{Advance, Backend, Measurement, Order, TrainError, Trainer};
