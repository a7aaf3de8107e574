//! Checkpoints: durable before a row points to them, verified when they come back.

mod answer;
mod content;
mod directory;
mod error;
mod location;
mod marker;
mod object;
mod request;
mod signature;
mod store;
mod transfer;

pub use error::{Action, CheckpointError};
pub use object::Object;
pub use store::CheckpointStore;
