//! In what accuracies are given.

use clap::ValueEnum;

/// In what accuracies are given; never guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// From 0 to 100
    #[default]
    Percent,
    /// From 0 to 1
    Fraction,
}

impl From<Unit> for import::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Percent => Self::Percent,
            Unit::Fraction => Self::Fraction,
        }
    }
}
