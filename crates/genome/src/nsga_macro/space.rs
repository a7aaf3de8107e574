use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{MOST_PHASES, NsgaMacro, phase::MOST_NODES};
use crate::limits::Limits;
use crate::number::TRIES;
use crate::{Genome, GenomeError, Input, SettingError};

/// Limits of the `nsga-macro` space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NsgaMacroSpace {
    /// Phases of each genome.
    pub phases: usize,
    /// Nodes of each phase.
    pub nodes: usize,
    /// Filters of the first phase; each further one has twice as many.
    pub channels: u32,
    /// Most parameters of a network.
    pub max_parameters: Option<u64>,
    /// Most FLOPs of a network, for one image forward.
    pub max_flops: Option<u64>,
}

/// Three phases of four nodes, with the 24 filters that A4NN's recorded FLOPs imply.
impl Default for NsgaMacroSpace {
    fn default() -> Self {
        Self { phases: 3, nodes: 4, channels: 24, max_parameters: None, max_flops: None }
    }
}

impl NsgaMacroSpace {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let phases = (1..=MOST_PHASES).contains(&self.phases);
        SettingError::unless(phases, "space.phases", &self.phases, &format!("1 to {MOST_PHASES}"))?;
        let nodes = (2..=MOST_NODES).contains(&self.nodes);
        SettingError::unless(nodes, "space.nodes", &self.nodes, &format!("2 to {MOST_NODES}"))?;
        let channels = (1..=4096).contains(&self.channels);
        SettingError::unless(channels, "space.channels", &self.channels, "1 to 4096")
    }

    /// Bits of a phase.
    fn bits(&self) -> usize {
        self.nodes * (self.nodes - 1) / 2 + 1
    }

    /// Ok if `genome` is a network for `input` within all limits.
    pub(crate) fn contains(&self, genome: &NsgaMacro, input: Input) -> Result<(), GenomeError> {
        let cost = genome.plan(input)?.cost();
        if genome.phases.len() != self.phases {
            return Err(GenomeError::gene("number of phases", &genome.phases.len(), self.phases.to_string()));
        }
        if let Some(bits) = genome.phases.iter().find(|bits| bits.len() != self.bits()) {
            let allowed = format!("{} for {} nodes", self.bits(), self.nodes);
            return Err(GenomeError::gene("number of bits", &bits.len(), allowed));
        }
        if genome.channels != self.channels {
            return Err(GenomeError::gene("channels", &genome.channels, self.channels.to_string()));
        }
        Limits { parameters: self.max_parameters, flops: self.max_flops }.check(cost)
    }

    /// A network of a single phase of two nodes, and Ok only if all phases together would fit `input`, too.
    pub(crate) fn smallest(&self, input: Input) -> Result<NsgaMacro, GenomeError> {
        let mut smallest = self.blank();
        smallest.phases[0][0] = 1;
        self.contains(&smallest, input)?;
        let mut largest = self.blank();
        largest.phases.iter_mut().for_each(|bits| bits.fill(1));
        largest.plan(input)?;
        Ok(smallest)
    }

    /// No connection at all.
    fn blank(&self) -> NsgaMacro {
        NsgaMacro { phases: vec![vec![0; self.bits()]; self.phases], channels: self.channels }
    }

    /// Random bits; the smallest network if the limits leave too few to be found by chance.
    pub(crate) fn sample(&self, input: Input, rng: &mut impl Rng) -> NsgaMacro {
        for _ in 0..TRIES {
            let mut genome = self.blank();
            genome.phases.iter_mut().flatten().for_each(|bit| *bit = u8::from(rng.random_bool(0.5)));
            if self.accepts(&genome, input) {
                return genome;
            }
        }
        let mut smallest = self.blank();
        smallest.phases[0][0] = 1;
        smallest
    }

    /// Whether a search should try `genome`: it is in the space and has at least one phase.
    fn accepts(&self, genome: &NsgaMacro, input: Input) -> bool {
        genome.graphs().is_ok_and(|graphs| !graphs.is_empty()) && self.contains(genome, input).is_ok()
    }

    /// `genome` with each bit flipped with probability 1/bits, and at least so many that the network is another.
    pub(crate) fn mutate(&self, genome: &NsgaMacro, input: Input, rng: &mut impl Rng) -> NsgaMacro {
        let parent = Genome::NsgaMacro(genome.clone()).hash();
        let bits = genome.phases.iter().map(Vec::len).sum::<usize>() as u32;
        for _ in 0..TRIES {
            let mut child = genome.clone();
            let flips = child.phases.iter_mut().flatten();
            flips.for_each(|bit| *bit ^= u8::from(rng.random_ratio(1, bits)));
            if self.accepts(&child, input) && Genome::NsgaMacro(child.clone()).hash() != parent {
                return child;
            }
        }
        self.sample(input, rng)
    }

    /// Two-point crossover of all bits: a random stretch of `b` in `a`.
    pub(crate) fn crossover(
        &self,
        a: &NsgaMacro,
        b: &NsgaMacro,
        input: Input,
        rng: &mut impl Rng,
    ) -> NsgaMacro {
        let bits = (self.phases * self.bits()) as u32;
        for _ in 0..TRIES {
            let (one, two) = (rng.random_range(0..bits) as usize, rng.random_range(0..bits) as usize);
            let mut child = a.clone();
            let pairs = child.phases.iter_mut().flatten().zip(b.phases.iter().flatten());
            pairs.skip(one.min(two)).take(one.abs_diff(two) + 1).for_each(|(bit, other)| *bit = *other);
            if self.accepts(&child, input) {
                return child;
            }
        }
        if self.contains(a, input).is_ok() { a.clone() } else { self.sample(input, rng) }
    }
}
