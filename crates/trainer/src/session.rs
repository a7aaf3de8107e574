use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use genome::Recipe;
use rand::Rng;
use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

use crate::augment::augment;
use crate::checkpoint::{self, Snapshot};
use crate::container::{Identity, Position};
use crate::course::Course;
use crate::error::contain;
use crate::network::Network;
use crate::noise::NoiseSites;
use crate::numerics::Numerics;
use crate::optimiser::Optimiser;
use crate::seed::{Purpose, generator, permutation};
use crate::tally::Tally;
use crate::{DeviceData, Job, TrainError};

/// Images in a batch of the validation.
const VALIDATION_BATCH: usize = 256;

/// Batches after which a GPU is asked whether the loss is still finite.
const CHECK_EVERY: u64 = 50;

/// One point of the learning curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Evaluation interval that ended here, counted from 1.
    pub step: u32,
    /// Epochs trained.
    pub epoch: f64,
    /// Images of the validation part classified rightly, in per cent.
    pub val_acc: f64,
    /// Training images classified rightly while they were trained on in this interval, in per cent.
    pub train_acc: f64,
    /// Mean loss of these training images, with the recipe's label smoothing.
    pub train_loss: f64,
    /// Mean cross-entropy of the validation part.
    pub val_loss: f64,
    /// Seconds that the interval took, training and validation.
    pub seconds: f64,
}

/// How a call of [`Session::advance`] ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Advance {
    /// The interval is complete.
    Measured(Measurement),
    /// The caller's flag stopped it between two batches. Another call goes on where it stopped.
    Interrupted,
}

/// One training of one network. Dropping it frees its memory on the device.
#[derive(Debug)]
pub struct Session {
    data: DeviceData,
    identity: Identity,
    recipe: Recipe,
    seed: u64,
    course: Course,
    numerics: Numerics,
    network: Network,
    noise: NoiseSites,
    optimiser: Optimiser,
    position: Position,
    tally: Tally,
    seconds: f64,
    /// Epoch and order of its images.
    order: Option<(u64, Tensor)>,
}

impl Session {
    /// A training before its first step.
    ///
    /// # Errors
    ///
    /// A genome that is no network for these images, impossible settings, and what libtorch reports.
    pub fn start(job: &Job<'_>, data: DeviceData) -> Result<Self, TrainError> {
        let recipe = job.recipe()?;
        let numerics = Numerics::of(data.device, &recipe);
        Self::with_numerics(job, data, recipe, numerics)
    }

    /// The training that `checkpoint` was saved from. A checkpoint of another job, or a damaged one, is refused.
    ///
    /// # Errors
    ///
    /// Those of [`Session::start`]; [`TrainError::File`] if the file cannot be read, [`TrainError::Checkpoint`] if it
    /// can, but not used.
    pub fn resume(job: &Job<'_>, data: DeviceData, checkpoint: &Path) -> Result<Self, TrainError> {
        let mut session = Self::start(job, data)?;
        contain(|| session.restore(checkpoint))?;
        Ok(session)
    }

    fn with_numerics(
        job: &Job<'_>,
        data: DeviceData,
        recipe: Recipe,
        numerics: Numerics,
    ) -> Result<Self, TrainError> {
        let plan = job.genome.plan(data.input)?;
        let course = Course::new(job, data.train.len(), recipe.batch_size)?;
        contain(|| {
            let noise = NoiseSites::of(&plan, recipe.drop_path, data.device);
            let first = generator(job.seed, Purpose::Weights).next_u64() as i64;
            let network = Network::new(plan, first, data.device, numerics)?;
            let optimiser = Optimiser::new(&recipe, &network.parameters)?;
            let (identity, tally) = (job.identity(course.images()), Tally::new(data.device)?);
            let (position, seconds, order) = (Position::default(), 0.0, None);
            let seed = job.seed;
            Ok(Self {
                data,
                identity,
                recipe,
                seed,
                course,
                numerics,
                network,
                noise,
                optimiser,
                position,
                tally,
                seconds,
                order,
            })
        })
    }

    /// Numbers that training changes.
    pub fn parameters(&self) -> u64 {
        self.network.parameters.count()
    }

    /// Intervals completed.
    pub fn step(&self) -> u32 {
        self.position.step
    }

    /// Whether the whole budget is trained.
    pub fn ended(&self) -> bool {
        self.position.step >= self.course.steps()
    }

    /// Trains to the end of the current evaluation interval and validates. `interrupt` is looked at before each batch.
    ///
    /// # Errors
    ///
    /// [`TrainError::Diverged`], and what libtorch reports. After an error the session is of no further use.
    pub fn advance(&mut self, interrupt: &AtomicBool) -> Result<Advance, TrainError> {
        if self.ended() {
            return Err(TrainError::Ended { epochs: self.course.max_epochs() });
        }
        contain(|| {
            let started = Instant::now();
            let end = self.course.end_of(self.position.step + 1);
            while self.position.batch < end {
                if interrupt.load(Ordering::Relaxed) {
                    self.seconds += started.elapsed().as_secs_f64();
                    return Ok(Advance::Interrupted);
                }
                self.train_batch()?;
            }
            let measured = self.measure(started)?;
            Ok(Advance::Measured(measured))
        })
    }

    fn train_batch(&mut self) -> Result<(), TrainError> {
        let batch = self.position.batch;
        let (images, labels) = self.next_images(batch)?;
        let mut rng = generator(self.seed, Purpose::Batch(batch));
        let images = self.data.normalise(&images, self.numerics)?;
        let images = augment(images, self.recipe.augmentation, &self.data, self.numerics, &mut rng)?;
        let noise = self.noise.draw(labels.numel(), &mut rng)?;
        let logits = self.network.forward(images, Some(&noise))?;
        let smoothing = self.recipe.label_smoothing;
        let loss = logits.f_cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, smoothing)?;
        let gradient = self.network.parameters.gradient(&loss)?;
        let rate = self.recipe.learning_rate_at(
            self.course.epoch_before(batch),
            self.course.epochs_per_batch(),
            self.course.max_epochs(),
        );
        tch::no_grad(|| {
            let weights = &mut self.network.parameters.vector;
            self.optimiser.step(weights, gradient, &self.recipe, rate, batch + 1)?;
            self.tally.add(&loss, &logits, &labels)
        })?;
        self.position.batch += 1;
        if !self.data.device.is_cuda() || self.position.batch.is_multiple_of(CHECK_EVERY) {
            self.check("training loss", self.tally.loss()?)?;
        }
        Ok(())
    }

    /// Pixels and labels of a batch.
    fn next_images(&mut self, batch: u64) -> Result<(Tensor, Tensor), TrainError> {
        let (epoch, places) = self.course.place_of(batch);
        if self.order.as_ref().is_none_or(|&(of, _)| of != epoch) {
            let order = permutation(self.course.images(), &mut generator(self.seed, Purpose::Order(epoch)));
            self.order = Some((epoch, Tensor::f_from_slice(&order)?.f_to_device(self.data.device.0)?));
        }
        let (_, order) = self.order.as_ref().expect("the order was made above");
        self.data.train.select(&order.f_narrow(0, places.start as i64, places.len() as i64)?)
    }

    fn measure(&mut self, started: Instant) -> Result<Measurement, TrainError> {
        let train_loss = self.check("training loss", self.tally.loss()?)?;
        let train_acc = self.tally.accuracy()?;
        let validation = tch::no_grad(|| self.validate())?;
        let val_loss = self.check("validation loss", validation.loss()?)?;
        self.position.step += 1;
        self.tally = Tally::new(self.data.device)?;
        let seconds = std::mem::take(&mut self.seconds) + started.elapsed().as_secs_f64();
        let (step, epoch) = (self.position.step, self.course.epoch_at_end_of(self.position.step));
        let val_acc = validation.accuracy()?;
        Ok(Measurement { step, epoch, val_acc, train_acc, train_loss, val_loss, seconds })
    }

    fn validate(&self) -> Result<Tally, TrainError> {
        let images = &self.data.validation;
        let mut tally = Tally::new(self.data.device)?;
        for start in (0..images.len()).step_by(VALIDATION_BATCH) {
            let (pixels, labels) = images.slice(start, VALIDATION_BATCH.min(images.len() - start))?;
            let logits = self.network.forward(self.data.normalise(&pixels, self.numerics)?, None)?;
            let loss = logits.f_cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, 0.0)?;
            tally.add(&loss, &logits, &labels)?;
        }
        Ok(tally)
    }

    fn check(&self, what: &'static str, value: f64) -> Result<f64, TrainError> {
        if value.is_finite() {
            return Ok(value);
        }
        Err(TrainError::Diverged { epoch: self.course.epoch_before(self.position.batch), what, value })
    }

    /// Copies all that the rest of the training depends on from the device to memory: weights, running means and
    /// variances, the optimiser's state, the position in the course. The copy can be written while training goes on.
    ///
    /// # Errors
    ///
    /// What libtorch reports.
    pub fn snapshot(&self) -> Result<Snapshot, TrainError> {
        contain(|| {
            let position = Position { images: self.tally.images(), ..self.position };
            Snapshot::take(&self.identity, position, &self.tensors()?)
        })
    }

    /// Writes a checkpoint: a snapshot, at once. The file is not synced to the disk.
    ///
    /// # Errors
    ///
    /// What libtorch reports; [`TrainError::File`].
    pub fn save(&self, into: &Path) -> Result<(), TrainError> {
        self.snapshot()?.write(into)
    }

    fn restore(&mut self, checkpoint: &Path) -> Result<(), TrainError> {
        let tensors = self.tensors()?;
        self.position = checkpoint::restore(checkpoint, &self.identity, tensors)?;
        let Position { step, batch, .. } = self.position;
        let interval = self.course.end_of(step)..self.course.end_of(step + 1);
        if step > self.course.steps() || !(interval.contains(&batch) || batch == interval.start) {
            let reason = format!("{:?} is no position in this job", self.position);
            return Err(TrainError::Checkpoint { path: checkpoint.to_owned(), reason });
        }
        self.tally = Tally::resume(self.tally.sums.shallow_clone(), self.position.images);
        Ok(())
    }

    /// Everything that a checkpoint holds, by name; the tensors share the session's memory.
    fn tensors(&self) -> Result<Vec<(String, Tensor)>, TrainError> {
        let parameters = &self.network.parameters;
        let mut all = parameters.views_of(&parameters.vector)?;
        all.extend(self.network.buffers.iter().map(|(name, buffer)| (name.clone(), buffer.shallow_clone())));
        for (kind, vector) in self.optimiser.state() {
            let views = parameters.views_of(vector)?;
            all.extend(views.into_iter().map(|(name, view)| (format!("{kind}/{name}"), view)));
        }
        all.push(("tally".to_owned(), self.tally.sums.shallow_clone()));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    /// The curve of a short training on the digits.
    fn curve(numerics: Numerics) -> Vec<f64> {
        let mut spec = data::DataSpec::new(data::SetName::Digits);
        (spec.train, spec.validation) = (Some(600), Some(300));
        let data = DeviceData::new(&spec.load().unwrap(), Device::CPU).unwrap();
        let genome: genome::Genome = serde_json::from_str(
            r#"{"space": "random-cnn", "batch_size": 32, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4,
                "dense": [], "blocks": [{"filters": 16, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true,
                "pool": {"kind": "max", "kernel": 2, "stride": 2}}]}"#,
        )
        .unwrap();
        let recipe = Recipe::default();
        let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 3.0, interval: 1.0 };
        let mut session = Session::with_numerics(&job, data, job.recipe().unwrap(), numerics).unwrap();
        let mut curve = vec![];
        while let Ok(Advance::Measured(measured)) = session.advance(&AtomicBool::new(false)) {
            curve.push(measured.val_acc);
        }
        curve
    }

    /// What a GPU computes with, on the processor: channels last, brain floats.
    #[test]
    fn all_numerics_learn_alike() {
        let plain = curve(Numerics { channels_last: false, bf16: false });
        for (channels_last, bf16, tolerance) in [(true, false, 1.5), (true, true, 4.0), (false, true, 4.0)] {
            let other = curve(Numerics { channels_last, bf16 });
            let near = plain.iter().zip(&other).all(|(a, b)| (a - b).abs() <= tolerance);
            assert!(
                near && other.len() == 3,
                "channels last {channels_last}, bf16 {bf16}: {other:?}, not {plain:?}"
            );
        }
    }
}
