use genome::{Input, Space};

/// What a strategy searches.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The networks that may be tried. Its `check_for(input)` has passed.
    pub space: &'a Space,
    /// What they are built for.
    pub input: Input,
    /// Architectures in the whole search, imported ones included; `propose` never goes beyond.
    pub budget: usize,
}
