//! Whole trainings on the built-in digits.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Owner;
use genome::{Augmentation, Genome, Optimiser, Precision, Recipe, Schedule};
use trainer::{Advance, Device, DeviceData, Job, Measurement, Session, TrainError};

use crate::digits::{advance, curve, genome, plain, split};

static NO: AtomicBool = AtomicBool::new(false);

/// All that can go wrong with resuming, at once: dropout, augmentation, half epochs, batches of unequal size.
fn eventful() -> Recipe {
    Recipe {
        nesterov: true,
        schedule: Schedule::Step,
        warmup_epochs: 0.7,
        label_smoothing: 0.1,
        gradient_clip: Some(1.0),
        augmentation: Augmentation { shift: 1, flip: true, cutout: 2 },
        precision: Precision::Bf16,
        ..Recipe::default()
    }
}

#[test]
fn learns_the_digits() {
    trainer::set_threads(1);
    let (genome, recipe) = (genome(32, 0.1), Recipe::default());
    let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 4.0, interval: 1.0 };
    let mut session = Session::start(&job, DeviceData::new(&split(1400, 300), Device::CPU).unwrap()).unwrap();
    let curve = curve(&mut session);
    let (first, last) = (curve[0], curve[3]);
    assert!(last.val_acc > 95.0, "{curve:?}");
    assert!(last.train_loss < first.train_loss && last.val_loss < first.val_loss, "{curve:?}");
    assert_eq!(
        curve.iter().map(|m| (m.step, m.epoch)).collect::<Vec<_>>(),
        [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    );
    assert!(session.ended());
    assert!(matches!(session.advance(&NO), Err(TrainError::Ended { .. })));
}

/// The recipes that [`resume_is_exact`] tries, with why.
fn recipes() -> [(Recipe, &'static str); 3] {
    let adamw = Recipe { optimiser: Optimiser::Adamw, learning_rate: 1e-3, ..Recipe::default() };
    [(Recipe::default(), "sgd"), (eventful(), "all at once"), (adamw, "adamw")]
}

#[test]
fn resume_is_exact() {
    trainer::set_threads(1);
    let data = DeviceData::new(&split(333, 100), Device::CPU).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let genome = genome(32, 0.02);
    for (recipe, why) in recipes() {
        let job = Job { genome: &genome, recipe: &recipe, seed: 5, max_epochs: 2.5, interval: 0.5 };
        let mut whole = Session::start(&job, data.clone()).unwrap();
        let mut saved = vec![];
        let mut expected = vec![];
        while !whole.ended() {
            let path = folder.path().join(format!("{}.safetensors", whole.step()));
            whole.save(&path).unwrap();
            saved.push(path);
            expected.push(plain(advance(&mut whole)));
        }
        let last = whole.snapshot().unwrap();
        for (step, path) in saved.iter().enumerate() {
            let mut resumed = Session::resume(&job, data.clone(), path).unwrap();
            assert_eq!(
                resumed.snapshot().unwrap().as_bytes(),
                fs::read(path).unwrap(),
                "{why}: stable bytes"
            );
            let rest: Vec<Measurement> = curve(&mut resumed).into_iter().map(plain).collect();
            assert_eq!(rest, expected[step..], "{why}, resumed after {step} intervals");
            assert_eq!(resumed.snapshot().unwrap(), last, "{why}: the same weights at the end");
        }
    }
}

/// The job that two processes share.
fn shared_job<'a>(genome: &'a genome::Genome, recipe: &'a Recipe) -> Job<'a> {
    Job { genome, recipe, seed: 9, max_epochs: 3.0, interval: 1.0 }
}

const CHECKPOINT: &str = "PENG_TEST_CHECKPOINT";

#[test]
fn resume_in_another_process_is_exact() {
    trainer::set_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let (genome, recipe) = (genome(32, 0.02), eventful());
    let job = shared_job(&genome, &recipe);
    let mut session = Session::start(&job, DeviceData::new(&split(333, 100), Device::CPU).unwrap()).unwrap();
    advance(&mut session);
    session.save(&path).unwrap();
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "session::other_process", "--ignored", "--nocapture"])
        .env(CHECKPOINT, &path)
        .output()
        .unwrap();
    assert!(other.status.success(), "{other:?}");
    let expected: Vec<Measurement> = curve(&mut session).into_iter().map(plain).collect();
    let found = fs::read_to_string(path.with_extension("curve")).unwrap();
    assert_eq!(found, format!("{expected:?}"));
    assert_eq!(fs::read(path.with_extension("end")).unwrap(), session.snapshot().unwrap().as_bytes());
}

/// Trains on from the checkpoint that the environment names; does nothing when run by itself.
#[test]
#[ignore = "the other process of resume_in_another_process_is_exact"]
fn other_process() {
    let Some(path) = std::env::var_os(CHECKPOINT).map(std::path::PathBuf::from) else { return };
    trainer::set_threads(1);
    let (genome, recipe) = (genome(32, 0.02), eventful());
    let data = DeviceData::new(&split(333, 100), Device::CPU).unwrap();
    let mut session = Session::resume(&shared_job(&genome, &recipe), data, &path).unwrap();
    let rest: Vec<Measurement> = curve(&mut session).into_iter().map(plain).collect();
    fs::write(path.with_extension("curve"), format!("{rest:?}")).unwrap();
    session.save(&path.with_extension("end")).unwrap();
}

#[test]
fn interruption_changes_nothing() {
    trainer::set_threads(1);
    let data = DeviceData::new(&split(333, 100), Device::CPU).unwrap();
    let (genome, recipe) = (genome(32, 0.02), eventful());
    let job = Job { genome: &genome, recipe: &recipe, seed: 5, max_epochs: 2.0, interval: 1.0 };
    let mut whole = Session::start(&job, data.clone()).unwrap();
    let expected: Vec<Measurement> = curve(&mut whole).into_iter().map(plain).collect();

    let path = tempfile::tempdir().unwrap().keep().join("interrupted.safetensors");
    let mut session = Session::start(&job, data.clone()).unwrap();
    let first = plain(advance(&mut session));
    // Stopped by another thread at an instant that nobody chose, saved, resumed.
    let interrupt = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let training = scope.spawn(|| {
            let outcome = session.advance(&interrupt).unwrap();
            session.save(&path).unwrap();
            outcome
        });
        interrupt.store(true, Ordering::Relaxed);
        training.join().unwrap()
    });
    let mut resumed = Session::resume(&job, data, &path).unwrap();
    let mut curve: Vec<Measurement> = vec![first];
    if let Advance::Measured(measured) = outcome {
        curve.push(plain(measured));
    }
    curve.extend(crate::digits::curve(&mut resumed).into_iter().map(plain));
    assert_eq!(curve, expected);
    assert_eq!(resumed.snapshot().unwrap(), whole.snapshot().unwrap());
}

#[test]
fn seeds_differ_and_repeat() {
    trainer::set_threads(1);
    let data = DeviceData::new(&split(300, 100), Device::CPU).unwrap();
    let (genome, recipe) = (genome(32, 0.05), Recipe::default());
    let run = |seed| {
        let job = Job { genome: &genome, recipe: &recipe, seed, max_epochs: 1.0, interval: 1.0 };
        let mut session = Session::start(&job, data.clone()).unwrap();
        (curve(&mut session).into_iter().map(plain).collect::<Vec<_>>(), session.snapshot().unwrap())
    };
    let (first, weights) = run(1);
    assert_eq!(run(1), (first.clone(), weights));
    assert_ne!(run(2).0, first);
}

#[test]
fn sessions_side_by_side_do_not_disturb_each_other() {
    trainer::set_threads(1);
    let data = DeviceData::new(&split(300, 100), Device::CPU).unwrap();
    let (genome, recipe) = (genome(32, 0.05), eventful());
    let run = |seed, data| {
        let job = Job { genome: &genome, recipe: &recipe, seed, max_epochs: 2.0, interval: 1.0 };
        let mut session = Session::start(&job, data).unwrap();
        (curve(&mut session).into_iter().map(plain).collect::<Vec<_>>(), session.snapshot().unwrap())
    };
    let alone = [run(1, data.clone()), run(2, data.clone())];
    let together = std::thread::scope(|scope| {
        let threads = [1, 2].map(|seed| {
            let data = data.clone();
            scope.spawn(move || run(seed, data))
        });
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(together, alone);
}

#[test]
fn divergence_is_an_error_of_its_own() {
    let (genome, recipe) = (genome(32, 1e12), Recipe::default());
    let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 4.0, interval: 1.0 };
    let mut session = Session::start(&job, DeviceData::new(&split(400, 100), Device::CPU).unwrap()).unwrap();
    let error = loop {
        match session.advance(&NO) {
            Ok(_) => assert!(!session.ended(), "a learning rate of 1e12 trained to the end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TrainError::Diverged { value, .. } if !value.is_finite()), "{error}");
    assert!(error.to_string().starts_with("diverged in epoch"), "{error}");
}

#[test]
fn impossible_jobs_are_refused() {
    let data = DeviceData::new(&split(100, 20), Device::CPU).unwrap();
    let (genome, recipe) = (genome(32, 0.1), Recipe::default());
    let good = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 1.0, interval: 1.0 };
    let wrong = Recipe { label_smoothing: 1.5, ..Recipe::default() };
    let cases = [
        (Job { interval: 0.0, ..good }, "`interval` is 0: expected a number of epochs above 0"),
        (Job { max_epochs: f64::NAN, ..good }, "`max_epochs` is NaN"),
        (Job { interval: 0.1, ..good }, "`interval` is 0.1: expected at least one batch, 1/4 of an epoch"),
        (Job { recipe: &wrong, ..good }, "`recipe` is `training.label_smoothing` = 1.5"),
    ];
    for (job, expected) in cases {
        let error = Session::start(&job, data.clone()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.owner(), Owner::Job, "{error}");
    }
}

/// A network of the layers `net`.
fn layers(net: &str) -> Genome {
    serde_json::from_value(serde_json::json!({"space": "metaqnn", "net": net})).unwrap()
}

/// The first asks for more memory than any machine addresses, the second for more than a number of bytes can say.
#[test]
fn networks_that_fit_no_memory_are_typed_errors() {
    let data = DeviceData::new(&split(100, 20), Device::CPU).unwrap();
    let recipe = Recipe::default();
    let start = |genome: &Genome| {
        let job = Job { genome, recipe: &recipe, seed: 1, max_epochs: 1.0, interval: 1.0 };
        Session::start(&job, data.clone()).unwrap_err()
    };
    let error = start(&layers("[C(64,3,1), FC(4000000000), FC(65536), SM(10)]"));
    assert!(matches!(error, TrainError::OutOfMemory { .. }), "{error:?}");
    assert_eq!(error.owner(), Owner::Unknown, "another device may be larger");
    let error = start(&layers(&format!("[{}SM(10)]", "C(1000000,1000000,1), ".repeat(3))));
    assert!(
        error.to_string().starts_with("`genome` is a network of 18446744073709551615 parameters"),
        "{error}"
    );
    assert_eq!(error.owner(), Owner::Job, "{error:?}");
}

#[test]
fn fashion_mnist_where_present() {
    trainer::set_threads(1);
    let mut spec = data::DataSpec::new(data::SetName::FashionMnist);
    (spec.train, spec.validation) = (Some(1000), Some(200));
    let split = match spec.load() {
        Ok(split) => split,
        Err(error) => return println!("skipped: {error}"),
    };
    let (genome, recipe) = (genome(32, 0.05), Recipe::default());
    let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 3.0, interval: 1.0 };
    let mut session = Session::start(&job, DeviceData::new(&split, Device::CPU).unwrap()).unwrap();
    let curve = curve(&mut session);
    assert!(curve[2].val_acc > 65.0, "{curve:?}");
}
