//! Who has to answer for data that cannot be loaded.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use data::{DataError, DataSpec, Places, SetName};
use domain::Owner;

fn pets() -> DataSpec {
    let (path, size, channels, classes) = (Some("pets".into()), Some(4), Some(3), Some(2));
    DataSpec { path, size, channels, classes, ..DataSpec::new(SetName::ImageFolder) }
}

/// Two classes of four images each.
fn write_pets(folder: &Path) {
    for class in ["cat", "dog"] {
        let class = folder.join("pets/train").join(class);
        fs::create_dir_all(&class).unwrap();
        for i in 0..4 {
            image::RgbImage::new(8, 8).save(class.join(format!("{i}.png"))).unwrap();
        }
    }
}

/// The error after `change` was done to a folder with whole images.
fn error(spec: &DataSpec, change: impl Fn(&Path)) -> DataError {
    let folder = tempfile::tempdir().unwrap();
    write_pets(folder.path());
    change(&folder.path().join("pets/train"));
    spec.load_from(&Places::only([folder.path().to_owned()])).unwrap_err()
}

#[test]
fn what_the_spec_says_is_the_jobs_fault_and_what_the_files_are_the_hosts() {
    let good = pets();
    let folder = tempfile::tempdir().unwrap();
    write_pets(folder.path());
    let split =
        DataSpec { validation: Some(2), ..good.clone() }.load_from(&Places::only([folder.path().to_owned()]));
    assert_eq!(split.unwrap().train.len(), 6, "the folder is whole before it is changed");

    let with = |validation| DataSpec { validation: Some(validation), ..good.clone() };
    let unchanged = |_: &Path| {};
    let without_dogs = |train: &Path| fs::remove_dir_all(train.join("dog")).unwrap();
    let damaged = |train: &Path| fs::write(train.join("cat/0.png"), "no image").unwrap();
    let a_folder = |train: &Path| fs::create_dir(train.join("cat/5.png")).unwrap();
    let missing = |train: &Path| fs::remove_dir_all(train).unwrap();
    let table = [
        (error(&with(1), unchanged), Owner::Job, "fewer images than classes, by the spec alone"),
        (
            error(&DataSpec { classes: Some(1), ..good.clone() }, unchanged),
            Owner::Job,
            "no set has one class",
        ),
        (error(&DataSpec { path: None, ..good.clone() }, unchanged), Owner::Job, "no folder is named"),
        (
            error(&with(9), unchanged),
            Owner::Host,
            "fewer images here than the spec wants: perhaps half a copy",
        ),
        (error(&with(2), without_dogs), Owner::Host, "a class is not here"),
        (error(&with(2), damaged), Owner::Host, "an image is damaged"),
        (error(&with(2), a_folder), Owner::Host, "an image cannot be read"),
        (error(&with(2), missing), Owner::Host, "nothing is here"),
        (
            DataSpec::new(SetName::Cifar10).load_from(&Places::only([folder.path().to_owned()])).unwrap_err(),
            Owner::Host,
            "an official set is not here",
        ),
    ];
    for (error, owner, why) in table {
        assert_eq!(error.owner(), owner, "{why}: {error}");
    }
}

#[test]
fn files_that_are_not_the_official_ones_are_the_hosts_fault() {
    let folder = tempfile::tempdir().unwrap();
    let cifar = folder.path().join("cifar10");
    fs::create_dir(&cifar).unwrap();
    for i in 1..=5 {
        fs::write(cifar.join(format!("data_batch_{i}.bin")), "short").unwrap();
    }
    let load =
        || DataSpec::new(SetName::Cifar10).load_from(&Places::only([folder.path().to_owned()])).unwrap_err();
    let short = load();
    assert!(matches!(short, DataError::Size { .. }), "{short}");
    assert_eq!(short.owner(), Owner::Host);
    for i in 1..=5 {
        fs::write(cifar.join(format!("data_batch_{i}.bin")), vec![0; 30_730_000]).unwrap();
    }
    let other = load();
    assert!(!matches!(other, DataError::Setting { .. } | DataError::Size { .. }), "{other}");
    assert_eq!(other.owner(), Owner::Host);
}
