//! The IDX format of MNIST: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension
//! as a big-endian 32-bit number, then the bytes.

use crate::file::Content;
use crate::{DataError, Dataset, Shape};

/// Images and labels of `count` images.
///
/// # Errors
/// Names the file, what was expected and what was found.
pub fn parse(images: Content, labels: &Content, shape: Shape, count: usize) -> Result<Dataset, DataError> {
    let dimensions = [count as u32, shape.height, shape.width];
    let in_images = check_header(&images, &dimensions)?;
    let in_labels = check_header(labels, &dimensions[..1])?;
    let classes = &labels.bytes[in_labels..];
    if let Some(index) = classes.iter().position(|&label| u32::from(label) >= shape.classes) {
        let (found, at) = (classes[index], in_labels + index);
        let reason =
            format!("expected labels below {}, found {found} for image {index}, at byte {at}", shape.classes);
        return Err(DataError::format(&labels.path, reason));
    }
    images.verify()?;
    labels.verify()?;
    let mut pixels = images.bytes;
    pixels.drain(..in_images);
    Ok(Dataset { shape, pixels, labels: classes.iter().copied().map(u16::from).collect(), warnings: vec![] })
}

/// Length of the header, if it announces unsigned bytes of these dimensions and no more or fewer bytes follow.
fn check_header(file: &Content, dimensions: &[u32]) -> Result<usize, DataError> {
    let (path, bytes) = (&file.path, &file.bytes);
    let mut expected = vec![0, 0, 8, dimensions.len() as u8];
    expected.extend(dimensions.iter().flat_map(|n| n.to_be_bytes()));
    if !bytes.starts_with(&expected) {
        let found = &bytes[..expected.len().min(bytes.len())];
        let at = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        let at = at.unwrap_or(found.len());
        let reason = format!(
            "expected an IDX header for {dimensions:?} bytes, {expected:?}, found {found:?}, which differs from byte {at} on"
        );
        return Err(DataError::format(path, reason));
    }
    let size = expected.len() as u64 + dimensions.iter().map(|&n| u64::from(n)).product::<u64>();
    if bytes.len() as u64 != size {
        let found = bytes.len() as u64;
        return Err(DataError::Size { path: path.clone(), expected: size, found, unit: "bytes" });
    }
    Ok(expected.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { channels: 1, height: 2, width: 1, classes: 10 };

    /// A file without a checksum.
    fn file(dimensions: &[u32], bytes: &[u8]) -> Content {
        let mut all = vec![0, 0, 8, dimensions.len() as u8];
        all.extend(dimensions.iter().flat_map(|n| n.to_be_bytes()));
        all.extend(bytes);
        Content { path: "file".into(), bytes: all, checksum: None }
    }

    #[test]
    fn three_images() {
        let images = file(&[3, 2, 1], &[1, 2, 3, 4, 5, 6]);
        let dataset = parse(images, &file(&[3], &[7, 8, 9]), SHAPE, 3).unwrap();
        assert_eq!((dataset.labels.as_slice(), dataset.image(1)), ([7, 8, 9].as_slice(), [3, 4].as_slice()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let images = || file(&[3, 2, 1], &[0; 6]);
        let labels = || file(&[3], &[0; 3]);
        let table = [
            (file(&[3, 1, 2], &[0; 6]), labels(), "from byte 11 on", "turned dimensions"),
            (file(&[3, 2], &[0; 6]), labels(), "from byte 3 on", "too few dimensions"),
            (images(), file(&[3], &[0, 10, 0]), "below 10, found 10 for image 1, at byte 9", "a label"),
            (images(), file(&[3], &[0; 2]), "expected 11 bytes, found 10", "too few labels"),
            (file(&[3, 2, 1], &[0; 7]), labels(), "expected 22 bytes, found 23", "too many pixels"),
        ];
        for (images, labels, expected, why) in table {
            let found = parse(images, &labels, SHAPE, 3).unwrap_err().to_string();
            assert!(found.contains(expected), "{why}: {found}");
        }
    }
}
