use genome::SettingError;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::Evaluated;
use crate::proposer::Proposer;
use crate::turn::{Turn, turn};

/// Regularised evolution (Real et al., AAAI 2019, arXiv 1802.01548, algorithm 1): the parent of each child is the best
/// of a random sample of the youngest `population` architectures; the oldest die, however good they are. A child is
/// its parent with one mutation. The first `population` architectures are samples of the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evolution {
    /// Seed of all draws.
    pub seed: u64,
    /// Architectures alive at a time (P in the paper).
    pub population: usize,
    /// Architectures drawn for a parent, with replacement (S in the paper).
    pub sample: usize,
    /// Whether children come in generations of `population`, each only when the last one has been evaluated. Without
    /// (as in the paper) each finished architecture makes room for the next child, and no worker waits.
    pub barrier: bool,
    /// Without a barrier: architectures that wait or train at any time. At least the number of workers, or some will
    /// find nothing to do; more than that, and children are bred before their elders are known.
    pub in_flight: usize,
}

impl Default for Evolution {
    fn default() -> Self {
        Self { seed: 0, population: 20, sample: 5, barrier: false, in_flight: 8 }
    }
}

impl Evolution {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let Self { population, sample, in_flight, .. } = *self;
        SettingError::unless(population > 0, "strategy.population", &population, "1 or more")?;
        let allowed = format!("1 to the population of {population}");
        SettingError::unless((1..=population).contains(&sample), "strategy.sample", &sample, &allowed)?;
        SettingError::unless(in_flight > 0, "strategy.in_flight", &in_flight, "1 or more")
    }

    pub(crate) fn propose(&self, population: &[Evaluated], room: usize, proposer: &mut Proposer<'_>) {
        let in_flight = (!self.barrier).then_some(self.in_flight);
        let (count, generation) = match turn(population, self.population, in_flight, room) {
            Turn::Fill(count) => return proposer.fresh(0, count),
            Turn::Breed(0, _) => return,
            Turn::Breed(count, generation) => (count, generation),
        };
        let alive = self.alive(population);
        if alive.is_empty() {
            return proposer.fresh(generation.unwrap_or(0), count);
        }
        proposer.children(count, |search, rng| {
            let mut parent = alive[rng.random_range(0..alive.len())];
            for _ in 1..self.sample {
                let other = alive[rng.random_range(0..alive.len())];
                if other.fitness() > parent.fitness() {
                    parent = other;
                }
            }
            let child = search.space.mutate(&parent.genome, search.input, rng);
            (child, generation.unwrap_or(parent.generation + 1), vec![parent.id])
        });
    }

    /// The youngest `population` architectures that have a fitness.
    fn alive<'a>(&self, population: &'a [Evaluated]) -> Vec<&'a Evaluated> {
        population.iter().rev().filter(|e| e.fitness().is_some()).take(self.population).collect()
    }
}
