//! Prints for what `peng` spends epochs on recorded curves: means over 12 random orders of 100 jobs.
//!
//! ```text
//! cargo run --release -p peng-scheduler --example spent -- icpp23-1e14-full,metaqnn-cifar10
//! ```

#[path = "../../predictor/tests/recorded/mod.rs"]
mod recorded;

use predictor::replay::{Recorded, orders};
use predictor::{Calibration, Settings, Target};
use scheduler::Decision;
use scheduler::simulation::{Setup, Simulated, simulate};

const ORDERS: usize = 12;
const STARTUP: usize = 7;
const WARM_UP: f64 = 2.0;

const PURPOSES: [&str; 8] = [
    "start-up jobs",
    "the best tenth, to the end",
    "the best tenth, frozen",
    "others, to the end without a freeze",
    "others, frozen, taken up, to the end",
    "frozen: warm-up",
    "frozen: from there to the first freeze",
    "frozen: taken up",
];

fn main() {
    let sets = std::env::args().nth(1).expect("names of sets");
    for set in sets.split(',') {
        let Some(all) = recorded::jobs(set) else { continue };
        let epochs = recorded::common_end(&all);
        let full = |j: &Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
        let jobs: Vec<Recorded> =
            all.into_iter().filter(full).map(|j| Recorded { cost: None, ..j }).collect();
        let target = Target { epochs, interval: 1.0 };
        let setup = Setup { workers: 1, restart: 0, target };
        let mut spent = [(0.0, 0.0); PURPOSES.len()];
        for order in orders(jobs.len(), 100, ORDERS, 1) {
            let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
            let peng = scheduler::of(&Settings::default(), target, Calibration::default());
            let played = simulate(peng.expect("sound settings").as_mut(), &drawn, &setup).expect("curves");
            charge(&played.jobs, epochs, &mut spent);
        }
        println!("\n{set}");
        for (purpose, (count, sum)) in PURPOSES.iter().zip(spent) {
            let (count, share) = (count / ORDERS as f64, sum / (ORDERS as f64 * epochs));
            println!("{purpose:38} {count:5.1} jobs {share:6.2} % of the epochs of 100 jobs");
        }
    }
}

/// Adds the epochs of one search to their purposes.
fn charge(played: &[Simulated], epochs: f64, spent: &mut [(f64, f64)]) {
    let mut truths: Vec<f64> = played.iter().map(|p| p.outcome.truth).collect();
    truths.sort_by(|a, b| b.total_cmp(a));
    let least = truths[played.len() / 10 - 1];
    let mut add = |purpose: usize, count: f64, epochs: f64| {
        spent[purpose].0 += count;
        spent[purpose].1 += epochs;
    };
    for (place, p) in played.iter().enumerate() {
        let (whole, best) = (p.outcome.epochs, p.outcome.truth >= least);
        let stop = p.verdicts.iter().position(|v| v.decision != Decision::Continue);
        let first = stop.map_or(epochs, |at| at as f64 + 1.0);
        match (place < STARTUP, best, p.outcome.terminated) {
            (true, ..) => add(0, 1.0, whole),
            (_, true, false) => add(1, 1.0, whole),
            (_, true, true) => add(2, 1.0, whole),
            (_, false, false) if first >= epochs => add(3, 1.0, whole),
            (_, false, false) => add(4, 1.0, whole),
            (_, false, true) => {
                add(5, 1.0, WARM_UP);
                add(6, 1.0, first - WARM_UP);
                add(7, f64::from(whole > first), whole - first);
            }
        }
    }
}
