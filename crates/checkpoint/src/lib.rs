//! Checkpoints: durable before a row points to them, verified when they come back.

mod error;
mod location;
mod orphan;
mod signature;
mod store;

pub use error::{Action, CheckpointError};
pub use orphan::{Object, Orphan, orphans};
pub use store::CheckpointStore;
