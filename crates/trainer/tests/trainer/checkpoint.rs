//! Checkpoints that must be refused, each with its reason.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use domain::Owner;
use genome::{Optimiser, Recipe};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use trainer::{Device, DeviceData, Job, Session, TrainError};

use crate::digits;

/// Writes the checkpoint again with some of its tensors changed; `None` leaves one out.
fn rewrite<'a>(from: &'a [u8], to: &Path, change: impl Fn(&str, TensorView<'a>) -> Option<TensorView<'a>>) {
    let (_, metadata) = SafeTensors::read_metadata(from).unwrap();
    let saved = SafeTensors::deserialize(from).unwrap();
    let tensors: HashMap<String, TensorView<'a>> = saved
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| Some((name.clone(), change(&name, view)?)))
        .collect();
    fs::write(to, safetensors::serialize(tensors, metadata.metadata().clone()).unwrap()).unwrap();
}

#[test]
fn unusable_checkpoints_are_refused() {
    let data = DeviceData::new(&digits::split(100, 20), Device::CPU).unwrap();
    let (genome, recipe) = (digits::genome(32, 0.1), Recipe::default());
    let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 2.0, interval: 1.0 };
    let mut session = Session::start(&job, data.clone()).unwrap();
    digits::advance(&mut session);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    session.save(&path).unwrap();
    let good = fs::read(&path).unwrap();

    let refused = |expected: &str, why: &str| {
        let error = Session::resume(&job, data.clone(), &path).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains(expected), "{why}: {text}");
        assert!(matches!(error, TrainError::Checkpoint { .. }), "{why}: {error:?}");
    };
    for length in [0, 7, 100, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        refused("it is damaged", "cut off");
    }
    rewrite(&good, &path, |name, view| (name != "block1.norm.running_var").then_some(view));
    refused("it has no `block1.norm.running_var`", "a tensor is missing");
    let bias = [0_u8; 32];
    rewrite(&good, &path, |name, view| match name {
        "block1.norm.bias" => TensorView::new(Dtype::F32, vec![1], &bias[..4]).ok(),
        _ => Some(view),
    });
    refused("its `block1.norm.bias` is F32 of [1], expected F32 of [8]", "a shape that could be broadcast");
    rewrite(&good, &path, |name, view| match name {
        "block1.norm.bias" => TensorView::new(Dtype::F16, vec![8], &bias[..16]).ok(),
        _ => Some(view),
    });
    refused("is F16 of [8], expected F32 of [8]", "a kind that could be converted");
    fs::write(
        &path,
        safetensors::serialize::<_, TensorView<'_>, _>(
            [("x", TensorView::new(Dtype::U8, vec![4], &bias[..4]).unwrap())],
            None,
        )
        .unwrap(),
    )
    .unwrap();
    refused("it was not written by this program", "another program's file");

    fs::write(&path, &good).unwrap();
    assert_eq!(Session::resume(&job, data.clone(), &path).unwrap().step(), 1, "the good one is not refused");
}

#[test]
fn checkpoints_of_other_jobs_are_refused() {
    let data = DeviceData::new(&digits::split(100, 20), Device::CPU).unwrap();
    let (genome, other) = (digits::genome(32, 0.1), digits::genome(32, 0.2));
    let (recipe, adamw) = (Recipe::default(), Recipe { optimiser: Optimiser::Adamw, ..Recipe::default() });
    let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 2.0, interval: 1.0 };
    let path = tempfile::tempdir().unwrap().keep().join("checkpoint");
    Session::start(&job, data.clone()).unwrap().save(&path).unwrap();
    let cases = [
        (Job { seed: 2, ..job }, "its seed is 1, expected 2"),
        (Job { max_epochs: 3.0, ..job }, "its max_epochs is 2, expected 3"),
        (Job { interval: 0.5, ..job }, "its interval is 1, expected 0.5"),
        (Job { genome: &other, ..job }, "its genome is"),
        (Job { recipe: &adamw, ..job }, "its recipe has `optimiser` = "),
    ];
    for (job, expected) in cases {
        let error = Session::resume(&job, data.clone(), &path).unwrap_err();
        assert!(matches!(error, TrainError::Checkpoint { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains("it belongs to another job") && error.contains(expected), "{error}");
    }
    let more = DeviceData::new(&digits::split(101, 20), Device::CPU).unwrap();
    let error = Session::resume(&job, more, &path).unwrap_err().to_string();
    assert!(error.contains("its training images is 100, expected 101"), "{error}");
}

#[test]
fn files_that_cannot_be_read_or_written_are_the_hosts_fault() {
    let data = DeviceData::new(&digits::split(100, 20), Device::CPU).unwrap();
    let (genome, recipe) = (digits::genome(32, 0.1), Recipe::default());
    let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 2.0, interval: 1.0 };
    let path = Path::new("/nonexistent/checkpoint");
    let read = Session::resume(&job, data.clone(), path).unwrap_err();
    let written = Session::start(&job, data).unwrap().save(path).unwrap_err();
    for (error, action) in [(read, "read"), (written, "write")] {
        assert!(matches!(error, TrainError::File { .. }), "{error:?}");
        assert_eq!(error.owner(), Owner::Host);
        assert_eq!(error.to_string(), format!("cannot {action} checkpoint `/nonexistent/checkpoint`"));
    }
}
