use genome::{Layer, Plan};
use tch::{Kind, Tensor};

use crate::noise::with_seed;
use crate::numerics::Numerics;
use crate::{Device, TrainError};

/// Parameters begin at multiples of this many numbers, 64 bytes, as vector instructions like it.
const ALIGNMENT: i64 = 16;

/// Most parameters that libtorch's sizes in bytes can express, with room for the alignment.
const MOST: u64 = 1 << 60;

/// All numbers that training changes, in one vector, so that the optimiser takes few operations however many layers
/// there are. Between the parameters lie zeros, which stay zero: their gradient is.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// The vector.
    pub vector: Tensor,
    /// The parameters in the order of the layers: views of the vector with gradients of their own.
    pub all: Vec<Parameter>,
    padding: Tensor,
    numerics: Numerics,
}

/// A weight or a bias.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// `layer.weight` or `layer.bias`.
    pub name: String,
    /// The view.
    pub tensor: Tensor,
    shape: Vec<i64>,
    offset: i64,
    start: Start,
}

/// Value before the first step.
#[derive(Clone, Copy, Debug)]
enum Start {
    Constant(f64),
    /// Normal distribution around 0 with this deviation.
    Normal(f64),
}

impl Parameters {
    /// The parameters of a plan, with starting values that follow from `seed`.
    ///
    /// Weights are normal with variance 2 / inputs (He et al., arXiv 1502.01852), in the last layer 1 / inputs;
    /// biases and shifts are 0, scales 1.
    pub fn new(plan: &Plan, seed: i64, device: Device, numerics: Numerics) -> Result<Self, TrainError> {
        let numbers = plan.cost().parameters;
        if numbers > MOST {
            let found = format_args!("a network of {numbers} parameters or more");
            return Err(TrainError::setting(
                "genome",
                found,
                format!("at most {MOST}, which memory can address"),
            ));
        }
        let mut declared = vec![];
        for (index, node) in plan.nodes.iter().enumerate() {
            let last = index + 1 == plan.nodes.len();
            declared.extend(
                declare(node.layer, last)
                    .into_iter()
                    .map(|(kind, shape, start)| (format!("{}.{kind}", node.name), shape, start)),
            );
        }
        let mut offset = 0;
        let placed: Vec<_> = declared
            .into_iter()
            .map(|(name, shape, start)| {
                let here = offset;
                offset += padded(shape.iter().product());
                (name, shape, start, here)
            })
            .collect();
        let vector = Tensor::f_zeros([offset.max(1)], (Kind::Float, device.0))?;
        let padding = Tensor::f_zeros([ALIGNMENT], (Kind::Float, device.0))?;
        let mut all = vec![];
        for (name, shape, start, offset) in placed {
            let view = vector.f_as_strided(&shape, numerics.strides(&shape), offset)?;
            let tensor = view.f_detach()?.f_set_requires_grad(true)?;
            all.push(Parameter { name, tensor, shape, offset, start });
        }
        let parameters = Self { vector, all, padding, numerics };
        with_seed(seed, || tch::no_grad(|| parameters.all.iter().try_for_each(Parameter::begin)))?;
        Ok(parameters)
    }

    /// How many numbers training changes.
    pub fn count(&self) -> u64 {
        self.all.iter().map(|parameter| parameter.tensor.numel() as u64).sum()
    }

    /// The gradients of the parameters, laid out like the vector.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TrainError> {
        let inputs: Vec<&Tensor> = self.all.iter().map(|parameter| &parameter.tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss], &inputs, false, false)?;
        let mut pieces = vec![];
        for (parameter, gradient) in self.all.iter().zip(gradients) {
            let numbers = gradient.numel() as i64;
            // The same order in memory as the parameter's; no copy where the gradient already has it.
            let gradient = if self.numerics.channels_last && parameter.shape.len() == 4 {
                gradient.f_permute([0, 2, 3, 1])?
            } else {
                gradient
            };
            pieces.push(gradient.f_reshape([numbers])?);
            let missing = padded(numbers) - numbers;
            if missing > 0 {
                pieces.push(self.padding.f_narrow(0, 0, missing)?);
            }
        }
        Ok(Tensor::f_cat(&pieces, 0)?)
    }

    /// Views of another vector with the same layout, such as a momentum, by the names of the parameters.
    pub fn views_of(&self, vector: &Tensor) -> Result<Vec<(String, Tensor)>, TrainError> {
        let view = |parameter: &Parameter| {
            let strides = self.numerics.strides(&parameter.shape);
            let view = vector.f_as_strided(&parameter.shape, strides, parameter.offset)?;
            Ok((parameter.name.clone(), view))
        };
        self.all.iter().map(view).collect()
    }
}

impl Parameter {
    fn begin(&self) -> Result<(), TrainError> {
        let mut view = self.tensor.f_detach()?;
        match self.start {
            Start::Constant(value) => drop(view.f_fill_(value)?),
            Start::Normal(deviation) => {
                // Drawn in the order of the shape, so that the layout in memory does not change the values.
                let mut drawn = Tensor::f_empty(&self.shape, (Kind::Float, tch::Device::Cpu))?;
                view.f_copy_(&drawn.f_normal_(0.0, deviation)?)?;
            }
        }
        Ok(())
    }
}

fn padded(numbers: i64) -> i64 {
    (numbers + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// The parameters of a layer: kind, shape, start.
fn declare(layer: Layer, last: bool) -> Vec<(&'static str, Vec<i64>, Start)> {
    let gain: f64 = if last { 1.0 } else { 2.0 };
    let zeros = |n: u32| ("bias", vec![i64::from(n)], Start::Constant(0.0));
    match layer {
        Layer::Conv { in_channels, out_channels, kernel, bias, .. } => {
            let (side, inputs) = (i64::from(kernel), i64::from(in_channels));
            let deviation = (gain / (inputs * side * side) as f64).sqrt();
            let shape = vec![i64::from(out_channels), inputs, side, side];
            let weight = ("weight", shape, Start::Normal(deviation));
            if bias { vec![weight, zeros(out_channels)] } else { vec![weight] }
        }
        Layer::BatchNorm { channels } => {
            vec![("weight", vec![i64::from(channels)], Start::Constant(1.0)), zeros(channels)]
        }
        Layer::Linear { in_features, out_features } => {
            let shape = vec![i64::from(out_features), i64::from(in_features)];
            vec![
                ("weight", shape, Start::Normal((gain / f64::from(in_features)).sqrt())),
                zeros(out_features),
            ]
        }
        _ => vec![],
    }
}
