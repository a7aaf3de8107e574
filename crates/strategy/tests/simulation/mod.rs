//! A search without training: architectures are evaluated by a function.

use std::collections::HashSet;

use genome::{Genome, GenomeHash, Input, Space};
use strategy::{Evaluated, Evaluation, Proposal, Search, Strategy};

/// Colour images, small.
pub const INPUT: Input = Input { channels: 3, height: 32, width: 32, classes: 10 };

/// A strategy from the text of a `[strategy]` table.
pub fn strategy(text: &str) -> Strategy {
    let strategy: Strategy = toml::from_str(text).expect("a table of the test");
    assert_eq!(strategy.check(), Ok(()));
    strategy
}

/// A space from the text of a `[space]` table.
pub fn space(text: &str) -> Space {
    let space: Space = toml::from_str(text).expect("a table of the test");
    assert_eq!(space.check_for(INPUT), Ok(()));
    space
}

/// A search in progress.
pub struct Simulation<'a> {
    pub strategy: &'a Strategy,
    pub search: Search<'a>,
    pub population: Vec<Evaluated>,
    pub known: HashSet<GenomeHash>,
}

impl<'a> Simulation<'a> {
    pub fn new(strategy: &'a Strategy, space: &'a Space, budget: usize) -> Self {
        let search = Search { space, input: INPUT, budget };
        Self { strategy, search, population: vec![], known: HashSet::new() }
    }

    /// What the strategy would add now.
    pub fn proposals(&self) -> Vec<Proposal> {
        self.strategy.propose(&self.search, &self.population, &self.known)
    }

    /// Adds what the strategy proposes, each genome as `repair` makes it; returns how many.
    pub fn grow(&mut self, mut repair: impl FnMut(Genome) -> Genome) -> usize {
        let proposals = self.proposals();
        for proposal in &proposals {
            let genome = repair(proposal.genome.clone());
            let cost = genome.cost(INPUT).expect("proposals are networks");
            self.known.insert(genome.hash());
            self.population.push(Evaluated {
                id: self.population.len() as i64 + 1,
                genome,
                generation: proposal.generation,
                parents: proposal.parents.clone(),
                evaluation: Evaluation::Pending,
                cost,
            });
        }
        proposals.len()
    }

    /// Ends the evaluation of the pending architecture number `pick`, modulo their count; false if there is none.
    pub fn finish(&mut self, pick: usize, fitness: impl Fn(&Evaluated) -> Evaluation) -> bool {
        let pending: Vec<usize> = (0..self.population.len())
            .filter(|&i| self.population[i].evaluation == Evaluation::Pending)
            .collect();
        if pending.is_empty() {
            return false;
        }
        let index = pending[pick % pending.len()];
        self.population[index].evaluation = fitness(&self.population[index]);
        true
    }
}
