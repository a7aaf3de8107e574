//! Recorded networks as a landscape in which every network has a place.

use std::path::PathBuf;

use genome::{Genome, Input, Layers, Metaqnn, MetaqnnLayer, MetaqnnSpace, NsgaMacro, NsgaMacroSpace, Space};
use predictor::{Observation, Target};

use super::recorded;

/// A recorded network.
pub struct Table {
    pub curve: Vec<Observation>,
    /// Its final accuracy.
    pub truth: f64,
    /// Parameters (`metaqnn-*`) or FLOPs.
    pub cost: f64,
    genome: Genome,
}

pub struct Landscape {
    pub name: String,
    pub space: Space,
    pub input: Input,
    pub target: Target,
    pub table: Vec<Table>,
    /// The highest final accuracy.
    pub best: f64,
    /// The hypervolume of the front of all recorded networks.
    pub whole: f64,
}

impl Landscape {
    /// A set whose networks our spaces describe; none where it is not here.
    pub fn read(name: &str) -> Option<Self> {
        let jobs = recorded::jobs(name)?;
        let target = Target { epochs: recorded::common_end(&jobs), interval: 1.0 };
        let label = name.rsplit('/').next().unwrap_or(name).to_owned();
        let is_chain = label.starts_with("metaqnn");
        let (space, input) = if is_chain {
            let input = Input { channels: 3, height: 32, width: 32, classes: 10 };
            (Space::Metaqnn(MetaqnnSpace::default()), input)
        } else {
            let input = Input { channels: 1, height: 127, width: 127, classes: 2 };
            (Space::NsgaMacro(NsgaMacroSpace::default()), input)
        };
        let networks = networks(name, is_chain);
        let table: Vec<Table> = jobs
            .into_iter()
            .zip(networks)
            .filter(|(job, _)| job.curve.last().is_some_and(|last| last.epoch >= target.epochs))
            .map(|(job, (genome, cost))| {
                let truth = job.curve.last().expect("it reaches the end").val_acc;
                Table { curve: job.curve, truth, cost, genome }
            })
            .collect();
        let best = table.iter().map(|one| one.truth).fold(f64::NEG_INFINITY, f64::max);
        let mut landscape = Self { name: label, space, input, target, table, best, whole: 1.0 };
        let all = landscape.table.iter().map(|one| (one.cost, one.truth, one.truth)).collect();
        landscape.whole = landscape.volume(all);
        Some(landscape)
    }

    /// The place of the nearest recorded network, the first of equals.
    pub fn nearest(&self, genome: &Genome) -> usize {
        let distances = self.table.iter().map(|one| distance(genome, &one.genome));
        let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        nearest.expect("a recorded network").0
    }

    /// Area that the front of networks (cost, fitness that it is chosen by, true accuracy) covers, up to the dearest and from the
    /// worst network of the landscape.
    pub fn volume(&self, mut networks: Vec<(f64, f64, f64)>) -> f64 {
        let dearest = self.table.iter().map(|one| one.cost).fold(f64::NEG_INFINITY, f64::max);
        let mut highest = self.table.iter().map(|one| one.truth).fold(f64::INFINITY, f64::min);
        networks.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let (mut volume, mut chosen) = (0.0, f64::NEG_INFINITY);
        for (cost, fitness, truth) in networks {
            if fitness > chosen {
                chosen = fitness;
                volume += (truth - highest).max(0.0) * (dearest - cost);
                highest = highest.max(truth);
            }
        }
        volume
    }
}

/// The networks of a set with their costs, in the order of their numbers.
fn networks(name: &str, is_chain: bool) -> Vec<(Genome, f64)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/curves");
    let mut reader =
        csv::Reader::from_path(folder.join(format!("{name}.archs.csv"))).expect("a file of networks");
    let network = |row: Result<csv::StringRecord, csv::Error>| {
        let row = row.expect("a row");
        let cost = row[2].parse::<f64>().expect("a cost");
        if is_chain {
            let net = Layers::try_from(row[1].to_owned()).expect("a list of layers");
            (Genome::Metaqnn(Metaqnn { net, learning_rate: None }), cost)
        } else {
            let phases = serde_json::from_str(&row[1]).expect("phases of bits");
            (Genome::NsgaMacro(NsgaMacro { phases, channels: 24 }), 1e6 * cost)
        }
    };
    reader.records().map(network).collect()
}

fn distance(a: &Genome, b: &Genome) -> f64 {
    match (a, b) {
        (Genome::Metaqnn(a), Genome::Metaqnn(b)) => edits(&a.net.bare(), &b.net.bare()),
        (Genome::NsgaMacro(a), Genome::NsgaMacro(b)) => {
            let bits = a.phases.iter().flatten().zip(b.phases.iter().flatten());
            bits.filter(|(a, b)| a != b).count() as f64
        }
        _ => f64::INFINITY,
    }
}

/// Levenshtein distance: 1 for a layer that one of the two lacks, at most 1 for one that differs.
fn edits(a: &[MetaqnnLayer], b: &[MetaqnnLayer]) -> f64 {
    let mut row: Vec<f64> = (0..=b.len()).map(|j| j as f64).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i as f64 + 1.0);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + change(*from, *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1.0).min(diagonal + 1.0);
        }
    }
    row[b.len()]
}

/// How much two layers differ, from 0 to 1: sizes by their factor, of 8 at most in this space.
fn change(a: MetaqnnLayer, b: MetaqnnLayer) -> f64 {
    let factor = |a: u32, b: u32| ((f64::from(a) / f64::from(b)).log2().abs() / 3.0).min(1.0);
    match (a, b) {
        (
            MetaqnnLayer::Conv { filters: f, kernel: k, .. },
            MetaqnnLayer::Conv { filters: g, kernel: l, .. },
        ) => 0.5 * (factor(f, g) + factor(k, l)),
        (MetaqnnLayer::Pool { kernel: k, .. }, MetaqnnLayer::Pool { kernel: l, .. }) => factor(k, l),
        (MetaqnnLayer::Full { units: u }, MetaqnnLayer::Full { units: v }) => factor(u, v),
        (a, b) => f64::from(u8::from(a != b)),
    }
}
