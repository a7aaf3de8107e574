//! The trainer from outside: whole trainings, checkpoints, networks of every space.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoint;
mod digits;
mod session;
mod spaces;
