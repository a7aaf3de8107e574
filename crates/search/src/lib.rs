//! A search: its specification, what it proposes, and the judge that applies its predictor to live or stored curves.

mod judge;
mod proposal;
mod spec;
mod spec_error;
mod thaw;

pub use judge::{Judge, JudgeError, curve_of};
pub use proposal::{ProposalError, add, first_jobs, propose, submit};
pub use spec::{Budget, Spec};
pub use spec_error::SpecError;
pub use thaw::FrozenJobs;
