//! Everything that touches Postgres: migrations, the queue, leases, curves, results.
//!
//! Each statement that matters is a commented file in `sql/`, beside the function that runs it. A worker writes only
//! under its [`Lease`]: a write that finds the job taken away writes nothing and says so.

pub mod attempt;
pub mod checkpoint;
mod client;
pub mod connection;
mod conninfo;
pub mod curve;
pub mod finish;
pub mod freeze;
mod identity;
pub mod job;
pub mod lease;
pub mod listen;
pub mod maintenance;
pub mod migration;
pub mod queue;
pub mod retention;
pub mod scheduler_state;
pub mod schema;
pub mod search;
pub mod session;
mod statement;
pub mod worker;

pub use client::ListenError;
pub use connection::{BoundedConnection, ConnectError, Database, Stepwise};
pub use domain::Lease;
pub use identity::{claim_store, identity, known_store};
pub use listen::{Listener, News};
pub use migration::SchemaError;
pub use queue::{Claim, Claimer, Turns};
pub use session::{DbError, Session};
