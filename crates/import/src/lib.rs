//! Learning curves from elsewhere: one reader and one validation for every command that takes them, and the import, which stores
//! them as a finished search, so that engines are replayed on them and reports made.

mod columns;
mod fault;
mod file;
mod import;
mod network;
mod point;
mod points;
mod request;
mod row;
mod table;

pub use fault::{Fault, ImportError};
pub use file::{Curves, Recorded};
pub use import::{Imported, check, import, store};
pub use network::Architecture;
pub use point::Point;
pub use points::Points;
pub use request::{Request, Unit};
