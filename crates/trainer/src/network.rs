use genome::{Layer, Plan};
use tch::{Kind, Tensor};

use crate::noise::Noise;
use crate::numerics::Numerics;
use crate::parameters::Parameters;
use crate::{Device, TrainError};

/// Share of the newest batch in the running mean and variance of a batch normalisation, and the number that keeps its
/// divisor above 0; PyTorch's defaults.
const NORM_MOMENTUM: f64 = 0.1;
const NORM_EPSILON: f64 = 1e-5;

/// A network on a device.
#[derive(Debug)]
pub(crate) struct Network {
    plan: Plan,
    /// What the optimiser changes.
    pub parameters: Parameters,
    /// Running means and variances, which training changes without gradients.
    pub buffers: Vec<(String, Tensor)>,
    tensors: Vec<Tensors>,
    uses: Vec<usize>,
    numerics: Numerics,
}

/// Indices of a layer's tensors.
#[derive(Clone, Copy, Debug, Default)]
struct Tensors {
    weight: Option<usize>,
    bias: Option<usize>,
    mean: Option<usize>,
}

/// Outputs of the layers that are still needed.
struct Values {
    outputs: Vec<Option<Tensor>>,
    uses: Vec<usize>,
}

impl Network {
    pub fn new(plan: Plan, seed: i64, device: Device, numerics: Numerics) -> Result<Self, TrainError> {
        let parameters = Parameters::new(&plan, seed, device, numerics)?;
        let mut buffers = vec![];
        let mut tensors = vec![];
        for node in &plan.nodes {
            let find = |kind: &str| {
                let name = format!("{}.{kind}", node.name);
                parameters.all.iter().position(|parameter| parameter.name == name)
            };
            let mut own = Tensors { weight: find("weight"), bias: find("bias"), mean: None };
            if let Layer::BatchNorm { channels } = node.layer {
                own.mean = Some(buffers.len());
                let options = (Kind::Float, device.0);
                let size = [i64::from(channels)];
                buffers.push((format!("{}.running_mean", node.name), Tensor::f_zeros(size, options)?));
                buffers.push((format!("{}.running_var", node.name), Tensor::f_ones(size, options)?));
            }
            tensors.push(own);
        }
        let mut uses = vec![0; plan.nodes.len()];
        for &input in plan.nodes.iter().flat_map(|node| &node.inputs) {
            uses[input] += 1;
        }
        Ok(Self { plan, parameters, buffers, tensors, uses, numerics })
    }

    /// Logits of a batch of images; with noise, as in training.
    pub fn forward(&self, images: Tensor, noise: Option<&Noise>) -> Result<Tensor, TrainError> {
        let mut values = Values { outputs: vec![Some(images)], uses: self.uses.clone() };
        let (mut dropouts, mut paths) =
            noise.map(|n| (n.dropouts.iter(), n.paths.iter())).unwrap_or_default();
        for (index, node) in self.plan.nodes.iter().enumerate().skip(1) {
            let factors = match node.layer {
                Layer::Dropout { .. } => dropouts.next(),
                Layer::DropPath => paths.next(),
                _ => None,
            };
            let inputs: Vec<Tensor> = node.inputs.iter().map(|&input| values.take(input)).collect();
            let output = self.apply(index, inputs, factors, noise.is_some())?;
            values.outputs.push(Some(output));
        }
        let logits = values.outputs.pop().flatten().expect("the last layer was computed");
        Ok(logits.f_to_kind(Kind::Float)?)
    }

    fn apply(
        &self,
        index: usize,
        mut inputs: Vec<Tensor>,
        factors: Option<&Tensor>,
        training: bool,
    ) -> Result<Tensor, TrainError> {
        let node = &self.plan.nodes[index];
        let mut x = inputs.remove(0);
        Ok(match node.layer {
            Layer::Conv { kernel, stride, padding, .. } => {
                let bias = self.bias(index).map(|bias| self.numerics.narrow(bias)).transpose()?;
                let [stride, padding] = [stride, padding].map(|n| [i64::from(n); 2]);
                let weight = self.numerics.narrow(self.weight(index))?;
                let x = self.numerics.narrow(&x)?;
                if kernel == 1 && !x.device().is_cuda() {
                    return pointwise(&x, &weight, bias.as_ref(), stride, padding);
                }
                x.f_conv2d(&weight, bias, stride, padding, [1, 1], 1)?
            }
            Layer::Linear { .. } => {
                let bias = self.bias(index).map(|bias| self.numerics.narrow(bias)).transpose()?;
                self.numerics.narrow(&x)?.f_linear(&self.numerics.narrow(self.weight(index))?, bias)?
            }
            Layer::BatchNorm { .. } => self.normalise(index, &x, training)?,
            Layer::Relu if self.may_overwrite(node.inputs[0]) => x.f_relu_()?,
            Layer::Relu => x.f_relu()?,
            Layer::MaxPool { kernel, stride, padding, ceil } => {
                let [kernel, stride, padding] = [kernel, stride, padding].map(|n| [i64::from(n); 2]);
                x.f_max_pool2d(kernel, stride, padding, [1, 1], ceil)?
            }
            Layer::AvgPool { kernel, stride } => {
                let [kernel, stride] = [kernel, stride].map(|n| [i64::from(n); 2]);
                x.f_avg_pool2d(kernel, stride, [0, 0], false, false, None)?
            }
            Layer::GlobalAvgPool => x.f_mean_dim([2_i64, 3].as_slice(), false, None)?,
            Layer::Dropout { .. } | Layer::DropPath => match factors {
                Some(factors) => x.f_mul(factors)?,
                None => x,
            },
            Layer::Flatten => x.f_flatten(1, -1)?,
            Layer::Sum => inputs.iter().try_fold(x, |sum, input| sum.f_add(input))?,
            Layer::Concat => {
                inputs.insert(0, x);
                Tensor::f_cat(&inputs, 1)?
            }
            Layer::Image => x,
        })
    }

    fn normalise(&self, index: usize, x: &Tensor, training: bool) -> Result<Tensor, TrainError> {
        let mean = self.tensors[index].mean.map(|mean| &self.buffers[mean].1);
        let variance = self.tensors[index].mean.map(|mean| &self.buffers[mean + 1].1);
        let (weight, bias) = (Some(self.weight(index)), self.bias(index));
        Ok(x.f_batch_norm(weight, bias, mean, variance, training, NORM_MOMENTUM, NORM_EPSILON, true)?)
    }

    fn weight(&self, index: usize) -> &Tensor {
        let weight = self.tensors[index].weight.expect("a layer with weights has declared them");
        &self.parameters.all[weight].tensor
    }

    fn bias(&self, index: usize) -> Option<&Tensor> {
        self.tensors[index].bias.map(|bias| &self.parameters.all[bias].tensor)
    }

    /// Whether nobody else reads this layer's output, not even its own gradient.
    fn may_overwrite(&self, index: usize) -> bool {
        let node = &self.plan.nodes[index];
        let fresh = match node.layer {
            Layer::Conv { .. } | Layer::BatchNorm { .. } | Layer::Linear { .. } => true,
            Layer::Sum => node.inputs.len() > 1,
            _ => false,
        };
        fresh && self.uses[index] == 1
    }
}

impl Values {
    /// The output of a layer, which is forgotten with its last use.
    fn take(&mut self, index: usize) -> Tensor {
        self.uses[index] -= 1;
        let output = &mut self.outputs[index];
        let taken =
            if self.uses[index] == 0 { output.take() } else { output.as_ref().map(Tensor::shallow_clone) };
        taken.expect("a layer comes after its inputs, and each use is counted")
    }
}

/// Channels that one vector of AVX2 holds.
const VECTOR: i64 = 8;

/// A convolution with kernels of one pixel, on the processor, with channels of zeros up to whole vectors: oneDNN's
/// gradient of such weights writes past its buffer where the channels do not fill them (libtorch 2.13; valgrind:
/// invalid write in `jit_avx2_1x1_convolution_bwd_weights_t`).
fn pointwise(
    maps: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: [i64; 2],
    padding: [i64; 2],
) -> Result<Tensor, TrainError> {
    let (out, input, _, _) = weight.size4()?;
    let [more_out, more_in] = [out, input].map(|channels| (VECTOR - channels % VECTOR) % VECTOR);
    if more_out == 0 && more_in == 0 {
        return Ok(maps.f_conv2d(weight, bias, stride, padding, [1, 1], 1)?);
    }
    let maps = maps.f_constant_pad_nd([0, 0, 0, 0, 0, more_in])?;
    let weight = weight.f_constant_pad_nd([0, 0, 0, 0, 0, more_in, 0, more_out])?;
    let bias = bias.map(|bias| bias.f_constant_pad_nd([0, more_out])).transpose()?;
    let wide = maps.f_conv2d(&weight, bias, stride, padding, [1, 1], 1)?;
    Ok(wide.f_narrow(1, 0, out)?)
}

#[cfg(test)]
mod tests {
    use genome::{Input, Node, Shape};

    use super::*;

    fn node(name: &str, layer: Layer, inputs: &[usize], output: Shape) -> Node {
        Node { name: name.into(), layer, inputs: inputs.to_vec(), output }
    }

    /// Image, image + relu(image), both joined, a dropped path, the mean of each channel.
    fn graph() -> Plan {
        let map = |channels| Shape::Map { channels, height: 2, width: 2 };
        let nodes = vec![
            node("image", Layer::Image, &[], map(1)),
            node("relu", Layer::Relu, &[0], map(1)),
            node("sum", Layer::Sum, &[0, 1], map(1)),
            node("concat", Layer::Concat, &[0, 2, 1], map(3)),
            node("path", Layer::DropPath, &[3], map(3)),
            node("mean", Layer::GlobalAvgPool, &[4], Shape::Flat { features: 3 }),
        ];
        Plan { input: Input { channels: 1, height: 2, width: 2, classes: 3 }, nodes }
    }

    #[test]
    fn graphs_are_computed_node_by_node() {
        let numerics = Numerics { channels_last: false, bf16: false };
        let network = Network::new(graph(), 1, Device::CPU, numerics).unwrap();
        let images =
            || Tensor::from_slice(&[-4.0_f32, 1.0, 2.0, 5.0, 0.0, 0.0, 0.0, 8.0]).reshape([2, 1, 2, 2]);
        let logits = |noise: Option<&Noise>| -> Vec<Vec<f64>> {
            let logits = network.forward(images(), noise).unwrap().to_kind(Kind::Double);
            (0..2).map(|i| Vec::try_from(logits.get(i)).unwrap()).collect()
        };
        let expected = [vec![1.0, 3.0, 2.0], vec![2.0, 4.0, 2.0]];
        assert_eq!(logits(None), expected, "evaluation drops nothing, and concatenates in order");
        let factors = Tensor::from_slice(&[0.0_f32, 2.0]).reshape([2, 1, 1, 1]);
        let noise = Noise { dropouts: vec![], paths: vec![factors] };
        assert_eq!(logits(Some(&noise)), [vec![0.0; 3], vec![4.0, 8.0, 4.0]], "whole images are dropped");
    }

    #[test]
    fn fresh_outputs_alone_are_overwritten() {
        let network =
            Network::new(graph(), 1, Device::CPU, Numerics { channels_last: false, bf16: false }).unwrap();
        assert!(!network.may_overwrite(0), "the image is read twice");
        assert!(network.may_overwrite(2), "the sum is read once");
    }
}
