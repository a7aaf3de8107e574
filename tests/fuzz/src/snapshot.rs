//! What an engine has learned, as the database keeps it.

use predictor::{Calibration, End, Ended, Engine, Observation, Settings, Target};

/// A snapshot that is understood is written the same, and an engine can be asked with it and goes on to learn.
pub fn check(data: &[u8]) {
    let Ok(calibration) = Calibration::from_bytes(data) else { return };
    let bytes = calibration.to_bytes().expect("memory");
    let again = Calibration::from_bytes(&bytes).expect("it was written by this version");
    assert_eq!(again.to_bytes().expect("memory"), bytes);
    let engine =
        Engine::new(&Settings::default(), Target { epochs: 4.0, interval: 1.0 }).expect("sound settings");
    let curve: Vec<Observation> =
        (1..=4).map(|x| Observation::new(f64::from(x), 60.0 + 5.0 * f64::from(x))).collect();
    let mut calibration = calibration;
    for part in 1..4 {
        engine.assess(&curve[..part], &calibration).expect("a sound curve");
    }
    for end in [End::Stopped { fitness: 80.0 }, End::Completed] {
        engine
            .learn(&mut calibration, &Ended { job: 1, curve: &curve, end, cost: None })
            .expect("a sound curve");
    }
    engine.assess(&curve[..2], &calibration).expect("a sound curve");
}
