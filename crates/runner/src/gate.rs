//! The gate before the queue: no job is claimed whose checkpoints could not be kept.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use checkpoint::{CheckpointError, CheckpointStore};
use domain::{OnceAMinute, chain};
use tracing::{info, warn};

/// For how long a store that took something is trusted to take more. A thousand idle workers write to it as often.
const TRUST: Duration = Duration::from_secs(600);
/// Pauses between two looks at a store that takes nothing: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What is known of the checkpoint store.
#[derive(Debug)]
pub struct Gate(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When it is looked at next.
    due: Instant,
    /// Pause after a look that fails; none while the store is well.
    pause: Option<Duration>,
    said: OnceAMinute,
}

impl Gate {
    /// A store that has just taken something.
    pub fn new() -> Self {
        Self(Mutex::new(State { due: Instant::now() + TRUST, pause: None, said: OnceAMinute::default() }))
    }

    /// The store has failed an attempt: look at it before the next claim.
    pub fn doubt(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).due = Instant::now();
    }

    /// Whether a job may be claimed. Looks at the store when that is due, and says once a minute what is wrong with it.
    pub fn is_open(&self, store: &CheckpointStore, abandoned: &dyn Fn() -> bool) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= state.due {
            state.note(store.probe(abandoned));
        }
        state.pause.is_none()
    }
}

impl State {
    fn note(&mut self, probed: Result<(), CheckpointError>) {
        match probed {
            Ok(()) => {
                if self.pause.take().is_some() {
                    info!("the checkpoint store is back: claiming jobs again");
                }
                self.said = OnceAMinute::default();
                self.due = Instant::now() + TRUST;
            }
            Err(error) => {
                let pause = self.pause.map_or(PAUSES.0, |pause| (pause * 2).min(PAUSES.1));
                self.pause = Some(pause);
                self.due = Instant::now() + pause;
                if self.said.is_due() {
                    warn!("no job is claimed until the checkpoint store takes something: {}", chain(&error));
                }
            }
        }
    }
}
