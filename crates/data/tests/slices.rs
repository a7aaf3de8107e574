//! What a spec means: slices of the built-in digits, and refused settings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;

use data::{DataSpec, Part, Places, SetName, Split};

fn digits(train: u32, validation: u32, seed: u64) -> Split {
    let mut spec = DataSpec::new(SetName::Digits);
    (spec.train, spec.validation, spec.seed) = (Some(train), Some(validation), seed);
    spec.load().unwrap()
}

fn images(part: &Part) -> HashSet<&[u8]> {
    part.pixels.chunks_exact(64).collect()
}

#[test]
fn digits_are_whole() {
    let dataset = DataSpec::new(SetName::Digits).dataset(&Places::only([])).unwrap();
    assert_eq!((dataset.len(), dataset.pixels.len()), (1797, 1797 * 64));
    // Counts of the classes as UCI publishes them for the test part.
    let counts = (0..10).map(|class| dataset.labels.iter().filter(|&&label| label == class).count());
    assert_eq!(counts.collect::<Vec<_>>(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(dataset.pixels.iter().max(), Some(&255), "the darkest shade, 16, is 255");
}

#[test]
fn slices_are_stratified_disjoint_and_seeded() {
    let split = digits(1000, 300, 1);
    assert_eq!((split.train.len(), split.validation.len()), (1000, 300));
    assert!(images(&split.train).is_disjoint(&images(&split.validation)));
    for class in 0..10 {
        let share = split.train.labels.iter().filter(|&&label| label == class).count();
        assert!((96..=103).contains(&share), "class {class} has {share} of 1000");
    }
    assert_eq!(digits(1000, 300, 1).train, split.train, "same seed, same slice");
    assert_ne!(digits(1000, 300, 2).train, split.train, "another seed, another slice");
    let small = digits(100, 300, 1);
    assert_eq!(small.validation, split.validation, "validation does not depend on the training part");
    assert!(
        images(&small.train).is_subset(&images(&split.train)),
        "a smaller slice is part of the larger one"
    );
}

#[test]
fn left_out_counts_mean_all_but_a_tenth() {
    let split = DataSpec::new(SetName::Digits).load().unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (1618, 179));
}

#[test]
fn impossible_settings_are_refused() {
    let cases = [
        ("set = 'digits'\ntrain = 1700\nvalidation = 98", "`data.train` is 1700: expected 1 to 1699"),
        ("set = 'digits'\nvalidation = 1797", "`data.validation` is 1797: expected 1 to 1796"),
        ("set = 'digits'\ntrain = 9", "`data.train` is 9: expected at least one image per class, 10"),
        ("set = 'cifar10'\nsize = 16", "`data.size` is 16: expected this key only with `image-folder`"),
        ("set = 'image-folder'", "`data.path` is missing"),
        ("set = 'image-folder'\npath = 'x'\nsize = 8\nclasses = 2", "`data.channels` is missing"),
        ("set = 'image-folder'\npath = 'x'\nsize = 8\nclasses = 2\nchannels = 2", "`data.channels` is 2"),
    ];
    for (text, expected) in cases {
        let spec: DataSpec = toml::from_str(text).unwrap();
        let found = spec.check().unwrap_err().to_string();
        assert!(found.starts_with(expected), "{text}: {found}");
    }
    let unknown = toml::from_str::<DataSpec>("set = 'digits'\ntrian = 5").unwrap_err().to_string();
    assert!(unknown.contains("trian") && unknown.contains("line 2"), "{unknown}");
    let unknown = toml::from_str::<DataSpec>("set = 'minst'").unwrap_err().to_string();
    assert!(unknown.contains("fashion-mnist"), "the sets are listed: {unknown}");
}
