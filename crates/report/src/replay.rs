//! Engines run over the stored curves of a search as if it were live.

use std::thread;

use diesel::pg::PgRowByRowLoadingMode;
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use predictor::replay::{Recorded, orders};
use predictor::{Calibration, Engine, Observation, Settings, Target};
use scheduler::LedgerError;
use scheduler::simulation::{Measured, Setup, measure};
use serde::Serialize;

use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::output::Report;
use crate::scope::{Scope, failed, snapshot};
use crate::table::Table;
use crate::{Citation, Filter, ReportError, shares};

/// How engines are replayed.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Each engine with its settings.
    pub engines: Vec<Settings>,
    /// Random orders of the jobs to average over; 1: the order in which they were proposed.
    pub orders: usize,
    /// Seed of the random orders.
    pub seed: u64,
    /// Jobs in training at the same time.
    pub workers: usize,
    /// An earlier search on the same kind of data to begin with.
    pub warm_start: Option<&'a str>,
    /// Whether FLOPs are a second objective of the engines that know one.
    pub cost: bool,
}

/// What engines would have done on the stored curves of a search.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// What it is cited by.
    pub citation: Citation,
    /// Jobs replayed: those trained to the end.
    pub jobs: usize,
    /// Jobs left out because their curve does not reach the end.
    pub left_out: i64,
    /// Orders that each figure is the mean of.
    pub orders: usize,
    /// Their seed; none for the order of proposal.
    pub seed: Option<u64>,
    /// One row per engine.
    pub engines: Vec<Replayed>,
}

/// One engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    /// Its name.
    pub engine: String,
    /// Means over the orders.
    #[serde(flatten)]
    pub measured: Measured,
}

#[derive(QueryableByName)]
struct Point {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::Double)]
    epoch: f64,
    #[diesel(sql_type = sql_types::Double)]
    val_acc: f64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    train_acc: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    train_loss: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    flops: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    parameters: Option<i64>,
}

/// What is the second objective of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cost {
    None,
    Flops,
    Parameters,
}

impl Cost {
    /// That of the strategy of a search.
    pub fn of_strategy(spec: &serde_json::Value) -> Self {
        let strategy = &spec["strategy"];
        match (strategy["kind"].as_str(), strategy["cost"].as_str()) {
            (Some("nsga2"), Some("parameters")) => Self::Parameters,
            (Some("nsga2"), _) => Self::Flops,
            _ => Self::None,
        }
    }
}

/// Stored curves, ready to be replayed.
pub(crate) struct Stored {
    pub citation: Citation,
    pub left_out: i64,
    pub jobs: Vec<Recorded>,
    pub earlier: Vec<Recorded>,
}

/// Runs engines over the stored curves of a search as if it were live, on all cores.
///
/// # Errors
/// [`ReportError::Empty`] if no job of it was trained to the end; [`ReportError::Engine`] for settings out of range.
pub fn replay(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    request: &Request<'_>,
) -> Result<Replay, ReportError> {
    let stored = Stored::load(conn, search, filter, request)?;
    let measured = stored.play(&request.engines, request)?;
    let engines = request.engines.iter().zip(without_few(measured, stored.jobs.len()));
    Ok(Replay {
        jobs: stored.jobs.len(),
        left_out: stored.left_out,
        orders: request.orders.max(1),
        seed: (request.orders > 1).then_some(request.seed),
        engines: engines.map(|(s, measured)| Replayed { engine: s.engine.to_string(), measured }).collect(),
        citation: stored.citation,
    })
}

impl Stored {
    pub fn load(
        conn: &mut PgConnection,
        search: &str,
        filter: &Filter,
        request: &Request<'_>,
    ) -> Result<Self, ReportError> {
        snapshot(conn, |conn| {
            let scope = Scope::open(conn, search, filter)?;
            let jobs = recorded(conn, &scope, if request.cost { Cost::Flops } else { Cost::None })?;
            if jobs.is_empty() {
                return Err(ReportError::Empty {
                    search: search.to_owned(),
                    operation: "replay",
                    reason: "none of its jobs was trained to the end; import curves, or run a search with mode \"observe\"".to_owned(),
                });
            }
            let all = Filter::default();
            let earlier = match request.warm_start {
                Some(name) => {
                    let earlier = Scope::open(conn, name, &all)?;
                    recorded(conn, &earlier, Cost::None)?
                }
                None => vec![],
            };
            let ended = scope.citation.ended;
            let left_out = if filter.is_empty() { ended - jobs.len() as i64 } else { 0 };
            Ok(Self { citation: scope.citation, left_out, jobs, earlier })
        })
    }

    /// One entry per engine. Engines run beside each other, and the orders of each too.
    pub fn play(&self, engines: &[Settings], request: &Request<'_>) -> Result<Vec<Measured>, ReportError> {
        let target = Target { epochs: self.citation.max_epochs, interval: self.citation.interval };
        let orders = if request.orders > 1 {
            orders(self.jobs.len(), self.jobs.len(), request.orders, request.seed)
        } else {
            vec![(0..self.jobs.len()).collect()]
        };
        let setup = Setup { workers: request.workers, restart: 0, target };
        let curve = |source| ReportError::Curve { search: self.citation.search.clone(), source };
        let one = |settings: &Settings| {
            let refused = |source| ReportError::Engine { engine: settings.engine.to_string(), source };
            let engine = Engine::new(settings, target).map_err(refused)?;
            let mut known = Calibration::default();
            for Recorded { job, curve: points, .. } in &self.earlier {
                let damaged = |source| curve(LedgerError::Curve { job: *job, source }.into());
                engine.learn_earlier(&mut known, points).map_err(damaged)?;
            }
            let make =
                || scheduler::of(settings, target, known.clone()).expect("settings that an engine took");
            Ok(Measured::mean(&measure(&make, &self.jobs, &orders, &setup).map_err(curve)?))
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut measured = Vec::with_capacity(engines.len());
        for some in engines.chunks(threads) {
            measured.extend(thread::scope(|scope| {
                let handles: Vec<_> = some.iter().map(|settings| scope.spawn(|| one(settings))).collect();
                let join = |handle: thread::ScopedJoinHandle<'_, _>| {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                handles.into_iter().map(join).collect::<Result<Vec<_>, ReportError>>()
            })?);
        }
        Ok(measured)
    }
}

/// The curves of the jobs that were trained to the end, in the order of proposal.
pub(crate) fn recorded(
    conn: &mut PgConnection,
    scope: &Scope<'_>,
    cost: Cost,
) -> Result<Vec<Recorded>, ReportError> {
    let points = scope
        .query(include_str!("recorded.sql"))
        .load_iter::<Point, PgRowByRowLoadingMode>(conn)
        .map_err(failed("recorded"))?;
    let mut jobs: Vec<Recorded> = Vec::new();
    for point in points {
        let point = point.map_err(failed("recorded"))?;
        if jobs.last().is_none_or(|job| job.job != point.job_id) {
            let cost = match cost {
                Cost::None => None,
                Cost::Flops => point.flops,
                Cost::Parameters => point.parameters,
            };
            jobs.push(Recorded { job: point.job_id, curve: Vec::new(), cost: cost.map(|cost| cost as f64) });
        }
        if let Some(job) = jobs.last_mut() {
            let (epoch, val_acc) = (point.epoch, point.val_acc);
            job.curve.push(Observation {
                epoch,
                val_acc,
                train_acc: point.train_acc,
                train_loss: point.train_loss,
            });
        }
    }
    Ok(jobs)
}

/// Without shares of the best that are over too few of so many jobs.
pub(crate) fn without_few(measured: Vec<Measured>, jobs: usize) -> impl Iterator<Item = Measured> {
    measured.into_iter().map(move |m| Measured { measures: shares::without_few(m.measures, jobs), ..m })
}

/// A measure: its name in JSON and CSV, its heading, decimals, and where it is.
type Measure = (&'static str, &'static str, usize, fn(&Measured) -> Option<f64>);

/// What an engine saves and keeps.
const KEPT: [Measure; 9] = [
    ("epochs_saved_percent", "#saved, %", 1, |m| m.measures.epochs_saved_percent),
    ("terminated_percent", "#stopped, %", 1, |m| m.measures.terminated_percent),
    ("mean_stop_epoch", "#stop epoch", 1, |m| m.measures.mean_stop_epoch),
    ("overlap_5", "#top 5 %", 2, |m| m.measures.overlap_5),
    ("overlap_10", "#10 %", 2, |m| m.measures.overlap_10),
    ("overlap_20", "#20 %", 2, |m| m.measures.overlap_20),
    ("overlap_25", "#25 %", 2, |m| m.measures.overlap_25),
    ("speed", "#speed", 2, |m| Some(m.speed)),
    ("restarts", "#restarts", 1, |m| Some(m.restarts)),
];

/// How well it predicts and ranks.
const PREDICTED: [Measure; 10] = [
    ("mae", "#error", 2, |m| m.measures.mae),
    ("bias", "#bias", 2, |m| m.measures.bias),
    ("spearman", "#Spearman", 3, |m| m.measures.spearman),
    ("kendall", "#Kendall", 3, |m| m.measures.kendall),
    ("regret_1", "#regret 1 %", 2, |m| m.measures.regret_1),
    ("regret_5", "#5 %", 2, |m| m.measures.regret_5),
    ("best_mean_gap_10", "#gap 10 %", 2, |m| m.measures.best_mean_gap_10),
    ("coverage_80", "#in 80 %", 2, |m| m.measures.coverage_80),
    ("coverage_90", "#in 90 %", 2, |m| m.measures.coverage_90),
    ("width_80", "#width", 2, |m| m.measures.width_80),
];

/// Rows of measures, each over so many jobs, behind `lead` columns.
pub(crate) fn measure_table(
    jobs: usize,
    key: &'static str,
    caption: &str,
    lead: &[(&'static str, &'static str)],
    rows: &[(Vec<Cell>, &Measured)],
    parts: &[&[Measure]],
) -> Table {
    let measures: Vec<&Measure> = parts.iter().copied().flatten().collect();
    let columns: Vec<_> = lead.iter().copied().chain(measures.iter().map(|m| (m.0, m.1))).collect();
    let mut table = Table::new(key, caption, &columns);
    for (first, values) in rows {
        let cells = measures.iter().map(|m| {
            let value = (m.3)(values);
            shares::of(m.0).map_or_else(
                || Cell::number(value, m.2),
                |share| shares::cell(value, share, jobs, |value| Cell::Number(value, m.2)),
            )
        });
        table.push(first.iter().cloned().chain(cells).collect());
    }
    table
}

/// The tables of measures: two for people, one for machines.
pub(crate) fn measure_section(
    section: Section,
    jobs: usize,
    key: &'static str,
    lead: &[(&'static str, &'static str)],
    rows: &[(Vec<Cell>, &Measured)],
) -> Section {
    section
        .table(measure_table(
            jobs,
            "kept",
            "What each engine saves, the share (0 to 1) of the true best that it keeps, and its speed over untouched trainings",
            lead,
            rows,
            &[&KEPT],
        ))
        .table(measure_table(jobs, "predicted", "How well it predicts and ranks", lead, rows, &[&PREDICTED]))
        .data(measure_table(jobs, key, "All measures", lead, rows, &[&KEPT, &PREDICTED]))
}

/// What a reader must know about replayed figures.
pub(crate) fn conditions(jobs: usize, left_out: i64, orders: usize, seed: Option<u64>) -> String {
    let order = match seed {
        Some(seed) => format!("Means over {orders} random orders of the jobs (seed {seed})."),
        None => "The jobs came in the order in which they were proposed.".to_owned(),
    };
    let left = if left_out > 0 {
        format!(
            " {left_out} jobs whose curve does not reach the end are left out: if the predictor ended them, those left are no fair sample."
        )
    } else {
        String::new()
    };
    format!(
        "{jobs} jobs whose curve is known to the end were replayed, none trained. {order}{left} Shares kept are of the \
         true best; errors and the gap are in points of accuracy and over all jobs, those not stopped having none; \
         intervals are judged on stopped jobs. Speed is how many times as long the same workers take for all jobs \
         trained to the end."
    )
}

impl Replay {
    fn sections(&self) -> Vec<Section> {
        let rows: Vec<_> =
            self.engines.iter().map(|e| (vec![Cell::from(e.engine.clone())], &e.measured)).collect();
        let section = Section::new("Engines on the recorded curves").note(conditions(
            self.jobs,
            self.left_out,
            self.orders,
            self.seed,
        ));
        vec![measure_section(section, self.jobs, "replay", &[("engine", "engine")], &rows)]
    }
}

impl Report for Replay {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document {
            title: "replay",
            primary: "replay",
            citations,
            highlights: vec![],
            sections: self.sections(),
        }
    }
}
