//! Mutation and crossover of `random-cnn` genomes.

use rand::{Rng, RngExt};

use super::{RandomCnn, RandomCnnSpace};
use crate::number::{TRIES, between, choose, log_uniform, uniform};
use crate::{Genome, Input};

impl RandomCnnSpace {
    /// `genome` with one gene changed, or one block or fully connected layer more or less.
    pub(crate) fn mutate(&self, genome: &RandomCnn, input: Input, rng: &mut impl Rng) -> RandomCnn {
        let parent = Genome::RandomCnn(genome.clone()).hash();
        for _ in 0..TRIES {
            let mut child = genome.clone();
            match rng.random_range(0..4) {
                0 => self.change_block(&mut child, input, rng),
                1 => self.change_number_of_blocks(&mut child, input, rng),
                2 => self.change_dense(&mut child, rng),
                _ => self.change_training(&mut child, rng),
            }
            if self.contains(&child, input).is_ok() && Genome::RandomCnn(child.clone()).hash() != parent {
                return child;
            }
        }
        self.sample(input, rng)
    }

    fn change_block(&self, child: &mut RandomCnn, input: Input, rng: &mut impl Rng) {
        let index = rng.random_range(0..child.blocks.len() as u32) as usize;
        let block = &mut child.blocks[index];
        match rng.random_range(0..6) {
            0 => block.filters = choose(&self.filters, rng),
            1 => {
                block.kernel = choose(&self.kernels, rng);
                block.padding = block.padding.min(block.kernel / 2);
            }
            2 => block.stride = choose(&self.strides, rng),
            3 => block.padding = between([0, block.kernel / 2], rng),
            4 => block.batch_norm = choose(&self.batch_norm, rng),
            _ => block.pool = self.pool(input.height.min(input.width), rng),
        }
    }

    fn change_number_of_blocks(&self, child: &mut RandomCnn, input: Input, rng: &mut impl Rng) {
        let blocks = child.blocks.len() as u32;
        if rng.random_bool(0.5) {
            let mut side = input.height.min(input.width);
            let block = self.block(&mut side, rng);
            child.blocks.insert(between([0, blocks], rng) as usize, block);
        } else {
            child.blocks.remove(rng.random_range(0..blocks) as usize);
        }
    }

    fn change_dense(&self, child: &mut RandomCnn, rng: &mut impl Rng) {
        let layers = child.dense.len() as u32;
        let add = rng.random_range(0..3) == 0;
        if add || layers == 0 {
            child.dense.insert(between([0, layers], rng) as usize, self.dense_layer(rng));
            return;
        }
        let index = rng.random_range(0..layers) as usize;
        match rng.random_range(0..3) {
            0 => drop(child.dense.remove(index)),
            1 => child.dense[index].units = choose(&self.units, rng),
            _ => child.dense[index].dropout = uniform(self.dropout, rng),
        }
    }

    fn change_training(&self, child: &mut RandomCnn, rng: &mut impl Rng) {
        match rng.random_range(0..4) {
            0 => child.batch_size = choose(&self.batch_size, rng),
            1 => child.learning_rate = log_uniform(self.learning_rate, rng),
            2 => child.momentum = uniform(self.momentum, rng),
            _ => child.weight_decay = log_uniform(self.weight_decay, rng),
        }
    }

    /// The first blocks of one parent and the last of the other (one-point crossover), the fully connected layers of
    /// either, each hyper-parameter of either.
    pub(crate) fn crossover(
        &self,
        a: &RandomCnn,
        b: &RandomCnn,
        input: Input,
        rng: &mut impl Rng,
    ) -> RandomCnn {
        for _ in 0..TRIES {
            let head = between([0, a.blocks.len() as u32], rng) as usize;
            let tail = between([0, b.blocks.len() as u32], rng) as usize;
            let mut pick = || if rng.random_bool(0.5) { a } else { b };
            let child = RandomCnn {
                blocks: [&a.blocks[..head], &b.blocks[tail..]].concat(),
                dense: pick().dense.clone(),
                batch_size: pick().batch_size,
                learning_rate: pick().learning_rate,
                momentum: pick().momentum,
                weight_decay: pick().weight_decay,
            };
            if self.contains(&child, input).is_ok() {
                return child;
            }
        }
        if self.contains(a, input).is_ok() { a.clone() } else { self.sample(input, rng) }
    }
}
