//! How often the same is said.

use std::time::{Duration, Instant};

/// When to say again what has been said already: once a minute.
#[derive(Debug, Default)]
pub struct OnceAMinute(Option<Instant>);

impl OnceAMinute {
    /// Whether to say it now; the minute begins if so.
    pub fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|at| at.elapsed() >= Duration::from_secs(60));
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}
