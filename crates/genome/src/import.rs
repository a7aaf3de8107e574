use std::collections::HashSet;
use std::io::{self, BufRead};

use thiserror::Error;

use crate::{
    Genome, GenomeError, Input, Space,
    whole_number::{WholeNumberError, check_whole_numbers},
};

/// Why a list of genomes cannot be used: the first line that is wrong, counted from 1.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The text cannot be read.
    #[error("cannot be read")]
    Read {
        /// Number of the line.
        line: usize,
        /// What went wrong.
        source: io::Error,
    },
    /// The line is no genome in JSON.
    #[error("no genome in JSON, expected an object such as {example}")]
    Json {
        /// Number of the line.
        line: usize,
        /// A genome of the space.
        example: &'static str,
        /// Where and what the parser stopped at.
        source: serde_json::Error,
    },
    /// A whole number would be rounded on its way to the training.
    #[error("{number}")]
    Number {
        /// Number of the line.
        line: usize,
        /// The number.
        number: WholeNumberError,
    },
    /// The genome is no network of the space.
    #[error("not a network of this search")]
    Genome {
        /// Number of the line.
        line: usize,
        /// What makes it impossible.
        source: GenomeError,
    },
}

impl ImportError {
    /// Number of the line.
    pub fn line(&self) -> usize {
        match self {
            Self::Read { line, .. }
            | Self::Json { line, .. }
            | Self::Number { line, .. }
            | Self::Genome { line, .. } => *line,
        }
    }
}

/// Genomes from JSON lines, one object a line in the form that [`Genome`] is written; blank lines are skipped, and so are
/// networks that stood before, written the same or otherwise.
///
/// Each must be a network for `input` of the kind of `space`. The limits of `space` bind what a strategy proposes, not
/// what a user brings, so they are not applied here.
///
/// # Errors
/// The first line that cannot be read, is no genome, or no network of this kind.
pub fn read_genomes(lines: impl BufRead, space: &Space, input: Input) -> Result<Vec<Genome>, ImportError> {
    let mut genomes = vec![];
    let mut seen = HashSet::new();
    for (i, text) in lines.lines().enumerate() {
        let line = i + 1;
        let text = text.map_err(|source| ImportError::Read { line, source })?;
        if text.trim().is_empty() {
            continue;
        }
        let genome: Genome = serde_json::from_str(&text).map_err(|source| ImportError::Json {
            line,
            example: example(space),
            source,
        })?;
        check_whole_numbers(&text).map_err(|number| ImportError::Number { line, number })?;
        accepts(space, &genome, input).map_err(|source| ImportError::Genome { line, source })?;
        if seen.insert(genome.hash()) {
            genomes.push(genome);
        }
    }
    Ok(genomes)
}

fn accepts(space: &Space, genome: &Genome, input: Input) -> Result<(), GenomeError> {
    if genome.space() != space.kind() {
        return Err(GenomeError::Space { found: genome.space(), expected: space.kind() });
    }
    genome.validate(input)
}

/// A genome of the space, as short as possible.
fn example(space: &Space) -> &'static str {
    match space {
        Space::RandomCnn(_) => {
            r#"{"space":"random-cnn","blocks":[{"filters":8,"kernel":3,"stride":1,"padding":1,"batch_norm":true}],"dense":[],"batch_size":64,"learning_rate":0.01,"momentum":0.9,"weight_decay":0.0001}"#
        }
        Space::NsgaMacro(_) => r#"{"space":"nsga-macro","phases":[[1,0,1,1,1,0,1]],"channels":24}"#,
        Space::Metaqnn(_) => r#"{"space":"metaqnn","net":"[C(64,3,1), GAP(10), SM(10)]"}"#,
        Space::External(_) => r#"{"space":"external","description":{"model":"resnet18"}}"#,
    }
}
