//! Shares of the best networks, and what can be said of few.

use predictor::Measures;
use statrs::distribution::{Beta, ContinuousCDF as _};

use crate::cell::Cell;

/// Of fewer networks no share is said: one of them more or less would be more than ten points.
const FEWEST: usize = 10;
/// What is said instead.
const FEW: &str = "fewer than ten";

/// How many networks a share (0 to 1) of all is, at least one.
fn members(share: f64, jobs: usize) -> usize {
    // 1e-9: 0.05 of 100 are 5 networks, not 6.
    (share * jobs as f64 - 1e-9).ceil().max(1.0) as usize
}

/// The part (0 to 1) of all jobs that a measure of this name is a share of.
pub(crate) fn of(measure: &str) -> Option<f64> {
    measure.strip_prefix("overlap_")?.parse::<f64>().ok().map(|percent| percent / 100.0)
}

/// Whether the best `share` (0 to 1) of so many jobs are too few.
pub(crate) fn are_few(share: f64, jobs: usize) -> bool {
    members(share, jobs) < FEWEST
}

/// The measures of so many jobs, without those shares of the best that are over too few.
pub(crate) fn without_few(measures: Measures, jobs: usize) -> Measures {
    let said = |share, overlap: Option<f64>| overlap.filter(|_| !are_few(share, jobs));
    Measures {
        overlap_5: said(0.05, measures.overlap_5),
        overlap_10: said(0.10, measures.overlap_10),
        overlap_20: said(0.20, measures.overlap_20),
        overlap_25: said(0.25, measures.overlap_25),
        ..measures
    }
}

/// The measures without those that ask which of the best were kept.
pub(crate) fn without_kept(measures: Measures) -> Measures {
    Measures {
        overlap_5: None,
        overlap_10: None,
        overlap_20: None,
        overlap_25: None,
        regret_1: None,
        regret_5: None,
        best_mean_gap_10: None,
        ..measures
    }
}

/// The exact 95 % interval of a share (Clopper and Pearson, Biometrika 26, 1934), in per cent; none of nothing.
pub(crate) fn share_interval(inside: i64, of: i64) -> Option<(f64, f64)> {
    if of <= 0 {
        return None;
    }
    let (inside, outside) = (inside as f64, (of - inside) as f64);
    let low = if inside > 0.0 { Beta::new(inside, outside + 1.0).ok()?.inverse_cdf(0.025) } else { 0.0 };
    let high = if outside > 0.0 { Beta::new(inside + 1.0, outside).ok()?.inverse_cdf(0.975) } else { 1.0 };
    Some((100.0 * low, 100.0 * high))
}

/// The exact 95 % interval, in per cent, of a share (0 to 1) of the best that was found.
pub(crate) fn interval(overlap: Option<f64>, share: f64, jobs: usize) -> Option<(f64, f64)> {
    let members = members(share, jobs);
    share_interval((overlap? * members as f64).round() as i64, members as i64)
}

/// A share of the best for people: in place of one that is over too few, why it is not there.
pub(crate) fn cell(overlap: Option<f64>, share: f64, jobs: usize, shown: impl Fn(f64) -> Cell) -> Cell {
    match overlap {
        Some(overlap) => shown(overlap),
        None if jobs > 0 && are_few(share, jobs) => FEW.into(),
        None => Cell::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_share_is_said_of_fewer_than_ten() {
        let measures = Measures {
            overlap_5: Some(1.0),
            overlap_10: Some(0.9),
            overlap_20: Some(0.8),
            mae: Some(1.0),
            ..Measures::default()
        };
        for (jobs, said) in [(90, [false, false, true]), (91, [false, true, true]), (200, [true; 3])] {
            let left = without_few(measures.clone(), jobs);
            assert_eq!(
                [left.overlap_5, left.overlap_10, left.overlap_20].map(|o| o.is_some()),
                said,
                "{jobs}"
            );
            assert_eq!(left.mae, Some(1.0));
        }
        let shown = |overlap| cell(overlap, 0.1, 50, |o| Cell::Number(o, 2));
        assert_eq!([shown(None), shown(Some(0.5))], [FEW.into(), Cell::Number(0.5, 2)]);
        assert_eq!(cell(None, 0.1, 0, |o| Cell::Number(o, 2)), Cell::Empty, "of nothing");
    }

    #[test]
    fn a_share_of_the_best_has_the_exact_interval() {
        let (low, high) = interval(Some(0.8), 0.1, 100).unwrap();
        assert!(
            (low - 44.390_454).abs() < 1e-3 && (high - 97.478_927).abs() < 1e-3,
            "8 of 10: {low} to {high}"
        );
        assert_eq!(interval(None, 0.1, 100), None);
    }

    #[test]
    fn shares_have_the_exact_interval() {
        // scipy.stats.binomtest(k, n).proportion_ci(): 8 of 10, 0 of 10, 10 of 10.
        for (inside, of, low, high) in
            [(8, 10, 44.390_454, 97.478_927), (0, 10, 0.0, 30.849_710), (10, 10, 69.150_290, 100.0)]
        {
            let (l, h) = share_interval(inside, of).unwrap();
            assert!((l - low).abs() < 1e-3 && (h - high).abs() < 1e-3, "{inside} of {of}: {l} to {h}");
        }
        assert_eq!(share_interval(0, 0), None);
    }
}
