use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Dataset, Shape};

/// The images of a search: a training part and a validation part without an image in common.
#[derive(Clone, Debug)]
pub struct Split {
    /// Shape of each image, and the number of classes.
    pub shape: Shape,
    /// Images that change the weights.
    pub train: Part,
    /// Images by which networks are compared.
    pub validation: Part,
    /// Mean of each channel of the training part, in [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel of the training part, in [0, 1]; 1 for a constant channel.
    pub std: Vec<f32>,
    /// What a person should know of the files: what was left out, and why.
    pub warnings: Vec<String>,
}

/// Images with their classes.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// Image after image, in each channel after channel, in that row after row (NCHW).
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u16>,
}

impl Part {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn of(dataset: &Dataset, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * dataset.shape.image_len());
        for &index in indices {
            pixels.extend_from_slice(dataset.image(index));
        }
        let labels = indices.iter().map(|&index| dataset.labels[index]).collect();
        Self { pixels, labels }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} images)", self.len())
    }
}

impl Split {
    /// Cuts `train` and `validation` images out of `dataset`, in every class in proportion, chosen by the seed alone. A class of
    /// two images or more is in both parts, where each part has as many images as there are classes.
    /// The validation part does not depend on how many images train.
    pub(crate) fn of(dataset: &Dataset, train: usize, validation: usize, seed: u64) -> Self {
        let (train, validation) = slices(dataset, train, validation, seed);
        let (train, validation) = (Part::of(dataset, &train), Part::of(dataset, &validation));
        let (mean, std) = moments(&train, dataset.shape);
        Self { shape: dataset.shape, train, validation, mean, std, warnings: dataset.warnings.clone() }
    }
}

/// Indices to train and to validate on, each in rising order.
fn slices(dataset: &Dataset, train: usize, validation: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut classes = vec![vec![]; dataset.shape.classes as usize];
    for (index, &label) in dataset.labels.iter().enumerate() {
        classes[usize::from(label)].push(index);
    }
    for class in &mut classes {
        shuffle(class, &mut rng);
    }
    let validation = take(&mut classes, validation, 1);
    (take(&mut classes, train, 0), validation)
}

/// Removes `wanted` indices from the fronts of the classes, and leaves `kept` in each.
fn take(classes: &mut [Vec<usize>], wanted: usize, kept: usize) -> Vec<usize> {
    let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
    let mut quotas = proportional(&sizes, wanted);
    level(&mut quotas, &sizes, kept);
    let mut taken: Vec<usize> =
        classes.iter_mut().zip(quotas).flat_map(|(class, n)| class.drain(..n).collect::<Vec<_>>()).collect();
    taken.sort_unstable();
    taken
}

/// `wanted` shared out over classes in proportion to `sizes`, by largest remainder; never more than a size.
fn proportional(sizes: &[usize], wanted: usize) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>().max(1);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| size * wanted / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(sizes[class] * wanted % total));
    let missing = wanted - quotas.iter().sum::<usize>();
    for &class in by_remainder.iter().take(missing) {
        quotas[class] += 1;
    }
    quotas
}

/// Moves as little as is needed for every class to give one or more and to keep `kept`, as far as there are as many. Proportional
/// shares of balanced sets stay what they are.
fn level(quotas: &mut [usize], sizes: &[usize], kept: usize) {
    let all = 0..sizes.len();
    let gives_none = |quotas: &[usize], class: usize| quotas[class] == 0 && sizes[class] > kept;
    while let Some(poor) = all.clone().find(|&class| gives_none(quotas, class)) {
        let Some(rich) = all.clone().max_by_key(|&class| quotas[class]).filter(|&rich| quotas[rich] > 1)
        else {
            break;
        };
        quotas[rich] -= 1;
        quotas[poor] += 1;
    }
    let room = |quotas: &[usize], class: usize| sizes[class].saturating_sub(quotas[class] + kept);
    while let Some(spent) =
        all.clone().find(|&class| quotas[class] > 0 && quotas[class] + kept > sizes[class])
    {
        let Some(roomy) =
            all.clone().max_by_key(|&class| room(quotas, class)).filter(|&roomy| room(quotas, roomy) > 0)
        else {
            break;
        };
        quotas[spent] -= 1;
        quotas[roomy] += 1;
    }
}

/// Fisher and Yates' shuffle. Written out, so that slices stay the same whatever a library does.
fn shuffle(indices: &mut [usize], rng: &mut ChaCha8Rng) {
    for i in (1..indices.len()).rev() {
        let j = (u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64;
        indices.swap(i, j as usize);
    }
}

/// Mean and standard deviation of each channel, of pixels divided by 255. Exact up to the last rounding, because
/// pixels are counted first.
fn moments(part: &Part, shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let mut counts = vec![[0_u64; 256]; shape.channels as usize];
    for (plane, pixels) in part.pixels.chunks_exact(shape.plane_len()).enumerate() {
        let count = &mut counts[plane % shape.channels as usize];
        for &pixel in pixels {
            count[usize::from(pixel)] += 1;
        }
    }
    counts.iter().map(channel_moments).unzip()
}

fn channel_moments(counts: &[u64; 256]) -> (f32, f32) {
    let values = || counts.iter().enumerate().map(|(value, &n)| (value as f64 / 255.0, n as f64));
    let total: f64 = values().map(|(_, n)| n).sum();
    let mean = values().map(|(value, n)| value * n).sum::<f64>() / total;
    let variance = values().map(|(value, n)| (value - mean).powi(2) * n).sum::<f64>() / total;
    let std = variance.sqrt();
    (mean as f32, if std > 0.0 { std as f32 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotas_by_largest_remainder() {
        let cases: [(&[usize], usize, &[usize], &str); 4] = [
            (&[10, 10], 10, &[5, 5], "even"),
            (&[10, 20, 30], 7, &[1, 2, 4], "1.17, 2.33, 3.5: the missing one goes to the largest remainder"),
            (&[3, 3, 3], 9, &[3, 3, 3], "all"),
            (&[0, 5], 2, &[0, 2], "an empty class gives nothing"),
        ];
        for (sizes, wanted, expected, why) in cases {
            assert_eq!(proportional(sizes, wanted), expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn quotas_fit(sizes in prop::collection::vec(0_usize..500, 1..30), share in 0.0..=1.0_f64) {
            let wanted = (sizes.iter().sum::<usize>() as f64 * share) as usize;
            let quotas = proportional(&sizes, wanted);
            prop_assert_eq!(quotas.iter().sum::<usize>(), wanted);
            prop_assert!(quotas.iter().zip(&sizes).all(|(quota, size)| quota <= size));
        }
    }

    #[test]
    fn no_class_is_on_one_side_alone() {
        let cases: [(&[usize], usize, usize, &[usize], &str); 6] = [
            (&[90, 10], 10, 1, &[9, 1], "as it was"),
            (&[97, 3], 10, 1, &[9, 1], "a share of 0.3 is one image"),
            (&[100, 2, 2], 98, 1, &[96, 1, 1], "shares of 1.9 are two, and one of them is kept"),
            (&[100, 2, 2], 98, 0, &[94, 2, 2], "nothing is to be kept"),
            (&[9, 1], 5, 1, &[5, 0], "a single image is kept"),
            (&[5, 5, 5], 2, 1, &[1, 1, 0], "fewer than classes"),
        ];
        for (sizes, wanted, kept, expected, why) in cases {
            let mut quotas = proportional(sizes, wanted);
            level(&mut quotas, sizes, kept);
            assert_eq!(quotas.iter().sum::<usize>(), wanted, "{why}");
            assert_eq!(quotas, expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn every_class_is_on_both_sides(
            sizes in prop::collection::vec(2_usize..60, 2..20), share in 0.0..=1.0_f64, rest in 0.0..=1.0_f64,
        ) {
            let (classes, total) = (sizes.len(), sizes.iter().sum::<usize>());
            let between = |low: usize, high: usize, share: f64| low + ((high - low) as f64 * share) as usize;
            let validation = between(classes, total - classes, share);
            let train = between(classes, total - validation, rest);
            let mut indices: Vec<Vec<usize>> = sizes.iter().map(|&size| (0..size).collect()).collect();
            let own = |indices: &[Vec<usize>]| indices.iter().map(Vec::len).collect::<Vec<_>>();
            prop_assert_eq!(take(&mut indices, validation, 1).len(), validation);
            let left = own(&indices);
            prop_assert!(left.iter().zip(&sizes).all(|(&left, &size)| left > 0 && left < size), "{:?}", left);
            prop_assert_eq!(take(&mut indices, train, 0).len(), train);
            prop_assert!(own(&indices).iter().zip(&left).all(|(now, before)| now < before));
        }
    }

    #[test]
    fn moments_of_known_pixels() {
        let shape = Shape { channels: 2, height: 1, width: 2, classes: 2 };
        let part = Part { pixels: vec![0, 255, 51, 51, 0, 255, 51, 51], labels: vec![0, 1] };
        let (mean, std) = moments(&part, shape);
        assert_eq!((mean, std), (vec![0.5, 0.2], vec![0.5, 1.0]), "a constant channel has deviation 1");
    }
}
