//! A search: its specification, what it proposes, and the judge that applies its predictor to live or stored curves.

mod judge;
mod population;
mod proposal;
mod proposal_error;
mod spec;
mod spec_error;
mod thaw;

pub use judge::{Judge, JudgeError, curve_of};
pub use population::Populations;
pub use proposal::{add, first_jobs, propose, submit};
pub use proposal_error::ProposalError;
pub use spec::{Budget, Scheduling, Spec};
pub use spec_error::SpecError;
pub use thaw::FrozenJobs;
