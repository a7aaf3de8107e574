//! What all parts of peng speak of, and nothing else.

mod checkpoint;
mod error;
mod fault;
mod home;
mod id;
mod lease;
mod log_interval;
mod name;
mod text;
mod text_reader;

pub use checkpoint::{Checkpoint, CheckpointKey, NewCheckpoint, NoCheckpointKey, StoreMarker};
pub use error::chain;
pub use fault::Owner;
pub use home::default_home;
pub use id::{Fence, JobId, Ordinal, SearchId};
pub use lease::Lease;
pub use log_interval::OnceAMinute;
pub use name::{NAMES, is_name};
pub use text::{for_people, uri_component};
pub use text_reader::TextReader;
