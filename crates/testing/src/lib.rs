//! Databases and servers for tests and benchmarks: a [`TestDatabase`] is cheap and lies on a server that all share, a
//! [`Postgres`] is a durable server of one test's own, a [`Pair`] two of them of which one follows the other, a
//! [`SmallDisk`] a file system that is soon full.

mod database;
mod pair;
mod postgres;
mod small_disk;

pub use database::{TestDatabase, server};
pub use pair::Pair;
pub use postgres::Postgres;
pub use small_disk::SmallDisk;
