//! Signals that ask the process to leave.

use std::{
    fs,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context as _;
use signal_hook::{
    consts::{SIGHUP, SIGUSR1, SIGUSR2, TERM_SIGNALS},
    flag,
};

use crate::PreemptSignal;

/// Signals that ask a worker to leave: those that end a program, and SIGHUP where its terminal or its ssh may end first, unless
/// `nohup` has it ignored.
pub fn leave_signals() -> Vec<i32> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    TERM_SIGNALS.iter().copied().chain(hangup).collect()
}

/// Whether whoever started this process lets it ignore a signal. Where the system does not say, no.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Sets `caught` at the first signal that asks to leave; the second one ends the process at once. A SIGHUP is never counted as
/// one of the two: a terminal that breaks sends several.
///
/// # Errors
/// A signal that cannot be caught.
pub fn catch(caught: &Arc<AtomicBool>, preempt: Option<PreemptSignal>) -> anyhow::Result<()> {
    let preempt = preempt.map(|signal| match signal {
        PreemptSignal::Usr1 => SIGUSR1,
        PreemptSignal::Usr2 => SIGUSR2,
    });
    let armed = Arc::new(AtomicBool::new(false));
    for signal in leave_signals().into_iter().chain(preempt) {
        let leave = || flag::register(signal, Arc::clone(caught));
        let caught = if signal == SIGHUP {
            leave()
        } else {
            // Armed by the first signal, so that the second one ends the process.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&armed))
                .and_then(|_| flag::register(signal, Arc::clone(&armed)))
                .and_then(|_| leave())
        };
        caught.with_context(|| format!("cannot catch signal {signal}"))?;
    }
    Ok(())
}
