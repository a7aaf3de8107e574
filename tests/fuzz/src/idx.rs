//! Images and labels in the format of MNIST.

use data::{Content, Shape, idx};

/// The first three bytes are the sides and the number of images, the fourth and fifth the length of the file of labels. What is
/// understood are the bytes behind both headers.
pub fn check(data: &[u8]) {
    let Some((&[height, width, count, high, low], files)) = data.split_first_chunk() else { return };
    let (height, width, count) = (u32::from(height), u32::from(width), usize::from(count));
    let shape = Shape { channels: 1, height, width, classes: 10 };
    let (labels, images) = files.split_at(files.len().min(usize::from(u16::from_be_bytes([high, low]))));
    let content = |name: &str, bytes: &[u8]| Content { path: name.into(), bytes: bytes.to_vec() };
    match idx::parse(content("images", images), &content("labels", labels), shape, count) {
        Ok(set) => {
            assert_eq!((set.len(), set.pixels.len()), (count, count * shape.image_len()));
            assert!(images.ends_with(&set.pixels) && set.labels.iter().all(|label| *label < 10));
            let bytes: Vec<u8> = set.labels.iter().map(|label| *label as u8).collect();
            assert_eq!((&labels[8..], images.len()), (bytes.as_slice(), 16 + set.pixels.len()));
        }
        Err(error) => {
            let is_named = ["`images`", "`labels`"].iter().any(|name| error.to_string().contains(name));
            assert!(is_named, "{error}");
        }
    }
}
