//! What all parts of peng speak of, and nothing else.

mod checkpoint;
mod error;
mod home;
mod id;
mod lease;
mod log_interval;

pub use checkpoint::{Checkpoint, CheckpointKey, NewCheckpoint, NoCheckpointKey, StoreMarker};
pub use error::chain;
pub use home::default_home;
pub use id::{Fence, JobId, Ordinal, SearchId};
pub use lease::Lease;
pub use log_interval::OnceAMinute;
