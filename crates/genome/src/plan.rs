use std::fmt;

use serde::{Deserialize, Serialize};

use crate::output::output;
use crate::shape::LARGEST;
use crate::{GenomeError, Input, Layer, Shape};

/// A network as a directed acyclic graph of layers, in an order in which each can be computed after the ones before.
///
/// `nodes[0]` is [`Layer::Image`]; the output of the last node is the logits, one per class, without softmax. To run
/// it, compute `value[i] = layer[i](value[j] for j in inputs[i])` for each i from 1 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the network was planned for.
    pub input: Input,
    /// The layers.
    pub nodes: Vec<Node>,
}

/// One layer in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique in the plan, made of letters, digits and dots: `block2.conv`. Names the layer's tensors in a checkpoint.
    pub name: String,
    /// What it computes.
    pub layer: Layer,
    /// Indices of the nodes whose outputs it takes, each smaller than its own.
    pub inputs: Vec<usize>,
    /// Shape of its output.
    pub output: Shape,
}

/// What a network costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Numbers that training changes: weights, biases, scales and shifts of batch normalisations.
    pub parameters: u64,
    /// Floating-point operations of one forward pass of one image: two for each multiply-accumulate of the
    /// convolutions and linear layers. Biases, normalisations, activations, pooling and sums are not counted.
    pub flops: u64,
}

impl Plan {
    /// A plan that so far holds the image alone.
    pub(crate) fn new(input: Input) -> Result<Self, GenomeError> {
        let Input { channels, height, width, classes } = input;
        if [channels, height, width, classes].iter().any(|&n| n == 0 || n > LARGEST) {
            return Err(GenomeError::gene("input", &input, format!("numbers from 1 to {LARGEST}")));
        }
        let image = Node {
            name: "image".into(),
            layer: Layer::Image,
            inputs: vec![],
            output: Shape::Map { channels, height, width },
        };
        Ok(Self { input, nodes: vec![image] })
    }

    /// Index of the newest node.
    pub(crate) fn last(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Shape of what node `index` puts out.
    pub(crate) fn shape(&self, index: usize) -> Shape {
        self.nodes[index].output
    }

    /// Adds `layer` behind the newest node.
    pub(crate) fn push(&mut self, name: impl Into<String>, layer: Layer) -> Result<usize, GenomeError> {
        self.join(name, layer, vec![self.last()])
    }

    /// Adds `layer` behind the nodes `inputs`; returns its index, or why it does not fit there.
    pub(crate) fn join(
        &mut self,
        name: impl Into<String>,
        layer: Layer,
        inputs: Vec<usize>,
    ) -> Result<usize, GenomeError> {
        let name = name.into();
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.shape(i)).collect();
        let output = output(layer, &shapes).map_err(|reason| {
            let shape = shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" and ");
            GenomeError::Shape { layer: name.clone(), shape, reason }
        })?;
        self.nodes.push(Node { name, layer, inputs, output });
        Ok(self.last())
    }

    /// Adds a convolution of whatever channels the newest node puts out.
    pub(crate) fn conv(
        &mut self,
        name: impl Into<String>,
        out_channels: u32,
        [kernel, stride, padding]: [u32; 3],
        bias: bool,
    ) -> Result<usize, GenomeError> {
        let in_channels = match self.shape(self.last()) {
            Shape::Map { channels, .. } => channels,
            Shape::Flat { features } => features,
        };
        self.push(name, Layer::Conv { in_channels, out_channels, kernel, stride, padding, bias })
    }

    /// Adds a linear layer, with a flattening before it if the newest node puts out a map.
    pub(crate) fn linear(&mut self, name: &str, out_features: u32) -> Result<usize, GenomeError> {
        if matches!(self.shape(self.last()), Shape::Map { .. }) {
            self.push(format!("{name}.flatten"), Layer::Flatten)?;
        }
        let in_features = self.shape(self.last()).len() as u32;
        self.push(name, Layer::Linear { in_features, out_features })
    }

    /// Parameters and FLOPs of the whole network.
    pub fn cost(&self) -> Cost {
        let total = |figure: fn(&Node) -> u64| self.nodes.iter().map(figure).fold(0, u64::saturating_add);
        let accumulates = total(|node| node.layer.multiply_accumulates(node.output));
        Cost { parameters: total(|node| node.layer.parameters()), flops: accumulates.saturating_mul(2) }
    }
}

/// One line per node: name, inputs, layer, output shape.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, node) in self.nodes.iter().enumerate() {
            writeln!(f, "{i:>3} {:<20} {:?} {:?} -> {}", node.name, node.inputs, node.layer, node.output)?;
        }
        Ok(())
    }
}
