use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{Block, Dense, Pool, PoolKind, RandomCnn};
use crate::limits::Limits;
use crate::number::{TRIES, between, choose, log_uniform, uniform};
use crate::{GenomeError, Input, SettingError};

/// Limits of the `random-cnn` space. Pairs are the lowest and the highest value, lists are the choices.
///
/// With the defaults a network of 28 by 28 grey images trains at about a thousand images a second and more on one
/// CPU core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCnnSpace {
    /// Number of convolution blocks.
    pub blocks: [u32; 2],
    /// Filters of a convolution.
    pub filters: Vec<u32>,
    /// Sides of a kernel.
    pub kernels: Vec<u32>,
    /// Steps of a kernel.
    pub strides: Vec<u32>,
    /// Sides of a pool's window; empty for no pools. About half of the blocks have one, with a step of 2.
    pub pools: Vec<u32>,
    /// Whether a block may have, must have or must not have a batch normalisation.
    pub batch_norm: Vec<bool>,
    /// Number of hidden fully connected layers.
    pub dense: [u32; 2],
    /// Outputs of a hidden fully connected layer.
    pub units: Vec<u32>,
    /// Dropout behind a hidden fully connected layer, uniform with two decimals.
    pub dropout: [f64; 2],
    /// Images in a step.
    pub batch_size: Vec<u32>,
    /// Learning rate, uniform in the logarithm.
    pub learning_rate: [f64; 2],
    /// Momentum, uniform with two decimals.
    pub momentum: [f64; 2],
    /// Weight decay, uniform in the logarithm; a range that starts at 0 gives 0 for one network in ten.
    pub weight_decay: [f64; 2],
    /// Most parameters of a network.
    pub max_parameters: u64,
    /// Most FLOPs of a network, for one image forward.
    pub max_flops: u64,
}

impl Default for RandomCnnSpace {
    fn default() -> Self {
        Self {
            blocks: [1, 5],
            filters: vec![8, 16, 24, 32, 48, 64],
            kernels: vec![1, 3, 5, 7],
            strides: vec![1, 2],
            pools: vec![2, 3],
            batch_norm: vec![false, true],
            dense: [0, 2],
            units: vec![32, 64, 128, 256],
            dropout: [0.0, 0.6],
            batch_size: vec![32, 64, 128, 256],
            learning_rate: [1e-3, 0.1],
            momentum: [0.0, 0.99],
            weight_decay: [1e-6, 1e-2],
            max_parameters: 500_000,
            max_flops: 4_000_000,
        }
    }
}

impl RandomCnnSpace {
    /// Ok if every key has a possible value.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let count = |key, [low, high]: [u32; 2], least| {
            let good = least <= low && low <= high && high <= 64;
            SettingError::unless(
                good,
                key,
                &[low, high],
                &format!("[fewest, most] with {least} <= fewest <= most <= 64"),
            )
        };
        let list = |key, values: &[u32], most, may_be_empty: bool| {
            let good = (may_be_empty || !values.is_empty()) && values.iter().all(|v| (1..=most).contains(v));
            let least = if may_be_empty {
                "numbers"
            } else {
                "at least one number"
            };
            SettingError::unless(good, key, &values, &format!("{least} from 1 to {most}"))
        };
        let range = |key, [low, high]: [f64; 2], good, allowed| {
            SettingError::unless(good && low <= high, key, &[low, high], allowed)
        };
        count("space.blocks", self.blocks, 1)?;
        list("space.filters", &self.filters, 65_536, false)?;
        list("space.kernels", &self.kernels, 1024, false)?;
        list("space.strides", &self.strides, 1024, false)?;
        list("space.pools", &self.pools, 1024, true)?;
        SettingError::unless(
            !self.batch_norm.is_empty(),
            "space.batch_norm",
            &self.batch_norm,
            "[true], [false] or both",
        )?;
        count("space.dense", self.dense, 0)?;
        list("space.units", &self.units, 1 << 20, false)?;
        list("space.batch_size", &self.batch_size, 1 << 20, false)?;
        let share = |[low, high]: [f64; 2]| low >= 0.0 && high < 1.0;
        range(
            "space.dropout",
            self.dropout,
            share(self.dropout),
            "[lowest, highest] in [0, 1)",
        )?;
        range(
            "space.momentum",
            self.momentum,
            share(self.momentum),
            "[lowest, highest] in [0, 1)",
        )?;
        let [low, high] = self.learning_rate;
        range(
            "space.learning_rate",
            [low, high],
            low > 0.0 && high <= 100.0,
            "0 < lowest <= highest <= 100",
        )?;
        let [low, high] = self.weight_decay;
        range(
            "space.weight_decay",
            [low, high],
            low >= 0.0 && high <= 1.0,
            "0 <= lowest <= highest <= 1",
        )
    }

    /// Ok if `genome` is a network for `input` within all limits.
    pub(crate) fn contains(&self, genome: &RandomCnn, input: Input) -> Result<(), GenomeError> {
        let cost = genome.plan(input)?.cost();
        self.genes_contain(genome)?;
        Limits {
            parameters: Some(self.max_parameters),
            flops: Some(self.max_flops),
        }
        .check(cost)
    }

    /// Ok if each gene is one that the space may draw.
    fn genes_contain(&self, genome: &RandomCnn) -> Result<(), GenomeError> {
        let one_of = |gene: String, value: u32, choices: &[u32]| {
            let error = || GenomeError::gene(gene.clone(), &value, format!("one of {choices:?}"));
            choices.contains(&value).then_some(()).ok_or_else(error)
        };
        let within = |gene: String, value: f64, [low, high]: [f64; 2]| {
            let error = || GenomeError::gene(gene.clone(), &value, format!("{low} to {high}"));
            (low <= value && value <= high).then_some(()).ok_or_else(error)
        };
        let count = |gene: &str, n: usize, [low, high]: [u32; 2]| {
            within(
                format!("number of {gene}"),
                n as f64,
                [f64::from(low), f64::from(high)],
            )
        };
        count("blocks", genome.blocks.len(), self.blocks)?;
        count("dense", genome.dense.len(), self.dense)?;
        for (i, block) in genome.blocks.iter().enumerate() {
            one_of(format!("blocks[{i}].filters"), block.filters, &self.filters)?;
            one_of(format!("blocks[{i}].kernel"), block.kernel, &self.kernels)?;
            one_of(format!("blocks[{i}].stride"), block.stride, &self.strides)?;
            if let Some(pool) = block.pool {
                one_of(format!("blocks[{i}].pool.kernel"), pool.kernel, &self.pools)?;
            }
            if !self.batch_norm.contains(&block.batch_norm) {
                let allowed = format!("one of {:?}", self.batch_norm);
                return Err(GenomeError::gene(
                    format!("blocks[{i}].batch_norm"),
                    &block.batch_norm,
                    allowed,
                ));
            }
        }
        for (i, dense) in genome.dense.iter().enumerate() {
            one_of(format!("dense[{i}].units"), dense.units, &self.units)?;
            within(format!("dense[{i}].dropout"), dense.dropout, self.dropout)?;
        }
        one_of("batch_size".into(), genome.batch_size, &self.batch_size)?;
        within("learning_rate".into(), genome.learning_rate, self.learning_rate)?;
        within("momentum".into(), genome.momentum, self.momentum)?;
        within("weight_decay".into(), genome.weight_decay, self.weight_decay)
    }

    /// A network that fits `input` if any does: the narrowest blocks, with the largest steps, with and without a pool,
    /// as few as the limits on its size allow. The error is that of the smallest one.
    pub(crate) fn smallest(&self, input: Input) -> Result<RandomCnn, GenomeError> {
        let pool = self.pools.first().map(|&kernel| Pool {
            kind: PoolKind::Max,
            kernel,
            stride: 2,
        });
        let mut last = None;
        for blocks in self.blocks[0]..=self.blocks[1] {
            for pool in [None, pool] {
                let genome = self.narrow(blocks as usize, pool);
                match self.contains(&genome, input) {
                    Ok(()) => return Ok(genome),
                    Err(error) => {
                        last = last
                            .filter(|e| matches!(e, GenomeError::Limit { .. }))
                            .or(Some(error));
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
        let dense = Dense {
            units: least(&self.units),
            dropout: self.dropout[0],
        };
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
        self.smallest(input)
            .unwrap_or_else(|_| self.narrow(self.blocks[0] as usize, None))
    }

    fn draw(&self, input: Input, rng: &mut impl Rng) -> RandomCnn {
        let mut side = input.height.min(input.width);
        let blocks = between(self.blocks, rng);
        let blocks = (0..blocks).map(|_| self.block(&mut side, rng)).collect();
        let dense = (0..between(self.dense, rng))
            .map(|_| self.dense_layer(rng))
            .collect();
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
        let fitting: Vec<u32> = self
            .kernels
            .iter()
            .copied()
            .filter(|k| k / 2 * 2 + *side >= *k)
            .collect();
        let kernel = choose(
            if fitting.is_empty() {
                &self.kernels
            } else {
                &fitting
            },
            rng,
        );
        let least = kernel.saturating_sub(*side).div_ceil(2).min(kernel / 2);
        let padding = between([least, kernel / 2], rng);
        let stride = choose(&self.strides, rng);
        *side = ((*side + 2 * padding).saturating_sub(kernel)) / stride + 1;
        let pool = self.pool(*side, rng);
        if let Some(pool) = pool {
            *side = (*side - pool.kernel) / pool.stride + 1;
        }
        let batch_norm = choose(&self.batch_norm, rng);
        Block {
            filters: choose(&self.filters, rng),
            kernel,
            stride,
            padding,
            batch_norm,
            pool,
        }
    }

    /// No pool half of the time, else one that fits a map of `side`.
    pub(super) fn pool(&self, side: u32, rng: &mut impl Rng) -> Option<Pool> {
        let fitting: Vec<u32> = self.pools.iter().copied().filter(|&k| k <= side).collect();
        if rng.random_bool(0.5) || fitting.is_empty() {
            return None;
        }
        let kind = choose(&[PoolKind::Max, PoolKind::Average], rng);
        let kernel = choose(&fitting, rng);
        Some(Pool {
            kind,
            kernel,
            stride: 2,
        })
    }

    pub(super) fn dense_layer(&self, rng: &mut impl Rng) -> Dense {
        Dense {
            units: choose(&self.units, rng),
            dropout: uniform(self.dropout, rng),
        }
    }
}
