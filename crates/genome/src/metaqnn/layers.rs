use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::GenomeError;

/// One layer of MetaQNN's notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaqnnLayer {
    /// `C(filters,kernel,stride)`: convolution and ReLU.
    Conv {
        /// Number of filters.
        filters: u32,
        /// Side of the kernel.
        kernel: u32,
        /// Step of the kernel.
        stride: u32,
    },
    /// `P(kernel,stride)`: max pool.
    Pool {
        /// Side of the window.
        kernel: u32,
        /// Step of the window.
        stride: u32,
    },
    /// `D(index,of)`: dropout number `index` of `of`, with rate index / (2·of).
    Dropout {
        /// Number of the dropout, from 1.
        index: u32,
        /// Dropouts of the network.
        of: u32,
    },
    /// `FC(units)`: fully connected layer and ReLU.
    Full {
        /// Length of its output.
        units: u32,
    },
    /// `GAP(maps)`: 1x1 convolution and global average.
    Average {
        /// Length of its output, the number of classes.
        maps: u32,
    },
    /// `SM(classes)`: the end of the network.
    Softmax {
        /// Number of classes.
        classes: u32,
    },
}

/// Layers from the first to the last, written `[C(64,3,1), SM(10)]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Layers(pub Vec<MetaqnnLayer>);

/// A text that is not a list of layers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayersError {
    /// The list has no brackets around it.
    #[error("`{0}` is not a list of layers: expected the form `[C(64,3,1), SM(10)]`")]
    List(String),
    /// A layer of the list is not in the notation.
    #[error(
        "layer {place} is `{found}`: expected C(filters,kernel,stride), P(kernel,stride), D(index,of), FC(units), \
         GAP(maps) or SM(classes), with numbers from 1 on"
    )]
    Layer {
        /// Place in the list, from 1.
        place: usize,
        /// What stands there.
        found: String,
    },
}

impl MetaqnnLayer {
    /// Rate of a dropout (Baker et al., section 4.1: i / 2n for the i-th of n); 0 for other layers.
    pub fn dropout(self) -> f64 {
        match self {
            Self::Dropout { index, of } => f64::from(index) / (2.0 * f64::from(of)),
            _ => 0.0,
        }
    }

    /// The layers that may follow this one, by name.
    fn followers(self) -> &'static str {
        match self {
            Self::Full { .. } => "FC, D or SM",
            Self::Average { .. } => "D or SM",
            Self::Softmax { .. } => "nothing",
            _ => "any layer",
        }
    }
}

impl Layers {
    /// Ok if vectors never come before maps and the list ends with its only `SM`.
    pub(super) fn check_order(&self) -> Result<(), GenomeError> {
        let mut state = MetaqnnLayer::Dropout { index: 1, of: 1 };
        for (i, &layer) in self.0.iter().enumerate() {
            let good = match layer {
                MetaqnnLayer::Dropout { index, of } if index >= 2 * of => {
                    let allowed = "less than twice the number behind it: the rate is below 1";
                    return Err(GenomeError::gene(format!("net, {layer}"), &index, allowed));
                }
                MetaqnnLayer::Dropout { .. } => !matches!(state, MetaqnnLayer::Softmax { .. }),
                MetaqnnLayer::Conv { .. } | MetaqnnLayer::Pool { .. } | MetaqnnLayer::Average { .. } => {
                    state.followers() == "any layer"
                }
                MetaqnnLayer::Full { .. } => {
                    !matches!(state, MetaqnnLayer::Average { .. } | MetaqnnLayer::Softmax { .. })
                }
                MetaqnnLayer::Softmax { .. } => !matches!(state, MetaqnnLayer::Softmax { .. }),
            };
            if !good {
                let allowed = format!("{} after {state}", state.followers());
                return Err(GenomeError::gene(format!("net, layer {}", i + 1), &layer, allowed));
            }
            if !matches!(layer, MetaqnnLayer::Dropout { .. }) {
                state = layer;
            }
        }
        match self.0.last() {
            Some(MetaqnnLayer::Softmax { .. }) => Ok(()),
            _ => Err(GenomeError::gene("net", &self, "a list that ends with SM(classes)")),
        }
    }

    /// These layers without dropouts.
    pub fn bare(&self) -> Vec<MetaqnnLayer> {
        self.0.iter().copied().filter(|layer| !matches!(layer, MetaqnnLayer::Dropout { .. })).collect()
    }

    /// `bare` layers with dropouts where the published networks have them: after every second convolution or pool and
    /// after each `FC`. The total that scales their rates counts one more that is left out before `SM`, if an `FC`, or
    /// an odd number of layers without a `GAP`, comes before it.
    pub fn with_dropouts(bare: &[MetaqnnLayer]) -> Self {
        let count = |good: fn(&MetaqnnLayer) -> bool| bare.iter().filter(|&layer| good(layer)).count() as u32;
        let maps = count(|l| matches!(l, MetaqnnLayer::Conv { .. } | MetaqnnLayer::Pool { .. }));
        let full = count(|l| matches!(l, MetaqnnLayer::Full { .. }));
        let average = count(|l| matches!(l, MetaqnnLayer::Average { .. })) > 0;
        let of = maps / 2 + full + u32::from(full > 0 || (maps % 2 == 1 && !average));
        let (mut layers, mut index, mut seen) = (vec![], 0, 0);
        for layer in bare {
            layers.push(*layer);
            let due = match layer {
                MetaqnnLayer::Conv { .. } | MetaqnnLayer::Pool { .. } => {
                    seen += 1;
                    seen % 2 == 0
                }
                MetaqnnLayer::Full { .. } => true,
                _ => false,
            };
            if due {
                index += 1;
                layers.push(MetaqnnLayer::Dropout { index, of });
            }
        }
        Self(layers)
    }
}

impl fmt::Display for MetaqnnLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv { filters, kernel, stride } => write!(f, "C({filters},{kernel},{stride})"),
            Self::Pool { kernel, stride } => write!(f, "P({kernel},{stride})"),
            Self::Dropout { index, of } => write!(f, "D({index},{of})"),
            Self::Full { units } => write!(f, "FC({units})"),
            Self::Average { maps } => write!(f, "GAP({maps})"),
            Self::Softmax { classes } => write!(f, "SM({classes})"),
        }
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<String> = self.0.iter().map(MetaqnnLayer::to_string).collect();
        write!(f, "[{}]", layers.join(", "))
    }
}

/// A layer such as `C(64,3,1)`, or `None`.
fn layer(text: &str) -> Option<MetaqnnLayer> {
    let (name, numbers) = text.strip_suffix(')')?.split_once('(')?;
    let numbers: Option<Vec<u32>> =
        numbers.split(',').map(|n| n.trim().parse().ok().filter(|&n| n > 0)).collect();
    match (name.trim(), numbers?.as_slice()) {
        ("C", &[filters, kernel, stride]) => Some(MetaqnnLayer::Conv { filters, kernel, stride }),
        ("P", &[kernel, stride]) => Some(MetaqnnLayer::Pool { kernel, stride }),
        ("D", &[index, of]) => Some(MetaqnnLayer::Dropout { index, of }),
        ("FC", &[units]) => Some(MetaqnnLayer::Full { units }),
        ("GAP", &[maps]) => Some(MetaqnnLayer::Average { maps }),
        ("SM", &[classes]) => Some(MetaqnnLayer::Softmax { classes }),
        _ => None,
    }
}

impl FromStr for Layers {
    type Err = LayersError;

    fn from_str(text: &str) -> Result<Self, LayersError> {
        let list = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let list = list.ok_or_else(|| LayersError::List(text.to_owned()))?;
        let (mut layers, mut rest) = (vec![], list.trim());
        while !rest.is_empty() {
            let end = rest.find(')').map_or(rest.len(), |end| end + 1);
            let found = rest[..end].trim();
            let error = || LayersError::Layer { place: layers.len() + 1, found: found.to_owned() };
            layers.push(layer(found).ok_or_else(error)?);
            rest = rest[end..].trim();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim();
        }
        Ok(Self(layers))
    }
}

impl TryFrom<String> for Layers {
    type Error = LayersError;

    fn try_from(text: String) -> Result<Self, LayersError> {
        text.parse()
    }
}

impl From<Layers> for String {
    fn from(layers: Layers) -> Self {
        layers.to_string()
    }
}
