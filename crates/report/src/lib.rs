//! Reports that a reader can stake a paper on.
//!
//! Each analysis is one named SQL statement over the public views (`migrations/…_reports`), a struct with typed
//! fields, and a [`Document`](document::Document) that is written as tables, CSV, JSON or one self-contained HTML
//! file. All figures of a report come from one snapshot; each says over how many jobs it is; the citation says which
//! search, specification, engine and version, and when. A prediction is never shown as a measurement.
//!
//! ```no_run
//! use report::{Filter, Output, Report, Style};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut conn = store::Database::from_env()?.connect()?;
//! let summary = report::summary(&mut conn, "fashion-1", &Filter::default())?;
//! summary.write(Output::Table, Style::default(), &mut std::io::stdout())?;
//! report::html(&mut conn, "fashion-1", &mut std::fs::File::create("fashion-1.html")?)?;
//! # Ok(())
//! # }
//! ```

mod citation;
pub mod curves;
mod delimited;
pub mod document;
mod error;
pub mod figure;
mod filter;
mod html;
pub mod known;
mod output;
mod page;
mod palette;
pub mod savings;
mod scope;
pub mod summary;
mod terminal;
pub mod timing;

pub use citation::Citation;
pub use error::ReportError;
pub use filter::Filter;
pub use output::{Output, Report};
pub use page::{Page, html, page};
pub use palette::Ink;
pub use savings::{Savings, savings};
pub use summary::{Summary, summary};
pub use terminal::Style;
