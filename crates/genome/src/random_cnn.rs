//! Chains of convolutions, pools and fully connected layers, each network with hyper-parameters of its own: the
//! family on which the method was first measured (Rorabaugh et al., arXiv 2101.04185).

mod sampling;
mod space;
mod variation;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{GenomeError, Input, Layer, Plan};

pub use space::RandomCnnSpace;

/// A chain of convolution blocks, then fully connected layers, then the linear layer that gives the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCnn {
    /// Convolution blocks, at least one.
    pub blocks: Vec<Block>,
    /// Hidden fully connected layers, with a `ReLU` each; may be empty.
    pub dense: Vec<Dense>,
    /// Images in a step of the optimiser.
    pub batch_size: u32,
    /// Highest learning rate of the schedule.
    pub learning_rate: f64,
    /// Momentum of SGD, or the first moment decay of `AdamW`, in [0, 1).
    pub momentum: f64,
    /// Weight decay, 0 or more.
    pub weight_decay: f64,
}

/// Convolution, batch normalisation if wanted, `ReLU`, and a pool if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Number of filters.
    pub filters: u32,
    /// Side of the kernel.
    pub kernel: u32,
    /// Step of the kernel.
    pub stride: u32,
    /// Rows and columns of zeros on each side, at most half of the kernel.
    pub padding: u32,
    /// Whether a batch normalisation follows the convolution, which then has no bias.
    pub batch_norm: bool,
    /// Pool behind the `ReLU`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
}

/// A pool without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// What a window becomes.
    pub kind: PoolKind,
    /// Side of the window.
    pub kernel: u32,
    /// Step of the window.
    pub stride: u32,
}

/// What a pool makes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolKind {
    /// Its largest value.
    Max,
    /// Its mean.
    Average,
}

/// A hidden fully connected layer: linear, `ReLU`, dropout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Length of its output.
    pub units: u32,
    /// Share of the outputs set to zero in training, in [0, 1).
    pub dropout: f64,
}

impl RandomCnn {
    /// The network with all that has no effect left out: a pool of 1 by 1 with stride 1 is none. Floating-point genes
    /// are written with seven significant digits.
    pub(crate) fn canonical(&self) -> String {
        let Self { batch_size, learning_rate, momentum, weight_decay, .. } = self;
        let blocks = self.blocks.iter().map(Block::canonical);
        // Adding zero makes a negative zero positive.
        let dense = self.dense.iter().map(|d| format!("fc {} {:.6e}", d.units, d.dropout + 0.0));
        let training =
            format!("{batch_size} {learning_rate:.6e} {:.6e} {:.6e}", momentum + 0.0, weight_decay + 0.0);
        blocks.chain(dense).chain([training]).collect::<Vec<_>>().join(", ")
    }

    /// The layers, or the first gene or layer that makes the network impossible.
    pub(crate) fn plan(&self, input: Input) -> Result<Plan, GenomeError> {
        self.check_genes()?;
        let mut plan = Plan::new(input)?;
        for (i, block) in self.blocks.iter().enumerate() {
            block.plan(&format!("block{}", i + 1), &mut plan)?;
        }
        for (i, dense) in self.dense.iter().enumerate() {
            let name = format!("dense{}", i + 1);
            plan.linear(&name, dense.units)?;
            plan.push(format!("{name}.relu"), Layer::Relu)?;
            if dense.dropout > 0.0 {
                plan.push(format!("{name}.dropout"), Layer::Dropout { rate: dense.dropout })?;
            }
        }
        plan.linear("output", input.classes)?;
        Ok(plan)
    }

    /// Ok if each gene alone has a possible value.
    fn check_genes(&self) -> Result<(), GenomeError> {
        if self.blocks.is_empty() {
            return Err(GenomeError::gene("blocks", &"empty", "at least one block"));
        }
        for (i, b) in self.blocks.iter().enumerate() {
            if b.filters == 0 {
                return Err(GenomeError::gene(format!("blocks[{i}].filters"), &0, "1 or more"));
            }
            if b.padding > b.kernel / 2 {
                let allowed = format!("0 to {}, half of the kernel", b.kernel / 2);
                return Err(GenomeError::gene(format!("blocks[{i}].padding"), &b.padding, allowed));
            }
        }
        for (i, d) in self.dense.iter().enumerate() {
            if d.units == 0 {
                return Err(GenomeError::gene(format!("dense[{i}].units"), &0, "1 or more"));
            }
            within(&format!("dense[{i}].dropout"), d.dropout, (0.0..1.0).contains(&d.dropout), "in [0, 1)")?;
        }
        if self.batch_size == 0 {
            return Err(GenomeError::gene("batch_size", &0, "1 or more"));
        }
        let rate = self.learning_rate;
        within("learning_rate", rate, rate.is_finite() && rate > 0.0, "more than 0")?;
        within("momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "in [0, 1)")?;
        let decay = self.weight_decay;
        within("weight_decay", decay, decay.is_finite() && decay >= 0.0, "0 or more")
    }
}

/// Ok if `good`, else the error about a floating-point gene.
fn within(gene: &str, value: f64, good: bool, allowed: &str) -> Result<(), GenomeError> {
    if good { Ok(()) } else { Err(GenomeError::gene(gene, &value, allowed)) }
}

impl Block {
    fn canonical(&self) -> String {
        let Self { filters, kernel, stride, padding, batch_norm, .. } = self;
        let conv = format!("conv {filters} {kernel} {stride} {padding} {}", u8::from(*batch_norm));
        match self.pool {
            None | Some(Pool { kernel: 1, stride: 1, .. }) => conv,
            // The largest value and the mean of a single number are the same.
            Some(Pool { kernel: 1, stride, .. }) => format!("{conv} pool 1 {stride}"),
            Some(Pool { kind, kernel, stride }) => format!("{conv} {kind:?} {kernel} {stride}"),
        }
    }

    fn plan(&self, name: &str, plan: &mut Plan) -> Result<(), GenomeError> {
        let window = [self.kernel, self.stride, self.padding];
        plan.conv(format!("{name}.conv"), self.filters, window, !self.batch_norm)?;
        if self.batch_norm {
            plan.push(format!("{name}.norm"), Layer::BatchNorm { channels: self.filters })?;
        }
        plan.push(format!("{name}.relu"), Layer::Relu)?;
        if let Some(Pool { kind, kernel, stride }) = self.pool {
            let layer = match kind {
                PoolKind::Max => Layer::MaxPool { kernel, stride, padding: 0, ceil: false },
                PoolKind::Average => Layer::AvgPool { kernel, stride },
            };
            plan.push(format!("{name}.pool"), layer)?;
        }
        Ok(())
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conv{} {}", self.kernel, self.filters)?;
        if self.stride > 1 {
            write!(f, " /{}", self.stride)?;
        }
        if self.padding > 0 {
            write!(f, " +{}", self.padding)?;
        }
        if self.batch_norm {
            f.write_str(" bn")?;
        }
        match self.pool {
            Some(Pool { kind: PoolKind::Max, kernel, stride }) => write!(f, ", max{kernel} /{stride}"),
            Some(Pool { kind: PoolKind::Average, kernel, stride }) => write!(f, ", mean{kernel} /{stride}"),
            None => Ok(()),
        }
    }
}

/// `conv3 16 +1 bn, max2 /2 > conv5 32 > fc 64 drop 0.3 | batch 64, lr 0.02, momentum 0.9, decay 0.0001`:
/// kernel and filters, `/` stride, `+` padding.
impl fmt::Display for RandomCnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.blocks.iter().map(Block::to_string).collect();
        f.write_str(&blocks.join(" > "))?;
        for d in &self.dense {
            write!(f, " > fc {}", d.units)?;
            if d.dropout > 0.0 {
                write!(f, " drop {}", d.dropout)?;
            }
        }
        let Self { batch_size, learning_rate, momentum, weight_decay, .. } = self;
        write!(f, " | batch {batch_size}, lr {learning_rate}, momentum {momentum}, decay {weight_decay}")
    }
}
