//! Learning curves, with where the predictor stopped them or would have.

use std::collections::BTreeMap;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use serde::Serialize;

use crate::ReportError;
use crate::basis::Basis;
use crate::cell::Cell;
use crate::document::Section;
use crate::epochs::decimals;
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::palette::Ink;
use crate::scope::{Scope, failed};
use crate::table::Table;

/// More curves than this on one figure are a smear.
const DRAWN: i64 = 150;
/// So many of them are the best.
const BEST: i64 = 50;

/// The learning curves of a search, a part of them if there are many.
#[derive(Clone, Debug, Serialize)]
pub struct Curves {
    /// Jobs that could be drawn.
    pub jobs: i64,
    /// Those that are.
    pub curves: Vec<Curve>,
    #[serde(skip)]
    max_epochs: f64,
    #[serde(skip)]
    interval: f64,
}

/// One learning curve.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// Number of the job.
    pub job_id: i64,
    /// How it ended.
    pub outcome: String,
    /// What the search ranks by, in per cent.
    pub fitness: Option<f64>,
    /// Epoch at which the predictor stopped it for good, or would have, and the accuracy there.
    pub stop: Option<(f64, f64)>,
    /// Epoch and validation accuracy in per cent.
    pub points: Vec<(f64, f64)>,
}

/// One point of a learning curve, as it is stored.
#[derive(Clone, Debug, QueryableByName)]
struct Point {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::Double)]
    epoch: f64,
    #[diesel(sql_type = sql_types::Double)]
    val_acc: f64,
}

#[derive(QueryableByName)]
struct Drawn {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::Text)]
    outcome: String,
    #[diesel(sql_type = sql_types::Text)]
    mode: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    fitness: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    stop_epoch: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    stop_fitness: Option<f64>,
}

impl Drawn {
    /// Where a job was stopped, or would have been. A job that was set aside and taken up again to its end was not.
    fn stop(&self, points: &[(f64, f64)], basis: &Basis) -> Option<(f64, f64)> {
        let decided = self.stop_epoch.zip(self.stop_fitness);
        match (self.outcome.as_str(), self.mode.as_str(), basis) {
            ("terminated", ..) => points.last().copied(),
            (_, "observe" | "audit", Basis::Decisions) => decided,
            (_, "observe", Basis::Simulated(play)) => play.stop_of(self.job_id),
            _ => None,
        }
    }
}

/// The points of some jobs, by job.
fn points(conn: &mut PgConnection, jobs: &[i64]) -> Result<Vec<Point>, ReportError> {
    sql_query(include_str!("curves.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
        .load(conn)
        .map_err(failed("curves"))
}

impl Curves {
    /// `jobs`: how many could be drawn.
    pub(crate) fn load(
        conn: &mut PgConnection,
        scope: &Scope<'_>,
        jobs: i64,
        basis: &Basis,
    ) -> Result<Self, ReportError> {
        let every = if jobs > DRAWN { jobs / (DRAWN - BEST) } else { 1 };
        let drawn: Vec<Drawn> = scope
            .query(include_str!("drawn.sql"))
            .bind::<sql_types::BigInt, _>(every)
            .bind::<sql_types::BigInt, _>(BEST)
            .load(conn)
            .map_err(failed("drawn"))?;
        let ids: Vec<i64> = drawn.iter().map(|d| d.job_id).collect();
        let mut by_job: BTreeMap<i64, Vec<(f64, f64)>> = BTreeMap::new();
        for point in points(conn, &ids)? {
            by_job.entry(point.job_id).or_default().push((point.epoch, point.val_acc));
        }
        let curves = drawn.into_iter().map(|d| {
            let points = by_job.remove(&d.job_id).unwrap_or_default();
            let stop = d.stop(&points, basis);
            Curve { points, job_id: d.job_id, outcome: d.outcome, fitness: d.fitness, stop }
        });
        let curves = curves.filter(|c| !c.points.is_empty()).collect();
        Ok(Self { jobs, curves, max_epochs: scope.max_epochs(), interval: scope.citation.interval })
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let figure = self.figure();
        if figure.is_none() {
            return vec![];
        }
        vec![Section::new("Learning curves").figure(figure)]
    }

    fn figure(&self) -> Option<Figure> {
        if self.curves.is_empty() {
            return None;
        }
        let of = |terminated: bool| -> Vec<Vec<(f64, f64)>> {
            let ended = self.curves.iter().filter(|c| (c.outcome == "terminated") == terminated);
            ended.map(|c| c.points.clone()).collect()
        };
        let (stopped, on): (Vec<&Curve>, Vec<&Curve>) = self
            .curves
            .iter()
            .filter(|c| c.stop.is_some_and(|s| s.0 < self.max_epochs))
            .partition(|c| c.outcome == "terminated");
        let stops = |curves: &[&Curve]| curves.iter().filter_map(|c| c.stop).collect::<Vec<_>>();
        let all = self.curves.iter().flat_map(|c| c.points.iter().map(|p| p.1));
        let opacity = if self.curves.len() > 40 { 0.45 } else { 0.8 };
        Some(Figure {
            key: "curves",
            title: "Learning curves, and where the predictor stops them".to_owned(),
            caption: self.caption(stopped.len(), on.len()),
            x: Axis { label: "epoch".into(), low: 0.0, high: self.max_epochs * 1.01 },
            y: Axis::around("validation accuracy, %", all).within(0.0, 100.0),
            layers: vec![
                Layer::new("trained to the end", Ink::Blue, Marks::Lines(of(false))).opacity(opacity),
                Layer::new("stopped by the predictor", Ink::Vermilion, Marks::Lines(of(true)))
                    .opacity(opacity),
                Layer::new("where it was stopped", Ink::Vermilion, Marks::Dots(stops(&stopped))),
                Layer::new("would be stopped here, trained on", Ink::Vermilion, Marks::Rings(stops(&on))),
            ],
            numbers: self.numbers(),
        })
    }

    fn caption(&self, stopped: usize, on: usize) -> String {
        let shown = self.curves.len();
        let part = if (shown as i64) < self.jobs {
            format!(
                "{shown} of {} curves: the fifty best, and others drawn by a hash of their numbers",
                self.jobs
            )
        } else {
            format!("All {shown} curves")
        };
        let passed = if on > 0 {
            format!(
                " {on} more were trained past where a terminating search stops them, and show what comes after it."
            )
        } else {
            String::new()
        };
        format!(
            "{part}, validation accuracy after each interval. {stopped} were stopped by the predictor.{passed}"
        )
    }

    /// One row per curve; intervals across.
    fn numbers(&self) -> Table {
        let columns = [
            ("job_id", "#job"),
            ("outcome", "outcome"),
            ("stop_epoch", "#stopped at epoch"),
            ("fitness", "#fitness, %"),
            ("curve", "validation accuracy in % after each interval"),
        ];
        let mut table = Table::new("curves", format!("{} learning curves", self.curves.len()), &columns);
        for curve in &self.curves {
            let points: Vec<String> = curve.points.iter().map(|p| format!("{:.2}", p.1)).collect();
            table.push(vec![
                Cell::Id(curve.job_id),
                curve.outcome.clone().into(),
                Cell::number(curve.stop.map(|s| s.0), decimals(self.interval)),
                Cell::two(curve.fitness),
                points.join(" ").into(),
            ]);
        }
        table
    }
}
