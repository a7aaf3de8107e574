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
    let mut pixels = images.bytes;
    let header = check_header(&images.path, &pixels, &dimensions)?;
    pixels.drain(..header);
    let header = check_header(&labels.path, &labels.bytes, &dimensions[..1])?;
    let labels_only = labels.bytes[header..].iter().copied();
    if let Some(label) = labels_only.clone().find(|&label| u32::from(label) >= shape.classes) {
        let reason = format!("expected labels below {}, found {label}", shape.classes);
        return Err(DataError::format(&labels.path, reason));
    }
    Ok(Dataset { shape, pixels, labels: labels_only.map(u16::from).collect() })
}

/// Length of the header, if it announces unsigned bytes of these dimensions and no more or fewer bytes follow.
fn check_header(path: &std::path::Path, bytes: &[u8], dimensions: &[u32]) -> Result<usize, DataError> {
    let mut expected = vec![0, 0, 8, dimensions.len() as u8];
    expected.extend(dimensions.iter().flat_map(|n| n.to_be_bytes()));
    if !bytes.starts_with(&expected) {
        let found = &bytes[..expected.len().min(bytes.len())];
        let reason =
            format!("expected an IDX header for {dimensions:?} bytes, {expected:?}, found {found:?}");
        return Err(DataError::format(path, reason));
    }
    let size = expected.len() as u64 + dimensions.iter().map(|&n| u64::from(n)).product::<u64>();
    if bytes.len() as u64 != size {
        let found = bytes.len() as u64;
        return Err(DataError::Size { path: path.to_owned(), expected: size, found, unit: "bytes" });
    }
    Ok(expected.len())
}
