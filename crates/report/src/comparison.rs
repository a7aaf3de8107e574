//! Two searches side by side, as one with and one without termination.

use std::collections::HashMap;

use diesel::pg::PgRowByRowLoadingMode;
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::basis::Basis;
use crate::cell::{Cell, fixed};
use crate::document::{Document, Section};
use crate::epochs::Epochs;
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::front::{Cost, Front};
use crate::network::{Network, Source};
use crate::output::Report;
use crate::palette::Ink;
use crate::sample::{Difference, Sample};
use crate::scope::{Scope, failed, snapshots};
use crate::table::Table;
use crate::tally::Tally;
use crate::{Citation, Filter, ReportError};

/// Two searches side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The first search.
    pub first: Side,
    /// The second search.
    pub second: Side,
    /// Fitness of all networks, first less second.
    pub unpaired: Option<Difference>,
    /// Fitness of the architectures that are in both, first less second.
    pub paired: Option<Difference>,
    /// Cost from which both hypervolumes are measured.
    pub reference: Option<f64>,
}

/// One of two searches.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// What it is cited by.
    pub citation: Citation,
    /// Epochs trained and saved.
    pub epochs: Epochs,
    /// Networks whose fitness was measured; that of the others is predicted.
    pub measured: usize,
    /// What the search ranks by, in per cent.
    pub fitness: Option<Sample>,
    /// The front of fitness and FLOPs, or parameters where no FLOPs are recorded.
    pub front: Option<Front>,
    /// Share (0 to 1) of the common rectangle that the front dominates.
    pub hypervolume: Option<f64>,
    #[serde(skip)]
    values: Vec<f64>,
    #[serde(skip)]
    architectures: Architectures,
}

/// Mean fitness over the seeds of each architecture.
#[derive(Clone, Debug, Default)]
struct Architectures {
    by_hash: HashMap<String, usize>,
    means: Vec<f64>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
    #[diesel(embed)]
    network: Network,
}

/// Two searches side by side. Two connections to the same database: both are read at the same time, from one snapshot.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn compare(
    conns: [&mut PgConnection; 2],
    first: &str,
    second: &str,
    filter: &Filter,
) -> Result<Comparison, ReportError> {
    let load = |search| move |(): &(), conn: &mut PgConnection| Side::load(conn, search, filter);
    let (mut first, mut second) = snapshots(conns, |_| Ok(()), load(first), load(second))?;
    let reference =
        [&first, &second].iter().filter_map(|s| s.front.as_ref()).map(|f| f.reference).fold(0.0, f64::max);
    for side in [&mut first, &mut second] {
        side.hypervolume = side.front.as_ref().map(|front| front.hypervolume_to(reference));
    }
    let mut both = first.architectures.in_both(&second.architectures);
    // In the same order each time, so that sums come out the same.
    both.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    Ok(Comparison {
        unpaired: Difference::unpaired(&first.values, &second.values),
        paired: Difference::paired(&both),
        reference: (reference > 0.0).then_some(reference),
        first,
        second,
    })
}

/// The networks by number, and their architectures.
fn networks(
    conn: &mut PgConnection,
    scope: &Scope<'_>,
) -> Result<(Vec<Network>, Architectures), ReportError> {
    let rows = scope
        .query(include_str!("comparison.sql"))
        .load_iter::<Row, PgRowByRowLoadingMode>(conn)
        .map_err(failed("comparison"))?;
    let (mut jobs, mut by_hash) = (Vec::new(), HashMap::<String, usize>::new());
    for row in rows {
        let row = row.map_err(failed("comparison"))?;
        let new = by_hash.len();
        jobs.push((row.network, *by_hash.entry(row.hash).or_insert(new)));
    }
    jobs.sort_unstable_by_key(|(network, _)| network.job_id);
    let mut sums = vec![(0.0, 0.0); by_hash.len()];
    for (network, architecture) in &jobs {
        let sum: &mut (f64, f64) = &mut sums[*architecture];
        *sum = (sum.0 + network.fitness, sum.1 + 1.0);
    }
    let means = sums.into_iter().map(|(sum, seeds)| sum / seeds).collect();
    Ok((jobs.into_iter().map(|(network, _)| network).collect(), Architectures { by_hash, means }))
}

impl Architectures {
    /// The means of those in both.
    fn in_both(&self, other: &Self) -> Vec<(f64, f64)> {
        let both = self.by_hash.iter().filter_map(|(hash, &at)| Some((at, *other.by_hash.get(hash)?)));
        both.map(|(at, there)| (self.means[at], other.means[there])).collect()
    }
}

impl Side {
    fn load(conn: &mut PgConnection, search: &str, filter: &Filter) -> Result<Self, ReportError> {
        let scope = Scope::open(conn, search, filter)?;
        let (networks, architectures) = networks(conn, &scope)?;
        let values: Vec<f64> = networks.iter().map(|n| n.fitness).collect();
        Ok(Self {
            epochs: Tally::load(conn, &scope)?.epochs(&Basis::of_ended(&scope)),
            measured: networks.iter().filter(|n| n.fitness_source == Source::Measured).count(),
            fitness: Sample::of(&values),
            front: Cost::ALL.iter().find_map(|&cost| Front::of(&networks, cost)),
            hypervolume: None,
            values,
            architectures,
            citation: scope.citation,
        })
    }

    fn name(&self) -> &str {
        &self.citation.search
    }
}

impl Comparison {
    fn table(&self) -> Table {
        let columns = [
            ("measure", ""),
            ("label", "measure"),
            ("first", "#first"),
            ("second", "#second"),
            ("difference", "#first less second"),
        ];
        let caption = format!("{} (first) beside {} (second)", self.first.name(), self.second.name());
        let mut table = Table::new("comparison", caption, &columns);
        let mut row = |key: &'static str, label: &str, decimals: usize, of: &dyn Fn(&Side) -> Option<f64>| {
            let (a, b) = (of(&self.first), of(&self.second));
            let difference = a.zip(b).map(|(a, b)| a - b);
            let [a, b, difference] = [a, b, difference].map(|v| Cell::number(v, decimals));
            table.push(vec![key.into(), label.into(), a, b, difference]);
        };
        let sample = |f: fn(&Sample) -> f64| move |side: &Side| side.fitness.as_ref().map(f);
        row("networks", "networks", 0, &|s| Some(s.values.len() as f64));
        row("measured", "of these, fitness measured", 0, &|s| Some(s.measured as f64));
        row("epochs_trained", "epochs trained", 0, &|s| Some(s.epochs.epochs_trained));
        row("epochs_saved_percent", "epochs saved, %", 1, &|s| s.epochs.saved_percent());
        row("converged_percent", "jobs that the predictor stopped, %", 1, &|s| s.epochs.converged_percent());
        row("seconds_trained", "device time, s", 0, &|s| Some(s.epochs.seconds_trained).filter(|t| *t > 0.0));
        row("mean_fitness", "mean fitness, %", 2, &sample(|s| s.mean));
        row("deviation", "standard deviation", 2, &sample(|s| s.deviation));
        row("least", "least", 2, &sample(|s| s.least));
        row("lower_quartile", "lower quartile", 2, &sample(|s| s.lower_quartile));
        row("median", "median", 2, &sample(|s| s.median));
        row("upper_quartile", "upper quartile", 2, &sample(|s| s.upper_quartile));
        row("best_fitness", "best", 2, &sample(|s| s.largest));
        row("front_networks", "networks on the Pareto front", 0, &|s| {
            s.front.as_ref().map(|f| f.members.len() as f64)
        });
        row("hypervolume", "hypervolume, common reference", 4, &|s| s.hypervolume);
        table
    }

    fn tests(&self) -> Table {
        let columns = [
            ("test", "fitness, first less second"),
            ("mean_difference", "#mean, points"),
            ("mean_difference_interval", "#95 % interval"),
            ("p_mean", "#p, Student's t"),
            ("p_rank", "#p, ranks"),
            ("superiority", "#first is above"),
            ("values", "#over"),
        ];
        let mut table = Table::new("tests", "Tests of the difference", &columns);
        let tests = [
            ("all networks (Welch; Mann-Whitney)", &self.unpaired),
            ("architectures in both (paired t; Wilcoxon)", &self.paired),
        ];
        for (name, difference) in tests {
            let Some(d) = difference else { continue };
            table.push(vec![
                name.into(),
                Cell::Number(d.mean, 2),
                Cell::Interval(d.interval, 2),
                d.p_mean.map_or(Cell::Empty, probability),
                d.p_rank.map_or(Cell::Empty, probability),
                Cell::Number(d.superiority, 2),
                Cell::Count(d.pairs as i64),
            ]);
        }
        table
    }

    fn unproven(&self) -> Option<String> {
        let of = |side: &Side| {
            let predicted = side.values.len() - side.measured;
            (predicted > 0).then(|| format!("{predicted} of {} in `{}`", side.values.len(), side.name()))
        };
        let parts: Vec<String> = [&self.first, &self.second].into_iter().filter_map(of).collect();
        (!parts.is_empty()).then(|| {
            format!(
                "The fitness of some networks is a prediction, not a measurement: {}. A difference may be one of the \
                 predictor, not of the networks.",
                parts.join(", ")
            )
        })
    }

    fn sections(&self) -> Vec<Section> {
        let paired = if self.paired.is_none() {
            "No architecture is in both searches: there is no paired test. "
        } else {
            ""
        };
        vec![
            Section::new("Side by side").note_if(self.unproven()).table(self.table()),
            Section::new("Is it chance?")
                .note(format!(
                    "{paired}Two-sided. The tests take the networks of a search as independent; those that a strategy \
                     bred from each other are not, so that p is too small then. To compare strategies, repeat the \
                     searches with other seeds. First is above: the chance that a network of the first is better."
                ))
                .table(self.tests()),
            Section::new("Distribution and fronts").figure(self.distribution()).figure(self.fronts()),
        ]
    }

    fn sides(&self) -> [(&Side, Ink); 2] {
        [(&self.first, Ink::Vermilion), (&self.second, Ink::Blue)]
    }

    fn distribution(&self) -> Option<Figure> {
        let values = || self.first.values.iter().chain(&self.second.values).copied();
        values().next()?;
        let layers = self
            .sides()
            .map(|(side, ink)| Layer::new(side.name(), ink, Marks::Lines(vec![cumulative(&side.values)])));
        let columns = [
            ("share", "#networks at or below, %"),
            ("first", "#first, fitness in %"),
            ("second", "#second, fitness in %"),
        ];
        let mut numbers = Table::new("distribution", "fitness by share of networks", &columns);
        for percent in (0..=100).step_by(5) {
            let at = |side: &Side| {
                cumulative(&side.values).iter().find(|p| p.1 >= f64::from(percent)).map(|p| p.0)
            };
            numbers.push(vec![
                Cell::Count(percent.into()),
                Cell::two(at(&self.first)),
                Cell::two(at(&self.second)),
            ]);
        }
        Some(Figure {
            key: "distribution",
            title: "How fitness is distributed".to_owned(),
            caption: "Share of the networks at or below each fitness. Where one line runs to the right of the other, its \
                      search has the better networks."
                .to_owned(),
            x: Axis::around("fitness, %", values()),
            y: Axis { label: "networks at or below, %".into(), low: 0.0, high: 101.0 },
            layers: layers.into(),
            numbers,
        })
    }

    fn fronts(&self) -> Option<Figure> {
        let (a, b) = (self.first.front.as_ref()?, self.second.front.as_ref()?);
        if a.cost != b.cost {
            return None;
        }
        let points = || a.members.iter().chain(&b.members);
        let mut layers = Vec::new();
        let columns = [
            ("search", "search"),
            ("job_id", "#job"),
            ("cost", "#cost"),
            ("fitness", "#fitness, %"),
            ("fitness_source", "known by"),
        ];
        let mut numbers = Table::new("fronts", "networks on both fronts", &columns);
        for ((side, ink), front) in self.sides().into_iter().zip([a, b]) {
            let marks = front.members.iter().map(|m| (m.cost, m.fitness)).collect();
            layers.push(Layer::new(
                format!("{}: {} on the front", side.name(), front.members.len()),
                ink,
                Marks::Lines(vec![front.stairs()]),
            ));
            layers.push(Layer {
                name: None,
                ink,
                opacity: 1.0,
                marks: if ink == Ink::Blue { Marks::Dots(marks) } else { Marks::Rings(marks) },
            });
            for m in &front.members {
                numbers.push(vec![
                    side.name().into(),
                    Cell::Id(m.job_id),
                    Cell::Large(m.cost),
                    Cell::Number(m.fitness, 2),
                    m.fitness_source.name().into(),
                ]);
            }
        }
        Some(Figure {
            key: "fronts",
            title: format!("Pareto fronts of fitness and {}", a.cost.name()),
            caption: format!(
                "The networks that none of the same search beats in both; measured from a common reference, `{}` dominates \
                 {} of the rectangle and `{}` {}.",
                self.first.name(),
                self.first.hypervolume.map_or("–".into(), |h| fixed(h, 4)),
                self.second.name(),
                self.second.hypervolume.map_or("–".into(), |h| fixed(h, 4))
            ),
            x: Axis::around(a.cost.name(), points().map(|m| m.cost)).from(0.0),
            y: Axis::around("fitness, %", points().map(|m| m.fitness)).within(0.0, 100.0),
            layers,
            numbers,
        })
    }
}

/// Fitness and the share (per cent) of values up to it, at most 400 steps.
fn cumulative(values: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let step = n.div_ceil(400).max(1);
    let mut line: Vec<(f64, f64)> = sorted.first().map(|v| (*v, 0.0)).into_iter().collect();
    let places = (0..n).filter(|i| i % step == 0 || *i + 1 == n);
    line.extend(places.map(|i| (sorted[i], 100.0 * (i + 1) as f64 / n as f64)));
    line
}

/// Small ones by their order.
fn probability(p: f64) -> Cell {
    if p >= 1e-4 { Cell::Number(p, 4) } else { Cell::Small(p) }
}

impl Report for Comparison {
    fn document(&self) -> Document {
        Document {
            title: "compare",
            primary: "comparison",
            citations: vec![self.first.citation.clone(), self.second.citation.clone()],
            highlights: vec![],
            sections: self.sections(),
        }
    }
}
