//! Curves of any numbers.

use predictor::saturation::{self, Bounds};
use predictor::{Calibration, End, Ended, Engine, EngineName, Observation, Settings, Target};

/// The fit and every engine answer with finite numbers, or refuse by name.
pub fn check(data: &[u8]) {
    let Some((&head, rest)) = data.split_first() else { return };
    let numbers: Vec<f64> = if head & 1 == 0 {
        rest.chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().expect("8 bytes"))).collect()
    } else {
        rest.iter().map(|&b| f64::from(b) * 100.0 / 255.0).collect()
    };
    let ys = &numbers[..numbers.len().min(60)];
    let first = f64::from(head >> 1 & 3);
    let xs: Vec<f64> =
        (0..ys.len()).map(|i| first + i as f64 * if head & 8 == 0 { 1.0 } else { 0.5 + i as f64 }).collect();
    let bounds = Bounds { lowest: 0.5, highest: 200.0 };
    if let Ok(fit) = saturation::fit(&xs, ys, bounds) {
        assert!((bounds.lowest..=bounds.highest).contains(&fit.asymptote));
        assert!(fit.rate >= 0.0 && fit.amplitude.is_finite() && !fit.squares.is_nan());
        assert!(fit.at(1e3).is_finite());
    }
    engines(ys);
}

fn engines(ys: &[f64]) {
    let curve: Vec<Observation> =
        ys.iter().enumerate().map(|(i, &y)| Observation::new(i as f64 + 1.0, y)).collect();
    let (known, asked) = curve.split_at(curve.len() / 2);
    for engine in EngineName::ALL {
        let settings = Settings { engine, startup: Some(2), ..Settings::default() };
        let engine = Engine::new(&settings, Target { epochs: 60.0, interval: 1.0 }).expect("sound settings");
        let mut calibration = Calibration::default();
        for job in 0..5 {
            let ended = Ended {
                job,
                curve: &known[..known.len().saturating_sub(job as usize)],
                end: End::Completed,
                cost: None,
            };
            let _ = engine.learn(&mut calibration, &ended);
        }
        let shifted: Vec<Observation> =
            asked.iter().enumerate().map(|(i, o)| Observation { epoch: i as f64 + 1.0, ..*o }).collect();
        if let Ok(assessment) = engine.assess(&shifted, &calibration)
            && let Some(prediction) = assessment.prediction
        {
            assert!(prediction.fitness.is_finite(), "{assessment:?}");
            assert!(prediction.chance.is_none_or(|c| (0.0..=1.0).contains(&c)), "{assessment:?}");
        }
    }
}
