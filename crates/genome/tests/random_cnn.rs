//! The `random-cnn` space: what it samples, how genomes vary, what is refused.

use genome::{Genome, Input, Layer, RandomCnnSpace, Shape, Space};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const GREY: Input = Input { channels: 1, height: 28, width: 28, classes: 10 };

fn space() -> Space {
    Space::RandomCnn(RandomCnnSpace::default())
}

fn sample(seed: u64) -> Genome {
    space().sample(GREY, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn parse(json: &str) -> Genome {
    serde_json::from_str(json).expect("a genome of the test")
}

/// Two blocks and a fully connected layer, written by hand.
const HAND: &str = r#"{"space": "random-cnn",
    "blocks": [{"filters": 8, "kernel": 5, "stride": 1, "padding": 2, "batch_norm": true,
                "pool": {"kind": "max", "kernel": 2, "stride": 2}},
               {"filters": 16, "kernel": 3, "stride": 2, "padding": 0, "batch_norm": false}],
    "dense": [{"units": 32, "dropout": 0.5}],
    "batch_size": 64, "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0001}"#;

#[test]
fn cost_is_what_one_counts_by_hand() {
    let genome = parse(HAND);
    let cost = genome.cost(GREY).unwrap();
    // 28 -> pool 14 -> (14 - 3) / 2 + 1 = 6
    let parameters = 8 * 25 + 2 * 8 + 16 * (8 * 9 + 1) + 32 * (16 * 36 + 1) + 10 * 33;
    let accumulates = 8 * 25 * 28 * 28 + 16 * 8 * 9 * 36 + 32 * 16 * 36 + 10 * 32;
    assert_eq!((cost.parameters, cost.flops), (parameters, 2 * accumulates));
    let plan = genome.plan(GREY).unwrap();
    assert_eq!(plan.nodes[0].layer, Layer::Image);
    assert_eq!(plan.nodes.last().unwrap().output, Shape::Flat { features: 10 });
}

#[test]
fn summary_reads_in_one_line() {
    let expected = "conv5 8 +2 bn, max2 /2 > conv3 16 /2 > fc 32 drop 0.5 \
                    | batch 64, lr 0.01, momentum 0.9, decay 0.0001";
    assert_eq!(parse(HAND).summary(), expected);
}

/// Hashes are stored for years: a change of the canonical form must be seen.
#[test]
fn hash_does_not_change_between_versions() {
    assert_eq!(parse(HAND).hash().short(), "ae3fa8a9");
}

#[test]
fn genes_without_effect_do_not_change_the_hash() {
    let hash = parse(HAND).hash();
    let same = [
        (
            r#""batch_norm": false}"#,
            r#""batch_norm": false, "pool": {"kind": "average", "kernel": 1, "stride": 1}}"#,
        ),
        (r#""momentum": 0.9, "weight_decay": 0.0001"#, r#""weight_decay": 1.0e-4, "momentum": 0.90"#),
    ];
    for (from, to) in same {
        assert!(HAND.contains(from));
        assert_eq!(parse(&HAND.replace(from, to)).hash(), hash, "{to}");
    }
    let other =
        [("0.01,", "0.011,"), (r#""filters": 16"#, r#""filters": 17"#), ("0.5", "0.4"), ("true", "false")];
    for (from, to) in other {
        assert!(HAND.contains(from));
        assert_ne!(parse(&HAND.replace(from, to)).hash(), hash, "{to}");
    }
}

#[test]
fn impossible_genomes_are_refused_by_name() {
    let refused = [
        (r#""filters": 16"#, r#""filters": 0"#, "gene `blocks[1].filters` is 0: expected 1 or more"),
        (
            r#""padding": 2"#,
            r#""padding": 3"#,
            "gene `blocks[0].padding` is 3: expected 0 to 2, half of the kernel",
        ),
        (
            r#""stride": 2, "padding": 0"#,
            r#""stride": 0, "padding": 0"#,
            "kernel 3, stride 0 and padding 0 make no window",
        ),
        (
            r#""kernel": 3"#,
            r#""kernel": 15"#,
            "layer `block2.conv` does not fit its input of 8x14x14: a window of 15",
        ),
        (r#""dropout": 0.5"#, r#""dropout": 1.0"#, "gene `dense[0].dropout` is 1: expected in [0, 1)"),
        (r#""batch_size": 64"#, r#""batch_size": 0"#, "gene `batch_size` is 0"),
        (
            r#""learning_rate": 0.01"#,
            r#""learning_rate": 0.0"#,
            "gene `learning_rate` is 0: expected more than 0",
        ),
    ];
    for (from, to, expected) in refused {
        assert!(HAND.contains(from), "{from}");
        let error = parse(&HAND.replace(from, to)).validate(GREY).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let unknown =
        serde_json::from_str::<Genome>(&HAND.replace("momentum", "momentun")).unwrap_err().to_string();
    assert!(unknown.contains("unknown field `momentun`"), "{unknown}");
}

#[test]
fn limits_come_from_the_spec_and_are_checked() {
    let parse = |text: &str| toml::from_str::<Space>(text);
    assert_eq!(parse("kind = 'random-cnn'").unwrap(), space());
    let error = parse("kind = 'random-cnn'\nkernel = [3]").unwrap_err().to_string();
    assert!(error.contains("unknown field `kernel`"), "{error}");
    let wrong = [
        ("kernels = [0, 3]", "`space.kernels` is [0, 3]: expected at least one number from 1 to 1024"),
        ("blocks = [0, 3]", "`space.blocks` is [0, 3]"),
        ("blocks = [4, 3]", "`space.blocks` is [4, 3]"),
        ("dropout = [0.0, 1.0]", "`space.dropout` is [0.0, 1.0]"),
        ("learning_rate = [0.0, 1.0]", "`space.learning_rate`"),
        ("batch_norm = []", "`space.batch_norm`"),
    ];
    for (key, expected) in wrong {
        let error = parse(&format!("kind = 'random-cnn'\n{key}")).unwrap().check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let tight = parse("kind = 'random-cnn'\nmax_parameters = 100").unwrap();
    let error = tight.check_for(GREY).unwrap_err().to_string();
    assert!(error.contains("the search space allows at most 100"), "{error}");
}

#[test]
fn samples_are_many_different_networks() {
    let hashes: std::collections::HashSet<_> = (0..500).map(|seed| sample(seed).hash()).collect();
    assert_eq!(hashes.len(), 500);
}

/// Inputs from a single pixel to a small photograph.
fn inputs() -> impl Strategy<Value = Input> {
    (1..4u32, 1..65u32, 1..65u32, 2..101u32).prop_map(|(channels, height, width, classes)| Input {
        channels,
        height,
        width,
        classes,
    })
}

proptest! {
    #[test]
    fn what_is_sampled_or_varied_is_in_the_space(input in inputs(), seed: u64) {
        let (space, mut rng) = (space(), ChaCha8Rng::seed_from_u64(seed));
        space.check_for(input).unwrap();
        let (a, b) = (space.sample(input, &mut rng), space.sample(input, &mut rng));
        let mutant = space.mutate(&a, input, &mut rng);
        prop_assert_ne!(mutant.hash(), a.hash());
        for genome in [&a, &b, &mutant, &space.crossover(&a, &b, input, &mut rng)] {
            prop_assert_eq!(space.contains(genome, input), Ok(()));
        }
    }

    #[test]
    fn json_gives_the_same_genome(seed: u64) {
        let genome = sample(seed);
        let json = serde_json::to_string(&genome).unwrap();
        let again: Genome = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(again.hash(), genome.hash());
        prop_assert_eq!(again, genome);
    }

    #[test]
    fn the_same_seed_gives_the_same_genome(seed: u64) {
        prop_assert_eq!(sample(seed), sample(seed));
    }
}
