//! Jobs on the built-in digits.

use std::sync::atomic::AtomicBool;

use data::{DataSpec, SetName, Split};
use genome::Genome;
use trainer::{Advance, Measurement, Session};

/// A slice of the digits.
pub fn split(train: u32, validation: u32) -> Split {
    let mut spec = DataSpec::new(SetName::Digits);
    (spec.train, spec.validation) = (Some(train), Some(validation));
    spec.load().unwrap()
}

/// Two convolutions and a hidden layer with dropout.
pub fn genome(batch_size: u32, learning_rate: f64) -> Genome {
    let text = format!(
        r#"{{"space": "random-cnn", "batch_size": {batch_size}, "learning_rate": {learning_rate:e}, "momentum": 0.9,
            "weight_decay": 1e-4, "dense": [{{"units": 32, "dropout": 0.2}}], "blocks": [
            {{"filters": 8, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true}},
            {{"filters": 16, "kernel": 3, "stride": 1, "padding": 0, "batch_norm": false,
              "pool": {{"kind": "max", "kernel": 2, "stride": 2}}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// Trains one interval.
pub fn advance(session: &mut Session) -> Measurement {
    match session.advance(&AtomicBool::new(false)).unwrap() {
        Advance::Measured(measured) => measured,
        Advance::Interrupted => panic!("nobody interrupted"),
    }
}

/// Trains to the end.
pub fn curve(session: &mut Session) -> Vec<Measurement> {
    let mut curve = vec![];
    while !session.ended() {
        curve.push(advance(session));
    }
    curve
}

/// All but the time that it took.
pub fn plain(measured: Measurement) -> Measurement {
    Measurement { seconds: 0.0, ..measured }
}
