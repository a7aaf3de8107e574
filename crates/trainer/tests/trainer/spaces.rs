//! Random genomes of every space: libtorch builds what the genome promises, and trains it.

use std::sync::atomic::AtomicBool;

use data::{Part, Shape, Split};
use genome::{Input, Recipe, Space};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trainer::{Advance, Device, DeviceData, Job, Session};

/// A few images, so that a network can be trained for one batch.
fn data(input: Input) -> DeviceData {
    let Input { channels, height, width, classes } = input;
    let shape = Shape { channels, height, width, classes };
    let part = || Part {
        pixels: (0..8 * shape.image_len()).map(|i| (i * 37 % 251) as u8).collect(),
        labels: (0..8).map(|i| i % classes as u16).collect(),
    };
    let channels = channels as usize;
    let split = Split {
        shape,
        train: part(),
        validation: part(),
        mean: vec![0.5; channels],
        std: vec![0.3; channels],
        warnings: vec![],
    };
    DeviceData::new(&split, Device::CPU).unwrap()
}

/// Compares the parameters of `count` genomes of each space, and trains every tenth for a batch.
fn compare(count: usize) {
    trainer::set_threads(1);
    let inputs = [(1, 28, 10), (3, 32, 100)].map(|(channels, side, classes)| Input {
        channels,
        height: side,
        width: side,
        classes,
    });
    let recipe = Recipe { drop_path: 0.2, ..Recipe::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut kinds = 0;
    for kind in Space::KINDS {
        let space: Space = toml::from_str(&format!("kind = \"{kind}\"")).unwrap();
        if !space.generates() {
            continue;
        }
        kinds += 1;
        for index in 0..count {
            let input = inputs[index % 2];
            let genome = space.sample(input, &mut rng);
            let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 1.0, interval: 1.0 };
            let mut session = Session::start(&job, data(input)).unwrap();
            let promised = genome.cost(input).unwrap().parameters;
            assert_eq!(session.parameters(), promised, "{genome}");
            if index % 10 < 2 {
                let trained = session.advance(&AtomicBool::new(false)).unwrap();
                assert!(
                    matches!(trained, Advance::Measured(m) if m.val_loss.is_finite()),
                    "{genome}: {trained:?}"
                );
            }
        }
    }
    assert!(kinds >= 3, "{kinds} spaces were tried");
}

#[test]
fn parameters_are_what_genomes_promise() {
    compare(12);
}

/// Five minutes in release: `cargo nextest run --release -p peng-trainer --run-ignored only`.
#[test]
#[ignore = "long"]
fn parameters_of_a_thousand_genomes_of_each_space() {
    compare(1000);
}
