//! What a search tries next: random search, regularised evolution and NSGA-II as pure functions from the
//! architectures that it has to those that it should add.
//!
//! [`Strategy::propose`] keeps nothing between calls. All state is the list of architectures, which the caller
//! holds in its database; the same seed and the same list give the same proposals, on every platform.
//!
//! ```
//! use std::collections::HashSet;
//!
//! use genome::{Input, RandomCnnSpace, Space};
//! use strategy::{Random, Search, Strategy};
//!
//! let space = Space::RandomCnn(RandomCnnSpace::default());
//! let input = Input { channels: 1, height: 28, width: 28, classes: 10 };
//! let search = Search { space: &space, input, budget: 24 };
//! let first = Strategy::Random(Random { seed: 1 }).propose(&search, &[], &HashSet::new());
//! assert_eq!(first.len(), 24);
//! ```

mod evolution;
mod front;
mod nsga2;
mod population;
mod proposer;
mod search;
mod strategy;
mod turn;

pub use evolution::Evolution;
pub use front::{Objectives, Standing, crowding, fronts, survivors, tournament};
pub use nsga2::{CostObjective, Nsga2};
pub use population::{Evaluated, Evaluation, Proposal};
pub use search::Search;
pub use strategy::{Given, Random, Strategy};
