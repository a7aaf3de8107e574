use std::fmt::{Debug, Display};

use serde::{Deserialize, Serialize};

use super::{Block, Pool, RandomCnn};
use crate::limits::Limits;
use crate::{GenomeError, Input, SettingError};

/// Step of every pool that the space draws.
pub(super) const POOL_STRIDE: u32 = 2;

/// Limits of the `random-cnn` space. Pairs are the lowest and the highest value, lists are the choices.
///
/// With the defaults, samples for 28 by 28 grey images trained at 840 to 20,000 images a second on one core of a
/// shared server, half of them at more than 4,900.
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
            self.block_contains(i, block)?;
        }
        for (i, dense) in genome.dense.iter().enumerate() {
            one_of(format!("dense[{i}].units"), dense.units, &self.units)?;
            within(format!("dense[{i}].dropout"), dense.dropout, self.dropout)?;
        }
        one_of("batch_size", genome.batch_size, &self.batch_size)?;
        within("learning_rate", genome.learning_rate, self.learning_rate)?;
        within("momentum", genome.momentum, self.momentum)?;
        within("weight_decay", genome.weight_decay, self.weight_decay)
    }

    fn block_contains(&self, i: usize, block: &Block) -> Result<(), GenomeError> {
        one_of(format!("blocks[{i}].filters"), block.filters, &self.filters)?;
        one_of(format!("blocks[{i}].kernel"), block.kernel, &self.kernels)?;
        one_of(format!("blocks[{i}].stride"), block.stride, &self.strides)?;
        one_of(
            format!("blocks[{i}].batch_norm"),
            block.batch_norm,
            &self.batch_norm,
        )?;
        if let Some(Pool { kernel, stride, .. }) = block.pool {
            one_of(format!("blocks[{i}].pool.kernel"), kernel, &self.pools)?;
            one_of(format!("blocks[{i}].pool.stride"), stride, &[POOL_STRIDE])?;
        }
        Ok(())
    }
}

/// Ok if `value` is one of `choices`.
fn one_of<T: Copy + PartialEq + Display + Debug>(
    gene: impl Into<String>,
    value: T,
    choices: &[T],
) -> Result<(), GenomeError> {
    if choices.contains(&value) {
        return Ok(());
    }
    Err(GenomeError::gene(gene, &value, format!("one of {choices:?}")))
}

/// Ok if `value` is in the range, ends included.
fn within(gene: impl Into<String>, value: f64, [low, high]: [f64; 2]) -> Result<(), GenomeError> {
    if low <= value && value <= high {
        return Ok(());
    }
    Err(GenomeError::gene(gene, &value, format!("{low} to {high}")))
}
