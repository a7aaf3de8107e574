use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What random numbers are for. Each purpose has numbers of its own, which follow from the job's seed alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Weights before the first step.
    Weights,
    /// Order of the images in an epoch, counted from 0.
    Order(u64),
    /// Dropout, dropped paths and augmentation of a batch, counted from 0 over the whole training.
    Batch(u64),
}

/// The generator of a purpose.
pub(crate) fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match purpose {
        Purpose::Weights => 0,
        Purpose::Order(epoch) => 1 << 62 | epoch,
        Purpose::Batch(batch) => 2 << 62 | batch,
    });
    rng
}

/// A number from 0 to `bound - 1`.
pub(crate) fn below(bound: u64, rng: &mut impl Rng) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// The numbers from 0 to `count - 1` in random order (Fisher and Yates).
pub(crate) fn permutation(count: usize, rng: &mut impl Rng) -> Vec<i64> {
    let mut numbers: Vec<i64> = (0..count as i64).collect();
    for i in (1..count).rev() {
        numbers.swap(i, below(i as u64 + 1, rng) as usize);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_independent_and_repeatable() {
        let first = |purpose| generator(7, purpose).next_u64();
        let purposes =
            [Purpose::Weights, Purpose::Order(0), Purpose::Order(1), Purpose::Batch(0), Purpose::Batch(1)];
        let mut numbers: Vec<u64> = purposes.map(first).to_vec();
        assert_eq!(numbers, purposes.map(first));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), purposes.len(), "no two purposes share numbers");
    }

    #[test]
    fn permutations_hold_each_number_once() {
        let order = permutation(1000, &mut generator(1, Purpose::Order(3)));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        let moved = order.iter().enumerate().filter(|&(i, &n)| n != i as i64).count();
        assert!(moved > 980, "{moved} of 1000 were moved");
    }
}
