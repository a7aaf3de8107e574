//! Output sizes of layers, against PyTorch's documented formulas.

use genome::{Genome, Input};

/// The shape behind the first pool or convolution of a network of one `layer`.
fn shape(layer: &str, side: u32) -> String {
    let net = format!(r#"{{"space":"metaqnn","net":"[{layer}, SM(2)]"}}"#);
    let genome: Genome = serde_json::from_str(&net).expect("a genome of the test");
    let input = Input { channels: 1, height: side, width: side + 1, classes: 2 };
    match genome.plan(input) {
        Ok(plan) => plan.nodes[1].output.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn sizes_are_those_of_pytorch() {
    let table = [
        ("C(4,3,1)", 8, "4x8x9", "half the kernel of padding keeps the size"),
        ("C(4,3,2)", 8, "4x4x5", "(8 + 2 - 3) / 2 + 1 = 4, (9 + 2 - 3) / 2 + 1 = 5"),
        ("C(4,2,1)", 8, "4x9x10", "an even kernel with one of padding adds one"),
        ("P(2,2)", 8, "1x4x4", "the incomplete window is left out"),
        ("P(5,3)", 32, "1x10x10", "(32 - 5) / 3 + 1"),
        ("P(9,1)", 9, "1x1x2", "a window as large as the map"),
        (
            "P(9,1)",
            8,
            "layer `layer1.pool` does not fit its input of 1x8x9: a window of 9 needs a side of 9, there are 8",
            "larger",
        ),
    ];
    for (layer, side, expected, why) in table {
        assert_eq!(shape(layer, side), expected, "{why}");
    }
}

#[test]
fn absurd_numbers_are_errors() {
    for layer in ["C(4294967295,3,1)", "C(4,4294967295,1)", "C(4,3,4294967295)", "P(1,4294967295)"] {
        let message = shape(layer, 8);
        assert!(message.contains("does not fit"), "{message}");
    }
    // Networks that nobody can train still have figures, as large as they go.
    let net = format!("[{}SM(2)]", "C(1000000,1000000,1), ".repeat(20));
    let genome = Genome::Metaqnn(genome::Metaqnn { net: net.parse().expect("layers"), learning_rate: None });
    let input = Input { channels: 1, height: 8, width: 8, classes: 2 };
    assert_eq!(genome.cost(input).map(|cost| cost.parameters), Ok(u64::MAX));
    let genome: Genome = serde_json::from_str(r#"{"space":"metaqnn","net":"[SM(2)]"}"#).expect("a genome");
    let input = Input { channels: 1, height: 0, width: 8, classes: 2 };
    let error = genome.validate(input).unwrap_err().to_string();
    assert!(error.contains("gene `input` is 1x0x8 into 2 classes"), "{error}");
}
