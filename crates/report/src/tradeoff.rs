//! What an engine keeps of the best networks for what it saves, over its most telling setting.

use diesel::PgConnection;
use predictor::{Measures, Settings};
use scheduler::simulation::Measured;
use serde::Serialize;

use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::output::Report;
use crate::palette::Ink;
use crate::replay::{Request, Stored, conditions, measure_section, without_few};
use crate::table::Table;
use crate::{Citation, Filter, ReportError, shares};

/// What engines keep for what they save.
#[derive(Clone, Debug, Serialize)]
pub struct Tradeoff {
    /// What it is cited by.
    pub citation: Citation,
    /// Jobs replayed.
    pub jobs: usize,
    /// Jobs left out because their curve does not reach the end.
    pub left_out: i64,
    /// Orders that each figure is the mean of.
    pub orders: usize,
    /// Their seed; none for the order of proposal.
    pub seed: Option<u64>,
    /// One row per engine and value of its setting.
    pub points: Vec<Setting>,
}

/// One engine with one value of its setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Name of the engine.
    pub engine: String,
    /// Key of the setting; empty for an engine without one.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// Means over the orders.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Replays each engine over eight values of its most telling setting ([`Settings::varied`]).
///
/// # Errors
/// As [`crate::replay()`].
pub fn tradeoff(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    request: &Request<'_>,
) -> Result<Tradeoff, ReportError> {
    let stored = Stored::load(conn, search, filter, request)?;
    let varied: Vec<_> = request.engines.iter().flat_map(|s| s.varied(stored.citation.max_epochs)).collect();
    let settings: Vec<Settings> = varied.iter().map(|v| v.settings.clone()).collect();
    let measured = without_few(stored.play(&settings, request)?, stored.jobs.len());
    let points = varied.into_iter().zip(measured).map(|(varied, measured)| Setting {
        engine: varied.settings.engine.to_string(),
        setting: varied.key,
        value: varied.value,
        measured,
    });
    Ok(Tradeoff {
        points: points.collect(),
        jobs: stored.jobs.len(),
        left_out: stored.left_out,
        orders: request.orders.max(1),
        seed: (request.orders > 1).then_some(request.seed),
        citation: stored.citation,
    })
}

impl Tradeoff {
    /// The least part of the best, in per cent, of which a share can be said, and that share.
    fn kept(&self) -> (u32, fn(&Measures) -> Option<f64>) {
        if !shares::are_few(0.10, self.jobs) {
            (10, |m| m.overlap_10)
        } else if !shares::are_few(0.20, self.jobs) {
            (20, |m| m.overlap_20)
        } else {
            (25, |m| m.overlap_25)
        }
    }

    /// Epochs saved against the share of the best that is kept, a line per engine.
    pub fn figure(&self) -> Figure {
        let (percent, kept) = self.kept();
        let inks = [Ink::Blue, Ink::Vermilion, Ink::Green, Ink::Purple, Ink::Amber, Ink::Quiet];
        let mut layers = Vec::new();
        for (at, points) in self.points.chunk_by(|a, b| a.engine == b.engine).enumerate() {
            let ink = inks[at % inks.len()];
            let mut line: Vec<_> = points
                .iter()
                .filter_map(|p| {
                    let measures = &p.measured.measures;
                    Some((measures.epochs_saved_percent?, 100.0 * kept(measures)?))
                })
                .collect();
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            if line.is_empty() {
                continue;
            }
            let name = match points[0].setting {
                "" => points[0].engine.clone(),
                setting => format!(
                    "{}, {setting} {} to {}",
                    points[0].engine,
                    points[0].value,
                    points[points.len() - 1].value
                ),
            };
            layers.push(Layer {
                name: None,
                ..Layer::new("", ink, Marks::Lines(vec![line.clone()])).opacity(0.5)
            });
            let marks = match at % 3 {
                0 => Marks::Dots(line),
                1 => Marks::Rings(line),
                _ => Marks::Crosses(line),
            };
            layers.push(Layer::new(name, ink, marks));
        }
        Figure {
            key: "tradeoff",
            title: "What is kept for what is saved".to_owned(),
            caption: format!(
                "Share of the true best {percent} % that an engine ranks in its best {percent} %, against the epochs that it saves, \
                 one mark per value of its setting; {} curves of `{}`. The upper right corner is where all is saved and kept.",
                self.jobs, self.citation.search
            ),
            x: Axis { label: "epochs saved, %".into(), low: 0.0, high: 100.0 },
            y: Axis { label: format!("of the true top {percent} % kept, %"), low: 0.0, high: 102.0 },
            layers,
            numbers: Table::default(),
        }
    }

    fn sections(&self) -> Vec<Section> {
        let rows: Vec<_> = self
            .points
            .iter()
            .map(|p| {
                (
                    vec![p.engine.clone().into(), p.setting.into(), Cell::Number(p.value, decimals(p.value))],
                    &p.measured,
                )
            })
            .collect();
        let lead = [("engine", "engine"), ("setting", "setting"), ("value", "#value")];
        let section = Section::new("What is kept for what is saved")
            .note(conditions(self.jobs, self.left_out, self.orders, self.seed))
            .figure(Some(self.figure()));
        vec![measure_section(section, self.jobs, "tradeoff", &lead, &rows)]
    }
}

fn decimals(value: f64) -> usize {
    (0..4).find(|&d| (value * 10f64.powi(d)).fract().abs() < 1e-9).unwrap_or(3) as usize
}

impl Report for Tradeoff {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document {
            title: "tradeoff",
            primary: "tradeoff",
            citations,
            highlights: vec![],
            sections: self.sections(),
        }
    }
}
