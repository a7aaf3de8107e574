//! Prints what schedulers save and keep with many workers, as means over random orders of recorded curves.
//!
//! ```text
//! cargo run --release -p peng-scheduler --example workers -- icpp23-1e14-full,metaqnn-cifar10 [SCHEDULER…]
//! ```
//!
//! A set of another folder is named by its absolute path, without `.csv`. SCHEDULER is `peng`, `asha`, `asha-stopping`,
//! `hyperband` or an engine's name, and may be followed by `:` and a `[predictor]` table on one line, `peng:risk=0.05`.
//! `--workers 1,8,32,100`, `--jobs 100` a search, drawn anew in each of `--orders 12`, `--prefer time`, `--restart 0`
//! intervals that taking up a job takes. `--each` prints a row for each set, not only the means over them. `--draws` prints
//! the orders drawn, for other programs to play the same.

#[path = "../../predictor/tests/recorded/mod.rs"]
mod recorded;

use std::sync::atomic::{AtomicUsize, Ordering};

use predictor::replay::{Recorded, orders};
use predictor::{Calibration, Engine, EngineName, Measures, Settings, Target};
use scheduler::simulation::{Setup, simulate};
use scheduler::{Asha, Best, Hyperband, Prefer, RESTART, Scheduler, Single, Variant};

struct Request {
    sets: String,
    schedulers: Vec<String>,
    workers: Vec<usize>,
    jobs: usize,
    orders: usize,
    prefer: Prefer,
    restart: usize,
    each: bool,
    draws: bool,
}

/// Means: saved (per cent), kept, least kept, speed, restarts, mean absolute error.
#[derive(Clone, Copy, Default)]
struct Row([f64; 6]);

fn main() {
    let request = request();
    let sets: Vec<(&str, Vec<Recorded>, f64)> = request.sets.split(',').filter_map(read).collect();
    if request.draws {
        for (name, jobs, _) in &sets {
            for order in orders(jobs.len(), request.jobs, request.orders, 1) {
                let ids: Vec<String> = order.iter().map(|&i| jobs[i].job.to_string()).collect();
                println!("{name} {}", ids.join(","));
            }
        }
        return;
    }
    println!("{:44} {:>5}  saved  kept worst speed restarts   mae", "scheduler, set", "W");
    for scheduler in &request.schedulers {
        for &workers in &request.workers {
            let mut rows = Vec::new();
            for (name, jobs, epochs) in &sets {
                let row = measure(scheduler, jobs, *epochs, workers, &request);
                if request.each {
                    print(&format!("{scheduler}, {}", name.rsplit('/').next().unwrap_or(name)), workers, row);
                }
                rows.push(row);
            }
            let mean = |i: usize| rows.iter().map(|row: &Row| row.0[i]).sum::<f64>() / rows.len() as f64;
            let label = format!("{scheduler}, mean over {} sets", rows.len());
            let mut mean = Row(std::array::from_fn(mean));
            mean.0[2] = rows.iter().map(|row| row.0[2]).fold(1.0, f64::min);
            print(&label, workers, mean);
        }
    }
}

fn print(label: &str, workers: usize, Row([saved, kept, worst, speed, restarts, mae]): Row) {
    println!(
        "{label:44} {workers:5} {saved:6.1} {kept:5.3} {worst:5.2} {speed:5.2} {restarts:8.1} {mae:5.2}"
    );
}

fn read(name: &str) -> Option<(&str, Vec<Recorded>, f64)> {
    let all = recorded::jobs(name)?;
    let epochs = recorded::common_end(&all);
    let full = |j: &Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
    let jobs = all.into_iter().filter(full).map(|j| Recorded { cost: None, ..j }).collect();
    Some((name, jobs, epochs))
}

fn measure(scheduler: &str, jobs: &[Recorded], epochs: f64, workers: usize, request: &Request) -> Row {
    let target = Target { epochs, interval: 1.0 };
    let setup = Setup { workers, restart: request.restart, target };
    let orders = orders(jobs.len(), request.jobs, request.orders, 1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut rows = Vec::new();
        while let Some(order) = orders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
            let mut scheduler = make(scheduler, target, request);
            let played = simulate(scheduler.as_mut(), &drawn, &setup).expect("curves that were read whole");
            let outcomes: Vec<_> = played.jobs.iter().map(|job| job.outcome).collect();
            let m = Measures::of(&outcomes);
            let f = |x: Option<f64>| x.unwrap_or(f64::NAN);
            let (saved, kept) = (f(m.epochs_saved_percent), f(m.overlap_10));
            rows.push([saved, kept, kept, played.speed(), played.restarts() as f64, f(m.mae)]);
        }
        rows
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows: Vec<[f64; 6]> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|h| h.join().expect("no panic")).collect()
    });
    let mut mean: [f64; 6] =
        std::array::from_fn(|i| rows.iter().map(|r| r[i]).sum::<f64>() / rows.len() as f64);
    mean[2] = rows.iter().map(|r| r[2]).fold(1.0, f64::min);
    Row(mean)
}

fn make(text: &str, target: Target, request: &Request) -> Box<dyn Scheduler> {
    let (name, table) = text.split_once(':').unwrap_or((text, ""));
    let table = table.replace(';', "\n");
    let mut settings: Settings = toml::from_str(&table).expect("a [predictor] table");
    settings.prefer = request.prefer;
    match name {
        "asha" => Box::new(Asha::new(&settings, target, Variant::Promotion)),
        "asha-stopping" => Box::new(Asha::new(&settings, target, Variant::Stopping)),
        "hyperband" => Box::new(Hyperband::new(&settings, target)),
        _ => {
            settings.engine = name.parse::<EngineName>().expect("the name of a scheduler");
            let engine = Engine::new(&settings, target).expect("settings in range");
            let nothing = Calibration::default();
            if settings.engine == EngineName::Peng && settings.thaw {
                Box::new(Best::new(engine, nothing, RESTART.max(request.restart as f64)))
            } else {
                Box::new(Single::new(engine, nothing))
            }
        }
    }
}

fn request() -> Request {
    let mut request = Request {
        sets: String::new(),
        schedulers: Vec::new(),
        workers: vec![1, 8, 32, 100],
        jobs: 100,
        orders: 12,
        prefer: Prefer::Epochs,
        restart: 0,
        each: false,
        draws: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("a number, found {text}"));
        match arg.as_str() {
            "--workers" => request.workers = value().split(',').map(number).collect(),
            "--jobs" => request.jobs = number(&value()),
            "--orders" => request.orders = number(&value()),
            "--restart" => request.restart = number(&value()),
            "--prefer" if value() == "time" => request.prefer = Prefer::Time,
            "--each" => request.each = true,
            "--draws" => request.draws = true,
            _ if request.sets.is_empty() => request.sets.clone_from(&arg),
            _ => request.schedulers.push(arg.clone()),
        }
    }
    if request.schedulers.is_empty() {
        request.schedulers = vec!["peng".into(), "asha".into()];
    }
    request
}
