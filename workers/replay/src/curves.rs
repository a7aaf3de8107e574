//! Learning curves to replay: the same genome and seed always give the same one.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, ensure};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// One point: validation and training accuracy in per cent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub val_acc: f64,
    pub train_acc: Option<f64>,
}

/// Where curves come from.
#[derive(Debug)]
pub enum Source {
    /// From a file, by the epoch at which each point was taken.
    Recorded(Vec<Vec<(f64, Point)>>),
    /// Made up: saturating exponentials with noise.
    MadeUp,
}

#[derive(Deserialize)]
struct Row {
    arch: String,
    epoch: f64,
    val_acc: f64,
    train_acc: Option<f64>,
}

impl Source {
    /// Reads recorded curves; other columns are passed over.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let mut curves: BTreeMap<String, Vec<(f64, Point)>> = BTreeMap::new();
        let mut reader = csv::Reader::from_path(file)?;
        for row in reader.deserialize() {
            let row: Row = row.context("expected columns arch, epoch, val_acc and perhaps train_acc")?;
            let point = Point { val_acc: row.val_acc, train_acc: row.train_acc };
            curves.entry(row.arch).or_default().push((row.epoch, point));
        }
        ensure!(!curves.is_empty(), "it holds no curve");
        let mut curves: Vec<_> = curves.into_values().collect();
        for curve in &mut curves {
            curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(Self::Recorded(curves))
    }

    /// The point of a job at an epoch; a recorded curve that has ended stays where it was.
    pub fn point(&self, genome: &serde_json::Value, seed: i64, epoch: f64) -> Point {
        let key = Sha256::new().chain_update(genome.to_string()).chain_update(seed.to_le_bytes()).finalize();
        let seed = u64::from_le_bytes(key[..8].try_into().expect("a digest is longer than 8 bytes"));
        match self {
            Self::Recorded(curves) => {
                let curve = &curves[(seed % curves.len() as u64) as usize];
                let at = curve.partition_point(|(at, _)| *at <= epoch + 1e-9).saturating_sub(1);
                curve[at].1
            }
            Self::MadeUp => made_up(seed, epoch),
        }
    }
}

/// Accuracy a - b·exp(-c·x) with Gaussian-like noise of half a point, drawn from the seed and the epoch alone.
fn made_up(seed: u64, epoch: f64) -> Point {
    let mut shape = ChaCha8Rng::seed_from_u64(seed);
    let best: f64 = 60.0 + 38.0 * shape.random::<f64>().sqrt();
    let rise: f64 = 20.0 + 40.0 * shape.random::<f64>();
    let speed: f64 = 0.15 + 0.6 * shape.random::<f64>();
    let mut noise = ChaCha8Rng::seed_from_u64(seed ^ epoch.to_bits());
    let mut jitter = || (0..4).map(|_| noise.random::<f64>() - 0.5).sum::<f64>() * 0.5;
    let level = best - rise * (-speed * epoch).exp();
    let (val_acc, train_acc) = (level + jitter(), level + 0.3 * epoch.min(5.0) + jitter());
    Point { val_acc: val_acc.clamp(0.0, 100.0), train_acc: Some(train_acc.clamp(0.0, 100.0)) }
}
