//! The `nsga-macro` space: the recorded FLOPs of A4NN, what it samples, how genomes vary, equal networks.

mod recorded;

use genome::{Genome, Input, Layer, NsgaMacro, NsgaMacroSpace, Plan, Space};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Input and channels that reproduce the recorded FLOPs.
const XFEL: Input = Input { channels: 1, height: 127, width: 127, classes: 2 };
const CIFAR: Input = Input { channels: 3, height: 32, width: 32, classes: 10 };

fn genome(phases: Vec<Vec<u8>>) -> Genome {
    Genome::NsgaMacro(NsgaMacro { phases, channels: 24 })
}

/// FLOPs as A4NN's program counts them: a multiply-accumulate is one, batch normalisation two and a ReLU one for each
/// number that they put out, a pool one for each number that it takes.
fn recorded_flops(plan: &Plan) -> u64 {
    let flops = plan.nodes.iter().map(|node| match node.layer {
        Layer::BatchNorm { .. } => 2 * node.output.len(),
        Layer::Relu => node.output.len(),
        Layer::MaxPool { .. } | Layer::GlobalAvgPool => plan.nodes[node.inputs[0]].output.len(),
        layer => layer.multiply_accumulates(node.output),
    });
    flops.sum()
}

/// All networks of the four recorded searches, to the last digit: 127 by 127 images of one channel, 24 filters.
#[test]
fn recorded_flops_are_reproduced() {
    let names = ["icpp23-1e14-full", "icpp23-1e15-full", "icpp23-1e14-early", "icpp23-1e15-early"];
    for name in names {
        let Some(rows) = recorded::architectures(name, ["genome", "mflops"]) else {
            return;
        };
        assert_eq!(rows.len(), 100);
        for [phases, mflops] in rows {
            let plan = genome(serde_json::from_str(&phases).unwrap()).plan(XFEL).unwrap();
            let ours = format!("{:.4}", recorded_flops(&plan) as f64 / 1e6);
            let theirs = format!("{:.4}", mflops.parse::<f64>().unwrap());
            assert_eq!(ours, theirs, "{name}: {phases}");
        }
    }
}

#[test]
fn a_plan_is_what_its_bits_say() {
    let genome = genome(vec![vec![1, 1, 0, 0, 0, 0, 1], vec![0; 7], vec![1, 0, 0, 0, 0, 0, 0]]);
    let plan = genome.plan(CIFAR).unwrap();
    let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    let expected = "image phase1.conv phase1.node1.conv phase1.node1.norm phase1.node1.relu phase1.node2.conv \
                    phase1.node2.norm phase1.node2.relu phase1.node3.conv phase1.node3.norm phase1.node3.relu \
                    phase1.drop2 phase1.drop3 phase1.concat phase1.merge phase1.norm phase1.relu phase2.pool \
                    phase2.conv phase2.node1.conv phase2.node1.norm phase2.node1.relu phase2.node2.conv \
                    phase2.node2.norm phase2.node2.relu phase2.norm phase2.relu gap output";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    let concat = &plan.nodes[13];
    assert_eq!(concat.inputs, [1, 11, 12]);
    assert_eq!(concat.output.to_string(), "72x30x30");
    let (c, d) = (24, 48);
    let phase1 = 3 * c * 9 + 3 * (9 * c * c + 2 * c) + 3 * c * c + 2 * c;
    let phase2 = c * d + 2 * (9 * d * d + 2 * d) + 2 * d;
    assert_eq!(plan.cost().parameters, phase1 + phase2 + 10 * (d + 1));
}

#[test]
fn summary_shows_bits_by_node() {
    let genome = genome(vec![vec![1, 0, 1, 1, 1, 0, 1], vec![0, 0, 0, 0, 0, 0, 1]]);
    assert_eq!(genome.summary(), "24 filters, 2 phases: 1.01.110.1 | 0.00.000.1 (out)");
}

#[test]
fn impossible_genomes_are_refused_by_name() {
    let refused = [
        (
            r#"{"space":"nsga-macro","phases":[],"channels":8}"#,
            "gene `phases` is 0 long: expected 1 to 8 phases",
        ),
        (
            r#"{"space":"nsga-macro","phases":[[1,0,1]],"channels":8}"#,
            "gene `phases[0]` is 101: expected 0 or 1,",
        ),
        (r#"{"space":"nsga-macro","phases":[[2,0]],"channels":8}"#, "gene `phases[0]` is 20"),
        (r#"{"space":"nsga-macro","phases":[[1,0]],"channels":0}"#, "gene `channels` is 0"),
    ];
    for (json, expected) in refused {
        let error = serde_json::from_str::<Genome>(json).unwrap().validate(CIFAR).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let small = Input { channels: 1, height: 5, width: 5, classes: 2 };
    let error = Space::NsgaMacro(NsgaMacroSpace::default()).check_for(small).unwrap_err().to_string();
    assert!(error.contains("layer `phase3.pool` does not fit its input of 48x1x1"), "{error}");
}

#[test]
fn hash_does_not_change_between_versions() {
    let genome = genome(vec![vec![1, 0, 1, 1, 1, 0, 1], vec![0; 7], vec![1, 1, 1, 0, 0, 1, 1]]);
    assert_eq!(genome.hash().short(), "bb467172");
}

/// A node of a graph by its last place in the bits: the bits of `phase` with nodes renamed by `order`, if the result
/// still has every connection run forwards.
fn renamed(phase: &[u8], nodes: usize, order: &[usize]) -> Option<Vec<u8>> {
    let place = |from: usize, to: usize| to * (to - 1) / 2 + from;
    let mut bits = vec![0; phase.len()];
    bits[phase.len() - 1] = phase[phase.len() - 1];
    for to in 1..nodes {
        for from in 0..to {
            if phase[place(from, to)] == 1 {
                let (a, b) = (order[from], order[to]);
                if a > b {
                    return None;
                }
                bits[place(a, b)] = 1;
            }
        }
    }
    Some(bits)
}

fn space(phases: usize, nodes: usize) -> Space {
    Space::NsgaMacro(NsgaMacroSpace { phases, nodes, channels: 4, ..NsgaMacroSpace::default() })
}

proptest! {
    #[test]
    fn what_is_sampled_or_varied_is_in_the_space(phases in 1..4usize, nodes in 2..7usize, seed: u64) {
        let (space, mut rng) = (space(phases, nodes), ChaCha8Rng::seed_from_u64(seed));
        space.check_for(CIFAR).unwrap();
        let (a, b) = (space.sample(CIFAR, &mut rng), space.sample(CIFAR, &mut rng));
        let mutant = space.mutate(&a, CIFAR, &mut rng);
        prop_assert!(mutant.hash() != a.hash());
        for genome in [&a, &b, &mutant, &space.crossover(&a, &b, CIFAR, &mut rng)] {
            prop_assert_eq!(space.contains(genome, CIFAR), Ok(()));
            let json = serde_json::to_string(genome).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Genome>(&json).unwrap(), genome);
        }
    }

    /// The same network written with its nodes in another order has the same hash and the same cost.
    #[test]
    fn the_order_of_nodes_does_not_change_the_hash(
        phase in prop::collection::vec(0..2u8, 11),
        order in Just(vec![0usize, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let Some(other) = renamed(&phase, 5, &order) else { return Ok(()) };
        let (a, b) = (genome(vec![phase]), genome(vec![other]));
        prop_assert_eq!(a.hash(), b.hash());
        prop_assert_eq!(a.cost(CIFAR).unwrap(), b.cost(CIFAR).unwrap());
    }

    /// Networks of different cost never share a hash, and phases without connections count for nothing.
    #[test]
    fn equal_hashes_mean_equal_costs(
        a in prop::collection::vec(0..2u8, 7),
        b in prop::collection::vec(0..2u8, 7),
        skip in 0..2u8,
    ) {
        let idle = vec![0, 0, 0, 0, 0, 0, skip];
        prop_assert_eq!(genome(vec![a.clone(), idle.clone()]).hash(), genome(vec![idle, a.clone()]).hash());
        let (a, b) = (genome(vec![a]), genome(vec![b]));
        if a.cost(CIFAR) != b.cost(CIFAR) {
            prop_assert_ne!(a.hash(), b.hash());
        }
    }
}
