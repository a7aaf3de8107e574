//! Whether an earlier search (`warm_start`) is like this one.
//!
//! Each completed curve was predicted before it was learned from, with the earlier search's curves counted as the
//! search's own and without them. How much likelier its end was with them makes the odds that the two searches are
//! alike, by which predictions are averaged (Hoeting et al., Statistical Science 14, 1999).

use serde::{Deserialize, Serialize};

use super::regression::Spread;
use super::variance::WILD;
use crate::Impossible;
use crate::possible::{number, sum};

/// While the search's own curves cannot be regressed on, the earlier search is measured against itself with scales that
/// are so much wider.
const WIDER: f64 = 3.0;
/// How many curves of this search say as much of the errors as the earlier search does.
const TRUST: f64 = 10.0;

/// What was predicted after one length of a curve: by the search's own curves, and as if the earlier search's were too
/// (its scale times [`Likeness::factor`]).
#[derive(Clone, Copy, Debug)]
pub(super) struct Predicted {
    pub own: Option<Spread>,
    pub with: Option<Spread>,
}

/// What the completed curves say of the earlier search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Likeness {
    /// Logarithm of the odds that the searches are alike: even before a curve is completed.
    odds: f64,
    curves: f64,
    /// Sum of the curves' mean squared errors, in units of the variance that the earlier search told.
    squares: f64,
}

impl Likeness {
    /// Refuses what no curves add up to.
    pub(super) fn check(&self) -> Result<(), Impossible> {
        number("odds", self.odds)?;
        sum("curves", self.curves)?;
        sum("squares", self.squares)
    }

    /// Chance (0 to 1) that the searches are alike.
    pub(super) fn chance(&self) -> f64 {
        1.0 / (1.0 + (-self.odds).exp())
    }

    /// Factor of the scales that the earlier search tells: both may go on alike, and one more steadily.
    pub(super) fn factor(&self) -> f64 {
        ((TRUST + self.squares) / (TRUST + self.curves)).sqrt()
    }

    /// Takes in where a completed curve ended and what was predicted after each of its lengths. They tell much the same
    /// and count as one together.
    pub(super) fn add(&mut self, end: f64, predicted: &[Predicted]) {
        let pairs: Vec<(Spread, Option<Spread>)> =
            predicted.iter().filter_map(|p| Some((p.with?, p.own))).collect();
        if pairs.is_empty() {
            return;
        }
        let share = 1.0 / pairs.len() as f64;
        let factor = self.factor();
        for (with, own) in pairs {
            let own = own.unwrap_or(Spread { scale: WIDER * with.scale, ..with });
            self.odds += share * (with.log_density(end) - own.log_density(end));
            let squared = (end - with.mean).powi(2) / with.variance();
            self.squares += share * (factor * factor * squared).min(WILD);
        }
        self.curves += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(curves: &[(f64, Spread, Option<Spread>)]) -> Likeness {
        let mut likeness = Likeness::default();
        for (end, with, without) in curves {
            let with = Spread { scale: with.scale * likeness.factor(), ..*with };
            likeness.add(*end, &[Predicted { own: *without, with: Some(with) }; 3]);
        }
        likeness
    }

    const RIGHT: Spread = Spread { mean: 1.0, scale: 0.1, freedom: 50.0 };

    #[test]
    fn the_odds_follow_what_predicted_better() {
        let off = Spread { mean: 1.5, ..RIGHT };
        assert_eq!(Likeness::default().chance(), 0.5, "even at first");
        let table: [(Spread, Option<Spread>, bool, &str); 4] = [
            (RIGHT, None, true, "good with it, when nothing else is known"),
            (off, None, false, "wrong with it, when nothing else is known"),
            (RIGHT, Some(off), true, "better with it"),
            (off, Some(RIGHT), false, "worse with it"),
        ];
        for (with, without, alike, why) in table {
            let chance = after(&[(1.05, with, without); 4]).chance();
            assert!(if alike { chance > 0.9 } else { chance < 0.1 }, "{why}: {chance}");
        }
    }

    #[test]
    fn the_scale_becomes_that_of_the_own_errors() {
        let factor = |error: f64, curves: usize| {
            let end = RIGHT.mean + error * RIGHT.variance().sqrt();
            after(&vec![(end, RIGHT, None); curves]).factor()
        };
        assert_eq!(factor(1.0, 0), 1.0);
        assert!((factor(1.0, 10) - 1.0).abs() < 1e-9, "as large as the earlier search says");
        // Ten curves count as much as the earlier search: half of 1 and half of a quarter.
        assert!((factor(0.5, 10) - 0.625_f64.sqrt()).abs() < 1e-9, "{}", factor(0.5, 10));
        assert!((factor(0.5, 1000) - 0.5).abs() < 0.01);
        assert!((factor(1e6, 10) - 3.5_f64.sqrt()).abs() < 1e-9, "a wild error counts as 6");
    }
}
