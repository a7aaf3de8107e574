//! Says, from a learning curve so far, where the training will end and whether it may stop now.
//!
//! An [`Engine`] is a pure function of one curve and of a [`Calibration`], what the engine has learned from the
//! jobs of the same search that ended before. There is no database, no clock and no random number in this crate:
//! whoever repeats the same calls in the same order gets the same decisions bit for bit.
//!
//! ```
//! use predictor::{Calibration, Decision, Engine, EngineName, Observation, Settings, Target};
//!
//! let settings = Settings { engine: EngineName::PenguinV4, ..Settings::default() };
//! let engine = Engine::new(&settings, Target { epochs: 25.0, interval: 1.0 })?;
//! let curve: Vec<Observation> = [50.0, 60.0, 65.0, 67.5, 68.75, 69.375, 69.69]
//!     .iter()
//!     .enumerate()
//!     .map(|(i, &val_acc)| Observation { epoch: i as f64 + 1.0, val_acc, train_acc: None, train_loss: None })
//!     .collect();
//! let assessment = engine.assess(&curve, &Calibration::default())?;
//! assert_eq!(assessment.decision, Decision::Stop);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asha;
mod assessment;
mod calibration;
mod curve;
mod engine;
mod last;
mod measures;
mod median;
mod menndl;
mod none;
mod observation;
mod peng;
pub mod penguin;
mod possible;
pub mod rank;
pub mod replay;
pub mod saturation;
mod settings;
mod target;
mod varied;

pub use assessment::{Assessment, Decision, Prediction};
pub use calibration::{Calibration, End, Ended, Estimate, SnapshotError};
pub use curve::Curve;
pub use engine::Engine;
pub use measures::{Best, Measures, Outcome};
pub use observation::{CurveError, Observation};
pub use peng::Peers;
pub use possible::Impossible;
pub use settings::{EngineName, Mode, Prefer, Settings, SettingsError};
pub use target::Target;
pub use varied::Varied;
