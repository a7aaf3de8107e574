//! Everything that touches Postgres: the private server, migrations, the queue, leases, curves, results.

pub mod connection;
pub mod migration;
pub mod server;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use connection::{ConnectError, Database};
pub use migration::SchemaError;
pub use server::{Server, ServerError};
