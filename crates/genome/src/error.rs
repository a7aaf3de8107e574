use std::fmt::Display;

use thiserror::Error;

/// Why a genome is not a network for the given input. Deterministic: trying again cannot help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GenomeError {
    /// A gene has a value that no network of its space may have.
    #[error("gene `{gene}` is {found}: expected {allowed}")]
    Gene {
        /// Where in the genome, for example `blocks[2].kernel`.
        gene: String,
        /// The value found there.
        found: String,
        /// What may stand there.
        allowed: String,
    },
    /// A layer does not fit the size of what reaches it.
    #[error("layer `{layer}` does not fit its input of {shape}: {reason}")]
    Shape {
        /// Name of the layer in the plan.
        layer: String,
        /// Shape of what reaches the layer.
        shape: String,
        /// What would be needed.
        reason: String,
    },
    /// A valid network that the limits of the search space exclude.
    #[error("the network has {found} {quantity}, the search space allows {allowed}")]
    Limit {
        /// What is limited, for example `parameters`.
        quantity: &'static str,
        /// The network's value.
        found: String,
        /// The limit.
        allowed: String,
    },
    /// The genome belongs to another kind of space.
    #[error("the genome is of space `{found}`, the search is on `{expected}`")]
    Space {
        /// Kind of the genome.
        found: &'static str,
        /// Kind of the space.
        expected: &'static str,
    },
    /// The network has no layers that this project knows.
    #[error("an external genome has no plan: only the program that it was made for can train it")]
    NoPlan,
}

impl GenomeError {
    /// An error about the gene at path `gene`.
    pub(crate) fn gene(gene: impl Into<String>, found: &impl Display, allowed: impl Into<String>) -> Self {
        Self::Gene { gene: gene.into(), found: found.to_string(), allowed: allowed.into() }
    }
}
