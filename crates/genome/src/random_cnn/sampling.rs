//! Samples of the `random-cnn` space.

use rand::{Rng, RngExt};

use super::space::POOL_STRIDE;
use super::{Block, Dense, Pool, PoolKind, RandomCnn, RandomCnnSpace};
use crate::number::{TRIES, between, choose, log_uniform, uniform};
use crate::{GenomeError, Input};

impl RandomCnnSpace {
    /// A network that fits `input` if any does: the narrowest blocks, with the largest steps, with and without a pool,
    /// as few as the limits on its size allow. The error is that of the smallest one.
    pub(crate) fn smallest(&self, input: Input) -> Result<RandomCnn, GenomeError> {
        let pool =
            self.pools.first().map(|&kernel| Pool { kind: PoolKind::Max, kernel, stride: POOL_STRIDE });
        let mut last = None;
        for blocks in self.blocks[0]..=self.blocks[1] {
            for pool in [None, pool] {
                let genome = self.narrow(blocks as usize, pool);
                match self.contains(&genome, input) {
                    Ok(()) => return Ok(genome),
                    Err(error) => {
                        last = last.filter(|e| matches!(e, GenomeError::Limit { .. })).or(Some(error));
                    }
                }
            }
        }
        Err(last.expect("the check of the space has found `blocks` not to be empty"))
    }

    /// A network of `blocks` equal blocks with `pool`, narrow in all else.
    fn narrow(&self, blocks: usize, pool: Option<Pool>) -> RandomCnn {
        let least = |choices: &[u32]| choices.iter().copied().min().unwrap_or(1);
        let kernel = least(&self.kernels);
        let block = Block {
            filters: least(&self.filters),
            kernel,
            stride: self.strides.iter().copied().max().unwrap_or(1),
            padding: kernel / 2,
            batch_norm: self.batch_norm[0],
            pool,
        };
        let dense = Dense { units: least(&self.units), dropout: self.dropout[0] };
        RandomCnn {
            blocks: vec![block; blocks],
            dense: vec![dense; self.dense[0] as usize],
            batch_size: self.batch_size[0],
            learning_rate: self.learning_rate[0],
            momentum: self.momentum[0],
            weight_decay: self.weight_decay[0],
        }
    }

    /// A random network; a narrow one if the limits leave too few to be found by chance.
    pub(crate) fn sample(&self, input: Input, rng: &mut impl Rng) -> RandomCnn {
        for _ in 0..TRIES {
            let genome = self.draw(input, rng);
            if self.contains(&genome, input).is_ok() {
                return genome;
            }
        }
        self.smallest(input).unwrap_or_else(|_| self.narrow(self.blocks[0] as usize, None))
    }

    fn draw(&self, input: Input, rng: &mut impl Rng) -> RandomCnn {
        let mut side = input.height.min(input.width);
        let blocks = between(self.blocks, rng);
        let blocks = (0..blocks).map(|_| self.block(&mut side, rng)).collect();
        let dense = (0..between(self.dense, rng)).map(|_| self.dense_layer(rng)).collect();
        RandomCnn {
            blocks,
            dense,
            batch_size: choose(&self.batch_size, rng),
            learning_rate: log_uniform(self.learning_rate, rng),
            momentum: uniform(self.momentum, rng),
            weight_decay: log_uniform(self.weight_decay, rng),
        }
    }

    /// A block for a map of `side`, which becomes the side of what the block puts out. Kernels and pools that do not
    /// fit are not drawn.
    pub(super) fn block(&self, side: &mut u32, rng: &mut impl Rng) -> Block {
        let fitting: Vec<u32> = self.kernels.iter().copied().filter(|k| k / 2 * 2 + *side >= *k).collect();
        let kernel = choose(if fitting.is_empty() { &self.kernels } else { &fitting }, rng);
        let least = kernel.saturating_sub(*side).div_ceil(2).min(kernel / 2);
        let padding = between([least, kernel / 2], rng);
        let stride = choose(&self.strides, rng);
        *side = ((*side + 2 * padding).saturating_sub(kernel)) / stride + 1;
        let pool = self.pool(*side, rng);
        if let Some(pool) = pool {
            *side = (*side - pool.kernel) / pool.stride + 1;
        }
        let batch_norm = choose(&self.batch_norm, rng);
        Block { filters: choose(&self.filters, rng), kernel, stride, padding, batch_norm, pool }
    }

    /// No pool half of the time, else one that fits a map of `side`.
    pub(super) fn pool(&self, side: u32, rng: &mut impl Rng) -> Option<Pool> {
        let fitting: Vec<u32> = self.pools.iter().copied().filter(|&k| k <= side).collect();
        if rng.random_bool(0.5) || fitting.is_empty() {
            return None;
        }
        let kind = choose(&[PoolKind::Max, PoolKind::Average], rng);
        let kernel = choose(&fitting, rng);
        Some(Pool { kind, kernel, stride: POOL_STRIDE })
    }

    pub(super) fn dense_layer(&self, rng: &mut impl Rng) -> Dense {
        Dense { units: choose(&self.units, rng), dropout: uniform(self.dropout, rng) }
    }
}
