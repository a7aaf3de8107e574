//! Who has to answer for an error.

/// Owner of a fault: decides whether a job is failed, sent to another host, or tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The job: it would fail the same way on every host.
    Job,
    /// The host: its files, programs, permissions, devices. Another host may train the same job.
    Host,
    /// Either: only another try can tell.
    Unknown,
}
