use genome::{Precision, Recipe};
use tch::{Kind, Tensor};

use crate::{Device, TrainError};

/// How a device computes best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numerics {
    /// Maps lie in memory pixel by pixel, with all channels of a pixel together.
    pub channels_last: bool,
    /// Convolutions and linear layers compute with 16 bit brain floats.
    ///
    /// Their inputs and weights are converted where they are used. libtorch's own autocast would do the same, but the
    /// crate `tch` can only switch it on for half floats.
    pub bf16: bool,
}

impl Numerics {
    pub fn of(device: Device, recipe: &Recipe) -> Self {
        let bf16 = device.is_cuda() && recipe.precision == Precision::Bf16;
        Self { channels_last: device.is_cuda(), bf16 }
    }

    /// The tensor as convolutions and linear layers take it.
    pub fn narrow(self, tensor: &Tensor) -> Result<Tensor, TrainError> {
        let kind = if self.bf16 { Kind::BFloat16 } else { Kind::Float };
        Ok(tensor.f_to_kind(kind)?)
    }

    /// The maps in the order in memory that the device computes with.
    pub fn lay_out(self, maps: &Tensor) -> Result<Tensor, TrainError> {
        if !self.channels_last {
            return Ok(maps.f_contiguous()?);
        }
        Ok(maps.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
    }

    /// Steps in memory between the entries of a contiguous tensor of this shape.
    pub fn strides(self, shape: &[i64]) -> Vec<i64> {
        if let (&[_, channels, height, width], true) = (shape, self.channels_last) {
            return vec![height * width * channels, 1, width * channels, channels];
        }
        (1..=shape.len()).map(|i| shape[i..].iter().product()).collect()
    }
}
