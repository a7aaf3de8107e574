//! Reports that a reader can stake a paper on.
//!
//! Each analysis is one named SQL statement over the public views (`docs/reports.md`) and nothing else, a struct with typed
//! fields, and a [`Document`](document::Document) that is written as tables, CSV, JSON or one self-contained HTML
//! file. All figures of a report come from one snapshot; each says over how many jobs it is; the citation says which
//! search, specification, engine and version, and when. A prediction is never shown as a measurement.
//!
//! ```no_run
//! use report::{Filter, Output, Report, Style};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut conn = store::Database::from_env()?.connect()?;
//! let summary = report::summary(&mut conn, "fashion-1", &Filter::default(), 1)?;
//! summary.write(Output::Table, Style::default(), &mut std::io::stdout())?;
//! let mut another = store::Database::from_env()?.connect()?;
//! report::html([&mut conn, &mut another], "fashion-1", &mut std::fs::File::create("fashion-1.html")?)?;
//! # Ok(())
//! # }
//! ```

mod agreement;
mod attempts;
mod basis;
mod bootstrap;
pub mod calibration;
pub mod cell;
mod citation;
pub mod comparison;
pub mod curves;
mod delimited;
pub mod document;
pub mod epochs;
mod error;
mod export;
pub mod figure;
mod filter;
pub mod front;
mod grid;
mod html;
pub mod job;
pub mod known;
pub mod network;
mod output;
mod page;
mod palette;
pub mod pareto;
mod play;
pub mod precision;
pub mod ranking;
pub mod replay;
pub mod sample;
pub mod savings;
mod scope;
mod shares;
pub mod stops;
mod style;
pub mod summary;
pub mod table;
mod tally;
mod terminal;
pub mod timing;
pub mod tradeoff;
pub mod workers;

pub use agreement::Agreement;
pub use attempts::Attempts;
pub use basis::Basis;
pub use bootstrap::Bootstrap;
pub use calibration::{Calibration, calibration};
pub use citation::Citation;
pub use comparison::{Comparison, compare};
pub use error::ReportError;
pub use export::{export_curves, export_networks};
pub use filter::Filter;
pub use grid::grid;
pub use job::{JobReport, job};
pub use output::{Output, Report};
pub use page::{Page, html, page};
pub use palette::Ink;
pub use pareto::{Pareto, pareto};
pub use play::Play;
pub use precision::Precision;
pub use ranking::{Ranking, ranking};
pub use replay::{Replay, replay};
pub use savings::{Savings, savings};
pub use style::Style;
pub use summary::{Summary, summary};
pub use tally::OutcomeCount;
pub use tradeoff::{Tradeoff, tradeoff};
pub use workers::{Workers, workers};
