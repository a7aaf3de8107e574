//! The macro space of NSGA-Net (Lu et al., GECCO 2019, arXiv 1810.03522), which A4NN searched: a chain of phases, each
//! a small graph of equal convolutions that a bit string describes (the encoding of Genetic CNN, Xie and Yuille,
//! ICCV 2017, with one bit more for a skip connection).
//!
//! For images of 127 by 127 pixels with one channel, and 24 filters, the plans have the FLOPs that A4NN (ICPP 2023)
//! published with its genomes, all 400 of them to the last of four decimals of a MFLOP, if one counts as it did: one for
//! a multiply-accumulate, three for each number that a batch normalisation and its ReLU put out, one for each number
//! that a pool takes.

mod phase;
mod space;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{GenomeError, Input, Layer, Plan};

use phase::Graph;
pub use space::NsgaMacroSpace;

/// Most phases: each doubles the filters.
const MOST_PHASES: usize = 8;

/// Phases of connected nodes. A phase without a connection between its nodes is left out of the network, whatever its
/// skip bit says; a network may have no phase at all.
///
/// As its authors built it: the first phase starts with a 3x3 convolution without padding, the others with a 1x1
/// convolution that doubles the filters, behind a 2x2 max pool. A node is a 3x3 convolution, batch normalisation and
/// a ReLU; several inputs of a node are concatenated and brought back to the phase's filters by a 1x1 convolution. A
/// phase ends with a batch normalisation and a ReLU, the network with a global average pool and a linear layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NsgaMacro {
    /// Bits of each phase: for nodes 2, 3, … of n one bit for each node before it (connected or not), then the skip
    /// bit; n·(n - 1)/2 + 1 in all, for example 7 for 4 nodes.
    pub phases: Vec<Vec<u8>>,
    /// Filters of the first phase.
    pub channels: u32,
}

impl NsgaMacro {
    /// The graphs of the phases that are in the network, or the phase whose bits make none.
    fn graphs(&self) -> Result<Vec<Graph>, GenomeError> {
        if self.phases.is_empty() || self.phases.len() > MOST_PHASES {
            let allowed = format!("1 to {MOST_PHASES} phases");
            return Err(GenomeError::gene("phases", &format_args!("{} long", self.phases.len()), allowed));
        }
        let graph = |(i, bits): (usize, &Vec<u8>)| {
            Graph::decode(bits)
                .map_err(|allowed| GenomeError::gene(format!("phases[{i}]"), &Bits(bits), allowed))
        };
        let graphs: Result<Vec<_>, _> = self.phases.iter().enumerate().map(graph).collect();
        Ok(graphs?.into_iter().flatten().collect())
    }

    /// The graphs with their nodes in an order that all equal graphs share.
    pub(crate) fn canonical(&self) -> String {
        match self.graphs() {
            Ok(graphs) => {
                let phases: Vec<String> = graphs.iter().map(Graph::canonical).collect();
                format!("{} {}", self.channels, phases.join(" "))
            }
            Err(_) => format!("invalid {self}"),
        }
    }

    /// The layers, or the gene or layer that makes the network impossible.
    pub(crate) fn plan(&self, input: Input) -> Result<Plan, GenomeError> {
        if self.channels == 0 || self.channels > 1 << 12 {
            return Err(GenomeError::gene("channels", &self.channels, "1 to 4096"));
        }
        let mut plan = Plan::new(input)?;
        for (i, graph) in self.graphs()?.iter().enumerate() {
            let name = format!("phase{}", i + 1);
            let channels = self.channels << i;
            if i > 0 {
                let pool = Layer::MaxPool { kernel: 2, stride: 2, padding: 0, ceil: false };
                plan.push(format!("{name}.pool"), pool)?;
            }
            plan.conv(format!("{name}.conv"), channels, [if i == 0 { 3 } else { 1 }, 1, 0], false)?;
            graph.plan(&name, channels, &mut plan)?;
        }
        plan.push("gap", Layer::GlobalAvgPool)?;
        plan.linear("output", input.classes)?;
        Ok(plan)
    }
}

/// Bits without separators.
struct Bits<'a>(&'a [u8]);

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|bit| write!(f, "{bit}"))
    }
}

/// `24 filters, 3 phases: 1.01.110.1 | 0.00.000.0 (out) | 1.11.001.1`: bits by node, then the skip bit.
impl fmt::Display for NsgaMacro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} filters, {} phases:", self.channels, self.phases.len())?;
        for (i, bits) in self.phases.iter().enumerate() {
            f.write_str(if i > 0 { " | " } else { " " })?;
            let (mut rest, mut node) = (bits.as_slice(), 1);
            while rest.len() > node {
                write!(f, "{}.", Bits(&rest[..node]))?;
                (rest, node) = (&rest[node..], node + 1);
            }
            write!(f, "{}", Bits(rest))?;
            if matches!(Graph::decode(bits), Ok(None)) {
                f.write_str(" (out)")?;
            }
        }
        Ok(())
    }
}
