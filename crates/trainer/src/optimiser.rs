use genome::Recipe;
use tch::Tensor;

use crate::TrainError;
use crate::parameters::Parameters;

/// Decay of AdamW's second moment, and the number that keeps its divisor above 0.
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Turns gradients into steps. Its state is vectors laid out like the parameters; it saves and loads with them.
#[derive(Debug)]
pub(crate) enum Optimiser {
    /// SGD with momentum, in PyTorch's form.
    Sgd { velocity: Tensor },
    /// AdamW (Loshchilov and Hutter, arXiv 1711.05101).
    Adamw { first: Tensor, second: Tensor },
}

impl Optimiser {
    pub fn new(recipe: &Recipe, parameters: &Parameters) -> Result<Self, TrainError> {
        let zeros = || parameters.vector.f_zeros_like();
        Ok(match recipe.optimiser {
            genome::Optimiser::Sgd => Self::Sgd { velocity: zeros()? },
            genome::Optimiser::Adamw => Self::Adamw { first: zeros()?, second: zeros()? },
        })
    }

    /// The state, with a name for each vector.
    pub fn state(&self) -> Vec<(&'static str, &Tensor)> {
        match self {
            Self::Sgd { velocity } => vec![("velocity", velocity)],
            Self::Adamw { first, second } => vec![("first_moment", first), ("second_moment", second)],
        }
    }

    /// Step number `step`, counted from 1, with learning rate `rate`.
    pub fn step(
        &mut self,
        weights: &mut Tensor,
        mut gradient: Tensor,
        recipe: &Recipe,
        rate: f64,
        step: u64,
    ) -> Result<(), TrainError> {
        if let Some(norm) = recipe.gradient_clip {
            let factor = gradient
                .f_norm()?
                .f_add_scalar(1e-6)?
                .f_reciprocal()?
                .f_mul_scalar(norm)?
                .f_clamp_max(1.0)?;
            gradient = gradient.f_mul_(&factor)?;
        }
        match self {
            Self::Sgd { velocity } => sgd(weights, gradient, velocity, recipe, rate),
            Self::Adamw { first, second } => adamw(weights, &gradient, first, second, recipe, rate, step),
        }
    }
}

fn sgd(
    weights: &mut Tensor,
    mut gradient: Tensor,
    velocity: &mut Tensor,
    recipe: &Recipe,
    rate: f64,
) -> Result<(), TrainError> {
    if recipe.weight_decay > 0.0 {
        gradient = gradient.f_add_(&weights.f_mul_scalar(recipe.weight_decay)?)?;
    }
    let direction = if recipe.momentum == 0.0 {
        gradient
    } else {
        let velocity = velocity.f_mul_scalar_(recipe.momentum)?.f_add_(&gradient)?;
        if recipe.nesterov { gradient.f_add_(&velocity.f_mul_scalar(recipe.momentum)?)? } else { velocity }
    };
    drop(weights.f_sub_(&direction.f_mul_scalar(rate)?)?);
    Ok(())
}

fn adamw(
    weights: &mut Tensor,
    gradient: &Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
    recipe: &Recipe,
    rate: f64,
    step: u64,
) -> Result<(), TrainError> {
    let decay = recipe.momentum;
    let first = first.f_mul_scalar_(decay)?.f_add_(&gradient.f_mul_scalar(1.0 - decay)?)?;
    let square = gradient.f_square()?.f_mul_scalar_(1.0 - SECOND_DECAY)?;
    let second = second.f_mul_scalar_(SECOND_DECAY)?.f_add_(&square)?;
    let first_bias = 1.0 - decay.powf(step as f64);
    let second_bias = 1.0 - SECOND_DECAY.powf(step as f64);
    let divisor = second.f_sqrt()?.f_div_scalar_(second_bias.sqrt())?.f_add_scalar_(EPSILON)?;
    let update = first.f_div(&divisor)?.f_mul_scalar_(rate / first_bias)?;
    drop(weights.f_mul_scalar_(1.0 - rate * recipe.weight_decay)?.f_sub_(&update)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Reduction};

    use super::*;

    /// Three steps on w0² + w1²/2 + 3 w2² + w0 + w1 + w2 from (1, -2, 0.5), with rate 0.1.
    fn three_steps(recipe: &Recipe) -> Vec<f64> {
        let zeros = || Tensor::zeros([3], (Kind::Float, tch::Device::Cpu));
        let mut optimiser = match recipe.optimiser {
            genome::Optimiser::Sgd => Optimiser::Sgd { velocity: zeros() },
            genome::Optimiser::Adamw => Optimiser::Adamw { first: zeros(), second: zeros() },
        };
        let mut weights = Tensor::from_slice(&[1.0_f32, -2.0, 0.5]);
        for step in 1..=3 {
            let gradient = &weights * Tensor::from_slice(&[2.0_f32, 1.0, 6.0]) + 1.0;
            optimiser.step(&mut weights, gradient, recipe, 0.1, step).unwrap();
        }
        Vec::try_from(weights.to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn steps_as_pytorch_takes_them() {
        let sgd = Recipe { momentum: 0.9, weight_decay: 0.01, ..Recipe::default() };
        let plain = Recipe { momentum: 0.0, weight_decay: 0.0, ..Recipe::default() };
        let nesterov = Recipe { nesterov: true, ..sgd.clone() };
        let clipped = Recipe { weight_decay: 0.0, gradient_clip: Some(1.0), ..sgd.clone() };
        let adamw = Recipe { optimiser: genome::Optimiser::Adamw, ..sgd.clone() };
        // What torch.optim.SGD and AdamW of PyTorch 2.13.0 make of it, with torch.nn.utils.clip_grad_norm_.
        let cases = [
            (plain, [0.268, -1.729, -0.124], "without momentum"),
            (sgd, [-0.410_365_8, -1.476_189, -0.736_103_6], "momentum and weight decay"),
            (nesterov, [-0.664_711_4, -1.315_145_4, -0.368_191_7], "Nesterov's form"),
            (clipped, [0.654_463_9, -1.882_536_1, 0.074_977_9], "gradient clipped to norm 1"),
            (adamw, [0.698_217_1, -1.695_937_8, 0.201_793_9], "AdamW"),
        ];
        for (recipe, expected, why) in cases {
            let found = three_steps(&recipe);
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{why}: {found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn gradients_lie_like_the_parameters() {
        use crate::numerics::Numerics;
        let genome: genome::Genome = serde_json::from_str(
            r#"{"space": "random-cnn", "batch_size": 8, "learning_rate": 1, "momentum": 0, "weight_decay": 0,
                "dense": [], "blocks": [{"filters": 3, "kernel": 3, "stride": 1, "padding": 1, "batch_norm": true}]}"#,
        )
        .unwrap();
        let input = genome::Input { channels: 2, height: 4, width: 4, classes: 3 };
        let plan = genome.plan(input).unwrap();
        let gradients = [false, true].map(|channels_last| {
            let numerics = Numerics { channels_last, bf16: false };
            let network =
                crate::network::Network::new(plan.clone(), 1, crate::Device::CPU, numerics).unwrap();
            let images = Tensor::arange(5 * 32, (Kind::Float, tch::Device::Cpu)).sin().reshape([5, 2, 4, 4]);
            let labels = Tensor::from_slice(&[0_i64, 1, 2, 0, 1]);
            let noise = crate::noise::Noise::default();
            let logits = network.forward(numerics.lay_out(&images).unwrap(), Some(&noise)).unwrap();
            let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0);
            let flat = network.parameters.gradient(&loss).unwrap();
            assert_eq!(flat.size(), network.parameters.vector.size());
            let views = network.parameters.views_of(&flat).unwrap();
            views.into_iter().map(|(name, view)| (name, view.contiguous())).collect::<Vec<_>>()
        });
        let [plain, last] = gradients;
        assert_eq!(plain.len(), 5, "weight, scale and shift, weight and bias");
        for ((name, a), (_, b)) in plain.iter().zip(&last) {
            assert!(a.abs().max().double_value(&[]) > 1e-4, "{name} has a gradient");
            assert!(a.allclose(b, 1e-4, 1e-6, false), "{name}: {a} and {b}");
        }
    }
}
