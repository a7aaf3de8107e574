use std::collections::HashSet;

use genome::{GenomeHash, Input, SettingError, Space};
use serde::{Deserialize, Serialize};

use crate::proposer::Proposer;
use crate::{Evaluated, Evaluation, Evolution, Nsga2, Proposal};

/// The `[strategy]` table of a spec. `kind` says which strategy, the other keys are its settings, each with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Strategy {
    /// Independent samples of the space, all at once.
    Random(Random),
    /// Regularised evolution on the fitness.
    Evolution(Evolution),
    /// NSGA-II on fitness and cost.
    Nsga2(Nsga2),
    /// Proposes nothing: all architectures come from outside.
    Given(Given),
}

/// Settings of random search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Random {
    /// Seed of all draws.
    pub seed: u64,
}

/// Settings of a search whose architectures somebody else proposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// Seed of the trainings.
    pub seed: u64,
}

/// What a strategy searches.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The networks that may be tried. Its `check_for(input)` has passed.
    pub space: &'a Space,
    /// What they are built for.
    pub input: Input,
    /// Architectures in the whole search, imported ones included; `propose` never goes beyond.
    pub budget: usize,
}

impl Strategy {
    /// The kinds of strategies, as in `strategy.kind`.
    pub const KINDS: [&'static str; 4] = ["random", "evolution", "nsga2", "given"];

    /// Kind of the strategy, as in `strategy.kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Random(_) => "random",
            Self::Evolution(_) => "evolution",
            Self::Nsga2(_) => "nsga2",
            Self::Given(_) => "given",
        }
    }

    /// Seed of all draws.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Random(s) => s.seed,
            Self::Evolution(s) => s.seed,
            Self::Nsga2(s) => s.seed,
            Self::Given(s) => s.seed,
        }
    }

    /// Ok if every key has a possible value.
    ///
    /// # Errors
    /// The first key that has not.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::Random(_) | Self::Given(_) => Ok(()),
            Self::Evolution(settings) => settings.check(),
            Self::Nsga2(settings) => settings.check(),
        }
    }

    /// What to add to the search now; nothing while a generation is unfinished, enough is waiting, or the budget is
    /// spent.
    ///
    /// `population` holds all architectures of the search in the order of their identities, finished or not; `known`
    /// the hash of each of them, and of whatever else must not be tried. No proposal has a known hash, and no two the
    /// same. Call it when the search is submitted (with an empty population) and each time an architecture's
    /// evaluation ends, with nobody else adding architectures in between. Fewer proposals than expected come back
    /// only where chance finds no more new networks in the space; none at all for an external space.
    ///
    /// The k-th architecture of a search is drawn from the k-th stream of the seed: proposals depend on the seed and
    /// on `population` alone.
    pub fn propose(
        &self,
        search: &Search<'_>,
        population: &[Evaluated],
        known: &HashSet<GenomeHash>,
    ) -> Vec<Proposal> {
        if !search.space.generates() {
            return vec![];
        }
        let room = search.budget.saturating_sub(population.len());
        let mut proposer = Proposer::new(search, self.seed(), population.len(), known);
        match self {
            Self::Random(_) => proposer.fresh(0, room),
            Self::Given(_) => {}
            Self::Evolution(settings) => settings.propose(population, room, &mut proposer),
            Self::Nsga2(settings) => settings.propose(population, room, &mut proposer),
        }
        proposer.finish()
    }
}

/// What an evolutionary strategy is to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// So many samples for the first population.
    Fill(usize),
    /// So many children of what has been evaluated; of this generation if there is a barrier.
    Breed(usize, Option<u32>),
}

/// Whose turn it is: the first population is filled, then come generations of `size` (with a barrier) or as many
/// children as keep `in_flight` architectures waiting or training (without).
pub(crate) fn turn(population: &[Evaluated], size: usize, in_flight: Option<usize>, room: usize) -> Turn {
    let pending = population.iter().filter(|e| e.evaluation == Evaluation::Pending).count();
    if population.len() < size {
        return Turn::Fill(room.min(size - population.len()));
    }
    match in_flight {
        Some(in_flight) => Turn::Breed(room.min(in_flight.saturating_sub(pending)), None),
        None if pending > 0 => Turn::Breed(0, None),
        None => {
            let last = population.iter().map(|e| e.generation).max().unwrap_or(0);
            Turn::Breed(room.min(size), Some(last + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genome::RandomCnnSpace;

    fn population(pending: usize, finished: usize, generation: u32) -> Vec<Evaluated> {
        let space = Space::RandomCnn(RandomCnnSpace::default());
        let input = Input { channels: 1, height: 28, width: 28, classes: 10 };
        let search = Search { space: &space, input, budget: pending + finished };
        let proposals = Strategy::Random(Random { seed: 1 }).propose(&search, &[], &HashSet::new());
        let evaluated = |(i, p): (usize, Proposal)| Evaluated {
            id: i as i64,
            cost: p.genome.cost(input).unwrap(),
            genome: p.genome,
            generation,
            parents: vec![],
            evaluation: if i < pending { Evaluation::Pending } else { Evaluation::Fitness(50.0) },
        };
        proposals.into_iter().enumerate().map(evaluated).collect()
    }

    #[test]
    fn turns() {
        let table = [
            (0, 0, None, 100, Turn::Fill(10), "an empty search is filled"),
            (3, 1, None, 100, Turn::Fill(6), "imports count towards the first population"),
            (0, 0, None, 4, Turn::Fill(4), "the budget ends it early"),
            (1, 9, None, 100, Turn::Breed(0, None), "the barrier waits for the last one"),
            (0, 10, None, 100, Turn::Breed(10, Some(1)), "the next generation"),
            (0, 25, None, 3, Turn::Breed(3, Some(1)), "the last, shorter generation"),
            (4, 6, Some(4), 100, Turn::Breed(0, None), "enough are waiting"),
            (2, 8, Some(4), 100, Turn::Breed(2, None), "workers would run dry"),
            (2, 8, Some(4), 1, Turn::Breed(1, None), "the budget is nearly spent"),
        ];
        for (pending, finished, in_flight, room, expected, why) in table {
            assert_eq!(turn(&population(pending, finished, 0), 10, in_flight, room), expected, "{why}");
        }
    }
}
