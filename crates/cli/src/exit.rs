//! Exit codes.

/// How a command ended, as its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    SomeJobsFailed = 3,
    TimedOut = 4,
}
