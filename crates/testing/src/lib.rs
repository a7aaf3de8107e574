//! Databases and servers for tests and benchmarks: a [`TestDatabase`] is cheap and lies on a server that all share, a
//! [`Postgres`] is a durable server of one test's own.

mod database;
mod postgres;

pub use database::{TestDatabase, server};
pub use postgres::Postgres;
