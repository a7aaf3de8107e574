//! Prints our fit of every prefix (of 4 points and more) of the curves of a set, for `benches/reference.py compare`:
//! set, curve, points, sum of squares, prediction, target, what the original predicted, accuracies.

#[path = "../tests/recorded/mod.rs"]
mod recorded;

use predictor::saturation::{self, Bounds};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let every: usize = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    let Some(curves) = recorded::read(&args[0]) else { return };
    let mut at = 0;
    for (arch, curve) in curves.iter().enumerate() {
        let ys: Vec<f64> = curve.iter().map(|r| r.point.val_acc).collect();
        for points in 4..=ys.len() {
            at += 1;
            if at % every != 0 {
                continue;
            }
            let xs: Vec<f64> = (0..points).map(|i| i as f64).collect();
            let fit =
                saturation::fit(&xs, &ys[..points], Bounds { lowest: 0.5, highest: 200.0 }).expect("finite");
            let (target, recorded) = (ys.len() as f64, curve[points - 1].recorded.map_or(f64::NAN, |r| r.0));
            print!("{},{arch},{points},{:e},{},{target},{recorded}", args[0], fit.squares, fit.at(target));
            for y in &ys[..points] {
                print!(",{y}");
            }
            println!();
        }
    }
}
