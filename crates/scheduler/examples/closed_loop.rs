//! Prints what a search hands over that proposes its networks as it goes, for each strategy and engine at equal epochs.
//!
//! ```text
//! cargo run --release -p peng-scheduler --example closed_loop -- metaqnn-cifar10,icpp23-1e14-full --seeds 12
//! ```
//!
//! A set is made a tabular landscape: a proposed network has the curve and the cost of the recorded network that is nearest to it, by
//! the edit distance of layers (`metaqnn-*`) or the bits that differ (`icpp23-*`). Each search has as many epochs as `--trainings`
//! (100) whole trainings. `--engines none,peng,asha` and `--workers 1,16` choose rows.

#[path = "../../predictor/tests/recorded/mod.rs"]
mod recorded;

#[path = "closed_loop/landscape.rs"]
mod landscape;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use genome::GenomeHash;
use predictor::replay::Recorded;
use predictor::{Calibration, Settings};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use scheduler::simulation::{Proposals, Setup, evolve};
use strategy::{Evaluated, Evaluation, Evolution, Nsga2, Search, Strategy};

use landscape::{Landscape, Table};

/// More networks than any search here has epochs for.
const ENDLESS: usize = 1_000_000;

fn main() {
    let request = Request::read();
    println!(
        "| landscape | strategy | engine | W | networks | restarts | time | regret, points | hypervolume |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for name in request.sets.split(',') {
        let Some(landscape) = Landscape::read(name) else { continue };
        for kind in ["evolution", "nsga2"] {
            for &workers in &request.workers {
                for engine in &request.engines {
                    let row = Row { landscape: &landscape, kind, engine, workers };
                    println!("{}", row.measured(&request));
                }
            }
        }
    }
}

struct Request {
    sets: String,
    engines: Vec<String>,
    workers: Vec<usize>,
    seeds: u64,
    trainings: usize,
}

impl Request {
    fn read() -> Self {
        let mut request = Self {
            sets: "metaqnn-cifar10,icpp23-1e14-full".to_owned(),
            engines: ["none", "peng", "asha", "penguin-v4"].map(str::to_owned).to_vec(),
            workers: vec![1, 16],
            seeds: 12,
            trainings: 100,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
            let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("a number, found {text}"));
            match arg.as_str() {
                "--engines" => request.engines = value().split(',').map(str::to_owned).collect(),
                "--workers" => request.workers = value().split(',').map(number).collect(),
                "--seeds" => request.seeds = number(&value()) as u64,
                "--trainings" => request.trainings = number(&value()),
                _ => request.sets = arg,
            }
        }
        request
    }
}

struct Row<'a> {
    landscape: &'a Landscape,
    kind: &'a str,
    engine: &'a str,
    workers: usize,
}

/// What one search came to.
struct Outcome {
    networks: f64,
    restarts: f64,
    /// In whole trainings.
    time: f64,
    regret: f64,
    hypervolume: f64,
}

impl Row<'_> {
    fn measured(&self, request: &Request) -> String {
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed) as u64;
                if seed >= request.seeds {
                    return;
                }
                let outcome = self.search(seed, request.trainings);
                done.lock().expect("no panic").push((seed, outcome));
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        let mut done = done.into_inner().expect("no panic");
        done.sort_by_key(|entry| entry.0);
        let each = |value: fn(&Outcome) -> f64| done.iter().map(|entry| value(&entry.1)).collect::<Vec<_>>();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let between = |values: &[f64]| {
            let (low, high) = bootstrap(values);
            format!("{:.3} ({low:.3} to {high:.3})", mean(values))
        };
        let hypervolume =
            if self.kind == "nsga2" { between(&each(|o| o.hypervolume)) } else { String::new() };
        format!(
            "| {} | {} | `{}` | {} | {:.0} | {:.0} | {:.1} | {} | {hypervolume} |",
            self.landscape.name,
            self.kind,
            self.engine,
            self.workers,
            mean(&each(|o| o.networks)),
            mean(&each(|o| o.restarts)),
            mean(&each(|o| o.time)),
            between(&each(|o| o.regret)),
        )
    }

    fn search(&self, seed: u64, trainings: usize) -> Outcome {
        let Landscape { target, .. } = *self.landscape;
        let in_flight = self.workers.max(Evolution::default().in_flight);
        let strategy = match self.kind {
            "evolution" => Strategy::Evolution(Evolution { seed, in_flight, ..Evolution::default() }),
            _ => Strategy::Nsga2(Nsga2 { seed, ..Nsga2::default() }),
        };
        let engine = self.engine.parse().expect("the name of an engine");
        let settings = Settings { engine, ..Settings::default() };
        let mut scheduler =
            scheduler::of(&settings, target, Calibration::default()).expect("settings in range");
        let mut breeder = Breeder::new(self.landscape, strategy);
        let setup = Setup { workers: self.workers, restart: 0, target };
        let epochs = trainings as f64 * target.epochs;
        let played = evolve(scheduler.as_mut(), &mut breeder, epochs, &setup).expect("sound curves");
        Outcome {
            networks: played.jobs.len() as f64,
            restarts: played.restarts() as f64,
            time: played.time as f64 * target.interval / target.epochs,
            regret: breeder.regret(),
            hypervolume: breeder.hypervolume(),
        }
    }
}

/// A strategy, its population, and where in the landscape each member is.
struct Breeder<'a> {
    landscape: &'a Landscape,
    strategy: Strategy,
    population: Vec<Evaluated>,
    known: HashSet<GenomeHash>,
    nearest: Vec<usize>,
}

impl<'a> Breeder<'a> {
    fn new(landscape: &'a Landscape, strategy: Strategy) -> Self {
        Self { landscape, strategy, population: vec![], known: HashSet::new(), nearest: vec![] }
    }

    /// The place in the landscape of each network that has ended, with its fitness.
    fn ended(&self) -> impl Iterator<Item = (&Table, f64)> {
        let fitness = self.population.iter().map(Evaluated::fitness);
        self.nearest
            .iter()
            .zip(fitness)
            .filter_map(|(&at, fitness)| Some((&self.landscape.table[at], fitness?)))
    }

    /// How far the network of the best fitness, measured or predicted, truly ends below the best of the landscape, in points.
    fn regret(&self) -> f64 {
        let best = self.ended().max_by(|a, b| a.1.total_cmp(&b.1)).expect("a network that has ended");
        self.landscape.best - best.0.truth
    }

    /// Of the front by fitness and cost: the hypervolume of its true accuracies, over that of the landscape's front.
    fn hypervolume(&self) -> f64 {
        let front = self.ended().map(|(table, fitness)| (table.cost, fitness, table.truth)).collect();
        self.landscape.volume(front) / self.landscape.whole
    }
}

impl Proposals for Breeder<'_> {
    fn propose(&mut self, ended: &[(i64, f64)]) -> Vec<Recorded> {
        for &(job, fitness) in ended {
            self.population[job as usize].evaluation = Evaluation::Fitness(fitness);
        }
        let Landscape { space, input, table, .. } = self.landscape;
        let search = Search { space, input: *input, budget: ENDLESS };
        let proposals = self.strategy.propose(&search, &self.population, &self.known);
        let mut jobs = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            let (id, at) = (self.population.len() as i64, self.landscape.nearest(&proposal.genome));
            let cost = matches!(self.strategy, Strategy::Nsga2(_)).then_some(table[at].cost);
            jobs.push(Recorded { job: id, curve: table[at].curve.clone(), cost });
            self.nearest.push(at);
            self.known.insert(proposal.genome.hash());
            let cost = table[at].cost as u64;
            self.population.push(Evaluated {
                id,
                genome: proposal.genome,
                generation: proposal.generation,
                parents: proposal.parents,
                evaluation: Evaluation::Pending,
                cost: genome::Cost { flops: cost, parameters: cost },
            });
        }
        jobs
    }
}

/// 90 % interval of a mean, by 10,000 draws with replacement.
fn bootstrap(values: &[f64]) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut draw = || (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum::<f64>();
    let mut means: Vec<f64> = (0..10_000).map(|_| draw() / values.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    (means[500], means[9_499])
}
