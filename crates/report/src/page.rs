//! All of a search on one page.

use std::io::Write;

use diesel::PgConnection;
use serde::Serialize;

use crate::calibration::Calibration;
use crate::curves::Curves;
use crate::document::Document;
use crate::known::Known;
use crate::output::{Output, Report};
use crate::pareto::Pareto;
use crate::ranking::Ranking;
use crate::savings::Savings;
use crate::scope::{Scope, snapshot};
use crate::summary::Summary;
use crate::terminal::Style;
use crate::workers::Workers;
use crate::{Filter, ReportError};

/// All of a search on one page: the summary and the figures of every analysis.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// The summary.
    pub summary: Summary,
    /// Learning curves.
    pub curves: Curves,
    /// Predicted against true rank.
    pub ranking: Ranking,
    /// Epochs and device time saved.
    pub savings: Savings,
    /// Fitness against cost.
    pub pareto: Pareto,
    /// Errors of the predictions.
    pub calibration: Calibration,
    /// Who trained.
    pub workers: Workers,
}

/// All of a search on one page.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn page(conn: &mut PgConnection, search: &str, filter: &Filter) -> Result<Page, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let known = Known::load(conn, &scope)?;
        let summary = Summary::load(conn, &scope, known.clone())?;
        let (truth, timing) = (summary.truth, summary.timing.clone());
        Ok(Page {
            curves: Curves::load(conn, &scope)?,
            ranking: Ranking::of(&scope, known, truth),
            savings: Savings::load(conn, &scope, summary.epochs.clone(), timing.clone())?,
            pareto: Pareto::load(conn, &scope)?,
            calibration: Calibration::load(conn, &scope, truth)?,
            workers: Workers::load(conn, &scope, timing)?,
            summary,
        })
    })
}

/// Writes the page of a search as one HTML file.
///
/// # Errors
/// As [`page`], and if a figure cannot be drawn or `out` cannot be written to.
pub fn html(conn: &mut PgConnection, search: &str, out: &mut impl Write) -> Result<(), ReportError> {
    page(conn, search, &Filter::default())?.write(Output::Html, Style::default(), out)
}

impl Report for Page {
    fn document(&self) -> Document {
        let parts = [
            self.summary.sections(),
            self.curves.sections(),
            self.ranking.sections(false),
            self.savings.sections(),
            self.pareto.sections(),
            self.calibration.sections(false),
            self.workers.sections(),
        ];
        Document {
            title: "the whole search",
            primary: "figures",
            citations: vec![self.summary.citation.clone()],
            highlights: self.summary.highlights(),
            sections: parts.into_iter().flatten().collect(),
        }
    }
}
