//! Regularised evolution against random search with the same number of trainings of the same length.

mod simulation;

use std::collections::HashMap;
use std::path::PathBuf;

use genome::{Genome, GenomeHash, Metaqnn, MetaqnnLayer};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use simulation::{INPUT, Simulation, space, strategy};
use strategy::{Evaluated, Evaluation};

/// Searches of each strategy.
const SEEDS: u64 = 8;
const RANDOM: &str = "kind = 'random'";
const STEADY: &str = "kind = 'evolution'\npopulation = 20\nsample = 5\nin_flight = 4";
const BARRIER: &str = "kind = 'evolution'\npopulation = 20\nsample = 5\nbarrier = true";

/// What a search with each seed finds.
fn found(search: impl Fn(u64) -> f64) -> Vec<f64> {
    (0..SEEDS).map(search).collect()
}

/// How often the first of two strategies found the higher value (a tie counts half), and by how much on average.
fn duel(first: &[f64], second: &[f64]) -> (f64, f64) {
    let pairs = || first.iter().zip(second);
    let wins =
        pairs().map(|(a, b)| f64::from(u8::from(a > b)) + f64::from(u8::from(a >= b))).sum::<f64>() / 2.0;
    (wins, pairs().map(|(a, b)| a - b).sum::<f64>() / first.len() as f64)
}

/// Fitness of a network of phases: all want a certain size, no more and no less, and to be alike.
fn landscape(genome: &Genome) -> f64 {
    let plan = genome.plan(INPUT).expect("proposals are networks");
    let sizes = [1, 2, 3].map(|phase| {
        let name = format!("phase{phase}.");
        plan.nodes.iter().filter(|node| node.name.starts_with(&name)).count() as f64
    });
    let miss: f64 = sizes.iter().zip([13.0, 17.0, 15.0]).map(|(size, wanted)| (size - wanted).abs()).sum();
    let joins = plan.nodes.iter().filter(|node| node.name.ends_with("concat")).count() as f64;
    95.0 - 2.0 * miss - 3.0 * (joins - 4.0).abs()
}

#[test]
fn evolution_beats_random_search_on_an_analytic_landscape() {
    let space = space("kind = 'nsga-macro'\nnodes = 5\nchannels = 4");
    let search = |table: &str, seed: u64| {
        let strategy = strategy(&format!("{table}\nseed = {seed}"));
        let mut simulation = Simulation::new(&strategy, &space, 150);
        simulation.grow(|genome| genome);
        while simulation.finish(0, |e| Evaluation::Fitness(landscape(&e.genome))) {
            simulation.grow(|genome| genome);
        }
        simulation.population.iter().filter_map(Evaluated::fitness).fold(f64::NEG_INFINITY, f64::max)
    };
    let random = found(|seed| search(RANDOM, seed));
    for table in [STEADY, BARRIER] {
        let (wins, margin) = duel(&found(|seed| search(table, seed)), &random);
        println!("{table}: {wins} of {SEEDS} wins, on average {margin:.2} better");
        assert!(wins > 6.0 && margin > 0.0, "{table}: {wins} of {SEEDS} wins, {margin:.2} better");
    }
}

/// A recorded network with its validation accuracy after the last epoch.
struct Recorded {
    genome: Genome,
    layers: Vec<MetaqnnLayer>,
    accuracy: f64,
}

/// The recorded networks of `name`, or `None` with a printed sentence where the folder is missing.
fn recorded(name: &str) -> Option<Vec<Recorded>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/curves"));
    let read = |suffix: &str| csv::Reader::from_path(folder.join(format!("{name}{suffix}")));
    let (Ok(mut archs), Ok(mut curves)) = (read(".archs.csv"), read(".csv")) else {
        println!("skipped: {} does not hold {name}", folder.display());
        return None;
    };
    let mut last = HashMap::new();
    for row in curves.records() {
        let row = row.expect("the curves are CSV");
        last.insert(row[0].to_owned(), row[2].parse::<f64>().expect("accuracies are numbers"));
    }
    let recorded = |row: Result<csv::StringRecord, csv::Error>| {
        let row = row.expect("the architectures are CSV");
        let net: genome::Layers = row[1].parse().expect("recorded networks are layer strings");
        let layers = net.bare();
        let genome = Genome::Metaqnn(Metaqnn { net, learning_rate: None });
        Recorded { genome, layers, accuracy: last[&row[0]] }
    };
    Some(archs.records().map(recorded).collect())
}

/// Edits that make one network of another: a layer more or less counts 1, another kind of layer in its place 1, other
/// numbers 1/2.
fn distance(a: &[MetaqnnLayer], b: &[MetaqnnLayer]) -> f64 {
    let mut row: Vec<f64> = (0..=b.len()).map(|j| j as f64).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i as f64 + 1.0;
        for (j, y) in b.iter().enumerate() {
            let alike = std::mem::discriminant(x) == std::mem::discriminant(y);
            let change = if x == y {
                0.0
            } else if alike {
                0.5
            } else {
                1.0
            };
            let least = (diagonal + change).min(row[j] + 1.0).min(row[j + 1] + 1.0);
            (diagonal, row[j + 1]) = (row[j + 1], least);
        }
    }
    row[b.len()]
}

/// Mean accuracy of the best ten networks that a search finds among the recorded ones. What the strategy proposes is
/// replaced by the nearest recorded network that the search does not have.
fn best_recorded(table: &str, seed: u64, recorded: &[Recorded], budget: usize) -> f64 {
    let space = space("kind = 'metaqnn'\nlayers = [1, 18]");
    let strategy = strategy(&format!("{table}\nseed = {seed}"));
    let mut simulation = Simulation::new(&strategy, &space, budget);
    let mut free: Vec<usize> = (0..recorded.len()).collect();
    let known: HashMap<GenomeHash, f64> = recorded.iter().map(|r| (r.genome.hash(), r.accuracy)).collect();
    let mut nearest = |genome: Genome| {
        let Genome::Metaqnn(proposed) = &genome else { panic!("{genome} is of another space") };
        let layers = proposed.net.bare();
        let mut nearest = (f64::INFINITY, 0);
        for (place, &index) in free.iter().enumerate() {
            let other = &recorded[index].layers;
            // No distance is below the difference in length.
            if (layers.len().abs_diff(other.len()) as f64) < nearest.0 {
                let distance = distance(&layers, other);
                if distance < nearest.0 {
                    nearest = (distance, place);
                }
            }
        }
        let chosen = &recorded[free.swap_remove(nearest.1)];
        chosen.genome.clone()
    };
    simulation.grow(&mut nearest);
    while simulation.finish(0, |e| Evaluation::Fitness(known[&e.genome.hash()])) {
        simulation.grow(&mut nearest);
    }
    best_ten(simulation.population.iter().filter_map(Evaluated::fitness).collect())
}

/// Mean of the ten highest.
fn best_ten(mut found: Vec<f64>) -> f64 {
    found.sort_by(|a, b| b.total_cmp(a));
    found[..10].iter().sum::<f64>() / 10.0
}

/// Mean accuracy of the best ten of networks drawn from the recorded ones with equal probability.
fn drawn(seed: u64, recorded: &[Recorded], budget: usize) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    best_ten(recorded.sample(&mut rng, budget).map(|r| r.accuracy).collect())
}

/// Against both kinds of random search: samples of the space brought to the nearest recorded network, and plain draws
/// among the recorded ones.
#[test]
fn evolution_beats_random_search_on_recorded_networks() {
    for name in ["metaqnn-cifar10", "metaqnn-svhn-even"] {
        let Some(recorded) = recorded(name) else { return };
        let search = |table: &str| found(|seed| best_recorded(table, seed, &recorded, 100));
        let baselines = [("sampled", search(RANDOM)), ("drawn", found(|seed| drawn(seed, &recorded, 100)))];
        for table in [STEADY, BARRIER] {
            let evolved = search(table);
            for (random, baseline) in &baselines {
                let (wins, margin) = duel(&evolved, baseline);
                println!("{name}, {table} against {random}: {wins} of {SEEDS} wins, {margin:.2} % better");
                assert!(wins > 4.0 && margin > 0.0, "{name}, {table}, {random}: {wins} wins, {margin:.2}");
            }
        }
    }
}
