use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    ExternalSpace, Genome, GenomeError, Input, MetaqnnSpace, NsgaMacroSpace, RandomCnnSpace, SettingError,
};

/// The `[space]` table of a spec: which networks a search may try. `kind` says which sort, the other keys are its
/// limits, each with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Space {
    /// Chains of convolutions and fully connected layers.
    RandomCnn(RandomCnnSpace),
    /// Phases of connected convolutions.
    NsgaMacro(NsgaMacroSpace),
    /// Layer strings.
    Metaqnn(MetaqnnSpace),
    /// Architectures that are only ever given.
    External(ExternalSpace),
}

impl Space {
    /// The kinds of spaces, as in `space.kind`.
    pub const KINDS: [&'static str; 4] = ["random-cnn", "nsga-macro", "metaqnn", "external"];

    /// Kind of the space, as in `space.kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RandomCnn(_) => "random-cnn",
            Self::NsgaMacro(_) => "nsga-macro",
            Self::Metaqnn(_) => "metaqnn",
            Self::External(_) => "external",
        }
    }

    /// Whether the space can make genomes. Not the external one: a search on it has what it was given.
    pub fn generates(&self) -> bool {
        !matches!(self, Self::External(_))
    }

    /// Ok if every key has a possible value.
    ///
    /// # Errors
    /// The first key that has not.
    pub fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::RandomCnn(space) => space.check(),
            Self::NsgaMacro(space) => space.check(),
            Self::Metaqnn(space) => space.check(),
            Self::External(_) => Ok(()),
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
            Self::NsgaMacro(space) => space.smallest(input).map(drop),
            Self::Metaqnn(space) => space.smallest(input).map(drop),
            Self::External(_) => Ok(()),
        };
        smallest.map_err(|error| {
            SettingError::new("space", format_args!("too tight for images of {input}"), error.to_string())
        })
    }

    /// Ok if `genome` is a network for `input` within the limits of this space.
    ///
    /// # Errors
    /// What makes it impossible, or the limit that it exceeds.
    pub fn contains(&self, genome: &Genome, input: Input) -> Result<(), GenomeError> {
        match (self, genome) {
            (Self::RandomCnn(space), Genome::RandomCnn(genome)) => space.contains(genome, input),
            (Self::NsgaMacro(space), Genome::NsgaMacro(genome)) => space.contains(genome, input),
            (Self::Metaqnn(space), Genome::Metaqnn(genome)) => space.contains(genome, input),
            (Self::External(_), Genome::External(genome)) => genome.validate(),
            _ => Err(GenomeError::Space { found: genome.space(), expected: self.kind() }),
        }
    }

    /// A random network of the space: one that [`Space::contains`], if [`Space::check_for`] is Ok. An external space
    /// has nothing to draw from, see [`Space::generates`], and gives an empty description.
    pub fn sample(&self, input: Input, rng: &mut impl Rng) -> Genome {
        match self {
            Self::RandomCnn(space) => Genome::RandomCnn(space.sample(input, rng)),
            Self::NsgaMacro(space) => Genome::NsgaMacro(space.sample(input, rng)),
            Self::Metaqnn(space) => Genome::Metaqnn(space.sample(input, rng)),
            Self::External(_) => Genome::External(crate::External::default()),
        }
    }

    /// A network of the space that differs from `genome` by one small random change; a sample, if `genome` is no
    /// network of this kind of space or no change leads to one within the limits.
    pub fn mutate(&self, genome: &Genome, input: Input, rng: &mut impl Rng) -> Genome {
        if genome.validate(input).is_err() {
            return self.sample(input, rng);
        }
        match (self, genome) {
            (Self::RandomCnn(space), Genome::RandomCnn(genome)) => {
                Genome::RandomCnn(space.mutate(genome, input, rng))
            }
            (Self::NsgaMacro(space), Genome::NsgaMacro(genome)) => {
                Genome::NsgaMacro(space.mutate(genome, input, rng))
            }
            (Self::Metaqnn(space), Genome::Metaqnn(genome)) => {
                Genome::Metaqnn(space.mutate(genome, input, rng))
            }
            _ => self.sample(input, rng),
        }
    }

    /// A network of the space that takes each part from one of two parents. If they make no network within the limits
    /// together, a copy of `a` where it is within them, else a sample; a sample also if a parent is no network of this
    /// kind of space.
    pub fn crossover(&self, a: &Genome, b: &Genome, input: Input, rng: &mut impl Rng) -> Genome {
        match (self, a, b) {
            (Self::RandomCnn(space), Genome::RandomCnn(a), Genome::RandomCnn(b)) => {
                Genome::RandomCnn(space.crossover(a, b, input, rng))
            }
            (Self::NsgaMacro(space), Genome::NsgaMacro(a), Genome::NsgaMacro(b)) => {
                Genome::NsgaMacro(space.crossover(a, b, input, rng))
            }
            (Self::Metaqnn(space), Genome::Metaqnn(a), Genome::Metaqnn(b)) => {
                Genome::Metaqnn(space.crossover(a, b, input, rng))
            }
            _ => self.sample(input, rng),
        }
    }
}
