//! Signals that ask the process to leave.

use std::sync::{Arc, atomic::AtomicBool};

use anyhow::Context as _;
use signal_hook::{
    consts::{SIGUSR1, SIGUSR2, TERM_SIGNALS},
    flag,
};

use crate::PreemptSignal;

/// Sets `caught` at the first signal that asks to leave; the second one ends the process at once.
///
/// # Errors
/// A signal that cannot be caught.
pub fn catch(caught: &Arc<AtomicBool>, preempt: Option<PreemptSignal>) -> anyhow::Result<()> {
    let preempt = preempt.map(|signal| match signal {
        PreemptSignal::Usr1 => SIGUSR1,
        PreemptSignal::Usr2 => SIGUSR2,
    });
    for signal in TERM_SIGNALS.iter().chain(&preempt) {
        // Armed by the first signal, so that the second one ends the process.
        flag::register_conditional_shutdown(*signal, 130, Arc::clone(caught))
            .and_then(|_| flag::register(*signal, Arc::clone(caught)))
            .with_context(|| format!("cannot catch signal {signal}"))?;
    }
    Ok(())
}
