//! Fitness against cost: the networks that no other beats in both.

use std::collections::BTreeMap;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgRowByRowLoadingMode, PgValue};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use serde::Serialize;

use crate::cell::Cell;
use crate::document::{Document, Section, Table};
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::output::Report;
use crate::palette::Ink;
use crate::ranking::thinned;
use crate::scope::{Scope, failed, snapshot};
use crate::{Citation, Filter, ReportError};

/// Fitness against FLOPs and against parameters.
#[derive(Clone, Debug, Serialize)]
pub struct Pareto {
    /// What it is cited by.
    pub citation: Citation,
    /// Networks with a fitness.
    pub networks: usize,
    /// One front for each cost that is recorded.
    pub fronts: Vec<Front>,
}

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

/// Where the fitness of a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromSqlRow)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It was trained to the end.
    Measured,
    /// The predictor stopped it.
    Predicted,
    /// It was stopped by an engine that predicts nothing.
    Observed,
}

/// A network as the queries give it.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct Network {
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    #[diesel(sql_type = sql_types::Double)]
    pub fitness: f64,
    #[diesel(sql_type = sql_types::Text)]
    pub fitness_source: Source,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub parameters: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub flops: Option<i64>,
}

/// Fitness against FLOPs and against parameters.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn pareto(conn: &mut PgConnection, search: &str, filter: &Filter) -> Result<Pareto, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        Pareto::load(conn, &scope)
    })
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
    fn table(self) -> Table {
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

impl Source {
    /// As in the views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Predicted => "predicted",
            Self::Observed => "observed",
        }
    }
}

impl FromSql<sql_types::Text, Pg> for Source {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"measured" => Ok(Self::Measured),
            b"predicted" => Ok(Self::Predicted),
            b"observed" => Ok(Self::Observed),
            other => Err(format!("fitness_source `{}`", String::from_utf8_lossy(other)).into()),
        }
    }
}

impl Network {
    /// By number. Read row by row: a client never holds the answer of the server as a whole.
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Vec<Self>, ReportError> {
        let rows = scope
            .query(include_str!("pareto.sql"))
            .load_iter::<Self, PgRowByRowLoadingMode>(conn)
            .map_err(failed("pareto"))?;
        let mut networks: Vec<Self> = rows.collect::<Result<_, _>>().map_err(failed("pareto"))?;
        networks.sort_unstable_by_key(|network| network.job_id);
        Ok(networks)
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

    fn table(&self) -> Table {
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

    fn figure(&self) -> Figure {
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

impl Pareto {
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Self, ReportError> {
        let networks = Network::load(conn, scope)?;
        let mut fronts: Vec<Front> =
            Cost::ALL.iter().filter_map(|&cost| Front::of(&networks, cost)).collect();
        let ids: Vec<i64> = fronts.iter().flat_map(|f| f.members.iter().map(|m| m.job_id)).collect();
        let words = summaries(conn, &ids)?;
        for member in fronts.iter_mut().flat_map(|front| &mut front.members) {
            member.summary = words.get(&member.job_id).cloned().unwrap_or_default();
        }
        Ok(Self { citation: scope.citation.clone(), networks: networks.len(), fronts })
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        if self.fronts.is_empty() {
            let why = "No FLOPs and no parameters are recorded for the networks of this search.";
            return vec![Section::new("Fitness against cost").note(why).table(Cost::Flops.table())];
        }
        let mut section = Section::new("Fitness against cost");
        for front in &self.fronts {
            let predicted = front.members.iter().filter(|m| m.fitness_source != Source::Measured).count();
            section = section
                .note(format!(
                    "{} of {} networks are on the front of fitness and {}, {predicted} of them by a prediction. It \
                     dominates {:.4} (the hypervolume) of the rectangle from fitness 0 to 100 % and from cost 0 to {}, \
                     that of the dearest network.",
                    front.members.len(),
                    front.networks,
                    front.cost.name(),
                    front.hypervolume,
                    crate::cell::large(front.reference)
                ))
                .table(front.table())
                .figure(Some(front.figure()));
        }
        vec![section]
    }
}

/// The genomes of some jobs, in one line each.
fn summaries(conn: &mut PgConnection, jobs: &[i64]) -> Result<BTreeMap<i64, String>, ReportError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        job_id: i64,
        #[diesel(sql_type = sql_types::Text)]
        summary: String,
    }
    let rows: Vec<Row> = sql_query(include_str!("front.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
        .load(conn)
        .map_err(failed("front"))?;
    Ok(rows.into_iter().map(|row| (row.job_id, row.summary)).collect())
}

impl Report for Pareto {
    fn document(&self) -> Document {
        let primary = if self.fronts.first().is_some_and(|f| f.cost == Cost::Parameters) {
            "pareto_parameters"
        } else {
            "pareto_flops"
        };
        let citations = vec![self.citation.clone()];
        Document { title: "pareto", primary, citations, highlights: vec![], sections: self.sections() }
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
