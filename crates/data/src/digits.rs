//! The 8 by 8 digits, built in.

use flate2::read::GzDecoder;

use crate::{DataError, Dataset, Shape};

const FILE: &[u8] = include_bytes!("../assets/digits.csv.gz");

/// The images, their 17 shades spread over a byte.
pub(crate) fn load(shape: Shape) -> Result<Dataset, DataError> {
    let damaged = |e: csv::Error| DataError::format("digits.csv.gz", e.to_string());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(GzDecoder::new(FILE));
    let mut dataset = Dataset { shape, pixels: vec![], labels: vec![], warnings: vec![] };
    for row in reader.deserialize::<Vec<u16>>() {
        let mut row = row.map_err(damaged)?;
        dataset.labels.extend(row.pop());
        dataset.pixels.extend(row.into_iter().map(|shade| (shade * 255 / 16) as u8));
    }
    Ok(dataset)
}
