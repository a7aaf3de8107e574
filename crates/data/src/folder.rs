//! A folder of images: `train/CLASS/`, with PNG and JPEG files. Classes are numbered in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;

use crate::{DataError, Dataset, Places, SetName, Shape, picture};

/// Most names in a message.
const NAMED: usize = 5;

/// One class: its folder, and what is in it.
struct Class {
    name: String,
    images: Vec<PathBuf>,
    /// Names of what is no image.
    others: Vec<String>,
}

/// All images, each scaled to the shape's sides and turned into its channels. What is no image is left out, with a warning; each
/// class has two images at least.
pub(crate) fn load(path: &Path, places: &Places, shape: Shape) -> Result<Dataset, DataError> {
    let set = SetName::ImageFolder;
    let sought = places.candidates(Some(path), set.as_str(), None);
    let Some(train) = sought.iter().map(|folder| folder.join("train")).find(|train| train.is_dir()) else {
        let (set, remedy) = (set.to_string(), set.remedy());
        return Err(DataError::Missing { set, file: "train".into(), sought, remedy });
    };
    let (folders, files): (Vec<_>, Vec<_>) = entries(&train)?.into_iter().partition(|path| path.is_dir());
    if folders.len() != shape.classes as usize {
        let found = format!("{}, but `{}` holds {} folders", shape.classes, train.display(), folders.len());
        return Err(DataError::setting("classes", found, "one folder per class").of_files());
    }
    let classes = folders.iter().map(|folder| Class::read(folder)).collect::<Result<Vec<_>, _>>()?;
    check_counts(&train, shape, &classes)?;
    let mut dataset = Dataset { shape, pixels: vec![], labels: vec![], warnings: vec![] };
    dataset.warnings.extend(left_out(&train, &files.iter().map(|path| name(path)).collect::<Vec<_>>()));
    for (number, (class, folder)) in classes.iter().zip(&folders).enumerate() {
        dataset.warnings.extend(left_out(folder, &class.others));
        for path in &class.images {
            dataset.pixels.extend(pixels(path, shape)?);
            dataset.labels.push(number as u16);
        }
    }
    Ok(dataset)
}

impl Class {
    /// What is named like an image has to be one; of the rest, what begins like one is one.
    fn read(folder: &Path) -> Result<Self, DataError> {
        let is_image = |path: &PathBuf| is_named_so(path) || picture::is_picture(path);
        let (images, others): (Vec<_>, Vec<_>) = entries(folder)?.into_iter().partition(is_image);
        Ok(Self { name: name(folder), images, others: others.iter().map(|path| name(path)).collect() })
    }
}

/// Ok if every class has an image to train and another one to validate on.
fn check_counts(train: &Path, shape: Shape, classes: &[Class]) -> Result<(), DataError> {
    let count = |class: &Class| match class.images.len() {
        0 => Some(format!("`{}` has none", class.name)),
        1 => Some(format!("`{}` has one", class.name)),
        _ => None,
    };
    let poor: Vec<_> = classes.iter().filter_map(count).collect();
    if poor.is_empty() {
        return Ok(());
    }
    let found = format!("{}, but in `{}` {}", shape.classes, train.display(), listed(&poor));
    let allowed = "two images or more in each class, one to train and one to validate on; add some, or remove the \
                   folder and count one class less";
    Err(DataError::setting("classes", found, allowed).of_files())
}

/// A sentence for what is no image, if there is such.
fn left_out(folder: &Path, names: &[String]) -> Option<String> {
    let what = match names.len() {
        0 => return None,
        1 => "1 entry that is no PNG or JPEG is left out".to_owned(),
        n => format!("{n} entries that are no PNG or JPEG are left out"),
    };
    Some(format!("`{}`: {what}: {}", folder.display(), listed(names)))
}

/// The first few, and how many more there are.
fn listed(all: &[String]) -> String {
    let first = all[..all.len().min(NAMED)].join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Paths in a folder, sorted by name, hidden ones left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.to_owned(), source };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(failed)?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_named_so(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn pixels(path: &Path, shape: Shape) -> Result<Vec<u8>, DataError> {
    let image = picture::decode(path)?.resize_exact(shape.width, shape.height, FilterType::Triangle);
    if shape.channels == 1 {
        return Ok(image.to_luma8().into_raw());
    }
    let interleaved = image.to_rgb8().into_raw();
    Ok((0..3).flat_map(|channel| interleaved.iter().skip(channel).step_by(3).copied()).collect())
}
