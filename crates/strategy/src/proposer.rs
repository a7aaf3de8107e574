use std::collections::HashSet;

use genome::{Genome, GenomeHash};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Proposal, Search};

/// Draws before a proposal is given up.
const TRIES: usize = 1000;

/// Draws before a child that the search has already is replaced by a mutant of itself.
const PATIENCE: usize = 20;

/// A network with its generation and the identities of its parents.
pub(crate) type Child = (Genome, u32, Vec<i64>);

/// Collects proposals that are new to the search, each drawn from a stream of its own.
pub(crate) struct Proposer<'a> {
    search: &'a Search<'a>,
    seed: u64,
    /// Architectures in the search before this call: the number of the first stream.
    first: usize,
    known: &'a HashSet<GenomeHash>,
    added: HashSet<GenomeHash>,
    proposals: Vec<Proposal>,
}

impl<'a> Proposer<'a> {
    pub(crate) fn new(
        search: &'a Search<'a>,
        seed: u64,
        first: usize,
        known: &'a HashSet<GenomeHash>,
    ) -> Self {
        Self { search, seed, first, known, added: HashSet::new(), proposals: vec![] }
    }

    pub(crate) fn finish(self) -> Vec<Proposal> {
        self.proposals
    }

    /// Generator of the next proposal.
    fn stream(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((self.first + self.proposals.len()) as u64);
        rng
    }

    /// Adds `genome` if the search does not have it.
    fn add(&mut self, genome: Genome, generation: u32, parents: &[i64]) -> bool {
        let hash = genome.hash();
        if self.known.contains(&hash) || !self.added.insert(hash) {
            return false;
        }
        self.proposals.push(Proposal { genome, generation, parents: parents.to_vec() });
        true
    }

    /// Proposes `count` samples of the space as `generation`; fewer if no more new ones are found.
    pub(crate) fn fresh(&mut self, generation: u32, count: usize) {
        for _ in 0..count {
            let mut rng = self.stream();
            let found = (0..TRIES).any(|_| {
                let genome = self.search.space.sample(self.search.input, &mut rng);
                self.add(genome, generation, &[])
            });
            if !found {
                return;
            }
        }
    }

    /// Proposes `count` children made by `breed`, which returns each with its generation and its parents; fewer if no
    /// more new networks are found.
    pub(crate) fn children(&mut self, count: usize, breed: impl Fn(&Search<'_>, &mut ChaCha8Rng) -> Child) {
        for _ in 0..count {
            if !self.child(&breed) {
                return;
            }
        }
    }

    /// Proposes one child. One that the search has already is bred again, then mutated further and further; if all that
    /// yields nothing new, a sample takes its place. False if there is no new one either.
    fn child(&mut self, breed: impl Fn(&Search<'_>, &mut ChaCha8Rng) -> Child) -> bool {
        let mut rng = self.stream();
        for _ in 0..PATIENCE {
            let (genome, generation, parents) = breed(self.search, &mut rng);
            if self.add(genome, generation, &parents) {
                return true;
            }
        }
        let (mut genome, generation, parents) = breed(self.search, &mut rng);
        for _ in 0..TRIES {
            genome = self.search.space.mutate(&genome, self.search.input, &mut rng);
            if self.add(genome.clone(), generation, &parents) {
                return true;
            }
        }
        let before = self.proposals.len();
        self.fresh(generation, 1);
        self.proposals.len() > before
    }
}
