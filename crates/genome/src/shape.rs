use std::fmt;

use serde::{Deserialize, Serialize};

/// Largest side, kernel or number of channels of a plan. Keeps the arithmetic of shapes far from overflow.
pub(crate) const LARGEST: u32 = 1 << 20;

/// Shape of one sample between two layers; the batch dimension stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A feature map, channels first.
    Map {
        /// Channels.
        channels: u32,
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// A vector.
    Flat {
        /// Length of the vector.
        features: u32,
    },
}

impl Shape {
    /// Numbers in one sample of this shape.
    pub fn len(self) -> u64 {
        match self {
            Self::Map { channels, height, width } => {
                u64::from(channels) * u64::from(height) * u64::from(width)
            }
            Self::Flat { features } => u64::from(features),
        }
    }

    /// Whether a sample holds no number at all; no plan has such a shape.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map { channels, height, width } => write!(f, "{channels}x{height}x{width}"),
            Self::Flat { features } => write!(f, "{features}"),
        }
    }
}
