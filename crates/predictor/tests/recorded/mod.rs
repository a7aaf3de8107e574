//! Reads the recorded curves of `../shared/curves`, where that folder exists.
#![allow(dead_code, clippy::allow_attributes, reason = "each test and example uses a part of it")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use predictor::Observation;

/// One row of a curve file.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub point: Observation,
    /// What the original program predicted, infinite where it had nothing; and its convergence flag.
    pub recorded: Option<(f64, bool)>,
}

/// The curves of a set (of another folder, if its name is an absolute path) in the order of their architecture numbers;
/// none, with a printed sentence, where its file is missing.
pub fn read(name: &str) -> Option<Vec<Vec<Row>>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/curves");
    let path = folder.join(format!("{name}.csv"));
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    let mut reader = csv::Reader::from_path(&path).expect("readable file");
    let headers = reader.headers().expect("a header").clone();
    let column = |name: &str| headers.iter().position(|h| h == name);
    let (arch, epoch, val_acc) = (column("arch"), column("epoch"), column("val_acc"));
    let (train_acc, train_loss) = (column("train_acc"), column("train_loss"));
    let recorded = column("recorded_prediction").zip(column("recorded_converged"));
    let mut curves: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.expect("a row");
        let number = |at: Option<usize>| at.and_then(|i| record.get(i)).and_then(|s| s.parse::<f64>().ok());
        let point = Observation {
            epoch: number(epoch).expect("epoch"),
            val_acc: number(val_acc).expect("val_acc"),
            train_acc: number(train_acc),
            train_loss: number(train_loss),
        };
        let recorded = recorded.and_then(|(p, c)| number(Some(p)).zip(record.get(c).map(|s| s == "1")));
        let arch = number(arch).expect("arch") as u64;
        curves.entry(arch).or_default().push(Row { point, recorded });
    }
    Some(curves.into_values().collect())
}

/// The observations alone.
pub fn points(curve: &[Row]) -> Vec<Observation> {
    curve.iter().map(|r| r.point).collect()
}

/// The curves as jobs of a search, with their FLOPs where the set has them.
pub fn jobs(name: &str) -> Option<Vec<predictor::replay::Recorded>> {
    let costs = costs(name);
    let job = |(i, curve): (usize, Vec<Row>)| predictor::replay::Recorded {
        job: i as i64,
        curve: points(&curve),
        cost: costs.get(i).copied(),
    };
    Some(read(name)?.into_iter().enumerate().map(job).collect())
}

/// The last epoch of most curves.
pub fn common_end(jobs: &[predictor::replay::Recorded]) -> f64 {
    let mut ends: Vec<f64> = jobs.iter().filter_map(|j| j.curve.last()).map(|o| o.epoch).collect();
    ends.sort_by(f64::total_cmp);
    ends[ends.len() / 2]
}

/// Mega-FLOPs by architecture number; empty where the set has none.
fn costs(name: &str) -> Vec<f64> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/curves");
    let Ok(mut reader) = csv::Reader::from_path(folder.join(format!("{name}.archs.csv"))) else {
        return vec![];
    };
    let Some(at) = reader.headers().ok().and_then(|h| h.iter().position(|h| h == "mflops")) else {
        return vec![];
    };
    reader.records().filter_map(|r| r.ok()?.get(at)?.parse().ok()).collect()
}
