//! A private Postgres server in the user's data directory: on a socket, no open port, no other users.
//!
//! Postgres refuses to run as root. Where root asks for a server it runs as `postgres`, or as `nobody` where that user
//! does not exist, in `/var/lib/peng`, since such a user cannot look into root's home.

mod account;
mod binaries;
mod cluster;
mod error;
mod lock;
mod postmaster;
mod server;
mod socket;
mod version;

pub use account::is_root;
pub use error::ServerError;
pub use server::{Server, Status};
pub use version::OLDEST;
