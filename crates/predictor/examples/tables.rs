//! Prints what engines do on recorded curves, as means over random orders of 100 jobs.
//!
//! ```text
//! cargo run --release -p peng-predictor --example tables -- icpp23-1e14-full,metaqnn-cifar10 [SETTINGS…]
//! ```
//!
//! A set of another folder is named by its absolute path, without `.csv`. SETTINGS are `[predictor]` tables on one line,
//! such as `'engine="peng";risk=0.05'`; left out: every engine at its defaults. `--tradeoff` takes eight values of each
//! engine's most telling setting instead. `--cost` gives FLOPs to the engines, where the set has them, and adds the
//! hypervolume lost. `--earlier SET` adds a row after a warm start from that set; from the same set, one half is the
//! earlier search and draws are from the other. `--played`: the earlier search has only those curves that `peng`
//! completes in a search over its first 100. `--orders N` (12). After several sets come the means over them.

#[path = "../tests/recorded/mod.rs"]
mod recorded;

use predictor::replay::{Play, Recorded, orders, play};
use predictor::{Engine, EngineName, Measures, Settings, Target};

struct Request {
    sets: String,
    settings: Vec<String>,
    tradeoff: bool,
    orders: usize,
    cost: bool,
    earlier: Option<String>,
    played: bool,
}

fn main() {
    let request = request();
    let mut rows: Vec<(String, Row)> = Vec::new();
    for set in request.sets.split(',') {
        let Some(all) = recorded::jobs(set) else { continue };
        let epochs = recorded::common_end(&all);
        let keep_cost = |j: Recorded| Recorded { cost: j.cost.filter(|_| request.cost), ..j };
        let full = |j: &Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
        let mut jobs: Vec<Recorded> = all.into_iter().filter(full).map(keep_cost).collect();
        let earlier = request.earlier.as_deref().map(|name| earlier(name, set, &mut jobs, request.played));
        println!(
            "\n{set}: draws of 100 of {} curves, {epochs} epochs, {} orders",
            jobs.len(),
            request.orders
        );
        heads();
        let settings = match (&request.settings[..], request.tradeoff) {
            ([], true) => varied(epochs),
            ([], false) => defaults(),
            (chosen, _) => chosen.to_vec(),
        };
        for text in &settings {
            for (earlier, label) in
                [(Some(&vec![]), text.clone()), (earlier.as_ref(), format!("{text}, warm"))]
            {
                let Some(earlier) = earlier else { continue };
                let row = played(text, &jobs, earlier, epochs, &request);
                row.print(&label);
                rows.push((label, row));
            }
        }
    }
    means(&rows);
}

/// The means over the sets, of settings that were played on several.
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
    print!("{:36} {:>5} {:>5} {:>5} {:>5} {:>5}", "settings", "saved", "ended", "mae", "bias", "rho");
    print!(" {:>5} {:>5} {:>5} {:>5}", "top5", "top10", "worst", "top20");
    println!(" {:>5} {:>5} {:>5} {:>5} {:>6} {:>6}", "reg1", "reg5", "c80", "c90", "width", "hyper");
}

/// Means over the orders.
struct Row {
    measures: Measures,
    /// The least share of the best tenth that an order kept.
    worst: f64,
    /// Per cent of the hypervolume; NaN without costs.
    lost: f64,
}

impl Row {
    fn mean(of: &[&Self]) -> Self {
        let measures: Vec<Measures> = of.iter().map(|row| row.measures.clone()).collect();
        Self {
            measures: Measures::mean(&measures),
            worst: of.iter().map(|row| row.worst).fold(1.0, f64::min),
            lost: of.iter().map(|row| row.lost).sum::<f64>() / of.len() as f64,
        }
    }

    fn print(&self, label: &str) {
        let m = &self.measures;
        let f = |x: Option<f64>| x.unwrap_or(f64::NAN);
        print!("{label:36} {:5.1} {:5.1}", f(m.epochs_saved_percent), f(m.terminated_percent));
        print!(" {:5.2} {:5.2} {:5.3} {:5.3}", f(m.mae), f(m.bias), f(m.spearman), f(m.overlap_5));
        print!(" {:5.3} {:5.2} {:5.3}", f(m.overlap_10), self.worst, f(m.overlap_20));
        print!(" {:5.2} {:5.2}", f(m.regret_1), f(m.regret_5));
        print!(" {:5.2} {:5.2} {:6.2}", f(m.coverage_80), f(m.coverage_90), f(m.width_80));
        println!(" {:6.3}", self.lost);
    }
}

fn request() -> Request {
    let mut args = std::env::args().skip(1);
    let mut request = Request {
        sets: String::new(),
        settings: Vec::new(),
        tradeoff: false,
        orders: 12,
        cost: false,
        earlier: None,
        played: false,
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--tradeoff" => request.tradeoff = true,
            "--cost" => request.cost = true,
            "--orders" => request.orders = args.next().and_then(|n| n.parse().ok()).expect("--orders N"),
            "--earlier" => request.earlier = Some(args.next().expect("--earlier SET")),
            "--played" => request.played = true,
            _ if request.sets.is_empty() => request.sets = arg,
            _ => request.settings.push(arg),
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
    let epochs = recorded::common_end(&all);
    let engine = Engine::new(&Settings::default(), Target { epochs, interval: 1.0 }).expect("an engine");
    let full = |j: &&Recorded| j.curve.last().is_some_and(|o| o.epoch >= epochs);
    let first: Vec<&Recorded> = all.iter().filter(full).take(100).collect();
    let played = play(&engine, &first, &Play::default()).expect("curves");
    let completed = first.iter().zip(&played).filter(|(_, p)| !p.outcome.terminated);
    completed.map(|(j, _)| (*j).clone()).collect()
}

fn defaults() -> Vec<String> {
    let replayable = EngineName::ALL.into_iter().filter(|e| *e != EngineName::Menndl);
    replayable.map(|e| format!("engine=\"{e}\"")).chain(["thaw=false".to_owned()]).collect()
}

/// Eight values of each engine's most telling setting.
fn varied(epochs: f64) -> Vec<String> {
    let engines =
        [EngineName::Peng, EngineName::PenguinV4, EngineName::Median, EngineName::Asha, EngineName::Last];
    let each = engines.map(|engine| Settings { engine, ..Settings::default() }.varied(epochs));
    each.iter()
        .flatten()
        .map(|v| format!("engine=\"{}\";{}={:?}", v.settings.engine, v.key, v.value))
        .collect()
}

fn played(text: &str, jobs: &[Recorded], earlier: &[Recorded], epochs: f64, request: &Request) -> Row {
    let settings: Settings = toml::from_str(&text.replace(';', "\n")).expect("settings");
    let engine = Engine::new(&settings, Target { epochs, interval: 1.0 }).expect("an engine");
    let how = Play { earlier, ..Play::default() };
    let mut lost = Vec::new();
    let mut each = Vec::new();
    for order in orders(jobs.len(), 100, request.orders, 1) {
        let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
        let played = play(&engine, &drawn, &how).expect("curves");
        let outcomes: Vec<_> = played.iter().map(|p| p.outcome).collect();
        each.push(Measures::of(&outcomes));
        let point = |(o, j): (&predictor::Outcome, &&Recorded)| Some((j.cost?, o.fitness, o.truth));
        lost.extend(hypervolume_lost(&outcomes.iter().zip(&drawn).filter_map(point).collect::<Vec<_>>()));
    }
    let worst = each.iter().filter_map(|m| m.overlap_10).fold(1.0, f64::min);
    let lost = 100.0 * lost.iter().sum::<f64>() / lost.len() as f64;
    Row { measures: Measures::mean(&each), worst, lost }
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
