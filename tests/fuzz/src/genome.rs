//! Genomes of all spaces, in JSON lines.

use std::collections::HashSet;

use genome::{
    ExternalSpace, Genome, Input, MetaqnnSpace, NsgaMacroSpace, RandomCnnSpace, Recipe, Space, read_genomes,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

const INPUTS: [Input; 2] = [
    Input { channels: 1, height: 8, width: 8, classes: 10 },
    Input { channels: 3, height: 32, width: 32, classes: 10 },
];

/// The first byte chooses space and images. What is read is a network of the space: it means the same when it is written and
/// read again, has a plan, a recipe, and neighbours within the limits of the space.
pub fn check(data: &[u8]) {
    let Some((head, text)) = data.split_first() else { return };
    let input = INPUTS[usize::from(head >> 2 & 1)];
    let space = match head & 3 {
        0 => Space::RandomCnn(RandomCnnSpace::default()),
        1 => Space::NsgaMacro(NsgaMacroSpace::default()),
        2 => Space::Metaqnn(MetaqnnSpace::default()),
        _ => Space::External(ExternalSpace {}),
    };
    match read_genomes(text, &space, input) {
        Ok(genomes) => genomes.iter().for_each(|genome| sound(genome, &space, input)),
        Err(error) => super::assert_line(error.line() as u64, text, &error),
    }
}

fn sound(genome: &Genome, space: &Space, input: Input) {
    let json = serde_json::to_string(genome).expect("JSON");
    let again: Genome = serde_json::from_str(&json).expect("it was written by this version");
    assert_eq!(&again, genome, "{json}");
    assert_eq!(again.hash(), genome.hash(), "{json}");
    assert!(!genome.summary().is_empty() && !genome.summary().contains('\n'), "{json}");
    assert_eq!(Recipe::default().with_genes(genome).check(), Ok(()), "{json}");
    genome.cost(input).expect("a network that was accepted");
    let Ok(plan) = genome.plan(input) else {
        assert!(!space.generates(), "no plan: {json}");
        return;
    };
    let names: HashSet<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names.len(), plan.nodes.len(), "two layers of one name: {json}");
    assert!(plan.nodes.iter().enumerate().all(|(i, node)| node.inputs.iter().all(|&j| j < i)), "{json}");
    let mut rng = ChaCha8Rng::seed_from_u64(json.len() as u64);
    for near in [space.mutate(genome, input, &mut rng), space.crossover(genome, &again, input, &mut rng)] {
        let is_copy = near.hash() == genome.hash();
        assert!(is_copy || space.contains(&near, input).is_ok(), "{json} became {near}");
    }
}
