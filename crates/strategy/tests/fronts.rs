//! Non-dominated fronts, crowding distances and survival, against pymoo 0.6.2 (`pymoo_figures.py`) and the definition.

use proptest::prelude::*;
use strategy::{Objectives, Standing, crowding, fronts, survivors};

const POINTS: [Objectives; 12] = [
    [1.0, 9.0],
    [2.0, 6.0],
    [4.0, 4.0],
    [7.0, 3.0],
    [9.0, 1.0],
    [3.0, 8.0],
    [5.0, 5.0],
    [8.0, 4.0],
    [6.0, 7.0],
    [9.0, 9.0],
    [4.0, 6.0],
    [2.0, 9.0],
];

fn dominates(a: Objectives, b: Objectives) -> bool {
    a[0] <= b[0] && a[1] <= b[1] && (a[0] < b[0] || a[1] < b[1])
}

#[test]
fn fronts_are_those_of_pymoo() {
    assert_eq!(fronts(&POINTS), [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 10, 11], vec![8], vec![9]]);
}

/// pymoo divides by the number of objectives, the paper does not.
#[test]
fn crowding_distances_are_those_of_pymoo() {
    let table: [(&[usize], &[f64]); 2] = [
        (&[0, 1, 2, 3, 4], &[f64::INFINITY, 0.5, 0.5, 0.5, f64::INFINITY]),
        (&[5, 6, 7, 10, 11], &[0.466_667, 0.533_333, f64::INFINITY, 0.466_667, f64::INFINITY]),
    ];
    for (front, expected) in table {
        let front: Vec<Objectives> = front.iter().map(|&i| POINTS[i]).collect();
        for (found, expected) in crowding(&front).iter().zip(expected) {
            let same =
                (found / 2.0 - expected).abs() < 1e-6 || (found.is_infinite() && expected.is_infinite());
            assert!(same, "{found} against {expected}");
        }
    }
}

/// Worked by hand: distances of the inner points of (0, 10), (1, 6), (4, 4), (10, 0).
#[test]
fn crowding_distances_are_those_of_the_definition() {
    let front = [[0.0, 10.0], [1.0, 6.0], [4.0, 4.0], [10.0, 0.0]];
    let expected = [f64::INFINITY, 0.4 + 0.6, 0.9 + 0.6, f64::INFINITY];
    assert_eq!(crowding(&front), expected);
    assert_eq!(crowding(&[]), [] as [f64; 0]);
    assert_eq!(crowding(&[[1.0, 1.0]]), [f64::INFINITY]);
    assert_eq!(crowding(&[[1.0, 1.0]; 3]), [f64::INFINITY, 0.0, f64::INFINITY]);
}

#[test]
fn survivors_are_the_best_fronts_and_the_least_crowded() {
    let indices = |count| survivors(&POINTS, count).into_iter().map(|(i, _)| i).collect::<Vec<_>>();
    assert_eq!(indices(5), [0, 1, 2, 3, 4]);
    // The second front has room for three: its ends, then the least crowded.
    assert_eq!(indices(8), [0, 1, 2, 3, 4, 7, 11, 6]);
    assert_eq!(indices(100).len(), 12);
    assert_eq!(indices(0), [] as [usize; 0]);
}

#[test]
fn crowded_comparison_looks_at_the_front_first() {
    let standing = |rank, crowding| Standing { rank, crowding };
    assert!(standing(0, 0.1).beats(standing(1, f64::INFINITY)));
    assert!(standing(1, 0.2).beats(standing(1, 0.1)));
    assert!(!standing(1, 0.2).beats(standing(1, 0.2)));
    assert!(!standing(2, 0.2).beats(standing(1, 0.1)));
}

proptest! {
    /// On a coarse grid, so that many are equal in one objective or both.
    #[test]
    fn fronts_are_what_the_definition_says(points in prop::collection::vec((0..8u8, 0..8u8), 0..60)) {
        let points: Vec<Objectives> = points.iter().map(|&(a, b)| [f64::from(a), f64::from(b)]).collect();
        let mut left: Vec<usize> = (0..points.len()).collect();
        for front in fronts(&points) {
            let dominated = |i: &usize| left.iter().any(|&j| dominates(points[j], points[*i]));
            let (rest, best): (Vec<usize>, Vec<usize>) = left.iter().partition(|i| dominated(i));
            prop_assert_eq!(front, best);
            left = rest;
        }
        prop_assert!(left.is_empty());
    }
}
