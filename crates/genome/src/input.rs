use std::fmt;

use serde::{Deserialize, Serialize};

/// What a network is built for: the images that go in and the classes that come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Channels of an image: 1 for grey, 3 for colour.
    pub channels: u32,
    /// Rows of an image, in pixels.
    pub height: u32,
    /// Columns of an image, in pixels.
    pub width: u32,
    /// Classes of the data set, the length of the network's output.
    pub classes: u32,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{} into {} classes", self.channels, self.height, self.width, self.classes)
    }
}
