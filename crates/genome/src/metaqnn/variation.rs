//! Sampling, mutation and crossover of `metaqnn` genomes.

use rand::{Rng, RngExt};

use super::space::averages;
use super::{Layers, Metaqnn, MetaqnnLayer, MetaqnnSpace};
use crate::number::{TRIES, between, choose};
use crate::{Genome, Input};

impl MetaqnnSpace {
    /// A random network; the smallest one if the limits leave too few to be found by chance.
    pub(crate) fn sample(&self, input: Input, rng: &mut impl Rng) -> Metaqnn {
        for _ in 0..TRIES {
            let genome = self.draw(input, rng);
            if self.contains(&genome, input).is_ok() {
                return genome;
            }
        }
        self.smallest(input).unwrap_or_else(|_| self.draw(input, rng))
    }

    fn draw(&self, input: Input, rng: &mut impl Rng) -> Metaqnn {
        let (count, mut map) = (between(self.layers, rng), input.height.min(input.width));
        let full = if self.full > 0 && rng.random_bool(0.5) {
            between([1, self.full], rng).min(count - 1)
        } else {
            0
        };
        let mut trunk = vec![];
        for _ in 0..count - full {
            let layer = self.layer(map, trunk.last().copied(), rng);
            if let MetaqnnLayer::Pool { kernel, stride } = layer {
                map = (map - kernel) / stride + 1;
            }
            trunk.push(layer);
        }
        trunk.extend((0..full).map(|_| MetaqnnLayer::Full { units: choose(&self.units, rng) }));
        let average = full == 0 && rng.random_bool(0.5);
        self.close(trunk, average, self.rate(rng), input)
    }

    /// A convolution, or for one in four a pool where one may stand.
    fn layer(&self, side: u32, before: Option<MetaqnnLayer>, rng: &mut impl Rng) -> MetaqnnLayer {
        let fitting: Vec<[u32; 2]> = self.pools.iter().copied().filter(|p| p[0] <= side).collect();
        let may_pool = !matches!(before, None | Some(MetaqnnLayer::Pool { .. })) && !fitting.is_empty();
        if rng.random_range(0..4) == 0 && may_pool {
            let [kernel, stride] = choose(&fitting, rng);
            return MetaqnnLayer::Pool { kernel, stride };
        }
        MetaqnnLayer::Conv {
            filters: choose(&self.filters, rng),
            kernel: choose(&self.kernels, rng),
            stride: 1,
        }
    }

    fn rate(&self, rng: &mut impl Rng) -> Option<f64> {
        (!self.learning_rate.is_empty()).then(|| choose(&self.learning_rate, rng))
    }

    /// `genome` with one layer changed, added, removed, or another end or learning rate.
    pub(crate) fn mutate(&self, genome: &Metaqnn, input: Input, rng: &mut impl Rng) -> Metaqnn {
        let parent = Genome::Metaqnn(genome.clone()).hash();
        for _ in 0..TRIES {
            let child = self.change(genome, input, rng);
            if self.contains(&child, input).is_ok() && Genome::Metaqnn(child.clone()).hash() != parent {
                return child;
            }
        }
        self.sample(input, rng)
    }

    fn change(&self, genome: &Metaqnn, input: Input, rng: &mut impl Rng) -> Metaqnn {
        let (mut trunk, mut average) = trunk(&genome.net);
        let mut rate = genome.learning_rate;
        let place = rng.random_range(0..=trunk.len() as u32) as usize;
        let new = if rng.random_range(0..8) == 0 {
            MetaqnnLayer::Full { units: choose(&self.units, rng) }
        } else {
            self.layer(input.height.min(input.width), trunk.first().copied(), rng)
        };
        match rng.random_range(0..8) {
            0..2 => trunk.insert(place, new),
            2..4 if place < trunk.len() => drop(trunk.remove(place)),
            4 => average = !average,
            5 if !self.learning_rate.is_empty() => rate = self.rate(rng),
            _ if place < trunk.len() => trunk[place] = new,
            _ => {}
        }
        self.close(trunk, average, rate, input)
    }

    /// The first layers of `a` and the last of `b`, with the end of `b` and the learning rate of either (one-point
    /// crossover).
    pub(crate) fn crossover(&self, a: &Metaqnn, b: &Metaqnn, input: Input, rng: &mut impl Rng) -> Metaqnn {
        let ((head, _), (tail, average)) = (trunk(&a.net), trunk(&b.net));
        for _ in 0..TRIES {
            let cut = rng.random_range(0..=head.len() as u32) as usize;
            let resume = rng.random_range(0..=tail.len() as u32) as usize;
            let rate = if rng.random_bool(0.5) { a.learning_rate } else { b.learning_rate };
            let child = self.close([&head[..cut], &tail[resume..]].concat(), average, rate, input);
            if self.contains(&child, input).is_ok() {
                return child;
            }
        }
        if self.contains(a, input).is_ok() { a.clone() } else { self.sample(input, rng) }
    }
}

/// The layers without dropouts and end, and whether the end is a `GAP`.
fn trunk(net: &Layers) -> (Vec<MetaqnnLayer>, bool) {
    let mut layers = net.bare();
    let average = averages(&layers);
    layers.retain(|layer| !matches!(layer, MetaqnnLayer::Average { .. } | MetaqnnLayer::Softmax { .. }));
    (layers, average)
}
