//! Time of one fit, of one assessment and of a replay, on one core: `cargo bench -p peng-predictor`.
//! `benches/reference.py` prints SciPy's time for the same curves beside it.

use divan::{Bencher, counter::ItemsCount};
use predictor::replay::{Play, Recorded, play};
use predictor::saturation::{self, Bounds};
use predictor::{Calibration, End, Ended, Engine, EngineName, Observation, Settings, Target};

fn main() {
    divan::main();
}

/// Curve number `seed`, as in `benches/reference.py`: a rise to 60 to 95 % with noise of half a point.
fn accuracies(seed: u64, points: usize) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let (a, kappa, rate) = (60.0 + 35.0 * uniform(), 10.0 + 40.0 * uniform(), 0.05 + 0.45 * uniform());
    (0..points).map(|i| a - kappa * (-rate * i as f64).exp() + uniform() - 0.5).collect()
}

#[divan::bench(args = [10, 20, 25, 50])]
fn fit(bencher: Bencher<'_, '_>, points: usize) {
    let curves: Vec<Vec<f64>> = (0..64).map(|seed| accuracies(seed, points)).collect();
    let xs: Vec<f64> = (0..points).map(|i| i as f64).collect();
    let mut next = 0;
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        next = (next + 1) % curves.len();
        saturation::fit(&xs, &curves[next], Bounds { lowest: 0.5, highest: 200.0 })
    });
}

/// One assessment of engine `peng` after so many completed curves of 50 points, with training accuracies.
#[divan::bench(args = [10, 100, 10_000])]
fn assess(bencher: Bencher<'_, '_>, completed: u64) {
    assessed(bencher, completed, 0);
}

/// The same after an earlier search of 100 curves like these.
#[divan::bench(args = [10, 100])]
fn assess_warm(bencher: Bencher<'_, '_>, completed: u64) {
    assessed(bencher, completed, 100);
}

fn assessed(bencher: Bencher<'_, '_>, completed: u64, earlier: u64) {
    let target = Target { epochs: 50.0, interval: 1.0 };
    let engine = Engine::new(&Settings::default(), target).expect("default settings");
    let curve = |seed: u64| -> Vec<Observation> {
        let point = |(i, a): (usize, f64)| Observation {
            train_acc: Some((a + 2.0).min(100.0)),
            ..Observation::new(i as f64 + 1.0, a)
        };
        accuracies(seed, 50).into_iter().enumerate().map(point).collect()
    };
    let mut calibration = Calibration::default();
    for seed in 0..earlier {
        engine.learn_earlier(&mut calibration, &curve(2_000_000 + seed)).expect("a sound curve");
    }
    for seed in 0..completed {
        let ended = Ended { job: seed as i64, curve: &curve(seed % 997), end: End::Completed, cost: None };
        engine.learn(&mut calibration, &ended).expect("a sound curve");
    }
    let asked = curve(1_000_000);
    bencher.bench_local(|| engine.assess(&asked[..10], &calibration));
}

/// A curve of so many points after four of its kind: one assessment, then its learning. Ten times the points should take ten
/// times as long; the median of 10,000 over that of 1,000 is the ratio to look at.
#[divan::bench(args = [1_000, 10_000], sample_count = 10, sample_size = 1)]
fn long_curve(bencher: Bencher<'_, '_>, points: usize) {
    let target = Target { epochs: points as f64, interval: 1.0 };
    let engine = Engine::new(&Settings::default(), target).expect("default settings");
    let curve = |seed: u64| -> Vec<Observation> {
        let point = |(i, a): (usize, f64)| Observation::new(i as f64 + 1.0, a);
        accuracies(seed, points).into_iter().enumerate().map(point).collect()
    };
    let mut four = Calibration::default();
    for job in 0..4 {
        let ended = Ended { job, curve: &curve(job as u64), end: End::Completed, cost: None };
        engine.learn(&mut four, &ended).expect("a sound curve");
    }
    let long = curve(4);
    bencher.with_inputs(|| four.clone()).bench_local_refs(|calibration| {
        engine.assess(&long[..points - 1], calibration).expect("a sound curve");
        engine.learn(calibration, &Ended { job: 4, curve: &long, end: End::Completed, cost: None })
    });
}

/// 1,000 curves of 20 points, stopped jobs resumed where the engine does so: about a second.
#[divan::bench(args = ["penguin-v4", "peng"], sample_count = 3, sample_size = 1)]
fn replay(bencher: Bencher<'_, '_>, name: &str) {
    let engine = EngineName::ALL.into_iter().find(|engine| engine.as_str() == name).expect("an engine");
    let settings = Settings { engine, ..Settings::default() };
    let engine = Engine::new(&settings, Target { epochs: 20.0, interval: 1.0 }).expect("default settings");
    let curve = |seed: u64| -> Vec<Observation> {
        let point = |(i, a): (usize, f64)| Observation::new(i as f64 + 1.0, a);
        accuracies(seed, 20).into_iter().enumerate().map(point).collect()
    };
    let jobs: Vec<Recorded> =
        (0..1_000).map(|seed| Recorded { job: seed as i64, curve: curve(seed), cost: None }).collect();
    let jobs: Vec<&Recorded> = jobs.iter().collect();
    bencher.bench_local(|| play(&engine, &jobs, &Play::default()).expect("sound curves"));
}
