use std::ops::Range;

use crate::{Job, TrainError};

/// Course of a training: which batch belongs to which epoch and which evaluation interval.
///
/// The images of an epoch are shared out evenly over as few batches as hold them, so that the last one is not left
/// with a single image, of which no batch normalisation can take a variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    images: usize,
    batches_per_epoch: u64,
    max_epochs: f64,
    interval: f64,
}

impl Course {
    pub fn new(job: &Job<'_>, images: usize, batch_size: u32) -> Result<Self, TrainError> {
        let batches_per_epoch = images.div_ceil(batch_size as usize) as u64;
        let course = Self { images, batches_per_epoch, max_epochs: job.max_epochs, interval: job.interval };
        if job.interval * (batches_per_epoch as f64) < 1.0 {
            let allowed = format!("at least one batch, 1/{batches_per_epoch} of an epoch");
            return Err(TrainError::setting("interval", job.interval, allowed));
        }
        Ok(course)
    }

    /// Evaluation intervals of the whole budget; the last one may be shorter.
    pub fn steps(&self) -> u32 {
        // 20 / 0.1 must be 200 intervals, not 201.
        (self.max_epochs / self.interval - 1e-9).ceil() as u32
    }

    /// Batches trained when interval `step`, counted from 1, ends.
    pub fn end_of(&self, step: u32) -> u64 {
        (self.epoch_at_end_of(step) * self.batches_per_epoch as f64).round() as u64
    }

    /// Epochs trained when interval `step` ends, as the curve has them.
    pub fn epoch_at_end_of(&self, step: u32) -> f64 {
        (f64::from(step) * self.interval).min(self.max_epochs)
    }

    /// The epoch, counted from 0, that a batch belongs to, and its images' places in that epoch's order.
    pub fn place_of(&self, batch: u64) -> (u64, Range<usize>) {
        let start = |index: u64| (index as usize) * self.images / self.batches_per_epoch as usize;
        let index = batch % self.batches_per_epoch;
        (batch / self.batches_per_epoch, start(index)..start(index + 1))
    }

    /// Epochs trained before a batch.
    pub fn epoch_before(&self, batch: u64) -> f64 {
        batch as f64 / self.batches_per_epoch as f64
    }

    /// Epochs in one batch.
    pub fn epochs_per_batch(&self) -> f64 {
        1.0 / self.batches_per_epoch as f64
    }

    pub fn max_epochs(&self) -> f64 {
        self.max_epochs
    }

    pub fn images(&self) -> usize {
        self.images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(images: usize, batch_size: u32, max_epochs: f64, interval: f64) -> Course {
        let text = r#"{"space": "random-cnn", "batch_size": 1, "learning_rate": 1, "momentum": 0, "weight_decay": 0,
            "dense": [], "blocks": []}"#;
        let genome = serde_json::from_str(text).unwrap();
        let recipe = genome::Recipe::default();
        let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs, interval };
        Course::new(&job, images, batch_size).unwrap()
    }

    #[test]
    fn each_epoch_sees_each_image_once() {
        for (images, batch_size) in [(129, 128), (128, 128), (1, 7), (1000, 3), (5, 5)] {
            let course = course(images, batch_size, 3.0, 1.0);
            let mut next = 0;
            for batch in course.end_of(1)..course.end_of(2) {
                let (epoch, places) = course.place_of(batch);
                assert_eq!((epoch, places.start), (1, next), "{images} images in batches of {batch_size}");
                assert!(places.len() <= batch_size as usize && !places.is_empty());
                next = places.end;
            }
            assert_eq!(next, images);
        }
    }

    #[test]
    fn intervals_cover_the_budget() {
        // (images, batch size, epochs, interval), intervals, batches, why
        let cases = [
            ((100, 10, 4.0, 1.0), 4, 40, "whole epochs"),
            ((90, 10, 2.0, 0.5), 4, 18, "half of nine batches"),
            ((100, 10, 2.5, 1.0), 3, 25, "a short last interval"),
            ((100, 10, 20.0, 0.1), 200, 200, "a tenth is not exact in binary"),
        ];
        for ((images, batch_size, epochs, interval), steps, batches, why) in cases {
            let course = course(images, batch_size, epochs, interval);
            assert_eq!((course.steps(), course.end_of(course.steps())), (steps, batches), "{why}");
            let ends: Vec<u64> = (0..=steps).map(|step| course.end_of(step)).collect();
            assert!(ends.is_sorted_by(|a, b| a < b), "{why}: an interval without a batch in {ends:?}");
        }
    }
}
