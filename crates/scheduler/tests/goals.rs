//! What `peng` saves and keeps with many workers, on the recorded curves.

#[path = "../../predictor/tests/recorded/mod.rs"]
mod recorded;

use std::collections::BTreeMap;

use predictor::replay::{Recorded, orders};
use predictor::{Calibration, Prefer, Settings, Target};
use scheduler::simulation::{Measured, Setup, Simulated, measure, simulate};
use scheduler::{Decision, Scheduler};

const SETS: [&str; 5] =
    ["icpp23-1e14-full", "icpp23-1e15-full", "metaqnn-cifar10", "metaqnn-svhn-even", "lemur-cifar100"];

/// The curves of a set that reach the end, and their epochs.
struct Set {
    jobs: Vec<Recorded>,
    target: Target,
}

/// None where the folder is missing.
fn sets() -> Option<Vec<Set>> {
    let set = |name: &&str| {
        let all = recorded::jobs(name)?;
        let epochs = recorded::common_end(&all);
        let full = |j: &Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
        let jobs = all.into_iter().filter(full).map(|j| Recorded { cost: None, ..j }).collect();
        Some(Set { jobs, target: Target { epochs, interval: 1.0 } })
    };
    SETS.iter().map(set).collect()
}

fn peng(prefer: Prefer, target: Target) -> Box<dyn Scheduler> {
    let settings = Settings { prefer, ..Settings::default() };
    scheduler::of(&settings, target, Calibration::default()).expect("sound settings")
}

/// Means over the sets of twelve draws of 100 jobs each.
fn mean(sets: &[Set], prefer: Prefer, workers: usize) -> Measured {
    let each = sets.iter().map(|set| {
        let setup = Setup { workers, restart: 0, target: set.target };
        let orders = orders(set.jobs.len(), 100, 12, 1);
        let make = || peng(prefer, set.target);
        Measured::mean(&measure(&make, &set.jobs, &orders, &setup).expect("sound curves"))
    });
    Measured::mean(&each.collect::<Vec<_>>())
}

fn saved_and_kept(measured: &Measured) -> (f64, f64) {
    let m = &measured.measures;
    (m.epochs_saved_percent.expect("jobs"), m.overlap_10.expect("jobs"))
}

#[test]
fn it_saves_and_keeps_as_much_with_any_number_of_workers() {
    let Some(sets) = sets() else { return };
    let one = mean(&sets, Prefer::Epochs, 1);
    let (saved_by_one, kept_by_one) = saved_and_kept(&one);
    assert!(one.restarts < 110.0, "{one:?}");
    for workers in [1, 8, 32, 100] {
        let many = if workers == 1 { one.clone() } else { mean(&sets, Prefer::Epochs, workers) };
        let (saved, kept) = saved_and_kept(&many);
        assert!(saved >= 55.0 && saved >= saved_by_one - 4.0, "{workers} workers: {many:?}");
        assert!(kept >= 0.93 && kept >= 0.95 * kept_by_one, "{workers} workers: {many:?}");
    }
}

#[test]
fn where_time_counts_many_workers_are_done_sooner() {
    let Some(sets) = sets() else { return };
    for (workers, speed) in [(32, 1.9), (100, 0.9)] {
        let many = mean(&sets, Prefer::Time, workers);
        let (saved, kept) = saved_and_kept(&many);
        assert!(many.speed >= speed && saved >= 40.0 && kept >= 0.93, "{workers} workers: {many:?}");
    }
}

#[test]
fn the_same_search_ends_the_same_bit_for_bit() {
    let Some(sets) = sets() else { return };
    for (prefer, set) in
        [Prefer::Epochs, Prefer::Time].into_iter().flat_map(|p| sets.iter().map(move |s| (p, s)))
    {
        let order = &orders(set.jobs.len(), 100, 1, 5)[0];
        let jobs: Vec<&Recorded> = order.iter().map(|&i| &set.jobs[i]).collect();
        let setup = Setup { workers: 8, restart: 1, target: set.target };
        let played = || simulate(peng(prefer, set.target).as_mut(), &jobs, &setup).expect("sound curves");
        assert_eq!(format!("{:?}", played()), format!("{:?}", played()), "{prefer:?}");
    }
}

/// Chosen ones would promise too much.
#[test]
fn the_first_seven_jobs_are_trained_to_the_end_whatever_they_show() {
    let Some(sets) = sets() else { return };
    let on = |job: &Simulated| job.verdicts.iter().all(|v| v.decision == Decision::Continue);
    let mut frozen_later: BTreeMap<usize, usize> = BTreeMap::new();
    for set in &sets {
        for order in orders(set.jobs.len(), 40, 3, 9) {
            let jobs: Vec<&Recorded> = order.iter().map(|&i| &set.jobs[i]).collect();
            for workers in [1, 8, 100] {
                let setup = Setup { workers, restart: 0, target: set.target };
                let mut peng = peng(Prefer::Epochs, set.target);
                let played = simulate(peng.as_mut(), &jobs, &setup).expect("sound curves");
                assert!(played.jobs[..7].iter().all(on), "{workers} workers");
                *frozen_later.entry(workers).or_default() += usize::from(!on(&played.jobs[7]));
            }
        }
    }
    assert!(frozen_later.values().all(|&count| count > 5), "the eighth is as any other: {frozen_later:?}");
}
