use std::fmt;

use serde::{Deserialize, Serialize};

/// What a network must know of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Channels of an image: 1 for grey, 3 for red, green, blue.
    pub channels: u32,
    /// Rows of an image, in pixels.
    pub height: u32,
    /// Columns of an image, in pixels.
    pub width: u32,
    /// Number of classes.
    pub classes: u32,
}

impl Shape {
    /// Bytes of one image.
    pub fn image_len(self) -> usize {
        self.channels as usize * self.plane_len()
    }

    /// Bytes of one channel of one image.
    pub fn plane_len(self) -> usize {
        self.height as usize * self.width as usize
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{} into {} classes", self.channels, self.height, self.width, self.classes)
    }
}

/// All images of a set's training files, in the order of the files.
#[derive(Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Shape of each image, and the number of classes.
    pub shape: Shape,
    /// Image after image, in each channel after channel, in that row after row (NCHW).
    pub pixels: Vec<u8>,
    /// Class of each image, from 0 to `shape.classes - 1`.
    pub labels: Vec<u16>,
    /// What a person should know of the files: what was left out, and why.
    pub warnings: Vec<String>,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of image `index`.
    pub fn image(&self, index: usize) -> &[u8] {
        let length = self.shape.image_len();
        &self.pixels[index * length..(index + 1) * length]
    }
}

/// Counts instead of megabytes of pixels.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({} images, {})", self.len(), self.shape)
    }
}
