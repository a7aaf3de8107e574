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
        check_count("space.blocks", self.blocks, 1)?;
        check_list("space.filters", &self.filters, 65_536)?;
        check_list("space.kernels", &self.kernels, 1024)?;
        check_list("space.strides", &self.strides, 1024)?;
        let pools = self.pools.iter().all(|n| (1..=1024).contains(n));
        SettingError::unless(pools, "space.pools", &self.pools, "numbers from 1 to 1024")?;
        let norm = &self.batch_norm;
        SettingError::unless(!norm.is_empty(), "space.batch_norm", norm, "[true], [false] or both")?;
        check_count("space.dense", self.dense, 0)?;
        check_list("space.units", &self.units, 1 << 20)?;
        check_list("space.batch_size", &self.batch_size, 1 << 20)?;
        check_share("space.dropout", self.dropout)?;
        check_share("space.momentum", self.momentum)?;
        let rate @ [low, high] = self.learning_rate;
        let good = 0.0 < low && low <= high && high <= 100.0;
        SettingError::unless(good, "space.learning_rate", &rate, "0 < lowest <= highest <= 100")?;
        let decay @ [low, high] = self.weight_decay;
        let good = 0.0 <= low && low <= high && high <= 1.0;
        SettingError::unless(good, "space.weight_decay", &decay, "0 <= lowest <= highest <= 1")
    }

    /// Ok if `genome` is a network for `input` within all limits.
    pub(crate) fn contains(&self, genome: &RandomCnn, input: Input) -> Result<(), GenomeError> {
        let cost = genome.plan(input)?.cost();
        self.genes_contain(genome)?;
        Limits { parameters: Some(self.max_parameters), flops: Some(self.max_flops) }.check(cost)
    }

    /// Ok if each gene is one that the space may draw.
    fn genes_contain(&self, genome: &RandomCnn) -> Result<(), GenomeError> {
        let count = |gene: &str, n: usize, [low, high]: [u32; 2]| {
            within(format!("number of {gene}"), n as f64, [f64::from(low), f64::from(high)])
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
        one_of(format!("blocks[{i}].batch_norm"), block.batch_norm, &self.batch_norm)?;
        if let Some(Pool { kernel, stride, .. }) = block.pool {
            one_of(format!("blocks[{i}].pool.kernel"), kernel, &self.pools)?;
            one_of(format!("blocks[{i}].pool.stride"), stride, &[POOL_STRIDE])?;
        }
        Ok(())
    }
}

fn check_count(key: &str, count: [u32; 2], least: u32) -> Result<(), SettingError> {
    let [low, high] = count;
    let allowed = format!("[fewest, most] with {least} <= fewest <= most <= 64");
    SettingError::unless(least <= low && low <= high && high <= 64, key, &count, &allowed)
}

fn check_list(key: &str, values: &[u32], most: u32) -> Result<(), SettingError> {
    let good = !values.is_empty() && values.iter().all(|n| (1..=most).contains(n));
    SettingError::unless(good, key, &values, &format!("at least one number from 1 to {most}"))
}

fn check_share(key: &str, range: [f64; 2]) -> Result<(), SettingError> {
    let [low, high] = range;
    let good = 0.0 <= low && low <= high && high < 1.0;
    SettingError::unless(good, key, &range, "[lowest, highest] in [0, 1)")
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
