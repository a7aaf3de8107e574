//! A folder of images: `train/CLASS/*.png`, `*.jpg` or `*.jpeg`. Classes are numbered in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;

use crate::{DataError, Dataset, Places, SetName, Shape};

/// All images, each scaled to the shape's sides and turned into its channels.
pub(crate) fn load(path: &Path, places: &Places, shape: Shape) -> Result<Dataset, DataError> {
    let set = SetName::ImageFolder;
    let sought = places.candidates(Some(path), set.as_str(), None);
    let Some(train) = sought.iter().map(|folder| folder.join("train")).find(|train| train.is_dir()) else {
        let (set, remedy) = (set.to_string(), set.remedy());
        return Err(DataError::Missing { set, file: "train".into(), sought, remedy });
    };
    let classes: Vec<PathBuf> = entries(&train)?.into_iter().filter(|path| path.is_dir()).collect();
    if classes.len() != shape.classes as usize {
        let found = format!("{}, but `{}` holds {} folders", shape.classes, train.display(), classes.len());
        return Err(DataError::setting("classes", found, "one folder per class").of_files());
    }
    let mut dataset = Dataset { shape, pixels: vec![], labels: vec![] };
    for (class, folder) in classes.iter().enumerate() {
        for path in entries(folder)?.iter().filter(|path| is_image(path)) {
            dataset.pixels.extend(decode(path, shape)?);
            dataset.labels.push(class as u16);
        }
    }
    Ok(dataset)
}

/// Paths in a folder, sorted by name, hidden ones left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.to_owned(), source };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(failed)?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths)
}

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn decode(path: &Path, shape: Shape) -> Result<Vec<u8>, DataError> {
    let image = image::open(path).map_err(|error| match error {
        image::ImageError::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            DataError::Read { path: path.to_owned(), source }
        }
        other => DataError::format(path, other.to_string()),
    })?;
    let image = image.resize_exact(shape.width, shape.height, FilterType::Triangle);
    if shape.channels == 1 {
        return Ok(image.to_luma8().into_raw());
    }
    let interleaved = image.to_rgb8().into_raw();
    Ok((0..3).flat_map(|channel| interleaved.iter().skip(channel).step_by(3).copied()).collect())
}
