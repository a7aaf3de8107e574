use data::{Part, Shape, Split};
use genome::Input;
use tch::{Kind, Tensor};

use crate::error::contain;
use crate::numerics::Numerics;
use crate::{Device, TrainError};

/// The images of a split on a device, one byte a pixel. Clones share the memory, so that all jobs of a worker can.
#[derive(Debug)]
pub struct DeviceData {
    /// Where the images are.
    pub(crate) device: Device,
    /// What the networks are built for.
    pub(crate) input: Input,
    pub(crate) train: Images,
    pub(crate) validation: Images,
    /// Mean of each channel, of pixels from 0 to 255.
    mean: Tensor,
    /// 1 / standard deviation of each channel.
    scale: Tensor,
}

/// Images with their classes.
#[derive(Debug)]
pub(crate) struct Images {
    pixels: Tensor,
    labels: Tensor,
}

impl DeviceData {
    /// Copies the split to the device.
    ///
    /// # Errors
    ///
    /// [`TrainError::OutOfMemory`] and [`TrainError::DeviceLost`].
    pub fn new(split: &Split, device: Device) -> Result<Self, TrainError> {
        let Shape { channels, height, width, classes } = split.shape;
        contain(|| {
            let per_channel = |values: Vec<f32>| {
                Ok::<_, TrainError>(
                    Tensor::f_from_slice(&values)?.f_reshape([1, -1, 1, 1])?.f_to_device(device.0)?,
                )
            };
            Ok(Self {
                device,
                input: Input { channels, height, width, classes },
                train: Images::new(&split.train, split.shape, device)?,
                validation: Images::new(&split.validation, split.shape, device)?,
                mean: per_channel(split.mean.iter().map(|mean| mean * 255.0).collect())?,
                scale: per_channel(split.std.iter().map(|std| 1.0 / (std * 255.0)).collect())?,
            })
        })
    }

    /// What networks for these images are built for.
    pub fn input(&self) -> Input {
        self.input
    }

    /// Where the images are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Pixels with mean 0 and deviation 1 in each channel of the training part, in the device's order in memory.
    pub(crate) fn normalise(&self, pixels: &Tensor, numerics: Numerics) -> Result<Tensor, TrainError> {
        let normal = pixels.f_to_kind(Kind::Float)?.f_sub_(&self.mean)?.f_mul_(&self.scale)?;
        numerics.lay_out(&normal)
    }
}

impl Clone for DeviceData {
    fn clone(&self) -> Self {
        Self {
            device: self.device,
            input: self.input,
            train: self.train.share(),
            validation: self.validation.share(),
            mean: self.mean.shallow_clone(),
            scale: self.scale.shallow_clone(),
        }
    }
}

impl Images {
    fn new(part: &Part, shape: Shape, device: Device) -> Result<Self, TrainError> {
        let size = [part.len() as i64, shape.channels.into(), shape.height.into(), shape.width.into()];
        let labels: Vec<i64> = part.labels.iter().map(|&label| i64::from(label)).collect();
        Ok(Self {
            pixels: Tensor::f_from_data_size(&part.pixels, &size, Kind::Uint8)?.f_to_device(device.0)?,
            labels: Tensor::f_from_slice(&labels)?.f_to_device(device.0)?,
        })
    }

    fn share(&self) -> Self {
        Self { pixels: self.pixels.shallow_clone(), labels: self.labels.shallow_clone() }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.numel()
    }

    /// Pixels and labels of the images at `places`.
    pub fn select(&self, places: &Tensor) -> Result<(Tensor, Tensor), TrainError> {
        Ok((self.pixels.f_index_select(0, places)?, self.labels.f_index_select(0, places)?))
    }

    /// Pixels and labels of `length` images from `start` on.
    pub fn slice(&self, start: usize, length: usize) -> Result<(Tensor, Tensor), TrainError> {
        let (start, length) = (start as i64, length as i64);
        Ok((self.pixels.f_narrow(0, start, length)?, self.labels.f_narrow(0, start, length)?))
    }
}
