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
            genome::Optimiser::Adamw => Self::Adamw {
                first: zeros()?,
                second: zeros()?,
            },
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
        if recipe.nesterov {
            gradient.f_add_(&velocity.f_mul_scalar(recipe.momentum)?)?
        } else {
            velocity
        }
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
    let first = first
        .f_mul_scalar_(decay)?
        .f_add_(&gradient.f_mul_scalar(1.0 - decay)?)?;
    let square = gradient.f_square()?.f_mul_scalar_(1.0 - SECOND_DECAY)?;
    let second = second.f_mul_scalar_(SECOND_DECAY)?.f_add_(&square)?;
    let first_bias = 1.0 - decay.powf(step as f64);
    let second_bias = 1.0 - SECOND_DECAY.powf(step as f64);
    let divisor = second
        .f_sqrt()?
        .f_div_scalar_(second_bias.sqrt())?
        .f_add_scalar_(EPSILON)?;
    let update = first.f_div(&divisor)?.f_mul_scalar_(rate / first_bias)?;
    drop(
        weights
            .f_mul_scalar_(1.0 - rate * recipe.weight_decay)?
            .f_sub_(&update)?,
    );
    Ok(())
}
