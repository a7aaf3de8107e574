use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Cost, GenomeError, GenomeHash, Input, Plan, RandomCnn};

/// A network of one of the search spaces, complete but for the input that it is built for.
///
/// In JSON the key `space` says which: `{"space": "random-cnn", "blocks": [...], ...}`. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "space", rename_all = "kebab-case")]
pub enum Genome {
    /// A chain of convolutions and fully connected layers, with its own hyper-parameters.
    RandomCnn(RandomCnn),
}

impl Genome {
    /// Kind of space that the genome belongs to, as in the spec's `space.kind`.
    pub fn space(&self) -> &'static str {
        match self {
            Self::RandomCnn(_) => "random-cnn",
        }
    }

    /// Identity of the network: equal for genomes that decode to the same network and hyper-parameters.
    pub fn hash(&self) -> GenomeHash {
        let canonical = match self {
            Self::RandomCnn(genome) => genome.canonical(),
        };
        GenomeHash::of(&format!("{} {canonical}", self.space()))
    }

    /// The layers of the network for `input`.
    ///
    /// # Errors
    /// The gene or layer that makes it impossible.
    pub fn plan(&self, input: Input) -> Result<Plan, GenomeError> {
        match self {
            Self::RandomCnn(genome) => genome.plan(input),
        }
    }

    /// Ok if the genome is a network for `input`.
    ///
    /// # Errors
    /// As [`Genome::plan`].
    pub fn validate(&self, input: Input) -> Result<(), GenomeError> {
        self.plan(input).map(drop)
    }

    /// Parameters and FLOPs of the network for `input`; see [`Cost`] for what is counted.
    ///
    /// # Errors
    /// As [`Genome::plan`].
    pub fn cost(&self, input: Input) -> Result<Cost, GenomeError> {
        Ok(self.plan(input)?.cost())
    }

    /// The network in one line.
    pub fn summary(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Genome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RandomCnn(genome) => genome.fmt(f),
        }
    }
}
