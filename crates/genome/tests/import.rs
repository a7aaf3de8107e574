//! Genomes that somebody else brings: JSON lines, and networks that only their own program understands.

use std::error::Error;

use genome::{
    Cost, External, ExternalSpace, Genome, GenomeError, Input, MetaqnnSpace, NsgaMacroSpace, Space,
    read_genomes,
};

const CIFAR: Input = Input { channels: 3, height: 32, width: 32, classes: 10 };

fn metaqnn() -> Space {
    Space::Metaqnn(MetaqnnSpace::default())
}

/// An error and its sources, as a program prints them.
fn chain(error: &dyn Error) -> String {
    let source = error.source().map(|source| format!(": {}", chain(source)));
    error.to_string() + &source.unwrap_or_default()
}

#[test]
fn a_genome_a_line_is_read_once() {
    let text = "{\"space\":\"metaqnn\",\"net\":\"[C(7,3,1), SM(10)]\"}\r\n\n  \
                {\"net\":\"[C(9,3,1), GAP(10), SM(10)]\",\"learning_rate\":0.001,\"space\":\"metaqnn\"}\n\
                {\"space\":\"metaqnn\",\"net\":\"[C(7,3,1),SM(10)]\"}\n";
    let genomes = read_genomes(text.as_bytes(), &metaqnn(), CIFAR).unwrap();
    let summaries: Vec<String> = genomes.iter().map(Genome::summary).collect();
    assert_eq!(summaries, ["[C(7,3,1), SM(10)]", "[C(9,3,1), GAP(10), SM(10)] | lr 0.001"]);
}

#[test]
fn a_wrong_line_is_named() {
    let good = r#"{"space":"metaqnn","net":"[C(64,3,1), SM(10)]"}"#;
    let wrong = [
        ("net", "no genome in JSON, expected an object such as {\"space\":\"metaqnn\""),
        (r#"{"space":"metaqn"}"#, "no genome in JSON"),
        (r#"{"space":"metaqnn","net":"[C(64,3,1), SM(10)]","lr":1}"#, "unknown field `lr`"),
        (
            r#"{"space":"metaqnn","net":"[C(64,3,1), SM(9)]"}"#,
            "not a network of this search: gene `net, SM(9)`",
        ),
        (
            r#"{"space":"nsga-macro","phases":[[1,0]],"channels":4}"#,
            "not a network of this search: the genome is of space `nsga-macro`, the search is on `metaqnn`",
        ),
    ];
    for (line, expected) in wrong {
        let error = read_genomes(format!("{good}\n\n{line}\n").as_bytes(), &metaqnn(), CIFAR).unwrap_err();
        assert_eq!(error.line(), 3);
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
    let big = "\n{\"space\":\"external\",\"description\":{\"id\":[18446744073709551616]}}\n";
    let error = read_genomes(big.as_bytes(), &Space::External(ExternalSpace {}), CIFAR).unwrap_err();
    assert_eq!(error.line(), 2);
    assert!(error.to_string().contains("the whole number 18446744073709551616 is beyond 64 bits"), "{error}");
    let largest = big.replace("616]", "615,-9223372036854775808]");
    let genomes = read_genomes(largest.as_bytes(), &Space::External(ExternalSpace {}), CIFAR).unwrap();
    assert_eq!(genomes[0].summary(), r#"{"id":[18446744073709551615,-9223372036854775808]}"#);
    let error = read_genomes(&b"\n\xff\xfe\n"[..], &metaqnn(), CIFAR).unwrap_err();
    assert!(error.line() == 2 && chain(&error).starts_with("cannot be read: "), "{}", chain(&error));
}

/// The example of each space in the error is a genome of that space.
#[test]
fn examples_in_errors_are_genomes() {
    let spaces = ["random-cnn", "nsga-macro", "metaqnn", "external"];
    for kind in spaces {
        let space: Space = toml::from_str(&format!("kind = '{kind}'")).unwrap();
        assert_eq!(space.kind(), kind);
        let error = read_genomes(&b"x"[..], &space, CIFAR).unwrap_err().to_string();
        let example = error.split_once("such as ").unwrap().1;
        assert_eq!(read_genomes(example.as_bytes(), &space, CIFAR).unwrap().len(), 1);
    }
    assert_eq!(Space::KINDS, spaces);
}

#[test]
fn an_external_genome_is_what_it_says() {
    let parse = |text: &str| serde_json::from_str::<Genome>(text).unwrap();
    let one = parse(
        r#"{"space":"external","description":{"model":"resnet18","lr":{"a":1,"b":[2,{"c":3,"d":4}]}},"parameters":11}"#,
    );
    let two = parse(
        r#"{"space":"external","description":{"lr":{"b":[2,{"d":4,"c":3}],"a":1},"model":"resnet18"}}"#,
    );
    assert_eq!(one.hash(), two.hash());
    assert_ne!(one.hash(), parse(r#"{"space":"external","description":{"model":"resnet34"}}"#).hash());
    assert_eq!(one.cost(CIFAR), Ok(Cost { parameters: 11, flops: 0 }));
    assert_eq!(one.plan(CIFAR), Err(GenomeError::NoPlan));
    assert_eq!(two.summary(), r#"{"lr":{"a":1,"b":[2,{"c":3,"d":4}]},"model":"resnet18"}"#);
    assert!(Genome::External(External::default()).validate(CIFAR).is_err());
    assert!(!Space::External(ExternalSpace::default()).generates());
}

/// Parents that are no networks of the space give samples, not panics.
#[test]
fn foreign_parents_give_samples() {
    let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(1);
    let space = Space::NsgaMacro(NsgaMacroSpace { channels: 4, ..NsgaMacroSpace::default() });
    let broken = Genome::NsgaMacro(genome::NsgaMacro { phases: vec![], channels: 4 });
    let wider = Genome::NsgaMacro(genome::NsgaMacro { phases: vec![vec![1, 0]], channels: 8 });
    let other = metaqnn().sample(CIFAR, &mut rng);
    for parent in [&broken, &wider, &other] {
        for child in [space.mutate(parent, CIFAR, &mut rng), space.crossover(parent, &wider, CIFAR, &mut rng)]
        {
            assert_eq!(space.contains(&child, CIFAR), Ok(()));
        }
    }
}
