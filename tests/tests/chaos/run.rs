//! How long a run takes, and what it draws.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// A run of chaos.
pub struct Run {
    pub minutes: f64,
    pub draw: ChaCha8Rng,
}

impl Run {
    /// As the environment says, else one minute of another seed each time.
    pub fn begin() -> Self {
        let minutes = setting("PENG_CHAOS_MINUTES").unwrap_or(1.0);
        let seed = setting("PENG_CHAOS_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
        eprintln!("PENG_CHAOS_SEED={seed} PENG_CHAOS_MINUTES={minutes}");
        Self { minutes, draw: ChaCha8Rng::seed_from_u64(seed) }
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`: expected a number")))
}
