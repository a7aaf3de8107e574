//! Where epochs go, by true rank decile.
#[path = "../tests/recorded/mod.rs"]
mod recorded;
use predictor::replay::{Play, Recorded, orders, play};
use predictor::{Engine, Settings, Target};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    for set in args[1].split(',') {
        let jobs = recorded::jobs(set).expect("curves");
        let epochs = jobs.iter().map(|j| j.curve.last().unwrap().epoch).fold(0.0, f64::max).min(if set.starts_with("lemur") { 50.0 } else { 1e9 });
        let jobs: Vec<Recorded> = jobs.into_iter().filter(|j| j.curve.last().unwrap().epoch >= epochs).collect();
        let settings: Settings = toml::from_str(&args[2].replace(';', "\n")).expect("settings");
        let engine = Engine::new(&settings, Target { epochs, interval: 1.0 }).expect("engine");
        let mut by = vec![(0.0, 0.0, 0.0, 0.0); 10];
        let thaw = std::env::var("THAW").ok().and_then(|v| v.parse().ok());
        for order in orders(jobs.len(), 100, 12, 1) {
            let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
            let played = play(&engine, &drawn, &Play { thaw, ..Play::default() }).unwrap();
            let mut rank: Vec<usize> = (0..100).collect();
            rank.sort_by(|&a, &b| played[b].outcome.truth.total_cmp(&played[a].outcome.truth));
            for (r, &i) in rank.iter().enumerate() {
                let o = played[i].outcome;
                let b = &mut by[r / 10];
                if i < 10 { b.0 += o.epochs } else { b.1 += o.epochs; b.2 += 1.0; b.3 += f64::from(o.terminated) }
            }
        }
        println!("{set}: share of the whole budget (%) spent: startup, rest by decile; mean epochs of rest; share terminated");
        println!("startup {:.1}", by.iter().map(|b| b.0).sum::<f64>() / 12.0 / epochs);
        for (d, b) in by.iter().enumerate() { println!("  {d} {:5.1}  {:5.1} {:5.2}", b.1 / 12.0 / epochs, b.1 / b.2, b.3 / b.2); }
    }
}
