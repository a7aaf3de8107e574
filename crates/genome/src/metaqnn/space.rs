use serde::{Deserialize, Serialize};

use super::{Layers, Metaqnn, MetaqnnLayer};
use crate::limits::Limits;
use crate::{GenomeError, Input, Layer, Plan, SettingError, Shape};

/// Limits of the `metaqnn` space; the defaults are those of the paper (Baker et al., ICLR 2017, table 1), whose largest
/// networks need a GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetaqnnSpace {
    /// Fewest and most layers, dropouts, `GAP` and `SM` not counted.
    pub layers: [u32; 2],
    /// Filters of a convolution.
    pub filters: Vec<u32>,
    /// Sides of a kernel, odd.
    pub kernels: Vec<u32>,
    /// Pools as [side of the window, step]; empty for none. No pool follows another.
    pub pools: Vec<[u32; 2]>,
    /// Outputs of a fully connected layer.
    pub units: Vec<u32>,
    /// Most fully connected layers.
    pub full: u32,
    /// Largest side of a map that a fully connected layer may take.
    pub full_side: u32,
    /// Whether networks have dropouts, where [`Layers::with_dropouts`] puts them.
    pub dropout: bool,
    /// Learning rates of which each network has one; empty for the recipe's.
    pub learning_rate: Vec<f64>,
    /// Most parameters of a network.
    pub max_parameters: Option<u64>,
    /// Most FLOPs of a network, for one image forward.
    pub max_flops: Option<u64>,
}

impl Default for MetaqnnSpace {
    fn default() -> Self {
        Self {
            layers: [2, 12],
            filters: vec![64, 128, 256, 512],
            kernels: vec![1, 3, 5],
            pools: vec![[5, 3], [3, 2], [2, 2]],
            units: vec![512, 256, 128],
            full: 2,
            full_side: 8,
            dropout: true,
            learning_rate: vec![],
            max_parameters: None,
            max_flops: None,
        }
    }
}

impl MetaqnnSpace {
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let [low, high] = self.layers;
        let allowed = "[fewest, most] with 1 <= fewest <= most <= 100";
        SettingError::unless(1 <= low && low <= high && high <= 100, "space.layers", &self.layers, allowed)?;
        let list = |key, values: &[u32], good: &dyn Fn(&u32) -> bool, allowed| {
            SettingError::unless(!values.is_empty() && values.iter().all(good), key, &values, allowed)
        };
        list("space.filters", &self.filters, &|n| (1..=65_536).contains(n), "numbers from 1 to 65536")?;
        list("space.kernels", &self.kernels, &|n| n % 2 == 1 && *n < 1024, "odd numbers below 1024")?;
        list("space.units", &self.units, &|n| (1..=65_536).contains(n), "numbers from 1 to 65536")?;
        let pools = self.pools.iter().flatten().all(|n| (1..1024).contains(n));
        SettingError::unless(
            pools,
            "space.pools",
            &self.pools,
            "pairs [side, step] of numbers from 1 to 1023",
        )?;
        let rates = self.learning_rate.iter().all(|r| r.is_finite() && *r > 0.0);
        SettingError::unless(rates, "space.learning_rate", &self.learning_rate, "numbers above 0")
    }

    /// Ok if `genome` is a network for `input` within all limits.
    pub(crate) fn contains(&self, genome: &Metaqnn, input: Input) -> Result<(), GenomeError> {
        let plan = genome.plan(input)?;
        let layers = genome.net.bare();
        for (i, &layer) in layers.iter().enumerate() {
            self.contains_layer(layer, i.checked_sub(1).map(|before| layers[before]))?;
        }
        self.contains_numbers(&layers, &plan)?;
        let rate = genome.learning_rate.filter(|rate| !self.learning_rate.contains(rate));
        if let Some(rate) = rate {
            return Err(GenomeError::gene(
                "learning_rate",
                &rate,
                format!("one of {:?}", self.learning_rate),
            ));
        }
        Limits { parameters: self.max_parameters, flops: self.max_flops }.check(plan.cost())
    }

    /// Ok if there are neither too few nor too many layers, and no `FC` on too large a map.
    fn contains_numbers(&self, layers: &[MetaqnnLayer], plan: &Plan) -> Result<(), GenomeError> {
        let counted = (layers.len() - 1 - usize::from(averages(layers))) as u32;
        let [low, high] = self.layers;
        if counted < low || counted > high {
            return Err(GenomeError::gene("number of layers", &counted, format!("{low} to {high}")));
        }
        let full = layers.iter().filter(|layer| matches!(layer, MetaqnnLayer::Full { .. })).count();
        if full > self.full as usize || side_of_full(plan) > self.full_side {
            let allowed = format!("at most {}, on maps of a side of {} or less", self.full, self.full_side);
            return Err(GenomeError::gene("number of FC", &full, allowed));
        }
        Ok(())
    }

    fn contains_layer(&self, layer: MetaqnnLayer, before: Option<MetaqnnLayer>) -> Result<(), GenomeError> {
        let (good, allowed) = match layer {
            MetaqnnLayer::Conv { filters, kernel, stride } => (
                self.filters.contains(&filters) && self.kernels.contains(&kernel) && stride == 1,
                format!("filters of {:?}, kernels of {:?}, stride 1", self.filters, self.kernels),
            ),
            MetaqnnLayer::Pool { kernel, stride } => (
                self.pools.contains(&[kernel, stride]) && !matches!(before, Some(MetaqnnLayer::Pool { .. })),
                format!("one of {:?}, and not behind another pool", self.pools),
            ),
            MetaqnnLayer::Full { units } => (self.units.contains(&units), format!("one of {:?}", self.units)),
            _ => (true, String::new()),
        };
        if good { Ok(()) } else { Err(GenomeError::gene("net", &layer, allowed)) }
    }

    /// The narrowest network of convolutions alone, as short as the space allows.
    pub(crate) fn smallest(&self, input: Input) -> Result<Metaqnn, GenomeError> {
        let least = |choices: &[u32]| choices.iter().copied().min().unwrap_or(1);
        let conv =
            MetaqnnLayer::Conv { filters: least(&self.filters), kernel: least(&self.kernels), stride: 1 };
        let trunk = vec![conv; self.layers[0] as usize];
        let smallest = self.close(trunk, true, self.learning_rate.first().copied(), input);
        self.contains(&smallest, input).map(|()| smallest)
    }

    /// The network of `trunk` with its end, and with dropouts if the space has them.
    pub(super) fn close(
        &self,
        mut trunk: Vec<MetaqnnLayer>,
        average: bool,
        learning_rate: Option<f64>,
        input: Input,
    ) -> Metaqnn {
        if average {
            trunk.push(MetaqnnLayer::Average { maps: input.classes });
        }
        trunk.push(MetaqnnLayer::Softmax { classes: input.classes });
        let net = if self.dropout { Layers::with_dropouts(&trunk) } else { Layers(trunk) };
        Metaqnn { net, learning_rate }
    }
}

pub(super) fn averages(layers: &[MetaqnnLayer]) -> bool {
    layers.iter().any(|layer| matches!(layer, MetaqnnLayer::Average { .. }))
}

/// Side of the map that the first fully connected layer takes; 0 without one.
fn side_of_full(plan: &Plan) -> u32 {
    let flatten =
        plan.nodes.iter().find(|node| node.layer == Layer::Flatten && node.name != "output.flatten");
    match flatten.map(|node| plan.nodes[node.inputs[0]].output) {
        Some(Shape::Map { height, width, .. }) => height.max(width),
        _ => 0,
    }
}
