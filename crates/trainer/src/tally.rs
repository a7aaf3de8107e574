use tch::{Kind, Tensor};

use crate::{Device, TrainError};

/// Loss and hits summed over images. The sums stay on the device, so that it is never waited for within a batch.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Sum of the losses of all images, and number of images classified rightly; doubles.
    pub sums: Tensor,
    images: u64,
}

impl Tally {
    pub fn new(device: Device) -> Result<Self, TrainError> {
        Ok(Self { sums: Tensor::f_zeros([2], (Kind::Double, device.0))?, images: 0 })
    }

    /// A tally that goes on from saved sums over `images` images.
    pub fn resume(sums: Tensor, images: u64) -> Self {
        Self { sums, images }
    }

    /// Adds a batch with its mean loss.
    pub fn add(&mut self, loss: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<(), TrainError> {
        let images = labels.numel() as u64;
        let loss = loss.f_to_kind(Kind::Double)?.f_mul_scalar(images as f64)?;
        let hits = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Double)?;
        self.sums = self.sums.f_add_(&Tensor::f_stack(&[loss, hits], 0)?)?;
        self.images += images;
        Ok(())
    }

    /// Images counted.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// Mean loss of an image; waits for the device.
    pub fn loss(&self) -> Result<f64, TrainError> {
        Ok(self.sums.f_double_value(&[0])? / self.images as f64)
    }

    /// Images classified rightly, in per cent; waits for the device.
    pub fn accuracy(&self) -> Result<f64, TrainError> {
        Ok(100.0 * self.sums.f_double_value(&[1])? / self.images as f64)
    }
}
