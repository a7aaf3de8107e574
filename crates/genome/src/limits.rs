use crate::{Cost, GenomeError};

/// Most that a network of a space may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) parameters: Option<u64>,
    pub(crate) flops: Option<u64>,
}

impl Limits {
    /// Ok if `cost` is within both.
    pub(crate) fn check(self, cost: Cost) -> Result<(), GenomeError> {
        let limit = |quantity, found: u64, most: Option<u64>| match most {
            Some(most) if found > most => Err(GenomeError::Limit {
                quantity,
                found: found.to_string(),
                allowed: format!("at most {most}"),
            }),
            _ => Ok(()),
        };
        limit("parameters", cost.parameters, self.parameters)?;
        limit("FLOPs", cost.flops, self.flops)
    }
}
