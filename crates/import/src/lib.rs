//! Learning curves from elsewhere, stored as a finished search, so that engines are replayed on them and reports made.

mod fault;
mod file;
mod import;
mod network;
mod request;
mod sheet;

pub use fault::{Fault, ImportError};
pub use file::{Curves, Point, Recorded};
pub use import::{Imported, import};
pub use network::Architecture;
pub use request::{Request, Unit};
