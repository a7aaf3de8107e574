//! The binary version of CIFAR: per image the label (for CIFAR-100 the coarse label, then the fine one), then the red,
//! the green and the blue plane, row after row.

use crate::file::Content;
use crate::{DataError, Dataset, Shape};

/// Images of all files; the last of the `labels` bytes before an image is its class.
pub(crate) fn parse(files: &[Content], shape: Shape, labels: usize) -> Result<Dataset, DataError> {
    let record = labels + shape.image_len();
    let count = files.iter().map(|file| file.bytes.len() / record).sum();
    let mut dataset = Dataset {
        shape,
        pixels: Vec::with_capacity(count * shape.image_len()),
        labels: Vec::with_capacity(count),
    };
    for file in files {
        for (index, image) in file.bytes.chunks_exact(record).enumerate() {
            let label = image[labels - 1];
            if u32::from(label) >= shape.classes {
                let reason =
                    format!("image {index}: expected a label below {}, found {label}", shape.classes);
                return Err(DataError::format(&file.path, reason));
            }
            dataset.labels.push(u16::from(label));
            dataset.pixels.extend_from_slice(&image[labels..]);
        }
    }
    Ok(dataset)
}
