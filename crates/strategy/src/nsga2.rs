use genome::{Cost, SettingError};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::Evaluated;
use crate::front::{Objectives, Standing, survivors, tournament};
use crate::proposer::Proposer;
use crate::turn::{Turn, turn};

/// NSGA-II (Deb et al., IEEE TEVC 6(2), 2002) on two objectives, the fitness and the cost of a network, as NSGA-Net
/// (Lu et al., GECCO 2019, arXiv 1810.03522) uses it: the best `population` architectures by non-dominated fronts and
/// crowding distance are parents; each child has two of them, found by binary tournaments, crossed over and mutated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nsga2 {
    /// Seed of all draws.
    pub seed: u64,
    /// Parents, and children of a generation.
    pub population: usize,
    /// Probability that a child has parts of both parents, and not of one alone.
    pub crossover: f64,
    /// What is minimised besides the fitness being maximised.
    pub cost: CostObjective,
    /// Whether children come in generations of `population` (as in the papers), each only when the last one has been
    /// evaluated. Without, each finished architecture makes room for the next child, and no worker waits.
    pub barrier: bool,
    /// Without a barrier: architectures that wait or train at any time. At least the number of workers, or some will
    /// find nothing to do; more than that, and children are bred before their elders are known.
    pub in_flight: usize,
}

/// Cost of a network that NSGA-II minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CostObjective {
    /// Floating-point operations of a forward pass.
    Flops,
    /// Number of parameters.
    Parameters,
}

impl CostObjective {
    /// The cost of a network that is minimised.
    pub fn of(self, cost: Cost) -> f64 {
        match self {
            Self::Flops => cost.flops as f64,
            Self::Parameters => cost.parameters as f64,
        }
    }
}

impl Default for Nsga2 {
    fn default() -> Self {
        let cost = CostObjective::Flops;
        Self { seed: 0, population: 20, crossover: 0.9, cost, barrier: true, in_flight: 8 }
    }
}

impl Nsga2 {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let Self { population, crossover, in_flight, .. } = *self;
        SettingError::unless(population > 1, "strategy.population", &population, "2 or more")?;
        let probability = (0.0..=1.0).contains(&crossover);
        SettingError::unless(probability, "strategy.crossover", &crossover, "a probability from 0 to 1")?;
        SettingError::unless(in_flight > 0, "strategy.in_flight", &in_flight, "1 or more")
    }

    pub(crate) fn propose(&self, population: &[Evaluated], room: usize, proposer: &mut Proposer<'_>) {
        let in_flight = (!self.barrier).then_some(self.in_flight);
        let (count, generation) = match turn(population, self.population, in_flight, room) {
            Turn::Fill(count) => return proposer.fresh(0, count),
            Turn::Breed(0, _) => return,
            Turn::Breed(count, generation) => (count, generation),
        };
        let (parents, standings): (Vec<&Evaluated>, Vec<Standing>) =
            self.parents(population).into_iter().unzip();
        if parents.is_empty() {
            return proposer.fresh(generation.unwrap_or(0), count);
        }
        proposer.children(count, |search, rng| {
            let mut pick = || parents[tournament(&standings, rng)];
            let (a, b) = (pick(), pick());
            let mut child = a.genome.clone();
            let mut ancestors = vec![a.id];
            if a.id != b.id && rng.random_bool(self.crossover) {
                child = search.space.crossover(&a.genome, &b.genome, search.input, rng);
                ancestors.push(b.id);
            }
            child = search.space.mutate(&child, search.input, rng);
            let own = a.generation.max(b.generation) + 1;
            (child, generation.unwrap_or(own), ancestors)
        });
    }

    /// The architectures that may have children, with their standing. With a barrier each generation competes with the
    /// survivors of those before it (Deb et al., section III-C); without, all that has been evaluated competes.
    fn parents<'a>(&self, population: &'a [Evaluated]) -> Vec<(&'a Evaluated, Standing)> {
        let mut evaluated: Vec<&Evaluated> = population.iter().filter(|e| e.fitness().is_some()).collect();
        let mut parents = vec![];
        if self.barrier {
            evaluated.sort_by_key(|e| (e.generation, e.id));
            for generation in evaluated.chunk_by(|a, b| a.generation == b.generation) {
                let candidates = parents.iter().map(|&(e, _)| e).chain(generation.iter().copied());
                parents = self.select(&candidates.collect::<Vec<_>>());
            }
            return parents;
        }
        self.select(&evaluated)
    }

    fn select<'a>(&self, candidates: &[&'a Evaluated]) -> Vec<(&'a Evaluated, Standing)> {
        let objectives = |e: &&Evaluated| -> Objectives {
            // The fitness is maximised, both objectives are minimised; architectures without one are not candidates.
            [-e.fitness().unwrap_or(f64::NEG_INFINITY), self.cost.of(e.cost)]
        };
        let objectives: Vec<Objectives> = candidates.iter().map(objectives).collect();
        let chosen = survivors(&objectives, self.population);
        chosen.into_iter().map(|(index, standing)| (candidates[index], standing)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use genome::{Genome, Input, NsgaMacroSpace, Space};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{Evaluation, Search, Strategy};

    const INPUT: Input = Input { channels: 3, height: 32, width: 32, classes: 10 };

    fn evaluated(id: i64, genome: &Genome, generation: u32, cost: Cost) -> Evaluated {
        let evaluation = Evaluation::Fitness(80.0);
        Evaluated { id, genome: genome.clone(), generation, parents: vec![], evaluation, cost }
    }

    #[test]
    fn the_cost_that_the_spec_names_is_minimised() {
        let genome =
            Space::NsgaMacro(NsgaMacroSpace::default()).sample(INPUT, &mut ChaCha8Rng::seed_from_u64(1));
        let small = evaluated(1, &genome, 0, Cost { parameters: 1, flops: 2 });
        let fast = evaluated(2, &genome, 0, Cost { parameters: 2, flops: 1 });
        for (cost, best) in [(CostObjective::Parameters, 1), (CostObjective::Flops, 2)] {
            let settings = Nsga2 { population: 1, cost, ..Nsga2::default() };
            let chosen = settings.select(&[&small, &fast]);
            assert_eq!(chosen.iter().map(|(e, _)| e.id).collect::<Vec<_>>(), [best], "{cost:?}");
        }
    }

    #[test]
    fn without_a_barrier_children_are_a_generation_younger_than_their_parents() {
        let space = Space::NsgaMacro(NsgaMacroSpace::default());
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let population: Vec<Evaluated> = (0..4)
            .map(|id| {
                let genome = space.sample(INPUT, &mut rng);
                evaluated(id, &genome, id as u32, Cost { parameters: 1, flops: 1 })
            })
            .collect();
        let settings = Nsga2 { population: 4, barrier: false, in_flight: 30, ..Nsga2::default() };
        let search = Search { space: &space, input: INPUT, budget: 34 };
        let children = Strategy::Nsga2(settings).propose(&search, &population, &HashSet::new());
        assert_eq!(children.len(), 30);
        for child in children {
            // An architecture's identity is its generation here; of two parents only one may have left its genes.
            let eldest = child.parents.iter().map(|&id| id as u32).max();
            assert!(eldest.is_some_and(|eldest| child.generation > eldest), "{child:?}");
        }
    }
}
