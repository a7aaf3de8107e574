use std::sync::{Mutex, PoisonError};

use genome::{Layer, Plan, Shape};
use rand::Rng;
use tch::{Kind, Tensor};

use crate::seed::below;
use crate::{Device, TrainError};

/// libtorch has one generator for the whole process.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Runs `draw` with libtorch's generator seeded and to itself.
pub(crate) fn with_seed<T>(seed: i64, draw: impl FnOnce() -> T) -> T {
    let _guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    draw()
}

/// Where a network is disturbed in training.
#[derive(Debug)]
pub(crate) struct NoiseSites {
    dropouts: Vec<(f64, Vec<i64>)>,
    paths: usize,
    drop_path: f64,
    device: Device,
}

/// Factors for one batch: 0 where something is dropped, 1 / (1 - rate) elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Noise {
    /// One tensor per dropout, in the order of the layers.
    pub dropouts: Vec<Tensor>,
    /// One factor per image for each dropped path, in the order of the layers; none where no path is ever dropped.
    pub paths: Vec<Tensor>,
}

impl NoiseSites {
    pub fn of(plan: &Plan, drop_path: f64, device: Device) -> Self {
        let dropouts = plan.nodes.iter().filter_map(|node| match node.layer {
            Layer::Dropout { rate } => Some((rate, sample_shape(node.output))),
            _ => None,
        });
        let paths = plan.nodes.iter().filter(|node| node.layer == Layer::DropPath).count();
        let paths = if drop_path > 0.0 { paths } else { 0 };
        Self { dropouts: dropouts.collect(), paths, drop_path, device }
    }

    /// The factors for a batch of `images`.
    pub fn draw(&self, images: usize, rng: &mut impl Rng) -> Result<Noise, TrainError> {
        let paths = (0..self.paths).map(|_| self.draw_path(images, rng)).collect::<Result<_, _>>()?;
        if self.dropouts.is_empty() {
            return Ok(Noise { dropouts: vec![], paths });
        }
        let dropouts = with_seed(rng.next_u64() as i64, || {
            let draw = |(rate, shape): &(f64, Vec<i64>)| {
                let shape = [&[images as i64], &shape[..]].concat();
                let mut factors = Tensor::f_empty(shape, (Kind::Float, self.device.0))?;
                Ok(factors.f_bernoulli_float_(1.0 - rate)?.f_div_scalar_(1.0 - rate)?)
            };
            self.dropouts.iter().map(draw).collect::<Result<_, TrainError>>()
        })?;
        Ok(Noise { dropouts, paths })
    }

    fn draw_path(&self, images: usize, rng: &mut impl Rng) -> Result<Tensor, TrainError> {
        let kept = 1.0 / (1.0 - self.drop_path) as f32;
        let threshold = (self.drop_path * f64::from(1 << 24)) as u64;
        let factors: Vec<f32> =
            (0..images).map(|_| if below(1 << 24, rng) < threshold { 0.0 } else { kept }).collect();
        let factors = Tensor::f_from_slice(&factors)?.f_reshape([-1, 1, 1, 1])?;
        Ok(factors.f_to_device(self.device.0)?)
    }
}

fn sample_shape(shape: Shape) -> Vec<i64> {
    match shape {
        Shape::Map { channels, height, width } => [channels, height, width].map(i64::from).to_vec(),
        Shape::Flat { features } => vec![i64::from(features)],
    }
}
