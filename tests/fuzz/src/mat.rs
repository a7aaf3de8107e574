//! Images and labels in the format of MATLAB 5, as SVHN is in.

use data::{Content, Shape, svhn};

const SHAPE: Shape = Shape { channels: 3, height: 2, width: 2, classes: 10 };

/// What is understood has as many images as labels; an error names the file.
pub fn check(data: &[u8]) {
    match svhn::parse(&Content::new("f.mat", data.to_vec()), SHAPE) {
        Ok(set) => {
            assert_eq!(set.pixels.len(), set.len() * SHAPE.image_len());
            assert!(set.labels.iter().all(|label| *label < 10));
        }
        Err(error) => assert!(error.to_string().starts_with("`f.mat` is damaged: "), "{error}"),
    }
}
