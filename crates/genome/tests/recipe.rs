//! The `[training]` table: what is refused, and the course of the learning rate.

use genome::{Genome, Recipe, Schedule};

fn recipe(text: &str) -> Recipe {
    toml::from_str(text).expect("a table of the test")
}

#[test]
fn all_keys_have_defaults_and_unknown_ones_are_refused() {
    assert_eq!(recipe(""), Recipe::default());
    assert_eq!(Recipe::default().check(), Ok(()));
    let error = toml::from_str::<Recipe>("optimizer = 'sgd'").unwrap_err().to_string();
    assert!(error.contains("unknown field `optimizer`"), "{error}");
    let error = toml::from_str::<Recipe>("[augmentation]\nmirror = true").unwrap_err().to_string();
    assert!(error.contains("unknown field `mirror`"), "{error}");
    let again: Recipe = toml::from_str(&toml::to_string(&Recipe::default()).unwrap()).unwrap();
    assert_eq!(again, Recipe::default());
}

#[test]
fn wrong_values_are_refused_by_key() {
    let refused = [
        ("learning_rate = 0.0", "`training.learning_rate` is 0.0: expected more than 0"),
        ("learning_rate = inf", "`training.learning_rate` is inf"),
        ("momentum = 1.0", "`training.momentum` is 1.0: expected 0 <= value < 1"),
        ("nesterov = true\noptimiser = 'adamw'", "`training.nesterov` is true: expected true only with"),
        ("nesterov = true\nmomentum = 0.0", "`training.nesterov`"),
        ("weight_decay = -1.0", "`training.weight_decay`"),
        ("batch_size = 0", "`training.batch_size` is 0: expected 1 or more"),
        ("milestones = [0.75, 0.5]", "`training.milestones` is [0.75, 0.5]"),
        ("milestones = [0.5, 60.0]", "`training.milestones`"),
        ("gamma = 2.0", "`training.gamma`"),
        ("warmup_epochs = nan", "`training.warmup_epochs` is NaN"),
        ("label_smoothing = 1.0", "`training.label_smoothing`"),
        ("gradient_clip = 0.0", "`training.gradient_clip`"),
        ("drop_path = -0.1", "`training.drop_path`"),
    ];
    for (text, expected) in refused {
        let error = recipe(text).check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_learning_rate_follows_the_schedule() {
    let base = Recipe { learning_rate: 0.8, ..Recipe::default() };
    let step = Recipe { schedule: Schedule::Step, ..base.clone() };
    let constant = Recipe { schedule: Schedule::Constant, ..base.clone() };
    let warm = Recipe { warmup_epochs: 2.0, ..constant.clone() };
    let table = [
        (&base, 0.0, 0.8, "a cosine begins at the top"),
        (&base, 10.0, 0.4, "is at half in the middle"),
        (&base, 20.0, 0.0, "and ends at 0"),
        (&base, 21.0, 0.0, "where it stays"),
        (&step, 9.9, 0.8, "before the first milestone"),
        (&step, 10.0, 0.08, "at the first"),
        (&step, 15.0, 0.008, "at the second"),
        (&constant, 19.0, 0.8, "constant"),
        (&warm, 0.0, 0.1, "the first of eight warm-up steps"),
        (&warm, 1.0, 0.5, "the fifth"),
        (&warm, 1.75, 0.8, "the last"),
        (&warm, 2.0, 0.8, "after it"),
    ];
    for (recipe, epoch, expected, why) in table {
        let rate = recipe.learning_rate_at(epoch, 0.25, 20.0);
        assert!((rate - expected).abs() < 1e-12, "{why}: {rate}");
    }
}

#[test]
fn genes_go_before_the_table() {
    let parse = |json: &str| serde_json::from_str::<Genome>(json).expect("a genome of the test");
    let base = Recipe { nesterov: true, ..Recipe::default() };
    let cnn = parse(
        r#"{"space":"random-cnn","blocks":[{"filters":8,"kernel":3,"stride":1,"padding":1,"batch_norm":true}],
            "dense":[],"batch_size":32,"learning_rate":0.02,"momentum":0.0,"weight_decay":0.0}"#,
    );
    let expected = Recipe {
        batch_size: 32,
        learning_rate: 0.02,
        momentum: 0.0,
        weight_decay: 0.0,
        nesterov: false,
        ..base.clone()
    };
    assert_eq!(base.with_genes(&cnn), expected);
    assert_eq!(expected.check(), Ok(()));
    let slow = parse(r#"{"space":"metaqnn","net":"[C(64,3,1), SM(10)]","learning_rate":0.0004}"#);
    assert_eq!(base.with_genes(&slow), Recipe { learning_rate: 0.0004, ..base.clone() });
    let plain = parse(r#"{"space":"metaqnn","net":"[C(64,3,1), SM(10)]"}"#);
    assert_eq!(base.with_genes(&plain), base);
}
