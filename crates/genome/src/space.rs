use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{Genome, GenomeError, Input, RandomCnnSpace, SettingError};

/// The `[space]` table of a spec: which networks a search may try. `kind` says which sort, the other keys are its
/// limits, each with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Space {
    /// Chains of convolutions and fully connected layers.
    RandomCnn(RandomCnnSpace),
}

impl Space {
    /// The kinds of spaces, as in `space.kind`.
    pub const KINDS: [&'static str; 1] = ["random-cnn"];

    /// Kind of the space, as in `space.kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RandomCnn(_) => "random-cnn",
        }
    }

    /// Ok if every key has a possible value.
    ///
    /// # Errors
    /// The first key that has not.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::RandomCnn(space) => space.check(),
        }
    }

    /// Ok if the space also holds a network for `input`. Call it once, before [`Space::sample`].
    ///
    /// # Errors
    /// As [`Space::check`], or that not even the smallest network of the space fits.
    pub fn check_for(&self, input: Input) -> Result<(), SettingError> {
        self.check()?;
        let smallest = match self {
            Self::RandomCnn(space) => space.smallest(input).map(drop),
        };
        smallest.map_err(|error| {
            SettingError::new(
                "space",
                format_args!("too tight for images of {input}"),
                error.to_string(),
            )
        })
    }

    /// Ok if `genome` is a network for `input` within the limits of this space.
    ///
    /// # Errors
    /// What makes it impossible, or the limit that it exceeds.
    pub fn contains(&self, genome: &Genome, input: Input) -> Result<(), GenomeError> {
        match (self, genome) {
            (Self::RandomCnn(space), Genome::RandomCnn(genome)) => space.contains(genome, input),
        }
    }

    /// A random network of the space, always one that [`Space::contains`], if [`Space::check_for`] found one.
    pub fn sample(&self, input: Input, rng: &mut impl Rng) -> Genome {
        match self {
            Self::RandomCnn(space) => Genome::RandomCnn(space.sample(input, rng)),
        }
    }

    /// A network of the space that differs from `genome` by one small random change. A genome of another kind of
    /// space gives a sample.
    pub fn mutate(&self, genome: &Genome, input: Input, rng: &mut impl Rng) -> Genome {
        match (self, genome) {
            (Self::RandomCnn(space), Genome::RandomCnn(genome)) => {
                Genome::RandomCnn(space.mutate(genome, input, rng))
            }
        }
    }

    /// A network of the space that takes each part from one of two parents. Parents of another kind of space, or
    /// that make no network together, give a copy of `a` where it belongs to the space, else a sample.
    pub fn crossover(&self, a: &Genome, b: &Genome, input: Input, rng: &mut impl Rng) -> Genome {
        match (self, a, b) {
            (Self::RandomCnn(space), Genome::RandomCnn(a), Genome::RandomCnn(b)) => {
                Genome::RandomCnn(space.crossover(a, b, input, rng))
            }
        }
    }
}
