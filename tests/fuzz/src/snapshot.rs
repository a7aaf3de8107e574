//! What an engine has learned, as the database keeps it.

use predictor::{Calibration, Curve, Engine, EngineName, Observation, Settings, Target};

/// A snapshot that is understood is written the same, and any engine can work with it.
pub fn check(data: &[u8]) {
    let Ok(mut calibration) = Calibration::from_bytes(data) else { return };
    let bytes = calibration.to_bytes().expect("memory");
    let again = Calibration::from_bytes(&bytes).expect("it was written by this version");
    assert_eq!(again.to_bytes().expect("memory"), bytes);
    let mut curve = Curve::default();
    for epoch in 1..=4 {
        let point = Observation { train_acc: Some(60.0), ..Observation::new(f64::from(epoch), 50.0) };
        curve.push(point).expect("a sound point");
    }
    for engine in [EngineName::Peng, EngineName::Median, EngineName::Asha] {
        let settings = Settings { engine, ..Settings::default() };
        let engine = Engine::new(&settings, Target { epochs: 4.0, interval: 1.0 }).expect("sound settings");
        let _ = engine.assess(&curve.points()[..2], &calibration);
        let _ = engine.complete(&mut calibration, 1, &curve);
    }
}
