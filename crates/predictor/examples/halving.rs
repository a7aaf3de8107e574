//! What no engine can know: the synchronous successive halving (Jamieson and Talwalkar, AISTATS 2016) that would have
//! been best on the recorded curves, chosen with hindsight for all sets together.
//!
//! ```text
//! cargo run --release -p peng-predictor --example halving -- SETS [--saved PERCENT]
//! ```
//!
//! All 100 jobs train to a first epoch, the K1 with the best running maximum to a second, the K2 best of those to the
//! end; there are no start-up jobs. Prints the schedules that keep most of the true best tenth, as the mean over the
//! sets, among those that save at least PERCENT (60) of the epochs; the same 12 draws of 100 jobs as `tables`.

#[path = "../tests/recorded/mod.rs"]
mod recorded;

use predictor::replay::orders;

/// Jobs of a draw.
const JOBS: usize = 100;

/// One schedule: epochs as shares of the whole training, and how many jobs go on after each.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    first: f64,
    second: f64,
    after_first: usize,
    after_second: usize,
}

/// A draw: running maxima by job and epoch, and the final accuracies.
struct Draw {
    best: Vec<Vec<f64>>,
    last: Vec<f64>,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let sets = args.next().expect("SETS");
    let least = match args.next().as_deref() {
        Some("--saved") => args.next().and_then(|n| n.parse().ok()).expect("--saved PERCENT"),
        _ => 60.0,
    };
    let draws: Vec<(&str, Vec<Draw>)> = sets.split(',').filter_map(|set| Some((set, draws(set)?))).collect();
    let mut all = Vec::new();
    for schedule in schedules() {
        let each: Vec<(f64, f64)> = draws.iter().map(|(_, draws)| play(schedule, draws)).collect();
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| each.iter().map(of).sum::<f64>() / each.len() as f64;
        if mean(&|e| e.0) >= least {
            all.push((mean(&|e| e.1), schedule, each));
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let good = all.iter().filter(|a| a.0 >= 0.95).count();
    println!("{} schedules save {least} % or more; {good} of them keep 0.95 or more", all.len());
    for (kept, s, each) in all.iter().take(5) {
        let (first, second) = (100.0 * s.first, 100.0 * s.second);
        print!("mean kept {kept:.3}: {} jobs go on after {first:.0} %", s.after_first);
        println!(" of the epochs, {} after {second:.0} %", s.after_second);
        for ((set, _), (saved, kept)) in draws.iter().zip(each) {
            println!("    {set:20} saved {saved:.1} %, kept {kept:.3}");
        }
    }
}

fn draws(set: &str) -> Option<Vec<Draw>> {
    let all = recorded::jobs(set)?;
    let epochs = recorded::common_end(&all);
    let full = |j: &predictor::replay::Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
    let jobs: Vec<Vec<f64>> = all
        .iter()
        .filter(|j| full(j))
        .map(|j| j.curve.iter().filter(|o| o.epoch <= epochs).map(|o| o.val_acc).collect())
        .collect();
    let running = |curve: &Vec<f64>| {
        let best = curve.iter().scan(f64::NEG_INFINITY, |best, &y| {
            *best = best.max(y);
            Some(*best)
        });
        best.collect()
    };
    let draw = |order: Vec<usize>| Draw {
        best: order.iter().map(|&i| running(&jobs[i])).collect(),
        last: order.iter().map(|&i| jobs[i][jobs[i].len() - 1]).collect(),
    };
    Some(orders(jobs.len(), JOBS, 12, 1).into_iter().map(draw).collect())
}

fn schedules() -> Vec<Schedule> {
    let mut all = Vec::new();
    for first in [0.06, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28] {
        for second in [0.24, 0.28, 0.32, 0.36, 0.4, 0.48, 0.56, 0.64, 0.72] {
            for after_first in (20..=65).step_by(5) {
                for after_second in (12..=after_first.min(30)).step_by(2) {
                    if second > first {
                        all.push(Schedule { first, second, after_first, after_second });
                    }
                }
            }
        }
    }
    all
}

/// Epochs saved in per cent, and the share of the true best tenth that was trained to the end.
fn play(schedule: Schedule, draws: &[Draw]) -> (f64, f64) {
    let epochs = draws[0].best[0].len();
    let at = |share: f64| ((share * epochs as f64).round() as usize).max(1);
    let (first, second) = (at(schedule.first), at(schedule.second).max(at(schedule.first) + 1));
    let (one, two) = (schedule.after_first, schedule.after_second);
    let spent = JOBS * first + one * (second - first) + two * (epochs - second);
    let kept = draws.iter().map(|draw| {
        let mut left: Vec<usize> = (0..JOBS).collect();
        for (epoch, count) in [(first, one), (second, two)] {
            left.sort_by(|&a, &b| draw.best[b][epoch - 1].total_cmp(&draw.best[a][epoch - 1]));
            left.truncate(count);
        }
        let mut sorted = draw.last.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let top = JOBS / 10;
        let found = left.iter().filter(|&&i| draw.last[i] >= sorted[top - 1]).count();
        found.min(top) as f64 / top as f64
    });
    (100.0 * (1.0 - spent as f64 / (JOBS * epochs) as f64), kept.sum::<f64>() / draws.len() as f64)
}
