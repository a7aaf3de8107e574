//! The networks that no other beats in both fitness and one cost.

use serde::Serialize;

use crate::cell::Cell;
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::network::{Network, Source};
use crate::palette::Ink;
use crate::ranking::thinned;
use crate::table::Table;

/// The networks that no other beats in both fitness and one cost.
#[derive(Clone, Debug, Serialize)]
pub struct Front {
    /// Which cost.
    pub cost: Cost,
    /// Networks with this cost.
    pub networks: usize,
    /// The front, cheapest first.
    pub members: Vec<Member>,
    /// Share (0 to 1) of the rectangle from fitness 0 to 100 % and from cost 0 to `reference` that the front dominates.
    pub hypervolume: f64,
    /// The highest cost of the networks: where the hypervolume is measured from.
    pub reference: f64,
    /// Networks as cost and fitness, as many as a figure shows.
    #[serde(skip)]
    shown: Vec<(f64, f64)>,
    /// Of a figure that would show all of them.
    #[serde(skip)]
    axes: (Axis, Axis),
}

/// What a network costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// Floating-point operations of one forward pass.
    Flops,
    /// Trainable parameters.
    Parameters,
}

/// One network of a front.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Number of the job.
    pub job_id: i64,
    /// What the search ranks by, in per cent.
    pub fitness: f64,
    /// Where its fitness comes from.
    pub fitness_source: Source,
    /// The cost.
    pub cost: f64,
    /// The genome in one line.
    pub summary: String,
}

/// The places of the points (cost, fitness) that no other beats in both, cheapest first; of equals the first.
pub fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&i, &j| points[i].0.total_cmp(&points[j].0).then(points[j].1.total_cmp(&points[i].1)));
    let mut best = f64::NEG_INFINITY;
    order.retain(|&i| {
        let beats = points[i].1 > best;
        best = best.max(points[i].1);
        beats
    });
    order
}

/// Area that points (cost, fitness) dominate, as a share of the rectangle from fitness 0 to 100 and cost 0 to `reference`.
/// Points beyond the reference add nothing.
pub fn hypervolume(points: &[(f64, f64)], reference: f64) -> f64 {
    let front = front(points);
    let (mut area, mut below) = (0.0, 0.0);
    for &i in &front {
        let (cost, fitness) = points[i];
        if cost < reference {
            area += (reference - cost) * (fitness.min(100.0) - below).max(0.0);
            below = fitness.clamp(below, 100.0);
        }
    }
    if reference > 0.0 { area / (100.0 * reference) } else { 0.0 }
}

impl Cost {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Flops, Self::Parameters];

    /// For headings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flops => "FLOPs",
            Self::Parameters => "parameters",
        }
    }

    fn of(self, network: &Network) -> Option<f64> {
        match self {
            Self::Flops => network.flops,
            Self::Parameters => network.parameters,
        }
        .map(|cost| cost as f64)
    }

    /// The table of a front, without rows.
    pub(crate) fn table(self) -> Table {
        let (key, cost) = match self {
            Self::Flops => ("pareto_flops", ("flops", "#FLOPs")),
            Self::Parameters => ("pareto_parameters", ("parameters", "#parameters")),
        };
        let columns = [
            ("job_id", "#job"),
            ("fitness", "#fitness, %"),
            ("fitness_source", "known by"),
            cost,
            ("summary", "network"),
        ];
        let caption = format!("Networks that no other beats in both fitness and {}", self.name());
        Table::new(key, caption, &columns)
    }
}

impl Front {
    /// None where no network has the cost.
    pub(crate) fn of(networks: &[Network], cost: Cost) -> Option<Self> {
        let (all, who): (Vec<_>, Vec<_>) =
            networks.iter().filter_map(|n| Some(((cost.of(n)?, n.fitness), n))).unzip();
        let reference = all.iter().map(|p| p.0).fold(0.0, f64::max);
        let members = front(&all).into_iter().map(|i| Member {
            job_id: who[i].job_id,
            fitness: who[i].fitness,
            fitness_source: who[i].fitness_source,
            cost: all[i].0,
            summary: String::new(),
        });
        let members = members.collect();
        (!all.is_empty()).then(|| Self {
            cost,
            networks: all.len(),
            members,
            hypervolume: hypervolume(&all, reference),
            reference,
            axes: (
                Axis::around(cost.name(), all.iter().map(|p| p.0)).from(0.0),
                Axis::around("fitness, %", all.iter().map(|p| p.1)).within(0.0, 100.0),
            ),
            shown: thinned(all),
        })
    }

    /// Against another reference, to compare fronts.
    pub(crate) fn hypervolume_to(&self, reference: f64) -> f64 {
        let members: Vec<_> = self.members.iter().map(|m| (m.cost, m.fitness)).collect();
        hypervolume(&members, reference)
    }

    /// Stairs through the front, to the reference.
    pub(crate) fn stairs(&self) -> Vec<(f64, f64)> {
        let mut stairs = Vec::new();
        for member in &self.members {
            if let Some(&(_, before)) = stairs.last() {
                stairs.push((member.cost, before));
            }
            stairs.push((member.cost, member.fitness));
        }
        stairs.extend(self.members.last().map(|m| (self.reference, m.fitness)));
        stairs
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = self.cost.table();
        for member in &self.members {
            table.push(vec![
                Cell::Id(member.job_id),
                Cell::Number(member.fitness, 2),
                member.fitness_source.name().into(),
                Cell::Large(member.cost),
                member.summary.clone().into(),
            ]);
        }
        table
    }

    pub(crate) fn figure(&self) -> Figure {
        let of = |measured: bool| {
            let members =
                self.members.iter().filter(move |m| (m.fitness_source == Source::Measured) == measured);
            members.map(|m| (m.cost, m.fitness)).collect::<Vec<_>>()
        };
        Figure {
            key: if self.cost == Cost::Flops { "pareto-flops" } else { "pareto-parameters" },
            title: format!("Fitness against {}", self.cost.name()),
            caption: format!(
                "{} networks, of which {} are on the front: none is better and cheaper. Dots are measured, rings \
                 predicted: a predicted member may not hold its place once trained to the end.",
                self.networks,
                self.members.len()
            ),
            x: self.axes.0.clone(),
            y: self.axes.1.clone(),
            layers: vec![
                Layer::new("all networks", Ink::Quiet, Marks::Dots(self.shown.clone())).opacity(0.35),
                Layer::new("front", Ink::Blue, Marks::Lines(vec![self.stairs()])),
                Layer::new("on the front, measured", Ink::Blue, Marks::Dots(of(true))),
                Layer::new("on the front, predicted", Ink::Vermilion, Marks::Rings(of(false))),
            ],
            numbers: Table::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_holds_what_no_other_beats() {
        let table = [
            (vec![(1.0, 50.0), (2.0, 60.0), (3.0, 55.0)], vec![0, 1], "the third is dearer and worse"),
            (vec![(1.0, 50.0), (1.0, 60.0)], vec![1], "the same cost"),
            (vec![(1.0, 50.0), (1.0, 50.0), (2.0, 50.0)], vec![0], "of equals the first"),
            (vec![], vec![], "nothing"),
        ];
        for (points, expected, why) in table {
            assert_eq!(front(&points), expected, "{why}");
        }
    }

    #[test]
    fn the_hypervolume_is_the_area_below_the_stairs() {
        let points = [(1.0, 50.0), (2.0, 60.0), (3.0, 55.0)];
        // Cost 1 to 4 at 50 %, and 2 to 4 at 10 % more, of 4 by 100.
        assert!((hypervolume(&points, 4.0) - (3.0 * 50.0 + 2.0 * 10.0) / 400.0).abs() < 1e-12);
        assert!(hypervolume(&points, 1.0).abs() < 1e-12, "nothing is cheaper than the reference");
        assert!(hypervolume(&[], 0.0).abs() < 1e-12);
    }
}
