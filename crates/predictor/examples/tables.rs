//! Tables of engines over recorded curves: `cargo run --release --example tables -- SET[:DRAW] ENGINES`.
#![expect(clippy::unwrap_used, reason = "a failure ends it")]

#[path = "../tests/recorded/mod.rs"]
mod recorded;

use predictor::replay::{Play, Recorded, measure, orders};
use predictor::{Engine, Measures, Settings, Target};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    for set in args[1].split(',') {
        let jobs = recorded::jobs(set).expect("curves");
        let epochs = jobs
            .iter()
            .map(|j| j.curve.last().unwrap().epoch)
            .fold(0.0, f64::max)
            .min(if set.starts_with("lemur") { 50.0 } else { 1e9 });
        let jobs: Vec<Recorded> =
            jobs.into_iter().filter(|j| j.curve.last().unwrap().epoch >= epochs).collect();
        println!("\n{set}: {} curves of {epochs} epochs", jobs.len());
        println!(
            "{:40} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>5} {:>5} {:>5} {:>5}",
            "settings",
            "saved",
            "term",
            "mae",
            "bias",
            "rho",
            "ov5",
            "ov10",
            "ov20",
            "min10",
            "reg1",
            "reg5",
            "c80",
            "c90"
        );
        let cost = std::env::var("COST").is_ok();
        let jobs: Vec<Recorded> =
            jobs.into_iter().map(|j| Recorded { cost: j.cost.filter(|_| cost), ..j }).collect();
        let orders = orders(jobs.len(), 100, std::env::var("ORDERS").map_or(12, |o| o.parse().unwrap()), 1);
        for text in &args[2..] {
            let settings: Settings = toml::from_str(&text.replace(';', "\n")).expect("settings");
            let engine = Engine::new(&settings, Target { epochs, interval: 1.0 }).expect("engine");
            let earlier: Vec<Recorded> = match std::env::var("EARLIER") {
                Ok(name) if name == "self" => jobs.iter().take(300).cloned().collect(),
                Ok(name) => recorded::jobs(&name).unwrap(),
                _ => vec![],
            };
            let thaw = std::env::var("THAW").ok().and_then(|v| v.parse().ok());
            let play = Play {
                earlier: &earlier,
                workers: std::env::var("WORKERS").ok().and_then(|v| v.parse().ok()).unwrap_or(1),
                thaw,
            };
            let each = measure(&engine, &jobs, &orders, &play).expect("curves");
            let worst = each.iter().filter_map(|m| m.overlap_10).fold(1.0, f64::min);
            let m = Measures::mean(&each);
            let f = |x: Option<f64>| x.unwrap_or(f64::NAN);
            println!(
                "{:40} {:6.1} {:6.1} {:6.2} {:6.2} {:6.3} {:6.3} {:6.3} {:6.3} {:6.2} {:5.2} {:5.2} {:5.2} {:5.2}",
                text,
                f(m.epochs_saved_percent),
                f(m.terminated_percent),
                f(m.mae),
                f(m.bias),
                f(m.spearman),
                f(m.overlap_5),
                f(m.overlap_10),
                f(m.overlap_20),
                worst,
                f(m.regret_1),
                f(m.regret_5),
                f(m.coverage_80),
                f(m.coverage_90)
            );
        }
    }
}
