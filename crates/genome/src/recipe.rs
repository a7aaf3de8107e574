use serde::{Deserialize, Serialize};

use crate::{Genome, SettingError};

/// The `[training]` table of a spec: how every network of a search is trained. Genes of a genome go before
/// `batch_size`, `learning_rate`, `momentum` and `weight_decay`, see [`Recipe::with_genes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// How weights follow gradients.
    pub optimiser: Optimiser,
    /// Highest learning rate of the schedule.
    pub learning_rate: f64,
    /// Momentum of SGD, first moment decay of `AdamW`, in [0, 1).
    pub momentum: f64,
    /// Nesterov's form of the momentum; SGD only.
    pub nesterov: bool,
    /// Weight decay: added to the gradient by SGD, decoupled in `AdamW` (Loshchilov and Hutter, arXiv 1711.05101).
    pub weight_decay: f64,
    /// Images in a step.
    pub batch_size: u32,
    /// Course of the learning rate over the budget of the job.
    pub schedule: Schedule,
    /// For `schedule = "step"`: where the rate is multiplied by `gamma`, as shares of the budget, rising.
    pub milestones: Vec<f64>,
    /// For `schedule = "step"`: factor at each milestone.
    pub gamma: f64,
    /// Epochs in which the learning rate rises linearly from 0 to the schedule.
    pub warmup_epochs: f64,
    /// Share of the target spread evenly over all classes, in [0, 1).
    pub label_smoothing: f64,
    /// Largest norm of the gradient of all parameters together; larger ones are scaled down to it.
    pub gradient_clip: Option<f64>,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
    /// Probability with which a path between nodes is dropped for a sample (`nsga-macro` only), in [0, 1).
    pub drop_path: f64,
    /// Number format of the forward and backward pass; weights and optimiser state are always 32 bit.
    pub precision: Precision,
}

/// How weights follow gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimiser {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay; second moment decay 0.999, epsilon 1e-8.
    Adamw,
}

/// Course of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Half a cosine from the highest rate down to 0 (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
    Cosine,
    /// Multiplied by `gamma` at each milestone.
    Step,
    /// The same rate throughout.
    Constant,
}

/// Random changes of the training images, drawn anew for each image and epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Most pixels by which an image is shifted along each axis; what comes in is 0 after normalisation.
    pub shift: u32,
    /// Whether half of the images are mirrored left to right.
    pub flip: bool,
    /// Side of the square that is set to 0, in pixels (`DeVries` and Taylor, arXiv 1708.04552); 0 for none.
    pub cutout: u32,
}

/// Number format of the forward and backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bit.
    Fp32,
    /// 16 bit brain floats where the device is better at them, else 32 bit.
    Bf16,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            optimiser: Optimiser::Sgd,
            learning_rate: 0.05,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            batch_size: 128,
            schedule: Schedule::Cosine,
            milestones: vec![0.5, 0.75],
            gamma: 0.1,
            warmup_epochs: 0.0,
            label_smoothing: 0.0,
            gradient_clip: None,
            augmentation: Augmentation::default(),
            drop_path: 0.0,
            precision: Precision::Fp32,
        }
    }
}

impl Recipe {
    /// Ok if every key has a possible value.
    ///
    /// # Errors
    /// The first key that has not.
    pub fn check(&self) -> Result<(), SettingError> {
        let number = |key: &str, value: f64, good: bool, allowed: &str| {
            SettingError::unless(good && value.is_finite(), &format!("training.{key}"), &value, allowed)
        };
        let share = |key, value: f64| number(key, value, (0.0..1.0).contains(&value), "0 <= value < 1");
        number("learning_rate", self.learning_rate, self.learning_rate > 0.0, "more than 0")?;
        share("momentum", self.momentum)?;
        let nesterov = !self.nesterov || (self.optimiser == Optimiser::Sgd && self.momentum > 0.0);
        let allowed = "true only with `optimiser = \"sgd\"` and a momentum above 0";
        SettingError::unless(nesterov, "training.nesterov", &self.nesterov, allowed)?;
        number("weight_decay", self.weight_decay, self.weight_decay >= 0.0, "0 or more")?;
        SettingError::unless(self.batch_size > 0, "training.batch_size", &self.batch_size, "1 or more")?;
        let rising = self.milestones.windows(2).all(|w| w[0] < w[1]);
        let inside = self.milestones.iter().all(|&m| 0.0 < m && m < 1.0);
        let allowed = "shares of the budget between 0 and 1, rising";
        SettingError::unless(rising && inside, "training.milestones", &self.milestones, allowed)?;
        number("gamma", self.gamma, self.gamma > 0.0 && self.gamma <= 1.0, "0 < gamma <= 1")?;
        number("warmup_epochs", self.warmup_epochs, self.warmup_epochs >= 0.0, "0 or more")?;
        share("label_smoothing", self.label_smoothing)?;
        if let Some(norm) = self.gradient_clip {
            number("gradient_clip", norm, norm > 0.0, "more than 0; leave it out for no clipping")?;
        }
        share("drop_path", self.drop_path)
    }

    /// This recipe with the hyper-parameters that `genome` carries.
    #[must_use]
    pub fn with_genes(&self, genome: &Genome) -> Self {
        match genome {
            Genome::RandomCnn(g) => Self {
                batch_size: g.batch_size,
                learning_rate: g.learning_rate,
                momentum: g.momentum,
                weight_decay: g.weight_decay,
                // Nesterov's form is undefined without momentum.
                nesterov: self.nesterov && g.momentum > 0.0,
                ..self.clone()
            },
            Genome::Metaqnn(g) => {
                Self { learning_rate: g.learning_rate.unwrap_or(self.learning_rate), ..self.clone() }
            }
            Genome::NsgaMacro(_) | Genome::External(_) => self.clone(),
        }
    }

    /// Learning rate `epoch` epochs (with fractions) into a job of at most `max_epochs`; before the first step that is
    /// epoch 0. During the warm-up the schedule's rate is multiplied by the share of the warm-up that the next step
    /// will have done, which is why the caller passes the length of a step, in epochs.
    pub fn learning_rate_at(&self, epoch: f64, step: f64, max_epochs: f64) -> f64 {
        let share = (epoch / max_epochs).clamp(0.0, 1.0);
        let factor = match self.schedule {
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * share).cos()),
            Schedule::Step => self.gamma.powi(self.milestones.iter().filter(|&&m| m <= share).count() as i32),
            Schedule::Constant => 1.0,
        };
        let warm =
            if epoch < self.warmup_epochs { ((epoch + step) / self.warmup_epochs).min(1.0) } else { 1.0 };
        self.learning_rate * factor * warm
    }
}
