//! The space of MetaQNN (Baker et al., ICLR 2017, arXiv 1611.02167): chains of convolutions, pools and fully connected
//! layers, written as layer strings such as `[C(64,3,1), P(2,2), D(1,1), GAP(10), SM(10)]`.

mod layers;
mod space;
mod variation;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{GenomeError, Input, Layer, Plan};

pub use layers::{Layers, LayersError, MetaqnnLayer};
pub use space::MetaqnnSpace;

/// A chain of layers in MetaQNN's notation.
///
/// Convolutions keep the size of a map (zero padding of half the kernel; a stride divides it), have biases and a ReLU.
/// Pools take the largest value, without padding. `FC` has a ReLU. `GAP(n)` is a 1x1 convolution to n maps and the mean
/// of each, `SM(n)` the linear layer to n classes unless a `GAP` stands before it; the softmax itself belongs to the
/// loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metaqnn {
    /// The layers, in JSON as their string.
    pub net: Layers,
    /// Learning rate of this network; that of the recipe if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

impl Metaqnn {
    /// The layers with dropouts as their rates, and the learning rate.
    pub(crate) fn canonical(&self) -> String {
        let layers = self.net.0.iter().map(|layer| match layer {
            MetaqnnLayer::Dropout { .. } => format!("D({:.6e})", layer.dropout()),
            layer => layer.to_string(),
        });
        let rate = self.learning_rate.map_or_else(String::new, |rate| format!(" {rate:.6e}"));
        layers.collect::<Vec<_>>().join(" ") + &rate
    }

    /// The layers for libtorch, or the layer that is in a wrong place.
    pub(crate) fn plan(&self, input: Input) -> Result<Plan, GenomeError> {
        if let Some(rate) = self.learning_rate.filter(|&rate| !(rate.is_finite() && rate > 0.0)) {
            return Err(GenomeError::gene("learning_rate", &rate, "more than 0"));
        }
        self.net.check_order()?;
        let mut plan = Plan::new(input)?;
        for (i, &layer) in self.net.0.iter().enumerate() {
            let classes = input.classes;
            match layer {
                MetaqnnLayer::Average { maps: n } | MetaqnnLayer::Softmax { classes: n } if n != classes => {
                    let allowed = format!("{classes}, the number of classes");
                    return Err(GenomeError::gene(format!("net, {layer}"), &n, allowed));
                }
                _ => layer.plan(&format!("layer{}", i + 1), &mut plan)?,
            }
        }
        Ok(plan)
    }

    /// Parameters as the published data set of MetaQNN networks counts them, for comparison with it: weights of
    /// convolutions, `FC` and `GAP` without biases, and for `SM` those of the layer before it (dropouts not counted)
    /// applied to its own output once more, or none behind a pool or a `GAP`.
    ///
    /// # Errors
    /// As [`Genome::plan`](crate::Genome::plan).
    pub fn published_parameters(&self, input: Input) -> Result<u64, GenomeError> {
        let plan = self.plan(input)?;
        let weights = plan.nodes.iter().filter(|node| node.name != "output").map(|node| match node.layer {
            Layer::Conv { out_channels, .. } => node.layer.parameters() - u64::from(out_channels),
            Layer::Linear { out_features, .. } => node.layer.parameters() - u64::from(out_features),
            _ => 0,
        });
        let last =
            self.net.0.iter().rev().skip(1).find(|layer| !matches!(layer, MetaqnnLayer::Dropout { .. }));
        let softmax = match last {
            Some(&MetaqnnLayer::Conv { filters, kernel, .. }) => {
                (u64::from(filters) * u64::from(kernel)).pow(2)
            }
            Some(&MetaqnnLayer::Full { units }) => u64::from(units).pow(2),
            _ => 0,
        };
        Ok(weights.sum::<u64>() + softmax)
    }
}

impl MetaqnnLayer {
    fn plan(self, name: &str, plan: &mut Plan) -> Result<(), GenomeError> {
        match self {
            Self::Conv { filters, kernel, stride } => {
                plan.conv(format!("{name}.conv"), filters, [kernel, stride, kernel / 2], true)?;
                plan.push(format!("{name}.relu"), Layer::Relu)?;
            }
            Self::Pool { kernel, stride } => {
                plan.push(
                    format!("{name}.pool"),
                    Layer::MaxPool { kernel, stride, padding: 0, ceil: false },
                )?;
            }
            Self::Dropout { .. } if self.dropout() == 0.0 => {}
            Self::Dropout { .. } => {
                plan.push(format!("{name}.dropout"), Layer::Dropout { rate: self.dropout() })?;
            }
            Self::Full { units } => {
                plan.linear(&format!("{name}.full"), units)?;
                plan.push(format!("{name}.relu"), Layer::Relu)?;
            }
            Self::Average { maps } => {
                plan.conv(format!("{name}.conv"), maps, [1, 1, 0], true)?;
                plan.push(format!("{name}.gap"), Layer::GlobalAvgPool)?;
            }
            // Behind a GAP the logits are there already.
            Self::Softmax { .. } if plan.averaged() => {}
            Self::Softmax { classes } => {
                plan.linear("output", classes)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    /// Whether the newest vector came from a global average pool.
    fn averaged(&self) -> bool {
        let before = self.nodes.iter().rev().find(|node| !matches!(node.layer, Layer::Dropout { .. }));
        before.is_some_and(|node| node.layer == Layer::GlobalAvgPool)
    }
}

/// The layer string, and the learning rate if the genome has one.
impl fmt::Display for Metaqnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.fmt(f)?;
        self.learning_rate.map_or(Ok(()), |rate| write!(f, " | lr {rate}"))
    }
}
