//! Draws of genes. All go through integers or are rounded, so that the same generator gives the same genome on every
//! platform.

use rand::{Rng, RngExt};

/// Draws before an operator settles for less than it was asked for.
pub(crate) const TRIES: usize = 500;

/// `value` with `digits` significant decimal digits, so that a genome reads well and survives any JSON parser.
pub(crate) fn round(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().expect("Rust reads the numbers it writes")
}

/// One of `choices`, which the check of the space has found not to be empty.
pub(crate) fn choose<T: Copy>(choices: &[T], rng: &mut impl Rng) -> T {
    choices[rng.random_range(0..choices.len() as u32) as usize]
}

/// Uniform between both ends of `range`, ends included.
pub(crate) fn between([low, high]: [u32; 2], rng: &mut impl Rng) -> u32 {
    rng.random_range(low..=high)
}

/// Uniform in `range`, with two decimals.
pub(crate) fn uniform([low, high]: [f64; 2], rng: &mut impl Rng) -> f64 {
    let value = low + (high - low) * rng.random::<f64>();
    ((value * 100.0).round() / 100.0).clamp(low, high)
}

/// Uniform in the logarithm over `range`, with three significant digits. A range that starts at 0 gives 0 for one
/// draw in ten, else a value within the upper four powers of ten.
pub(crate) fn log_uniform([low, high]: [f64; 2], rng: &mut impl Rng) -> f64 {
    let (zero, share) = (rng.random_range(0..10) == 0, rng.random::<f64>());
    if high <= 0.0 || (low <= 0.0 && zero) {
        return 0.0;
    }
    let floor = if low > 0.0 { low } else { high * 1e-4 };
    round(floor * (high / floor).powf(share), 3).clamp(low, high)
}
