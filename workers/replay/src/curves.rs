//! Learning curves to replay: the same genome and seed always give the same one.

use std::path::Path;

use import::{Curves, ImportError, Unit};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
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

impl Source {
    /// Reads recorded curves, accuracies in per cent, with the checks of an import.
    pub fn read(file: &Path) -> Result<Self, ImportError> {
        let mut curves = Curves::read(file, Unit::Percent, None)?.curves;
        // A job keeps its curve when the rows of the file are in another order.
        curves.sort_by(|a, b| a.points[0].arch.cmp(&b.points[0].arch));
        let point = |p: import::Point| (p.epoch, Point { val_acc: p.val_acc, train_acc: p.train_acc });
        Ok(Self::Recorded(curves.into_iter().map(|c| c.points.into_iter().map(point).collect()).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_import_would_refuse_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            Source::read(file.path()).map_err(|error| error.to_string())
        };
        let table = [
            ("arch,epoch,val_acc\na,1,150\n", "line 2: val_acc is 150, expected per cent"),
            ("arch,epoch,val_acc\na,1,50\na,2,nan\n", "line 3: val_acc is `nan`, expected a number"),
            ("arch,epoch,val_acc\na,1,50\na,3,60\n", "line 3: epoch 3 of architecture a: expected 2"),
            ("arch,epoch,val_acc\n", "no row"),
        ];
        for (text, expected) in table {
            let error = read(text).err().unwrap();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let Ok(Source::Recorded(curves)) = read("\u{feff}{\"arch\":\"a\",\"epoch\":1,\"val_acc\":50}\n")
        else {
            panic!("JSON lines with a mark are curves")
        };
        assert_eq!(curves, [[(1.0, Point { val_acc: 50.0, train_acc: None })]]);
    }
}
