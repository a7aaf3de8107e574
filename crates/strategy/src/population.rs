use genome::{Cost, Genome};

/// An architecture of the search, as [`Strategy::propose`](crate::Strategy::propose) sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Identity, rising in the order in which architectures entered the search.
    pub id: i64,
    /// The network.
    pub genome: Genome,
    /// 0 for what was not derived from others, else one more than the youngest parent, or the running number of the
    /// generation where there is a barrier.
    pub generation: u32,
    /// Identities of the architectures that it was derived from.
    pub parents: Vec<i64>,
    /// What is known of its fitness.
    pub evaluation: Evaluation,
    /// Parameters and FLOPs.
    pub cost: Cost,
}

/// What is known of an architecture's fitness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Evaluation {
    /// It waits or trains.
    Pending,
    /// Its training has ended without a fitness: failed, diverged, cancelled. It is never a parent.
    Failed,
    /// Final validation accuracy in percent, measured or predicted. A value that is not finite counts as `Failed`.
    Fitness(f64),
}

impl Evaluated {
    /// The fitness, if there is one.
    pub fn fitness(&self) -> Option<f64> {
        match self.evaluation {
            Evaluation::Fitness(fitness) if fitness.is_finite() => Some(fitness),
            _ => None,
        }
    }
}

/// An architecture to add to the search.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The network, new to the search.
    pub genome: Genome,
    /// As in [`Evaluated`].
    pub generation: u32,
    /// Identities of the architectures that it was derived from: none, one, or two.
    pub parents: Vec<i64>,
}
