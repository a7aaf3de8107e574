//! Trains a genome's network with libtorch.
//!
//! A [`Session`] is the training of one network on one device. [`Session::advance`] trains for one evaluation interval
//! and validates; [`Session::snapshot`] copies all that the rest of the training depends on, and
//! [`Session::resume`] goes on from it. On a CPU with one thread the resumed training has bit for bit the learning
//! curve and the final weights of one that was never stopped: every random number follows from the job's seed and the
//! position in the training, so that no generator's state needs saving.
//!
//! libtorch reports most failures as errors and some by a panic in the crate `tch`; both come out as [`TrainError`].
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use genome::{Genome, Recipe};
//! use trainer::{Advance, Device, DeviceData, Job, Session};
//!
//! let genome: Genome = serde_json::from_str(r#"{"space": "random-cnn", "batch_size": 64, "learning_rate": 0.1,
//!     "momentum": 0.9, "weight_decay": 1e-4, "dense": [],
//!     "blocks": [{"filters": 8, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true}]}"#).unwrap();
//! let split = data::DataSpec::new(data::SetName::Digits).load().unwrap();
//! trainer::set_threads(1);
//! let data = DeviceData::new(&split, Device::CPU)?;
//! let recipe = Recipe::default();
//! let job = Job { genome: &genome, recipe: &recipe, seed: 1, max_epochs: 2.0, interval: 0.5 };
//! let mut session = Session::start(&job, data)?;
//! let Advance::Measured(first) = session.advance(&AtomicBool::new(false))? else { unreachable!() };
//! assert_eq!((first.step, first.epoch), (1, 0.5));
//! # Ok::<(), trainer::TrainError>(())
//! ```

mod augment;
mod checkpoint;
mod container;
mod course;
mod device;
mod device_data;
mod error;
mod job;
mod network;
mod noise;
mod numerics;
mod optimiser;
mod parameters;
mod seed;
mod session;
mod tally;

pub use checkpoint::Snapshot;
pub use device::{Device, set_threads, threads};
pub use device_data::DeviceData;
pub use error::TrainError;
pub use job::Job;
pub use session::{Advance, Measurement, Session};
