//! The figures of a run.

use std::fmt;

/// How a run ended.
pub struct Ended {
    pub jobs: u32,
    /// Results that were there when the chaos was over.
    pub when_over: i64,
    /// Attempts that were taken from their workers.
    pub lost: i64,
    /// Attempts that their workers dropped since another one has the job.
    pub woken: usize,
    /// Lines about a full disk.
    pub full: usize,
    /// Attempts on hosts that cannot train.
    pub refused: usize,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs, when_over, lost, woken, refused, full } = self;
        write!(
            f,
            "{when_over} of {jobs} jobs had ended when it was over; {lost} attempts were lost, {woken} of all dropped by \
             workers that came back too late; hosts that cannot train left {refused} attempts to others; {full} times \
             a worker said that the disk was full"
        )
    }
}
