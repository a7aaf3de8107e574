use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{DataError, Dataset, Places, SetName, Shape, Split, cifar, digits, file, folder, idx, svhn};

/// The `[data]` table of a spec: which set, and how many of its images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// The set.
    pub set: SetName,
    /// Images to train on, in every class in proportion; all that do not validate if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<u32>,
    /// Images to validate on, taken from the training files; a tenth of all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<u32>,
    /// Seed of the choice of images.
    #[serde(default)]
    pub seed: u64,
    /// Folder of the files; a relative one lies in the data directory. Needed for `image-folder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// `image-folder` only: side in pixels to which images are scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// `image-folder` only: 1 for grey, 3 for colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// `image-folder` only: number of classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<u32>,
}

impl DataSpec {
    /// The whole of a set, with a tenth of it to validate on.
    pub fn new(set: SetName) -> Self {
        let (train, validation, path) = (None, None, None);
        Self { set, train, validation, seed: 0, path, size: None, channels: None, classes: None }
    }

    /// Ok if every key has a possible value, as far as that is known without the files.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] names the key, what it is and what it may be.
    pub fn check(&self) -> Result<(), DataError> {
        let classes = self.shape()?.classes;
        for (key, value) in [("train", self.train), ("validation", self.validation)] {
            if let Some(value) = value.filter(|&value| value < classes) {
                return Err(DataError::setting(
                    key,
                    value,
                    format!("at least one image per class, {classes}"),
                ));
            }
        }
        match self.set.facts() {
            Some((_, count)) => self.counts(count).map(drop),
            None => Ok(()),
        }
    }

    /// Channels, sides and classes. Reads no file.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`], if a key that the shape follows from is missing, impossible or of another set.
    pub fn shape(&self) -> Result<Shape, DataError> {
        let own = [("size", self.size), ("channels", self.channels), ("classes", self.classes)];
        if let Some((shape, _)) = self.set.facts() {
            return match own.iter().find_map(|(key, value)| Some((*key, (*value)?))) {
                Some((key, value)) => {
                    Err(DataError::setting(key, value, "this key only with `image-folder`"))
                }
                None => Ok(shape),
            };
        }
        if self.path.is_none() {
            return Err(DataError::setting("path", "missing", "the folder that holds `train`"));
        }
        let bounded = |key, value: Option<u32>, allowed: &str, good: fn(u32) -> bool| match value {
            Some(value) if good(value) => Ok(value),
            Some(value) => Err(DataError::setting(key, value, allowed)),
            None => Err(DataError::setting(key, "missing", allowed)),
        };
        let size = bounded("size", self.size, "a side of 1 to 1024 pixels", |n| (1..=1024).contains(&n))?;
        let channels = bounded("channels", self.channels, "1 (grey) or 3 (colour)", |n| n == 1 || n == 3)?;
        let classes = bounded("classes", self.classes, "2 to 65536 classes", |n| (2..=65536).contains(&n))?;
        Ok(Shape { channels, height: size, width: size, classes })
    }

    /// Images to validate on; none where that is left to the files. Reads no file.
    pub fn validation_images(&self) -> Option<usize> {
        match (self.validation, self.set.facts()) {
            (Some(images), _) => Some(images as usize),
            (None, Some((_, available))) => self.counts(available).ok().map(|counts| counts.1),
            (None, None) => None,
        }
    }

    /// Images to train and to validate on, out of `available`.
    pub(crate) fn counts(&self, available: usize) -> Result<(usize, usize), DataError> {
        let validation = self.validation.map_or(available / 10, |n| n as usize);
        let rest = available.saturating_sub(validation);
        let train = self.train.map_or(rest, |n| n as usize);
        let classes = self.shape()?.classes as usize;
        if validation == 0 || validation >= available {
            let allowed = format!("1 to {} of the {available} images", available.saturating_sub(1));
            return Err(DataError::setting("validation", validation, allowed));
        }
        if train == 0 || train > rest {
            let allowed = format!("1 to {rest}, the {available} images less {validation} to validate on");
            return Err(DataError::setting("train", train, allowed));
        }
        for (key, value, left_out) in
            [("validation", validation, self.validation.is_none()), ("train", train, self.train.is_none())]
        {
            if value < classes {
                let found =
                    if left_out { format!("left out, which means {value}") } else { value.to_string() };
                return Err(DataError::setting(
                    key,
                    found,
                    format!("at least one image per class, {classes}"),
                ));
            }
        }
        Ok((train, validation))
    }

    /// Reads the set from where [`Places::from_env`] finds it and cuts the slices out of it.
    ///
    /// # Errors
    ///
    /// Impossible settings, missing files (with where they were sought and how to get them), damaged files (with what
    /// was expected and found).
    pub fn load(&self) -> Result<Split, DataError> {
        self.load_from(&Places::from_env())
    }

    /// Reads the set from the first of `places` that has it and cuts the slices out of it.
    ///
    /// # Errors
    ///
    /// As for [`DataSpec::load`].
    pub fn load_from(&self, places: &Places) -> Result<Split, DataError> {
        self.check()?;
        let dataset = self.dataset(places)?;
        // What is known without the files has just been checked.
        let (train, validation) = self.counts(dataset.len()).map_err(DataError::of_files)?;
        Ok(Split::of(&dataset, train, validation, self.seed))
    }

    /// All images of the set's training files, verified.
    ///
    /// # Errors
    ///
    /// As for [`DataSpec::load`].
    pub fn dataset(&self, places: &Places) -> Result<Dataset, DataError> {
        let shape = self.shape()?;
        let path = self.path.as_deref();
        let official = || file::read_official(self.set, path, places);
        match self.set {
            SetName::Digits => digits::load(shape),
            SetName::Mnist | SetName::FashionMnist => {
                let count = self.set.facts().map_or(0, |(_, count)| count);
                let [images, labels] = contents(official()?)?;
                idx::parse(images, &labels, shape, count)
            }
            SetName::Cifar10 => cifar::parse(official()?, shape, 1),
            SetName::Cifar100 => {
                let [file] = contents(official()?)?;
                cifar::check_classes(&file, shape)?;
                cifar::parse([Ok(file)], shape, 2)
            }
            SetName::Svhn => {
                let [file] = contents(official()?)?;
                svhn::parse(&file, shape)
            }
            SetName::ImageFolder => folder::load(path.unwrap_or("".as_ref()), places, shape),
        }
    }
}

/// The files as an array; a set has as many as its list of official files.
fn contents<const N: usize>(
    files: impl Iterator<Item = Result<file::Content, DataError>>,
) -> Result<[file::Content; N], DataError> {
    let files = files.collect::<Result<Vec<_>, _>>()?;
    Ok(files.try_into().expect("one content per official file of the set"))
}
