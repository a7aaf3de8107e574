//! All of a search on one page.

use std::io::Write;

use diesel::PgConnection;
use serde::Serialize;

use crate::basis::Basis;
use crate::calibration::Calibration;
use crate::curves::Curves;
use crate::document::Document;
use crate::known::{Known, Truth};
use crate::output::{Output, Report};
use crate::pareto::Pareto;
use crate::ranking::Ranking;
use crate::savings::Savings;
use crate::scope::{Scope, snapshots};
use crate::style::Style;
use crate::summary::Summary;
use crate::tally::Tally;
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

/// All of a search on one page. Two connections to the same database: two parts of it are read at the same time, from
/// one snapshot. `workers`: how many a terminating search has, which is simulated where this one observes.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn page(
    conns: [&mut PgConnection; 2],
    search: &str,
    filter: &Filter,
    workers: usize,
) -> Result<Page, ReportError> {
    let open = |conn: &mut PgConnection| {
        let scope = Scope::open(conn, search, filter)?;
        let basis = Basis::load(conn, &scope, workers)?;
        Ok((scope, basis))
    };
    let judged = |(scope, basis): &(Scope<'_>, Basis), conn: &mut PgConnection| {
        Ok(Ranking::of(scope, basis.of(Known::load(conn, scope)?), Truth::default(), basis.clone()))
    };
    let counted = |(scope, basis): &(Scope<'_>, Basis), conn: &mut PgConnection| {
        let tally = Tally::load(conn, scope)?;
        let summary = Summary::load(conn, scope, &tally, basis.clone())?;
        let timing = summary.timing.clone();
        Ok((
            Curves::load(conn, scope, summary.trained(), basis)?,
            Savings::load(conn, scope, &tally, timing.clone(), basis.clone())?,
            Pareto::load(conn, scope)?,
            Workers::load(conn, scope, &tally, timing)?,
            summary,
        ))
    };
    let (ranking, (curves, savings, pareto, workers, summary)) = snapshots(conns, open, judged, counted)?;
    let basis = ranking.terminating.clone();
    let calibration = Calibration::of(summary.citation.clone(), &ranking.jobs, summary.truth, basis);
    let summary = summary.judged(ranking.drawn.agreement.clone(), ranking.promoted.agreement.clone());
    let ranking = Ranking { truth: summary.truth, ..ranking };
    Ok(Page { summary, curves, ranking, savings, pareto, calibration, workers })
}

/// Writes the page of a search as one HTML file, a terminating search simulated with one worker.
///
/// # Errors
/// As [`page`], and if a figure cannot be drawn or `out` cannot be written to.
pub fn html(conns: [&mut PgConnection; 2], search: &str, out: &mut impl Write) -> Result<(), ReportError> {
    page(conns, search, &Filter::default(), 1)?.write(Output::Html, Style::default(), out)
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
