use serde::{Deserialize, Serialize};

use crate::Shape;

/// One operation of a plan, with all that a tensor library needs to build it.
///
/// Kernels, strides and paddings are square and symmetric; no convolution is dilated or grouped. Output sizes are
/// those of PyTorch: `floor((size + 2·padding - kernel) / stride) + 1`, and for a pool with `ceil` the same rounded
/// up, less a last window that would start in the padding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The normalised image. Always the first node, and the only one without inputs.
    Image,
    /// Two-dimensional convolution with zero padding.
    Conv {
        /// Channels in.
        in_channels: u32,
        /// Channels out, the number of filters.
        out_channels: u32,
        /// Side of the kernel.
        kernel: u32,
        /// Step of the kernel.
        stride: u32,
        /// Rows and columns of zeros on each side.
        padding: u32,
        /// Whether each filter adds a constant.
        bias: bool,
    },
    /// Batch normalisation of a map with learned scale and shift (two parameters a channel; the running mean and
    /// variance are no parameters).
    BatchNorm {
        /// Channels.
        channels: u32,
    },
    /// max(0, x).
    Relu,
    /// Largest value of each window; padding counts as minus infinity.
    MaxPool {
        /// Side of the window.
        kernel: u32,
        /// Step of the window.
        stride: u32,
        /// Rows and columns on each side, at most half of `kernel`.
        padding: u32,
        /// Whether the last, incomplete window counts.
        ceil: bool,
    },
    /// Mean of each window, without padding.
    AvgPool {
        /// Side of the window.
        kernel: u32,
        /// Step of the window.
        stride: u32,
    },
    /// Mean of each channel: a map becomes a vector of its channels.
    GlobalAvgPool,
    /// Sets each number to zero with probability `rate` in training and divides the others by `1 - rate`.
    Dropout {
        /// Probability in [0, 1).
        rate: f64,
    },
    /// Sets a whole sample to zero in training, with the recipe's `drop_path` as probability, and divides the
    /// others by one minus it. Without parameters; the identity in evaluation and where `drop_path` is 0.
    DropPath,
    /// A map as a vector, channel by channel.
    Flatten,
    /// Fully connected layer with bias.
    Linear {
        /// Length of the vector in.
        in_features: u32,
        /// Length of the vector out.
        out_features: u32,
    },
    /// Sum of all inputs, which have the same shape.
    Sum,
    /// All inputs joined along the channels, in the order of the inputs.
    Concat,
}

impl Layer {
    /// Numbers that training changes. As all figures of a cost, at most the largest `u64`.
    pub fn parameters(self) -> u64 {
        match self {
            Self::Conv { in_channels, out_channels, kernel, bias, .. } => {
                let weights = u64::from(kernel).pow(2).saturating_mul(u64::from(in_channels));
                weights.saturating_add(u64::from(bias)).saturating_mul(u64::from(out_channels))
            }
            Self::BatchNorm { channels } => 2 * u64::from(channels),
            Self::Linear { in_features, out_features } => {
                u64::from(out_features).saturating_mul(u64::from(in_features) + 1)
            }
            _ => 0,
        }
    }

    /// Multiply-accumulates of one forward pass of one sample that leaves with shape `output`. Only convolutions and
    /// linear layers count; their biases do not.
    pub fn multiply_accumulates(self, output: Shape) -> u64 {
        match self {
            Self::Conv { in_channels, kernel, .. } => {
                let each = u64::from(kernel).pow(2).saturating_mul(u64::from(in_channels));
                output.len().saturating_mul(each)
            }
            Self::Linear { in_features, out_features } => {
                u64::from(in_features).saturating_mul(u64::from(out_features))
            }
            _ => 0,
        }
    }
}
