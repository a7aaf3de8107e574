//! Image data sets, read from their official formats into plain arrays, and the slices of them that a search uses.
//!
//! A [`DataSpec`] is the `[data]` table of a spec. It names a set and how many images train and validate; what a
//! network needs to know of the set, its [`Shape`], follows without a file being read. [`DataSpec::load`] finds the
//! files and gives a [`Split`]: a training part and a validation part, both taken from the training files. The test
//! files of a set are never read, so that no search can choose by them.
//!
//! ```
//! let spec: data::DataSpec = toml::from_str("set = \"digits\"\ntrain = 1000\nvalidation = 300").unwrap();
//! let split = spec.load()?;
//! assert_eq!((split.train.len(), split.validation.len()), (1000, 300));
//! # Ok::<(), data::DataError>(())
//! ```

mod cifar;
mod dataset;
mod digits;
mod error;
mod file;
mod folder;
pub mod idx;
mod mat;
mod official;
mod picture;
mod place;
mod set;
mod spec;
mod split;
pub mod svhn;

pub use dataset::{Dataset, Shape};
pub use error::DataError;
pub use file::Content;
pub use place::Places;
pub use set::SetName;
pub use spec::DataSpec;
pub use split::{Part, Split};
