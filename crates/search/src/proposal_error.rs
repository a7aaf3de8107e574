//! Why nothing could be proposed.

use genome::GenomeError;
use store::search::SubmitError;

/// Why nothing could be proposed.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// The strategy proposed a network that cannot be built: a fault of peng.
    #[error("the strategy proposed an impossible network")]
    Genome(#[from] GenomeError),
    /// A stored genome is not understood.
    #[error("architecture {id} holds a genome that this peng does not understand")]
    Stored {
        /// The architecture.
        id: i64,
        /// Why.
        source: serde_json::Error,
    },
    /// The database did not take it.
    #[error("cannot enqueue what the strategy proposed")]
    Query(#[from] diesel::result::Error),
    /// The search was not submitted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Somebody has ended the search for good.
    #[error("search `{search}` is cancelled and takes no more jobs: submit another one")]
    Cancelled {
        /// Its name.
        search: String,
    },
}

impl ProposalError {
    /// An error of the database as such, and any other as a value: the first may pass, the other stays.
    ///
    /// # Errors
    /// Those of the database.
    pub fn parted<T>(self) -> diesel::QueryResult<Result<T, Self>> {
        match self {
            Self::Query(error) | Self::Submit(SubmitError::Query(error)) => Err(error),
            other => Ok(Err(other)),
        }
    }
}
