use genome::Augmentation;
use rand::Rng;
use tch::Tensor;

use crate::numerics::Numerics;
use crate::seed::below;
use crate::{DeviceData, TrainError};

/// Changes normalised training images at random: shifted, mirrored, with a square cut out. One gather moves the pixels
/// of all images of the batch.
pub(crate) fn augment(
    images: Tensor,
    how: Augmentation,
    data: &DeviceData,
    numerics: Numerics,
    rng: &mut impl Rng,
) -> Result<Tensor, TrainError> {
    let mut images = images;
    if how.shift > 0 || how.flip {
        images = move_pixels(&images, how, data, numerics, rng)?;
    }
    if how.cutout > 0 {
        images = cut_out(images, how.cutout, data, rng)?;
    }
    Ok(images)
}

fn move_pixels(
    images: &Tensor,
    how: Augmentation,
    data: &DeviceData,
    numerics: Numerics,
    rng: &mut impl Rng,
) -> Result<Tensor, TrainError> {
    let (count, shift) = (images.size()[0], i64::from(how.shift));
    let (height, width) = (i64::from(data.input.height), i64::from(data.input.width));
    let (mut rows, mut columns) = (vec![], vec![]);
    for _ in 0..count {
        let [down, right] = [(); 2].map(|()| below(2 * shift as u64 + 1, rng) as i64);
        rows.extend((0..height).map(|row| row + down));
        let mirrored = how.flip && below(2, rng) == 1;
        columns.extend((0..width).map(|column| right + if mirrored { width - 1 - column } else { column }));
    }
    let device = data.device.0;
    let on_device = |numbers: &[i64], shape: [i64; 3]| {
        Ok::<_, TrainError>(Tensor::f_from_slice(numbers)?.f_reshape(shape)?.f_to_device(device)?)
    };
    let image = Tensor::f_arange(count, (tch::Kind::Int64, device))?.f_reshape([count, 1, 1])?;
    let indices = [
        Some(image),
        None,
        Some(on_device(&rows, [count, height, 1])?),
        Some(on_device(&columns, [count, 1, width])?),
    ];
    // The channels come last.
    let moved = images.f_constant_pad_nd([shift; 4])?.f_index(&indices)?;
    numerics.lay_out(&moved.f_permute([0, 3, 1, 2])?)
}

/// Sets a square around a random pixel of each image to 0, as much of it as lies in the image.
fn cut_out(
    mut images: Tensor,
    side: u32,
    data: &DeviceData,
    rng: &mut impl Rng,
) -> Result<Tensor, TrainError> {
    let mut inside = |sides: i64| {
        let count = images.size()[0];
        let starts: Vec<i64> =
            (0..count).map(|_| below(sides as u64, rng) as i64 - i64::from(side / 2)).collect();
        let starts = Tensor::f_from_slice(&starts)?.f_reshape([count, 1])?.f_to_device(data.device.0)?;
        let places = Tensor::f_arange(sides, (tch::Kind::Int64, data.device.0))?.f_sub(&starts)?;
        Ok::<_, TrainError>(places.f_ge(0)?.f_logical_and(&places.f_lt(i64::from(side))?)?)
    };
    let rows = inside(data.input.height.into())?.f_unsqueeze(1)?.f_unsqueeze(3)?;
    let columns = inside(data.input.width.into())?.f_unsqueeze(1)?.f_unsqueeze(2)?;
    Ok(images.f_masked_fill_(&rows.f_logical_and(&columns)?, 0.0)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data::{Part, Split};

    use super::*;
    use crate::Device;
    use crate::seed::{Purpose, generator};

    /// 64 times the image of 2 channels, 4 rows and 5 columns with the pixels 1 to 40, changed.
    fn run(how: Augmentation, channels_last: bool, seed: u64) -> Vec<Vec<i64>> {
        let shape = data::Shape { channels: 2, height: 4, width: 5, classes: 2 };
        let part = || Part { pixels: vec![0; 40], labels: vec![0] };
        let split = Split {
            shape,
            train: part(),
            validation: part(),
            mean: vec![0.0; 2],
            std: vec![1.0; 2],
            warnings: vec![],
        };
        let data = DeviceData::new(&split, Device::CPU).unwrap();
        let numerics = Numerics { channels_last, bf16: false };
        let image = Tensor::f_arange_start(1, 41, (tch::Kind::Float, tch::Device::Cpu)).unwrap();
        let images = numerics.lay_out(&image.reshape([1, 2, 4, 5]).repeat([64, 1, 1, 1])).unwrap();
        let changed = augment(images, how, &data, numerics, &mut generator(seed, Purpose::Batch(0))).unwrap();
        assert_eq!(changed.size(), [64, 2, 4, 5]);
        let changed = changed.reshape([64, 40]).to_kind(tch::Kind::Int64);
        (0..64).map(|i| Vec::try_from(changed.get(i)).unwrap()).collect()
    }

    /// What the unchanged image has there; 0 outside.
    fn original(channel: i64, row: i64, column: i64) -> i64 {
        let inside = (0..4).contains(&row) && (0..5).contains(&column);
        if inside { channel * 20 + row * 5 + column + 1 } else { 0 }
    }

    fn moved(down: i64, right: i64, mirrored: bool) -> Vec<i64> {
        let column = |x: i64| right + if mirrored { 4 - x } else { x };
        let all = (0..2).flat_map(|c| (0..4).flat_map(move |r| (0..5).map(move |x| (c, r, x))));
        all.map(|(c, r, x)| original(c, r + down, column(x))).collect()
    }

    #[test]
    fn shifted_images_are_the_original_moved() {
        let mut possible = vec![];
        for (down, right) in (-2..=2).flat_map(|down| (-2..=2).map(move |right| (down, right))) {
            possible.extend([false, true].map(|mirrored| moved(down, right, mirrored)));
        }
        let how = Augmentation { shift: 2, flip: true, cutout: 0 };
        let images = run(how, false, 1);
        assert!(images.iter().all(|image| possible.contains(image)), "{images:?}");
        let different = images.iter().collect::<BTreeSet<_>>().len();
        assert!(different > 25, "of 50 shifts, {different} came up in 64 images");
        assert_eq!(run(how, false, 1), images, "the seed decides");
        assert_ne!(run(how, false, 2), images);
        assert_eq!(run(how, true, 1), images, "the order in memory has no effect");
    }

    #[test]
    fn cutout_clears_a_square_in_all_channels() {
        for image in run(Augmentation { shift: 0, flip: false, cutout: 2 }, false, 3) {
            let cleared: Vec<usize> = (0..40).filter(|&i| image[i] == 0).collect();
            let (first, second) = cleared.split_at(cleared.len() / 2);
            assert!([1, 2, 4].contains(&first.len()), "2 by 2, cut by the border: {cleared:?}");
            assert!(
                first.iter().zip(second).all(|(a, b)| a + 20 == *b),
                "the same in both channels: {cleared:?}"
            );
        }
    }
}
