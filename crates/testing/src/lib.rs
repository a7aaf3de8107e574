//! Databases and servers for tests and benchmarks: a [`TestDatabase`] is cheap and lies on a server that all share, a
//! [`Postgres`] is a durable server of one test's own, a [`Pair`] two of them of which one follows the other, a
//! [`SmallDisk`] a file system that is soon full, a [`Link`] a way to a database on which a client can be frozen.

mod database;
mod link;
mod pair;
mod postgres;
mod small_disk;

pub use database::{TestDatabase, server};
pub use link::Link;
pub use pair::Pair;
pub use postgres::Postgres;
pub use small_disk::SmallDisk;
