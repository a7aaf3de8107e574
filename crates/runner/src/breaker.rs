//! Circuit breakers: while what a worker needs is broken it claims no job, but for one trial after each pause.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{JobId, OnceAMinute};
use tracing::{info, warn};

/// Different jobs in a row that fail before their first interval, and whose fault nobody knows, are the host's.
const EARLY_FAILURES: usize = 3;

/// Whether work may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The breaker is closed.
    Closed,
    /// The pause is over: one trial may begin, whose end is to be told.
    Trial,
    /// Not now.
    Refused,
}

/// One circuit breaker. A trip opens it for a pause that doubles with each trip, with jitter; a trial that succeeds closes it.
#[derive(Debug)]
pub struct Breaker {
    /// What is said while it is open: `this host cannot train`.
    broken: &'static str,
    /// What is said when it closes again: `this host can train again`.
    mended: &'static str,
    /// Pauses between two trials: the first, and the longest.
    pauses: (Duration, Duration),
    /// Of all breakers of its kind: a sentence a minute is enough for them together.
    said: Arc<Mutex<OnceAMinute>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// Jobs that failed early since something last worked, each once.
    early: Vec<JobId>,
}

#[derive(Debug)]
struct Open {
    cause: String,
    trips: u32,
    until: Instant,
    on_trial: bool,
}

impl Breaker {
    /// A closed breaker with its first and its longest pause.
    pub fn new(broken: &'static str, mended: &'static str, pauses: (Duration, Duration)) -> Self {
        Self { broken, mended, pauses, said: Arc::default(), state: Mutex::default() }
    }

    /// Another one of its kind, closed, which says the same no more often.
    pub fn sibling(&self) -> Self {
        Self { said: Arc::clone(&self.said), ..Self::new(self.broken, self.mended, self.pauses) }
    }

    /// Asks to begin.
    pub fn admit(&self) -> Admission {
        match &mut self.state().open {
            None => Admission::Closed,
            Some(open) if !open.on_trial && Instant::now() >= open.until => {
                open.on_trial = true;
                Admission::Trial
            }
            Some(_) => Admission::Refused,
        }
    }

    /// Ends a trial that showed nothing, such as one that found no job.
    pub fn give_up_trial(&self) {
        if let Some(open) = &mut self.state().open {
            open.on_trial = false;
        }
    }

    /// Something works: closes the breaker, and forgets early failures.
    pub fn close(&self) {
        let mut state = self.state();
        state.early.clear();
        if state.open.take().is_some() {
            *self.said() = OnceAMinute::default();
            info!("{}: claiming jobs again", self.mended);
        }
    }

    /// Opens the breaker, for longer than the time before; returns how often that has happened since something last worked.
    /// Says once a minute why.
    pub fn trip(&self, cause: &str) -> u32 {
        let mut state = self.state();
        let trips = state.open.as_ref().map_or(0, |open| open.trips) + 1;
        let pause = self.pauses.0.saturating_mul(1 << (trips - 1).min(20)).min(self.pauses.1);
        let pause = pause.mul_f64(rand::random_range(0.75..1.25));
        let until = Instant::now() + pause;
        state.open = Some(Open { cause: cause.to_owned(), trips, until, on_trial: false });
        if self.said().is_due() {
            warn!("{}, claiming no job for {:.1} s: {cause}", self.broken, pause.as_secs_f64());
        }
        trips
    }

    /// Notes that a job failed before its first interval and nobody knows whose fault that is. The third one in a row, of
    /// different jobs, trips the breaker; returns what [`Self::trip`] does.
    pub fn note_early_failure(&self, job: JobId, cause: &str) -> Option<u32> {
        let mut state = self.state();
        if !state.early.contains(&job) {
            state.early.push(job);
        }
        let is_enough = state.early.len() >= EARLY_FAILURES;
        drop(state);
        is_enough.then(|| {
            self.trip(&format!(
                "{EARLY_FAILURES} jobs in a row failed before their first interval, the last one with: {cause}"
            ))
        })
    }

    /// Why it is open, if it is.
    pub fn cause(&self) -> Option<String> {
        self.state().open.as_ref().map(|open| open.cause.clone())
    }

    fn said(&self) -> MutexGuard<'_, OnceAMinute> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: (Duration, Duration) = (Duration::ZERO, Duration::ZERO);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_open_breaker_admits_one_trial_after_its_pause() {
        let breaker = Breaker::new("broken", "mended", (HOUR, HOUR));
        assert_eq!(breaker.admit(), Admission::Closed);
        assert_eq!(breaker.trip("no data"), 1);
        assert_eq!(breaker.admit(), Admission::Refused, "its pause has just begun");
        assert_eq!(breaker.cause().as_deref(), Some("no data"));

        let breaker = Breaker::new("broken", "mended", NO_TIME);
        breaker.trip("no data");
        assert_eq!([breaker.admit(), breaker.admit()], [Admission::Trial, Admission::Refused]);
        breaker.give_up_trial();
        assert_eq!(breaker.admit(), Admission::Trial);
        assert_eq!(breaker.trip("no data"), 2, "the trial failed");
        assert_eq!(breaker.admit(), Admission::Trial);
        breaker.close();
        assert_eq!((breaker.admit(), breaker.cause()), (Admission::Closed, None));
        assert_eq!(breaker.trip("no data"), 1, "counted anew");
    }

    #[test]
    fn three_different_jobs_that_fail_early_are_the_hosts_fault() {
        let breaker = Breaker::new("broken", "mended", NO_TIME);
        for (job, tripped, why) in [
            (1, None, "one"),
            (1, None, "the same job again is no further evidence"),
            (2, None, "two"),
            (3, Some(1), "three"),
        ] {
            assert_eq!(breaker.note_early_failure(JobId(job), "killed"), tripped, "{why}");
        }
        breaker.close();
        for job in [4, 5] {
            assert_eq!(breaker.note_early_failure(JobId(job), "killed"), None);
            breaker.close(); // An interval was measured in between.
        }
        assert_eq!(breaker.note_early_failure(JobId(6), "killed"), None, "not in a row");
    }
}
