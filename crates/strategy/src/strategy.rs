use std::collections::HashSet;

use genome::{GenomeHash, SettingError};
use serde::{Deserialize, Serialize};

use crate::proposer::Proposer;
use crate::{Evaluated, Evolution, Nsga2, Proposal, Search};

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
