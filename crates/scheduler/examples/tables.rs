//! Prints what schedulers do on recorded curves, as means over random orders of 100 jobs.
//!
//! ```text
//! cargo run --release -p peng-scheduler --example tables -- icpp23-1e14-full,metaqnn-cifar10 [SCHEDULER…]
//! ```
//!
//! A set of another folder is named by its absolute path, without `.csv`. SCHEDULER is an engine's name, and may be followed by
//! `:` and a `[predictor]` table on one line, `'peng:risk=0.05;prefer="time"'`; left out: every engine at its defaults. `--tradeoff` takes eight values of each engine's most telling setting instead. `--workers
//! 1,8,32,100` (1) that take `--restart 2` (0) intervals to take up a job; `--jobs 1000` (100) a search, drawn anew in each of
//! `--orders 24` (12). `--cost` gives FLOPs to the engines, where the set has them, and adds the hypervolume lost. `--earlier
//! SET` adds a row after a warm start from that set; from the same set, one half is the earlier search and draws are from the
//! other. `--played`: the earlier search has only those curves that `peng` completes in a search over its first 100. After
//! several sets come the means over them, and `--means` prints nothing else. `--draws` prints the orders drawn, for other
//! programs to play the same.

#[path = "../../predictor/tests/recorded/mod.rs"]
mod recorded;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use predictor::replay::{Recorded, orders};
use predictor::{Calibration, Engine, EngineName, Outcome, Settings, Target};
use scheduler::Scheduler;
use scheduler::simulation::{Measured, Setup, simulate};

#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[derive(Default)]
struct Request {
    sets: String,
    schedulers: Vec<String>,
    workers: Vec<usize>,
    jobs: usize,
    orders: usize,
    restart: usize,
    tradeoff: bool,
    cost: bool,
    earlier: Option<String>,
    played: bool,
    means: bool,
    draws: bool,
}

fn main() {
    let request = request();
    let mut rows: Vec<(String, Row)> = Vec::new();
    for set in request.sets.split(',') {
        let Some((mut jobs, epochs)) = full(set, request.cost) else { continue };
        if request.draws {
            for order in orders(jobs.len(), request.jobs, request.orders, 1) {
                let ids: Vec<String> = order.iter().map(|&i| jobs[i].job.to_string()).collect();
                println!("{set} {}", ids.join(","));
            }
            continue;
        }
        let earlier = request.earlier.as_deref().map(|name| earlier(name, set, &mut jobs, request.played));
        if !request.means {
            let (draw, count) = (request.jobs, request.orders);
            println!("\n{set}: draws of {draw} of {} curves, {epochs} epochs, {count} orders", jobs.len());
            heads();
        }
        let schedulers = match (&request.schedulers[..], request.tradeoff) {
            ([], true) => varied(epochs),
            ([], false) => defaults(),
            (chosen, _) => chosen.to_vec(),
        };
        for (text, workers) in schedulers.iter().flat_map(|s| request.workers.iter().map(move |w| (s, *w))) {
            for (earlier, label) in
                [(Some(&vec![]), text.clone()), (earlier.as_ref(), format!("{text}, warm"))]
            {
                let Some(earlier) = earlier else { continue };
                let row = row(text, &jobs, earlier, epochs, workers, &request);
                let label = format!("{label:36} {workers:5}");
                if !request.means {
                    row.print(&label);
                }
                rows.push((label, row));
            }
        }
    }
    means(&rows);
}

/// The curves of a set that reach the end, and their epochs.
fn full(set: &str, cost: bool) -> Option<(Vec<Recorded>, f64)> {
    let all = recorded::jobs(set)?;
    let epochs = recorded::common_end(&all);
    let full = |j: &Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
    let jobs = all.into_iter().filter(full).map(|j| Recorded { cost: j.cost.filter(|_| cost), ..j });
    Some((jobs.collect(), epochs))
}

/// The means over the sets, of what was played on several.
fn means(rows: &[(String, Row)]) {
    let mut labels: Vec<&String> = Vec::new();
    for (label, _) in rows {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let of = |label: &str| rows.iter().filter(|r| r.0 == label).map(|r| &r.1).collect::<Vec<_>>();
    let several: Vec<_> = labels.into_iter().map(|l| (l, of(l))).filter(|(_, each)| each.len() > 1).collect();
    if let Some(most) = several.iter().map(|(_, each)| each.len()).max() {
        println!("\nmeans over {most} sets");
        heads();
    }
    for (label, each) in several {
        Row::mean(&each).print(label);
    }
}

fn heads() {
    print!("{:36} {:>5} {:>5} {:>5} {:>5} {:>6}", "scheduler", "W", "saved", "top10", "worst", "speed");
    print!(" {:>8} {:>5} {:>5} {:>5} {:>5}", "restarts", "ended", "mae", "bias", "rho");
    print!(" {:>5} {:>5} {:>5} {:>5}", "top5", "top20", "reg1", "reg5");
    println!(" {:>5} {:>5} {:>6} {:>6}", "c80", "c90", "width", "hyper");
}

/// Means over the orders.
struct Row {
    measured: Measured,
    /// The least share of the best tenth that an order kept.
    worst: f64,
    /// Per cent of the hypervolume; NaN without costs.
    lost: f64,
}

impl Row {
    fn mean(of: &[&Self]) -> Self {
        let measured: Vec<Measured> = of.iter().map(|row| row.measured.clone()).collect();
        Self {
            measured: Measured::mean(&measured),
            worst: of.iter().map(|row| row.worst).fold(1.0, f64::min),
            lost: of.iter().map(|row| row.lost).sum::<f64>() / of.len() as f64,
        }
    }

    fn print(&self, label: &str) {
        let Measured { measures: m, speed, restarts } = &self.measured;
        let f = |x: Option<f64>| x.unwrap_or(f64::NAN);
        print!("{label} {:5.1} {:5.3} {:5.2}", f(m.epochs_saved_percent), f(m.overlap_10), self.worst);
        print!(" {speed:6.2} {restarts:8.1} {:5.1}", f(m.terminated_percent));
        print!(" {:5.2} {:5.2} {:5.3}", f(m.mae), f(m.bias), f(m.spearman));
        print!(" {:5.3} {:5.3} {:5.2} {:5.2}", f(m.overlap_5), f(m.overlap_20), f(m.regret_1), f(m.regret_5));
        print!(" {:5.2} {:5.2} {:6.2}", f(m.coverage_80), f(m.coverage_90), f(m.width_80));
        println!(" {:6.3}", self.lost);
    }
}

fn request() -> Request {
    let mut request = Request { workers: vec![1], jobs: 100, orders: 12, ..Request::default() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("a number, found {text}"));
        match arg.as_str() {
            "--workers" => request.workers = value().split(',').map(number).collect(),
            "--jobs" => request.jobs = number(&value()),
            "--orders" => request.orders = number(&value()),
            "--restart" => request.restart = number(&value()),
            "--earlier" => request.earlier = Some(value()),
            "--tradeoff" => request.tradeoff = true,
            "--cost" => request.cost = true,
            "--played" => request.played = true,
            "--means" => request.means = true,
            "--draws" => request.draws = true,
            _ if request.sets.is_empty() => request.sets = arg,
            _ => request.schedulers.push(arg),
        }
    }
    request
}

/// The curves of an earlier search over the set `name`. If that is the set in question, it has one half of it, and the
/// other half is left in `jobs`.
fn earlier(name: &str, set: &str, jobs: &mut Vec<Recorded>, played: bool) -> Vec<Recorded> {
    let all = if name == set {
        let (half, other) = jobs.drain(..).partition(|j| j.job % 2 == 0);
        *jobs = other;
        half
    } else {
        recorded::jobs(name).expect("curves")
    };
    if !played {
        return all;
    }
    let target = Target { epochs: recorded::common_end(&all), interval: 1.0 };
    let full = |j: &&Recorded| j.curve.last().is_some_and(|o| o.epoch >= target.epochs);
    let first: Vec<&Recorded> = all.iter().filter(full).take(100).collect();
    let setup = Setup { workers: 1, restart: 0, target };
    let played = simulate(make("peng", &[], target).as_mut(), &first, &setup).expect("curves");
    let completed = first.iter().zip(&played.jobs).filter(|(_, p)| !p.outcome.terminated);
    completed.map(|(j, _)| (*j).clone()).collect()
}

fn defaults() -> Vec<String> {
    let replayable = EngineName::ALL.into_iter().filter(|e| *e != EngineName::Menndl);
    let others = ["peng:thaw=false", "peng:prefer=\"time\""];
    replayable.map(|e| e.to_string()).chain(others.map(str::to_owned)).collect()
}

/// Eight values of each engine's most telling setting.
fn varied(epochs: f64) -> Vec<String> {
    let engines =
        [EngineName::Peng, EngineName::PenguinV4, EngineName::Median, EngineName::Asha, EngineName::Last];
    let each = engines.map(|engine| Settings { engine, ..Settings::default() }.varied(epochs));
    each.iter().flatten().map(|v| format!("{}:{}={:?}", v.settings.engine, v.key, v.value)).collect()
}

fn make(text: &str, earlier: &[Recorded], target: Target) -> Box<dyn Scheduler> {
    let (name, table) = text.split_once(':').unwrap_or((text, ""));
    let mut settings: Settings = toml::from_str(&table.replace(';', "\n")).expect("a [predictor] table");
    settings.engine = name.parse().expect("the name of an engine");
    let engine = Engine::new(&settings, target).expect("settings in range");
    let mut calibration = Calibration::default();
    for recorded in earlier {
        engine.learn_earlier(&mut calibration, &recorded.curve).expect("a sound curve");
    }
    scheduler::of(&settings, target, calibration).expect("settings in range")
}

fn row(
    text: &str,
    jobs: &[Recorded],
    earlier: &[Recorded],
    epochs: f64,
    workers: usize,
    request: &Request,
) -> Row {
    let target = Target { epochs, interval: 1.0 };
    let setup = Setup { workers, restart: request.restart, target };
    let orders = orders(jobs.len(), request.jobs, request.orders, 1);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(order) = orders.get(at) else { return };
            let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
            let played =
                simulate(make(text, earlier, target).as_mut(), &drawn, &setup).expect("sound curves");
            let point = |(p, j): (&Outcome, &&Recorded)| Some((j.cost?, p.fitness, p.truth));
            let outcomes: Vec<Outcome> = played.jobs.iter().map(|job| job.outcome).collect();
            let points: Vec<_> = outcomes.iter().zip(&drawn).filter_map(point).collect();
            let entry = (at, Measured::of(&played), hypervolume_lost(&points));
            done.lock().expect("no panic").push(entry);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut done = done.into_inner().expect("no panic");
    done.sort_by_key(|entry| entry.0);
    let each: Vec<Measured> = done.iter().map(|entry| entry.1.clone()).collect();
    let worst = each.iter().filter_map(|m| m.measures.overlap_10).fold(1.0, f64::min);
    let lost: Vec<f64> = done.iter().filter_map(|entry| entry.2).collect();
    let lost = 100.0 * lost.iter().sum::<f64>() / lost.len() as f64;
    Row { measured: Measured::mean(&each), worst, lost }
}

/// Share of the true front's hypervolume (cost up to the dearest, fitness from the least) that the networks on
/// the front by expected fitness do not reach, by their true fitness; none without costs.
fn hypervolume_lost(jobs: &[(f64, f64, f64)]) -> Option<f64> {
    let dearest = jobs.iter().map(|j| j.0).fold(f64::NEG_INFINITY, f64::max);
    let least = jobs.iter().map(|j| j.2).fold(f64::INFINITY, f64::min);
    let front = |value: &dyn Fn(&(f64, f64, f64)) -> f64| {
        let mut sorted = jobs.to_vec();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(value(b).total_cmp(&value(a))));
        let mut best = f64::NEG_INFINITY;
        sorted.retain(|j| {
            value(j) > best && {
                best = value(j);
                true
            }
        });
        sorted
    };
    let volume = |chosen: Vec<(f64, f64, f64)>| {
        let (mut total, mut best) = (0.0, least);
        for j in chosen {
            total += (j.2 - best).max(0.0) * (dearest - j.0);
            best = best.max(j.2);
        }
        total
    };
    let truth = volume(front(&|j| j.2));
    (truth > 0.0).then(|| 1.0 - volume(front(&|j| j.1)) / truth)
}
