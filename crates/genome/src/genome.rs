use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Cost, External, GenomeError, GenomeHash, Input, Metaqnn, NsgaMacro, Plan, RandomCnn};

/// A network of one of the search spaces, complete but for the input that it is built for.
///
/// In JSON the key `space` says which: `{"space": "random-cnn", "blocks": [...], ...}`. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "space", rename_all = "kebab-case")]
pub enum Genome {
    /// A chain of convolutions and fully connected layers, with its own hyper-parameters.
    RandomCnn(RandomCnn),
    /// Phases of connected convolutions.
    NsgaMacro(NsgaMacro),
    /// A layer string.
    Metaqnn(Metaqnn),
    /// Anything that a training program outside of this project understands.
    External(External),
}

impl Genome {
    /// Kind of space that the genome belongs to, as in the spec's `space.kind`.
    pub fn space(&self) -> &'static str {
        match self {
            Self::RandomCnn(_) => "random-cnn",
            Self::NsgaMacro(_) => "nsga-macro",
            Self::Metaqnn(_) => "metaqnn",
            Self::External(_) => "external",
        }
    }

    /// Identity of the network: equal for genomes that decode to the same network and hyper-parameters.
    pub fn hash(&self) -> GenomeHash {
        let canonical = match self {
            Self::RandomCnn(genome) => genome.canonical(),
            Self::NsgaMacro(genome) => genome.canonical(),
            Self::Metaqnn(genome) => genome.canonical(),
            Self::External(genome) => genome.canonical(),
        };
        GenomeHash::of(&format!("{} {canonical}", self.space()))
    }

    /// The layers of the network for `input`.
    ///
    /// # Errors
    /// The gene or layer that makes it impossible; [`GenomeError::NoPlan`] for an external genome.
    pub fn plan(&self, input: Input) -> Result<Plan, GenomeError> {
        match self {
            Self::RandomCnn(genome) => genome.plan(input),
            Self::NsgaMacro(genome) => genome.plan(input),
            Self::Metaqnn(genome) => genome.plan(input),
            Self::External(_) => Err(GenomeError::NoPlan),
        }
    }

    /// Ok if the genome is a network for `input`; for an external one, if it has a description.
    ///
    /// # Errors
    /// As [`Genome::plan`].
    pub fn validate(&self, input: Input) -> Result<(), GenomeError> {
        match self {
            Self::External(genome) => genome.validate(),
            _ => self.plan(input).map(drop),
        }
    }

    /// Parameters and FLOPs of the network for `input`, see [`Cost`] for what is counted; for an external genome, what
    /// it says of itself.
    ///
    /// # Errors
    /// As [`Genome::validate`].
    pub fn cost(&self, input: Input) -> Result<Cost, GenomeError> {
        match self {
            Self::External(genome) => genome.cost(),
            _ => Ok(self.plan(input)?.cost()),
        }
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
            Self::NsgaMacro(genome) => genome.fmt(f),
            Self::Metaqnn(genome) => genome.fmt(f),
            Self::External(genome) => genome.fmt(f),
        }
    }
}
