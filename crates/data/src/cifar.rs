//! The binary version of CIFAR: per image the label (for CIFAR-100 the coarse label, then the fine one), then the red,
//! the green and the blue plane, row after row.

use crate::file::Content;
use crate::{DataError, Dataset, Shape};

/// Images of all files; the last of the `labels` bytes before an image is its class.
pub(crate) fn parse(
    files: impl IntoIterator<Item = Result<Content, DataError>>,
    shape: Shape,
    labels: usize,
) -> Result<Dataset, DataError> {
    let record = labels + shape.image_len();
    let mut dataset = Dataset { shape, pixels: vec![], labels: vec![], warnings: vec![] };
    for file in files {
        let file = file?;
        dataset.pixels.reserve(file.bytes.len());
        for (index, image) in file.bytes.chunks_exact(record).enumerate() {
            let label = image[labels - 1];
            if u32::from(label) >= shape.classes {
                let at = index * record + labels - 1;
                let reason = format!(
                    "image {index}, at byte {at}: expected a label below {}, found {label}",
                    shape.classes
                );
                return Err(DataError::format(&file.path, reason));
            }
            dataset.labels.push(u16::from(label));
            dataset.pixels.extend_from_slice(&image[labels..]);
        }
        file.verify()?;
    }
    Ok(dataset)
}

/// Ok if the images of CIFAR-100 are as many in each class, and each class is in one of the 20 coarse ones, as in the official
/// file, whose checksum nobody publishes.
pub(crate) fn check_classes(file: &Content, shape: Shape) -> Result<(), DataError> {
    const COARSE: u8 = 20;
    let classes = shape.classes as usize;
    let records = file.bytes.chunks_exact(2 + shape.image_len());
    let each = records.len() / classes;
    let (mut counts, mut coarse) = (vec![0; classes], vec![None; classes]);
    for (index, image) in records.enumerate() {
        let (found, class) = (image[0], usize::from(image[1]));
        let Some(count) = counts.get_mut(class) else { return Ok(()) }; // `parse` says so.
        *count += 1;
        let first = *coarse[class].get_or_insert(found);
        if found != first || found >= COARSE {
            let at = index * image.len();
            let reason = format!(
                "image {index}, at byte {at}: expected a coarse label below {COARSE}, and one for all of class {class} (its \
                 first image has {first}), found {found}"
            );
            return Err(DataError::format(&file.path, reason));
        }
    }
    match counts.iter().position(|&count| count != each) {
        None => Ok(()),
        Some(class) => {
            let reason = format!("expected {each} images of class {class}, found {}", counts[class]);
            Err(DataError::format(&file.path, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { channels: 1, height: 1, width: 1, classes: 3 };

    /// Two images of each of three classes: the coarse label, the fine one, a pixel.
    const WHOLE: [u8; 18] = [7, 0, 100, 9, 1, 100, 7, 2, 100, 7, 0, 100, 9, 1, 100, 7, 2, 100];

    #[test]
    fn what_cannot_be_the_official_file_is_refused() {
        let cases = [
            (None, None, "whole"),
            (
                Some((9, 8)),
                Some(
                    "image 3, at byte 9: expected a coarse label below 20, and one for all of class 0 (its first image has 7), found 8",
                ),
                "two coarse labels",
            ),
            (Some((0, 20)), Some("image 0, at byte 0: expected a coarse label below 20"), "a coarse label"),
            (Some((7, 0)), Some("expected 2 images of class 0, found 3"), "too many of a class"),
            (Some((7, 3)), Some("image 2, at byte 7: expected a label below 3, found 3"), "a label"),
        ];
        for (change, expected, why) in cases {
            let mut bytes = WHOLE.to_vec();
            if let Some((at, value)) = change {
                bytes[at] = value;
            }
            let file = Content { path: "file".into(), bytes, checksum: None };
            let read = check_classes(&file, SHAPE).and_then(|()| parse([Ok(file)], SHAPE, 2));
            match (read, expected) {
                (Ok(dataset), None) => assert_eq!(dataset.labels, [0, 1, 2, 0, 1, 2], "{why}"),
                (Err(error), Some(text)) if error.to_string().contains(text) => {}
                (read, _) => panic!("{why}: {read:?}"),
            }
        }
    }
}
