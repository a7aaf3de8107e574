//! The presets against what the original program recorded.
#![expect(clippy::unwrap_used, reason = "a failure ends it")]

mod recorded;

use predictor::penguin::{Rule, Version};
use predictor::saturation::{self, Bounds};
use predictor::{Calibration, Decision, Engine, EngineName, Observation, Settings, Target};
use recorded::{Row, points, read};

const WIDE: Bounds = Bounds { lowest: 0.5, highest: 200.0 };

fn engine(engine: EngineName, epochs: f64, interval: f64) -> Engine {
    let settings = Settings { engine, ..Settings::default() };
    Engine::new(&settings, Target { epochs, interval }).unwrap()
}

/// Epoch of the first stop, and the prediction there.
fn first_stop(engine: &Engine, curve: &[Observation]) -> Option<(f64, f64)> {
    (1..=curve.len()).find_map(|m| {
        let assessment = engine.assess(&curve[..m], &Calibration::default()).unwrap();
        (assessment.decision == Decision::Stop)
            .then(|| (curve[m - 1].epoch, assessment.prediction.unwrap().fitness))
    })
}

#[test]
fn golden_values_of_the_original_on_its_sample_curves() {
    let Some(curves) = read("penguin-cifar100-sample") else {
        return;
    };
    let engine = engine(EngineName::PenguinV2, 20.0, 0.5);
    // The second is a network that never learns. There the original's solver stayed at a sum of squares of
    // 0.01301 with a prediction of 1.189; the minimum is 0.01251, at a curve that ends in 1.054.
    let golden = [(4.0, 25.712), (3.0, 1.054), (8.5, 22.820)];
    for (curve, (epoch, prediction)) in curves.iter().zip(golden) {
        let (stopped, found) = first_stop(&engine, &points(curve)).expect("the original stopped");
        assert!((stopped - epoch).abs() < 1e-9, "stopped at {stopped}, the original at {epoch}");
        assert!((found - prediction).abs() < 5.1e-4, "predicted {found}, expected {prediction}");
    }
    // What SciPy 1.17 gives for that network from the original's start values, failures left out.
    let rule = Rule { version: Version::V2, window: 3, threshold: 0.5 };
    assert!(rule.agrees(&[1.00426, 1.46258, 1.18878]) && !rule.agrees(&[1.00426, 1.46258]));
}

#[test]
fn recorded_predictions_give_the_recorded_flags() {
    let rule = Rule { version: Version::V4, window: 3, threshold: 0.5 };
    for name in ["icpp23-1e14-full", "icpp23-1e15-full", "icpp23-1e14-early", "icpp23-1e15-early"] {
        let Some(curves) = read(name) else { return };
        let (mut flags, mut wrong) = (0, Vec::new());
        for (arch, curve) in curves.iter().enumerate() {
            let predictions: Vec<f64> = curve.iter().map(|r| r.recorded.expect("recorded").0).collect();
            for m in 1..=curve.len() {
                flags += 1;
                let expected = curve[m - 1].recorded.expect("recorded").1;
                if rule.agrees(&predictions[..m]) != expected {
                    wrong.push((arch, m, expected, predictions[m.saturating_sub(3)..m].to_vec()));
                }
            }
        }
        println!("{name}: {} of {flags} flags differ: {wrong:?}", wrong.len());
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

/// Least sum of squares over all rates of a curve F with F(target) = `end`: no fit that ends there has less.
fn squares_ending_in(xs: &[f64], ys: &[f64], target: f64, end: f64) -> f64 {
    let at = |rate: f64| {
        let last = (-rate * target).exp();
        let w: Vec<f64> = xs.iter().map(|x| (-rate * x).exp() - last).collect();
        let (mut up, mut down) = (0.0, 0.0);
        for (w, y) in w.iter().zip(ys) {
            up += (end - y) * w;
            down += w * w;
        }
        // a = end + kappa * last stays within its bounds, kappa at 1 and above.
        let kappa = (up / down).clamp(1.0f64.max((0.5 - end) / last), ((200.0 - end) / last).max(1.0));
        w.iter().zip(ys).map(|(w, y)| (end - kappa * w - y).powi(2)).sum::<f64>()
    };
    let rates: Vec<f64> = (0..300).map(|j| 1e-5 * (0.0507 * f64::from(j)).exp()).collect();
    let best = (0..300).min_by(|&i, &j| at(rates[i]).total_cmp(&at(rates[j]))).unwrap();
    let (mut low, mut high) = (rates[best.saturating_sub(1)], rates[(best + 1).min(299)]);
    for _ in 0..60 {
        let (a, b) = (low + 0.382 * (high - low), low + 0.618 * (high - low));
        if at(a) < at(b) { high = b } else { low = a }
    }
    at(low)
}

/// The files hold no parameters, so that the recorded fit's sum of squares is known only from below. Valleys are
/// flat: sums of squares that differ by 1e-6 may end 0.2 apart, by 1e-8 (SciPy's own tolerance) hardly 0.01.
#[test]
fn predictions_agree_wherever_the_original_solver_found_the_minimum() {
    for name in ["icpp23-1e14-full", "icpp23-1e15-full"] {
        let Some(curves) = read(name) else { return };
        let (mut excess, mut failed) = (Vec::new(), 0);
        let (mut undetermined, mut elsewhere) = (0, 0);
        for curve in &curves {
            for m in 4..=curve.len() {
                let xs: Vec<f64> = curve[..m].iter().map(|r| r.point.epoch - 1.0).collect();
                let ys: Vec<f64> = curve[..m].iter().map(|r| r.point.val_acc).collect();
                let fit = saturation::fit(&xs, &ys, WIDE).unwrap();
                let (prediction, _) = curve[m - 1].recorded.expect("recorded");
                if prediction.is_infinite() {
                    failed += 1;
                } else {
                    let squares = squares_ending_in(&xs, &ys, 25.0, prediction);
                    let off = prediction - fit.at(25.0);
                    excess.push((squares / fit.squares - 1.0, off.abs()));
                    if squares / fit.squares - 1.0 <= 1e-6 && off.abs() > 0.01 {
                        // Do the squares tell 0.01 points apart at all?
                        let beside = squares_ending_in(&xs, &ys, 25.0, fit.at(25.0) + 0.01f64.copysign(off));
                        let flat = beside / fit.squares - 1.0 <= 1e-6;
                        undetermined += usize::from(flat);
                        elsewhere += usize::from(!flat);
                    }
                }
            }
        }
        let share = |excess_up_to: f64, within: f64| {
            let near: Vec<_> = excess.iter().filter(|e| e.0 <= excess_up_to).collect();
            assert!(near.len() > 1000, "only {} compared", near.len());
            near.iter().filter(|e| e.1 <= within).count() as f64 / near.len() as f64
        };
        let stuck = excess.iter().filter(|e| e.0 > 1e-6).count();
        println!(
            "{name}: {} recorded, solver failed {failed}, stuck {stuck}; agree to 0.01 at 1e-8 {:.4}, at 1e-6 {:.4}",
            excess.len(),
            share(1e-8, 0.01),
            share(1e-6, 0.01),
        );
        println!(
            "{name}: of those beyond 0.01 at 1e-6, squares leave the end open for {undetermined}, not for {elsewhere}"
        );
        assert_eq!(elsewhere, 0, "{name}: another end where the squares tell 0.01 points apart");
        assert!(share(1e-8, 0.01) >= 0.99 && share(1e-6, 0.01) >= 0.97 && share(1e-6, 0.05) >= 0.99);
        assert!(excess.iter().all(|e| e.0 > -1e-9), "a curve below our minimum");
    }
}

/// What exact fits change in decisions: first stops, against the recorded ones.
#[test]
fn most_networks_stop_at_the_recorded_epoch() {
    for (name, least) in [("icpp23-1e14-full", 85), ("icpp23-1e15-full", 85)] {
        let Some(curves) = read(name) else { return };
        let engine = engine(EngineName::PenguinV4, 25.0, 1.0);
        let mut same = 0;
        let mut epochs = (0.0, 0.0);
        for curve in &curves {
            let recorded = curve.iter().find(|r| r.recorded.is_some_and(|(_, c)| c)).map(|r| r.point.epoch);
            let ours = first_stop(&engine, &points(curve)).map(|(epoch, _)| epoch);
            same += i32::from(recorded == ours);
            epochs.0 += recorded.unwrap_or(25.0);
            epochs.1 += ours.unwrap_or(25.0);
        }
        println!("{name}: {same} of {} stop at the recorded epoch; {epochs:?} epochs", curves.len());
        assert!(same >= least, "{name}: {same}");
    }
}

/// What the original solver did in the three fits that end at this point, beside the minimum.
fn solver(curve: &[Row], end: usize) -> String {
    let (mut failed, mut stuck, mut near) = (0, 0, 0);
    for m in end - 2..=end {
        let (xs, ys): (Vec<f64>, Vec<f64>) =
            curve[..m].iter().map(|r| (r.point.epoch - 1.0, r.point.val_acc)).unzip();
        let fit = saturation::fit(&xs, &ys, WIDE).unwrap();
        let (prediction, _) = curve[m - 1].recorded.expect("recorded");
        let excess = || squares_ending_in(&xs, &ys, 25.0, prediction) / fit.squares - 1.0;
        if prediction.is_infinite() {
            failed += 1;
        } else if excess() > 1e-6 {
            stuck += 1;
        } else if (prediction - fit.at(25.0)).abs() > 0.01 {
            near += 1;
        }
    }
    let words = [(failed, "failed"), (stuck, "stuck"), (near, "stopped short")];
    let told = words.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { "all within 0.01".to_owned() } else { told }
}

/// The table of docs/predictor.md, which this prints.
#[test]
fn networks_that_stop_elsewhere_than_recorded_are_those_in_the_docs() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/predictor.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let mut rows = Vec::new();
    for set in ["1e14", "1e15"] {
        let Some(curves) = read(&format!("icpp23-{set}-full")) else { return };
        let engine = engine(EngineName::PenguinV4, 25.0, 1.0);
        let truth = |curve: &[Row]| curve[curve.len() - 1].point.val_acc;
        for (network, curve) in curves.iter().enumerate() {
            let recorded = curve.iter().position(|r| r.recorded.is_some_and(|(_, flag)| flag)).map(|i| i + 1);
            let ours = first_stop(&engine, &points(curve)).map(|(epoch, _)| epoch as usize);
            let Some(first) = recorded.into_iter().chain(ours).min().filter(|_| recorded != ours) else {
                continue;
            };
            let epoch = |stop: Option<usize>| stop.map_or("none".to_owned(), |m| m.to_string());
            let rank = 1 + curves.iter().filter(|other| truth(other) > truth(curve)).count();
            rows.push(format!(
                "| {set} | {network} | {} | {} | {} | {rank} |\n",
                epoch(recorded),
                epoch(ours),
                solver(curve, first)
            ));
        }
    }
    let table = rows.concat();
    println!("{table}");
    assert!(docs.contains(&table), "docs/predictor.md has another table than\n{table}");
}
