//! A search: its specification, what it proposes, and the scheduler that decides about its jobs.

mod live;
mod population;
mod proposal;
mod proposal_error;
mod spec;
mod spec_error;

pub use live::{LiveError, LiveNext, LiveScheduler, curve_of};
pub use population::Populations;
pub use proposal::{add, first_jobs, propose, submit};
pub use proposal_error::ProposalError;
pub use spec::{Budget, Scheduling, Spec};
pub use spec_error::SpecError;
