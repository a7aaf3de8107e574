//! The cropped digits of SVHN: a MATLAB 5 file with `X`, the pixels in 32 by 32 by 3 by n, column-major, and `y`, the
//! labels from 1 to 10, of which 10 is the digit 0.

use std::path::Path;

use crate::file::Content;
use crate::mat::{self, Array, Numbers};
use crate::{DataError, Dataset, Shape};

/// Images and labels of the file.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn parse(file: &Content, shape: Shape) -> Result<Dataset, DataError> {
    file.verify()?;
    let damaged = |reason: String| DataError::format(&file.path, reason);
    let arrays = mat::arrays(&file.bytes).map_err(damaged)?;
    let array = |name| {
        let found = arrays.iter().find(|array| array.name == name);
        found.ok_or_else(|| damaged(format!("no array `{name}` in it")))
    };
    let (images, labels) = (array("X")?, array("y")?);
    let labels = digits(&file.path, labels)?;
    let count = labels.len();
    let sides = [shape.height as usize, shape.width as usize, shape.channels as usize, count];
    if images.size != sides {
        return Err(damaged(format!("expected pixels of {sides:?}, found {:?}", images.size)));
    }
    let Numbers::Bytes(columns) = &images.numbers else {
        return Err(damaged("expected pixels as unsigned bytes".into()));
    };
    Ok(Dataset { shape, pixels: rows_of(columns, shape), labels, warnings: vec![] })
}

/// Column-major planes as row-major ones.
fn rows_of(columns: &[u8], shape: Shape) -> Vec<u8> {
    let (height, width) = (shape.height as usize, shape.width as usize);
    let mut pixels = Vec::with_capacity(columns.len());
    for plane in columns.chunks_exact(height * width) {
        pixels.extend((0..height * width).map(|i| plane[(i % width) * height + i / width]));
    }
    pixels
}

/// Labels as digits.
fn digits(path: &Path, labels: &Array) -> Result<Vec<u16>, DataError> {
    let numbers: Vec<f64> = match &labels.numbers {
        Numbers::Bytes(numbers) => numbers.iter().map(|&n| f64::from(n)).collect(),
        Numbers::Wide(numbers) => numbers.clone(),
    };
    numbers
        .into_iter()
        .map(|n| match n {
            10.0 => Ok(0),
            n if (1.0..10.0).contains(&n) && n.fract() == 0.0 => Ok(n as u16),
            n => Err(DataError::format(path, format!("expected labels from 1 to 10, found {n}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32, classes: 10 };

    /// Files that scipy wrote, see `tests/svhn/write.py`.
    macro_rules! file {
        ($name:literal) => {
            Content {
                path: $name.into(),
                bytes: include_bytes!(concat!("../tests/svhn/", $name)).to_vec(),
                checksum: None,
            }
        };
    }

    #[test]
    fn files_by_scipy() {
        let plain = file!("plain.mat");
        for (file, count) in [(file!("compressed.mat"), 12), (plain, 2)] {
            let dataset = parse(&file, SHAPE).unwrap();
            let labels: Vec<u16> = (1..=count).map(|label| label % 10).collect();
            assert_eq!(dataset.labels, &labels[..]);
            for (image, channel, row, column) in [(0, 0, 0, 0), (1, 2, 31, 5), (1, 1, 9, 30)] {
                let found = dataset.image(image)[(channel * 32 + row) * 32 + column];
                let expected = image * 16 + channel * 5 + row / 8 + 2 * (column / 8);
                assert_eq!(usize::from(found), expected, "image {image}, channel {channel}, {row}, {column}");
            }
        }
    }

    #[test]
    fn damage_is_named() {
        let mut cut = file!("compressed.mat");
        cut.bytes.truncate(700);
        let cases = [
            (file!("bad_label.mat"), "expected labels from 1 to 10, found 11"),
            (file!("bad_shape.mat"), "expected pixels of [32, 32, 3, 12], found [31, 32, 3, 12]"),
            (cut, "no array `X` in it"),
        ];
        for (file, expected) in cases {
            let found = parse(&file, SHAPE).unwrap_err().to_string();
            assert!(found.contains(expected), "{found}");
        }
    }
}
