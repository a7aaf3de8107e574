//! Search spaces: what a network is ([`Genome`]), which networks a search may try ([`Space`]), and how one is
//! trained ([`Recipe`]).
//!
//! A genome is decoded into a [`Plan`], a list of layers in topological order from which parameters and FLOPs are
//! computed and which a trainer maps one to one to its own modules. This crate knows no tensor library, no
//! database and no clock; all randomness comes from the generator that the caller passes.
//!
//! ```
//! use genome::{Input, Space};
//! use rand::SeedableRng;
//!
//! let input = Input { channels: 1, height: 28, width: 28, classes: 10 };
//! let space = Space::RandomCnn(genome::RandomCnnSpace::default());
//! let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! let genome = space.sample(input, &mut rng);
//! println!("{genome}: {} parameters", genome.cost(input)?.parameters);
//! # Ok::<(), genome::GenomeError>(())
//! ```

mod error;
mod external;
mod genome;
mod hash;
mod import;
mod input;
mod layer;
mod limits;
mod metaqnn;
mod nsga_macro;
mod number;
mod output;
mod plan;
mod random_cnn;
mod recipe;
mod setting;
mod shape;
mod space;
mod whole_number;

pub use error::GenomeError;
pub use external::{External, ExternalSpace};
pub use genome::Genome;
pub use hash::{GenomeHash, HashError};
pub use import::{ImportError, read_genomes};
pub use input::Input;
pub use layer::Layer;
pub use metaqnn::{Layers, LayersError, Metaqnn, MetaqnnLayer, MetaqnnSpace};
pub use nsga_macro::{NsgaMacro, NsgaMacroSpace};
pub use plan::{Cost, Node, Plan};
pub use random_cnn::{Block, Dense, Pool, PoolKind, RandomCnn, RandomCnnSpace};
pub use recipe::{Augmentation, Optimiser, Precision, Recipe, Schedule};
pub use setting::SettingError;
pub use shape::Shape;
pub use space::Space;
pub use whole_number::{WholeNumberError, check_whole_numbers};
