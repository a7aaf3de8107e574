//! The `metaqnn` space: the recorded networks, what it samples, how genomes vary, what is refused.

mod recorded;

use genome::{Genome, Input, Layers, Metaqnn, MetaqnnLayer, MetaqnnSpace, Space};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const CIFAR: Input = Input { channels: 3, height: 32, width: 32, classes: 10 };

fn metaqnn(net: &str) -> Metaqnn {
    Metaqnn { net: net.parse().expect("a net of the test"), learning_rate: None }
}

fn genome(net: &str) -> Genome {
    Genome::Metaqnn(metaqnn(net))
}

/// All 1650 recorded networks: they parse, print as they were written, have a plan, and their published parameter
/// counts come out, as do the places of their dropouts.
#[test]
fn recorded_networks_are_reproduced() {
    for (name, count) in [("metaqnn-cifar10", 1000), ("metaqnn-svhn-even", 650)] {
        let Some(rows) = recorded::architectures(name, ["net", "params"]) else {
            return;
        };
        assert_eq!(rows.len(), count);
        let space = Space::Metaqnn(MetaqnnSpace { layers: [1, 18], ..MetaqnnSpace::default() });
        for [net, parameters] in rows {
            let metaqnn = metaqnn(&net);
            assert_eq!(metaqnn.net.to_string(), net);
            assert_eq!(Layers::with_dropouts(&metaqnn.net.bare()), metaqnn.net, "{net}");
            assert_eq!(metaqnn.published_parameters(CIFAR).unwrap().to_string(), parameters, "{net}");
            let genome = Genome::Metaqnn(metaqnn);
            assert_eq!(space.contains(&genome, CIFAR), Ok(()), "{net}");
        }
    }
}

#[test]
fn cost_is_what_one_counts_by_hand() {
    let cost = genome("[C(64,3,1), P(3,2), D(1,2), FC(128), D(2,2), SM(10)]").cost(CIFAR).unwrap();
    let flat = 64 * 15 * 15;
    assert_eq!(cost.parameters, 64 * 28 + 128 * (flat + 1) + 10 * 129);
    assert_eq!(cost.flops, 2 * (64 * 27 * 32 * 32 + 128 * flat + 10 * 128));
    let cost = genome("[C(64,3,1), GAP(10), SM(10)]").cost(CIFAR).unwrap();
    assert_eq!(cost.parameters, 64 * 28 + 10 * 65);
}

#[test]
fn texts_that_are_no_layers_are_refused_with_their_place() {
    let refused = [
        ("C(64,3,1), SM(10)", "expected the form `[C(64,3,1), SM(10)]`"),
        ("[C(64,3), SM(10)]", "layer 1 is `C(64,3)`: expected C(filters,kernel,stride)"),
        ("[C(64,3,1), X(1), SM(10)]", "layer 2 is `X(1)`"),
        ("[C(64,3,1), SM(10", "is not a list of layers"),
        ("[C(64,0,1), SM(10)]", "layer 1 is `C(64,0,1)`"),
        ("[C(64,-3,1)]", "layer 1 is `C(64,-3,1)`"),
        ("[C(64,3,1), , SM(10)]", "layer 2 is `, SM(10)`"),
    ];
    for (net, expected) in refused {
        let error = net.parse::<Layers>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        let json = serde_json::json!({"space": "metaqnn", "net": net}).to_string();
        assert!(serde_json::from_str::<Genome>(&json).unwrap_err().to_string().contains(expected));
    }
}

#[test]
fn layers_in_a_wrong_place_are_refused() {
    let refused = [
        ("[]", "gene `net` is []: expected a list that ends with SM(classes)"),
        ("[C(64,3,1)]", "expected a list that ends with SM(classes)"),
        ("[SM(10), SM(10)]", "gene `net, layer 2` is SM(10): expected nothing after SM(10)"),
        (
            "[FC(128), C(64,3,1), SM(10)]",
            "gene `net, layer 2` is C(64,3,1): expected FC, D or SM after FC(128)",
        ),
        ("[GAP(10), P(2,2), SM(10)]", "gene `net, layer 2` is P(2,2): expected D or SM after GAP(10)"),
        ("[C(64,3,1), SM(7)]", "gene `net, SM(7)` is 7: expected 10, the number of classes"),
        ("[C(64,3,1), D(4,2), SM(10)]", "gene `net, D(4,2)` is 4: expected less than twice"),
        ("[P(5,3), P(5,3), P(5,3), SM(10)]", "layer `layer3.pool` does not fit its input of 3x2x2"),
    ];
    for (net, expected) in refused {
        let error = genome(net).validate(CIFAR).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn hash_looks_through_notation() {
    let hash = genome("[C(64,3,1), C(64,3,1), D(1,2), SM(10)]").hash();
    assert_eq!(hash, genome(" [ C(64, 3, 1),C(64,3,1), D(2,4), SM(10) ] ").hash());
    assert_ne!(hash, genome("[C(64,3,1), C(64,3,1), D(1,4), SM(10)]").hash());
    let mut slow = metaqnn("[C(64,3,1), C(64,3,1), D(1,2), SM(10)]");
    slow.learning_rate = Some(0.0004);
    assert_ne!(hash, Genome::Metaqnn(slow).hash());
    assert_eq!(hash.short(), "64101c58");
}

/// Any list of layers, sensible or not.
fn layers() -> impl Strategy<Value = Layers> {
    let n = 1..600u32;
    let layer = prop_oneof![
        (n.clone(), 1..8u32, 1..4u32).prop_map(|(filters, kernel, stride)| MetaqnnLayer::Conv {
            filters,
            kernel,
            stride
        }),
        (1..8u32, 1..4u32).prop_map(|(kernel, stride)| MetaqnnLayer::Pool { kernel, stride }),
        (1..9u32, 1..9u32).prop_map(|(index, of)| MetaqnnLayer::Dropout { index, of }),
        n.clone().prop_map(|units| MetaqnnLayer::Full { units }),
        n.clone().prop_map(|maps| MetaqnnLayer::Average { maps }),
        n.prop_map(|classes| MetaqnnLayer::Softmax { classes }),
    ];
    prop::collection::vec(layer, 0..20).prop_map(Layers)
}

proptest! {
    #[test]
    fn layers_read_what_they_write(layers in layers()) {
        prop_assert_eq!(layers.to_string().parse::<Layers>().unwrap(), layers);
    }

    #[test]
    fn what_is_sampled_or_varied_is_in_the_space(side in 4..40u32, dropout: bool, seed: u64) {
        let learning_rate = if dropout { vec![] } else { vec![0.001, 0.0004] };
        let space = Space::Metaqnn(MetaqnnSpace { dropout, learning_rate, ..MetaqnnSpace::default() });
        let (input, mut rng) = (Input { height: side, width: side, ..CIFAR }, ChaCha8Rng::seed_from_u64(seed));
        space.check_for(input).unwrap();
        let (a, b) = (space.sample(input, &mut rng), space.sample(input, &mut rng));
        let mutant = space.mutate(&a, input, &mut rng);
        prop_assert!(mutant.hash() != a.hash());
        for genome in [&a, &b, &mutant, &space.crossover(&a, &b, input, &mut rng)] {
            prop_assert_eq!(space.contains(genome, input), Ok(()));
            let json = serde_json::to_string(genome).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Genome>(&json).unwrap(), genome);
        }
    }
}
