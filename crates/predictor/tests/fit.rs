//! Properties of the exact fit, and SciPy's sums of squares.

mod recorded;

use predictor::saturation::{self, Bounds, Fit, FitError};
use proptest::prelude::*;

const WIDE: Bounds = Bounds { lowest: 0.5, highest: 200.0 };

fn steps(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64).collect()
}

fn squares(fit: &Fit, xs: &[f64], ys: &[f64]) -> f64 {
    xs.iter().zip(ys).map(|(&x, y)| (fit.at(x) - y).powi(2)).sum()
}

fn feasible(fit: &Fit, bounds: Bounds) -> bool {
    let floor = (-fit.rate * fit.start / fit.step).exp();
    (bounds.lowest..=bounds.highest).contains(&fit.asymptote)
        && fit.rate >= 0.0
        && fit.amplitude >= floor * (1.0 - 1e-12)
}

/// Up to 60 accuracies, mostly plausible, some wild.
fn curves() -> impl Strategy<Value = Vec<f64>> {
    let plausible = prop::collection::vec(0.0..100.0f64, 2..60);
    let rising = (10.0..99.0f64, 1.0..60.0f64, 0.01..2.0f64, prop::collection::vec(-1.0..1.0f64, 4..60))
        .prop_map(|(a, kappa, rate, noise)| {
            noise
                .iter()
                .enumerate()
                .map(|(i, e)| a - kappa * (-rate * i as f64).exp() + e)
                .collect::<Vec<_>>()
        });
    prop_oneof![plausible, rising]
}

proptest! {
    #[test]
    fn noiseless_parameters_are_recovered(
        a in 5.0..199.0f64, share in 0.05..0.9f64, rate in 0.02..3.0f64, n in 6usize..40, first in 0u8..3,
    ) {
        let kappa = 1.0 + share * (a - 1.0).min(100.0);
        let xs: Vec<f64> = (0..n).map(|i| f64::from(first) + i as f64).collect();
        let ys: Vec<f64> = xs.iter().map(|x| a - kappa * (-rate * (x - xs[0])).exp()).collect();
        let fit = saturation::fit(&xs, &ys, WIDE).unwrap();
        prop_assert!(fit.squares < 1e-16 * kappa * kappa * n as f64, "{fit:?}");
        prop_assert!((fit.at(xs[n - 1]) - ys[n - 1]).abs() < 1e-6);
        // Where the curve bends within the points, the parameters are determined.
        if rate * (n as f64) > 1.0 {
            prop_assert!((fit.rate / rate - 1.0).abs() < 1e-4 && (fit.asymptote / a - 1.0).abs() < 1e-4, "{fit:?}");
        }
    }

    #[test]
    fn no_feasible_neighbour_is_better(ys in curves(), first in 0u8..3, by in prop::array::uniform3(-1.0..1.0f64)) {
        let xs: Vec<f64> = (0..ys.len()).map(|i| f64::from(first) + i as f64).collect();
        let fit = saturation::fit(&xs, &ys, WIDE).unwrap();
        prop_assert!(feasible(&fit, WIDE), "{fit:?}");
        let told = squares(&fit, &xs, &ys);
        prop_assert!((told - fit.squares).abs() <= 1e-9 * (told + 1.0), "{told} against {fit:?}");
        for size in [1e-6, 1e-3, 0.1, 1.0] {
            let other = Fit {
                asymptote: fit.asymptote + size * by[0] * 10.0,
                amplitude: fit.amplitude * (size * by[1]).exp(),
                rate: fit.rate * (size * by[2]).exp(),
                ..fit
            };
            if feasible(&other, WIDE) && other.rate <= 40.0 {
                let near = squares(&other, &xs, &ys);
                prop_assert!(fit.squares <= near + 1e-9 * (near + 1.0), "{fit:?} is worse than {other:?}");
            }
        }
    }

    #[test]
    fn a_shift_in_x_with_free_amplitude_and_a_change_of_unit_change_nothing(ys in curves(), unit in 0.1..10.0f64) {
        let xs = steps(ys.len());
        let scaled: Vec<f64> = xs.iter().map(|x| x * unit).collect();
        let (one, other) =
            (saturation::fit(&xs, &ys, WIDE).unwrap(), saturation::fit(&scaled, &ys, WIDE).unwrap());
        prop_assert!((one.squares - other.squares).abs() <= 1e-7 * (1.0 + one.squares));
        // From x = 0 the amplitude is at least 1; from a later x it may be smaller, so that the fit can only improve.
        let later: Vec<f64> = xs.iter().map(|x| x + 3.0).collect();
        let shifted = saturation::fit(&later, &ys, WIDE).unwrap();
        prop_assert!(shifted.squares <= one.squares * (1.0 + 1e-7) + 1e-9);
    }

    #[test]
    fn an_interior_optimum_has_no_gradient(ys in curves()) {
        let xs = steps(ys.len());
        let fit = saturation::fit(&xs, &ys, WIDE).unwrap();
        let inside = fit.is_informative() && fit.rate > 2e-6 && fit.rate < 30.0
            && fit.asymptote > 0.51 && fit.asymptote < 199.9 && fit.amplitude > 1.01;
        if inside {
            let h = 1e-5;
            let at = |by: f64| squares(&Fit { rate: fit.rate * (1.0 + by), ..fit }, &xs, &ys);
            let slope = (at(h) - at(-h)) / (2.0 * h);
            prop_assert!(slope.abs() <= 1e-4 * (1.0 + fit.squares + fit.amplitude.powi(2)), "{slope} at {fit:?}");
        }
    }

    #[test]
    fn any_finite_input_gives_finite_numbers(
        ys in prop::collection::vec(prop_oneof![-1e300..1e300f64, 0.0..100.0f64, Just(0.0), Just(-1e-300)], 2..30),
        gaps in prop::collection::vec(1e-6..1e6f64, 30),
    ) {
        let mut x = 0.0;
        let xs: Vec<f64> = ys.iter().zip(&gaps).map(|(_, gap)| { x += gap; x }).collect();
        let fit = saturation::fit(&xs, &ys, WIDE).unwrap();
        prop_assert!(fit.asymptote.is_finite() && fit.amplitude.is_finite() && fit.rate.is_finite(), "{fit:?}");
        prop_assert!(fit.at(2.0 * x).is_finite() && !fit.squares.is_nan(), "{fit:?}");
    }

    #[test]
    fn unequal_steps_find_the_same_minimum(ys in curves()) {
        // Leaving out one point of an equally spaced curve: the general path must not lose to the fast one.
        prop_assume!(ys.len() >= 6);
        let mut xs = steps(ys.len());
        let mut kept = ys.clone();
        xs.remove(2);
        kept.remove(2);
        let fit = saturation::fit(&xs, &kept, WIDE).unwrap();
        let even = saturation::fit(&steps(ys.len()), &ys, WIDE).unwrap();
        prop_assert!(fit.squares <= squares(&even, &xs, &kept) + 1e-7 * (1.0 + fit.squares), "{fit:?} {even:?}");
    }
}

#[test]
fn edge_cases() {
    let table: [(&[f64], f64, f64, &str); 5] = [
        (&[50.0; 8], 50.0, 0.0, "constant: the mean, at rate 0"),
        (&[60.0, 50.0, 40.0, 30.0], 45.0, 500.0, "falling: the mean"),
        (&[50.0, 60.0, 65.0, 67.5], 70.0, 0.0, "three ratios alike: the limit of the series"),
        (&[10.0, 10.0, 10.0, 10.5], 10.125, 0.1875, "no concave rise fits a late one better than its mean"),
        (&[0.0, 0.0], 0.0, 0.0, "two zeros"),
    ];
    for (ys, end, least, why) in table {
        let fit = saturation::fit(&steps(ys.len()), ys, WIDE).unwrap();
        if fit.rate == 0.0 || why.starts_with("three") {
            assert!((fit.at(1000.0) - end).abs() < 1e-3, "{why}: {fit:?}");
        }
        assert!(fit.squares <= least + 1e-9, "{why}: {fit:?}");
    }
    let step = saturation::fit(&steps(5), &[1.0, 50.0, 50.0, 50.0, 50.0], WIDE).unwrap();
    assert!(!step.is_informative(), "a step says nothing: {step:?}");
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    // Found by the fuzz target: the amplitude of such a curve lies beyond f64.
    let ys = [-1.737e308, -1.737e308, -1.7e72, -2.6e303, -2.2e226, 2.7e-260];
    let fit = saturation::fit(&[2.0, 2.5, 4.0, 6.5, 10.0, 14.5], &ys, WIDE).unwrap();
    assert!(fit.amplitude.is_finite() && fit.at(2.0).is_finite() && !fit.squares.is_nan(), "{fit:?}");
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let fit = |xs: &[f64], ys: &[f64]| saturation::fit(xs, ys, WIDE).unwrap_err();
    assert_eq!(fit(&[0.0], &[1.0]), FitError::TooFew(1));
    assert_eq!(fit(&[0.0, 1.0], &[1.0]), FitError::Lengths { xs: 2, ys: 1 });
    assert!(matches!(fit(&[0.0, 1.0], &[1.0, f64::NAN]), FitError::NotFinite { index: 1, .. }));
    assert_eq!(fit(&[1.0, 1.0], &[1.0, 2.0]), FitError::X { index: 1, found: 1.0 });
    assert_eq!(fit(&[-1.0, 1.0], &[1.0, 2.0]), FitError::X { index: 0, found: -1.0 });
}

/// `benches/reference.py fixture` wrote the best of four starts of SciPy's solver on generated curves.
#[test]
fn sums_of_squares_are_at_or_below_those_of_scipy() {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(include_str!("fixtures/scipy.csv").as_bytes());
    let (mut below, mut prefixes) = (0, 0);
    for record in reader.records().map(Result::unwrap) {
        let scipy: f64 = record[1].parse().unwrap();
        let ys: Vec<f64> = record.iter().skip(2).map(|v| v.parse().unwrap()).collect();
        let fit = saturation::fit(&steps(ys.len()), &ys, WIDE).unwrap();
        // The file has six decimals of each accuracy.
        assert!(
            fit.squares <= scipy * (1.0 + 1e-7) + 1e-9,
            "curve {}: {} against {scipy}",
            &record[0],
            fit.squares
        );
        below += i32::from(fit.squares < scipy * (1.0 - 1e-6) - 1e-9);
        prefixes += 1;
    }
    println!("{prefixes} prefixes, {below} below SciPy's sum of squares");
    assert_eq!(prefixes, 200);
}

/// No failure and nothing out of bounds on any prefix of any recorded curve.
#[test]
fn every_recorded_prefix_is_fitted() {
    let sets = [
        "icpp23-1e14-full",
        "icpp23-1e15-full",
        "icpp23-1e14-early",
        "icpp23-1e15-early",
        "lemur-cifar100",
        "metaqnn-cifar10",
        "metaqnn-svhn-even",
        "penguin-cifar100-sample",
    ];
    for set in sets {
        let Some(curves) = recorded::read(set) else { return };
        for curve in &curves {
            let ys: Vec<f64> = recorded::points(curve).iter().map(|o| o.val_acc).collect();
            for m in 2..=ys.len() {
                let fit = saturation::fit(&steps(m), &ys[..m], WIDE).unwrap();
                assert!(feasible(&fit, WIDE) && fit.at(2.0 * m as f64).is_finite(), "{set}: {fit:?}");
                let mean = ys[..m].iter().sum::<f64>() / m as f64;
                let flat: f64 = ys[..m].iter().map(|y| (y - mean).powi(2)).sum();
                assert!(fit.squares <= flat * (1.0 + 1e-12) + 1e-12, "{set}: worse than the mean: {fit:?}");
            }
        }
    }
}
