//! What every strategy promises: new networks only, within the budget, the same from the same seed.

mod simulation;

use std::collections::HashSet;

use genome::Space;
use proptest::prelude::*;
use simulation::{INPUT, Simulation, space, strategy};
use strategy::{Evaluated, Evaluation, Search, Strategy};

const RANDOM: &str = "kind = 'random'\nseed = 7";
const TABLES: [&str; 5] = [
    RANDOM,
    "kind = 'evolution'\nseed = 7\npopulation = 10\nsample = 4\nin_flight = 3",
    "kind = 'evolution'\nseed = 7\npopulation = 10\nsample = 4\nbarrier = true",
    "kind = 'nsga2'\nseed = 7\npopulation = 10\nbarrier = false\nin_flight = 3",
    "kind = 'nsga2'\nseed = 7\npopulation = 10",
];

fn spaces() -> [Space; 3] {
    [
        space("kind = 'random-cnn'"),
        space("kind = 'nsga-macro'\nphases = 2\nnodes = 3\nchannels = 4"),
        space("kind = 'metaqnn'\nlayers = [1, 5]"),
    ]
}

/// A fitness that depends on nothing but the network; one in eight fails.
fn evaluate(e: &Evaluated) -> Evaluation {
    let digits = u32::from_str_radix(e.genome.hash().short(), 16).expect("a hash is hexadecimal");
    if digits.is_multiple_of(8) {
        Evaluation::Failed
    } else {
        Evaluation::Fitness(f64::from(digits % 1000) / 10.0)
    }
}

/// Runs a search in which evaluations end in the order that `picks` says.
fn run(strategy: &Strategy, space: &Space, budget: usize, picks: &[usize]) -> Vec<Evaluated> {
    let mut simulation = Simulation::new(strategy, space, budget);
    for pick in picks.iter().cycle() {
        simulation.grow(|genome| genome);
        if !simulation.finish(*pick, evaluate) {
            break;
        }
    }
    simulation.population
}

#[test]
fn settings_have_defaults_and_are_checked() {
    for kind in Strategy::KINDS {
        let strategy = strategy(&format!("kind = '{kind}'"));
        assert_eq!((strategy.kind(), strategy.seed()), (kind, 0));
    }
    let wrong = [
        ("evolution", "population = 0", "`strategy.population` is 0: expected 1 or more"),
        ("evolution", "population = 4", "`strategy.sample` is 5: expected 1 to the population of 4"),
        ("evolution", "in_flight = 0", "`strategy.in_flight` is 0"),
        ("nsga2", "population = 1", "`strategy.population` is 1: expected 2 or more"),
        ("nsga2", "crossover = 1.5", "`strategy.crossover` is 1.5: expected a probability"),
    ];
    for (kind, key, expected) in wrong {
        let strategy: Strategy = toml::from_str(&format!("kind = '{kind}'\n{key}")).unwrap();
        let error = strategy.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = toml::from_str::<Strategy>("kind = 'random'\npopulation = 3").unwrap_err().to_string();
    assert!(error.contains("unknown field `population`"), "{error}");
    let error = toml::from_str::<Strategy>("kind = 'randon'").unwrap_err().to_string();
    assert!(error.contains("`random`, `evolution`, `nsga2`"), "{error}");
}

#[test]
fn random_search_proposes_all_at_once() {
    let (strategy, space) = (strategy(RANDOM), space("kind = 'random-cnn'"));
    let proposals = Simulation::new(&strategy, &space, 50).proposals();
    assert_eq!(proposals.len(), 50);
    assert!(proposals.iter().all(|p| p.generation == 0 && p.parents.is_empty()));
    // A larger budget goes on where the smaller one ended.
    let mut small = Simulation::new(&strategy, &space, 20);
    small.grow(|genome| genome);
    small.search.budget = 50;
    small.grow(|genome| genome);
    let genomes: Vec<_> = small.population.iter().map(|e| &e.genome).collect();
    assert_eq!(genomes, proposals.iter().map(|p| &p.genome).collect::<Vec<_>>());
}

#[test]
fn other_seeds_give_other_networks() {
    let space = space("kind = 'random-cnn'");
    let first = |seed: u64| {
        let strategy = strategy(&format!("kind = 'random'\nseed = {seed}"));
        Simulation::new(&strategy, &space, 1).proposals().remove(0).genome.hash()
    };
    let hashes: HashSet<_> = (0..100).map(first).collect();
    assert_eq!(hashes.len(), 100);
}

/// Searches must not change when peng is built on another machine or with other crates.
#[test]
fn proposals_do_not_change_between_versions() {
    let hashes = spaces().map(|space| {
        let population = run(&strategy(TABLES[4]), &space, 30, &[0]);
        population[29].genome.hash().short().to_owned()
    });
    assert_eq!(hashes, ["fcaaa35d", "9a5ca93b", "2a44a654"]);
}

#[test]
fn a_barrier_waits_for_the_whole_generation() {
    for table in [TABLES[2], TABLES[4]] {
        let (strategy, space) = (strategy(table), space("kind = 'random-cnn'"));
        let mut simulation = Simulation::new(&strategy, &space, 35);
        let mut sizes = vec![];
        loop {
            let grown = simulation.grow(|genome| genome);
            if grown > 0 {
                sizes.push(grown);
                continue;
            }
            if !simulation.finish(0, evaluate) {
                break;
            }
        }
        assert_eq!(sizes, [10, 10, 10, 5]);
        let generations: Vec<u32> = simulation.population.iter().map(|e| e.generation).collect();
        assert!(generations.is_sorted() && generations[34] == 3, "{generations:?}");
    }
}

#[test]
fn steady_state_keeps_all_workers_busy() {
    for table in [TABLES[1], TABLES[3]] {
        let (strategy, space) = (strategy(table), space("kind = 'random-cnn'"));
        let mut simulation = Simulation::new(&strategy, &space, 40);
        assert_eq!(simulation.grow(|genome| genome), 10);
        for ended in 1..=40 {
            assert!(simulation.finish(ended, evaluate));
            simulation.grow(|genome| genome);
            let pending =
                simulation.population.iter().filter(|e| e.evaluation == Evaluation::Pending).count();
            // The first ten run down to three, the last three to none.
            assert_eq!(pending, 10_usize.saturating_sub(ended).max(3.min(40 - ended)), "{ended} ended");
        }
        assert!(!simulation.finish(0, evaluate));
    }
}

#[test]
fn parents_are_the_fittest_and_not_the_oldest() {
    let (strategy, space) = (strategy(TABLES[1]), space("kind = 'random-cnn'"));
    let mut simulation = Simulation::new(&strategy, &space, 1000);
    simulation.grow(|genome| genome);
    // The first ten are perfect, the next ten poor: they are all that is alive once twenty are evaluated.
    while simulation.population.len() < 20 {
        simulation.finish(0, |e| Evaluation::Fitness(if e.id <= 10 { 100.0 } else { 1.0 }));
        simulation.grow(|genome| genome);
    }
    while simulation.finish(0, |e| Evaluation::Fitness(if e.id <= 10 { 100.0 } else { e.id as f64 / 100.0 }))
    {
    }
    let youngest = simulation.population.len() as i64 - 10;
    let parents: Vec<i64> = simulation.proposals().iter().flat_map(|p| p.parents.clone()).collect();
    assert_eq!(parents.len(), 3);
    assert!(parents.iter().all(|&id| id > youngest), "{parents:?} of {youngest}");
}

#[test]
fn nothing_but_failures_gives_samples() {
    for table in &TABLES[1..] {
        let (strategy, space) = (strategy(table), space("kind = 'random-cnn'"));
        let mut simulation = Simulation::new(&strategy, &space, 25);
        simulation.grow(|genome| genome);
        while simulation
            .finish(0, |e| if e.id % 2 == 0 { Evaluation::Failed } else { Evaluation::Fitness(f64::NAN) })
        {
        }
        let proposals = simulation.proposals();
        assert!(!proposals.is_empty() && proposals.iter().all(|p| p.parents.is_empty()), "{table}");
    }
}

/// A space of few networks is searched to its end, then nothing more comes.
#[test]
fn an_exhausted_space_ends_the_search() {
    // Two nodes, one connection, with and without the skip.
    let space = space("kind = 'nsga-macro'\nphases = 1\nnodes = 2\nchannels = 4");
    for table in ["kind = 'random'", "kind = 'evolution'\npopulation = 1\nsample = 1"] {
        let population = run(&strategy(table), &space, 100, &[0]);
        assert_eq!(population.len(), 2, "{table}");
    }
}

#[test]
fn an_external_space_gets_no_proposals() {
    let space = space("kind = 'external'");
    let search = Search { space: &space, input: INPUT, budget: 10 };
    for table in TABLES {
        assert_eq!(strategy(table).propose(&search, &[], &HashSet::new()), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the order in which evaluations end: no network twice, none beyond the budget, all of it used, all
    /// networks in the space, parents older than children, and the same again from the same history.
    #[test]
    fn promises_hold(picks in prop::collection::vec(0..10usize, 1..40), which in 0..TABLES.len(), kind in 0..3usize) {
        let (strategy, space) = (strategy(TABLES[which]), &spaces()[kind]);
        let population = run(&strategy, space, 30, &picks);
        prop_assert_eq!(population.len(), 30);
        let hashes: HashSet<_> = population.iter().map(|e| e.genome.hash()).collect();
        prop_assert_eq!(hashes.len(), 30);
        for e in &population {
            prop_assert_eq!(space.contains(&e.genome, INPUT), Ok(()));
            prop_assert!(e.parents.iter().all(|&parent| parent < e.id));
        }
        prop_assert_eq!(run(&strategy, space, 30, &picks), population);
    }
}
