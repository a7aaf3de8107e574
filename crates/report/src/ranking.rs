//! Does the search rank networks as training all of them to the end would?

mod figures;

use std::{panic, thread};

use diesel::PgConnection;
use predictor::{Measures, Outcome};
use serde::Serialize;

use figures::Figures;
pub(crate) use figures::thinned;

use crate::agreement::Agreement;
use crate::basis::Basis;
use crate::bootstrap::Bootstrap;
use crate::cell::Cell;
use crate::document::{Block, Document, Section};
use crate::known::{Known, Truth, drawn_and_chosen};
use crate::output::Report;
use crate::scope::{Scope, snapshot};
use crate::table::Table;
use crate::tally::Tally;
use crate::{Citation, Filter, ReportError, shares};

/// Predicted against true rank, beside two baselines, over the jobs whose truth is known.
#[derive(Clone, Debug, Serialize)]
pub struct Ranking {
    /// What it is cited by.
    pub citation: Citation,
    /// From how many jobs the truth is known.
    pub truth: Truth,
    /// From what it is known which jobs a terminating search stops.
    pub terminating: Basis,
    /// Over the jobs that were drawn or observed.
    pub drawn: Comparison,
    /// Over those promoted for their prediction.
    pub promoted: Comparison,
    /// Each job.
    pub jobs: Vec<Known>,
}

/// The predictor beside the baselines, over one set of jobs.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Jobs behind it.
    pub jobs: usize,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
    /// The measures, each with an interval.
    pub measures: Vec<Row>,
    /// The same in short, for the summary.
    #[serde(skip)]
    pub(crate) agreement: Agreement,
}

/// One measure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub measure: &'static str,
    /// What it says.
    #[serde(skip)]
    label: &'static str,
    #[serde(skip)]
    decimals: usize,
    /// Ranked by the predictor.
    pub predicted: Option<f64>,
    /// 95 % interval of it: exact of a share, of others by the bootstrap, of the regret none.
    pub predicted_interval: Option<(f64, f64)>,
    /// Ranked by the accuracy observed at the same epochs.
    pub last_observed: Option<f64>,
    /// 95 % interval of it.
    pub last_observed_interval: Option<(f64, f64)>,
    /// Ranked by training all to the end: what no predictor can beat, at the price of all epochs.
    pub trained_to_end: Option<f64>,
    /// Whether nothing is said because the best in question are fewer than ten.
    pub fewer_than_ten: bool,
}

const COUNT: usize = 18;

/// The measures: name, label, decimals, what the truth itself scores, scale.
const MEASURES: [(&str, &str, usize, f64, f64); COUNT] = [
    ("spearman", "rank correlation, Spearman", 3, 1.0, 1.0),
    ("kendall", "rank correlation, Kendall tau-b", 3, 1.0, 1.0),
    ("overlap_1", "share of the true top 1 % found, %", 1, 100.0, 100.0),
    ("overlap_5", "the same, 5 %", 1, 100.0, 100.0),
    ("overlap_10", "the same, 10 %", 1, 100.0, 100.0),
    ("overlap_20", "the same, 20 %", 1, 100.0, 100.0),
    ("overlap_25", "the same, 25 %", 1, 100.0, 100.0),
    ("regret_1", "regret in the top 1 %, points", 2, 0.0, 1.0),
    ("regret_5", "the same, 5 %", 2, 0.0, 1.0),
    ("regret_10", "the same, 10 %", 2, 0.0, 1.0),
    ("regret_20", "the same, 20 %", 2, 0.0, 1.0),
    ("regret_25", "the same, 25 %", 2, 0.0, 1.0),
    ("best_mean_gap_1", "mean of the true top 1 % less that found, points", 2, 0.0, 1.0),
    ("best_mean_gap_5", "the same, 5 %", 2, 0.0, 1.0),
    ("best_mean_gap_10", "the same, 10 %", 2, 0.0, 1.0),
    ("best_mean_gap_20", "the same, 20 %", 2, 0.0, 1.0),
    ("best_mean_gap_25", "the same, 25 %", 2, 0.0, 1.0),
    ("mae", "mean absolute error, points", 2, 0.0, 1.0),
];

/// The jobs ranked in one way.
struct Ranked {
    measures: Measures,
    values: [Option<f64>; COUNT],
    intervals: [Option<(f64, f64)>; COUNT],
}

impl Ranked {
    fn of(outcomes: &[Outcome], bootstrap: Bootstrap) -> Self {
        let (measures, mut values) = measure(outcomes);
        let of = |drawn: &[usize]| measure(&drawn.iter().map(|&i| outcomes[i]).collect::<Vec<_>>()).1;
        let smooth = std::array::from_fn(|at| values[at].filter(|_| is_smooth(MEASURES[at].0)));
        let mut intervals = if outcomes.is_empty() { [None; COUNT] } else { bootstrap.intervals(smooth, of) };
        for (at, share) in MEASURES.iter().enumerate().filter_map(|(at, m)| Some((at, shares::of(m.0)?))) {
            values[at] = values[at].filter(|_| !shares::are_few(share, outcomes.len()));
            let exact = shares::interval(values[at], share, outcomes.len());
            intervals[at] = exact.map(|(low, high)| (low / 100.0, high / 100.0));
        }
        Self { measures, values, intervals }
    }

    /// Without what asks which of the best were kept.
    fn without_kept(mut self) -> Self {
        for (at, _) in MEASURES.iter().enumerate().filter(|(_, m)| is_of_the_best(m.0)) {
            (self.values[at], self.intervals[at]) = (None, None);
        }
        self
    }
}

fn is_of_the_best(measure: &str) -> bool {
    ["overlap_", "regret_", "best_mean_gap_"].iter().any(|of| measure.starts_with(of))
}

/// Whether resampling tells how far a measure would move: it does not of a largest value (Bickel and Freedman, Annals of Statistics
/// 9, 1981), nor of how many of a few are the same.
fn is_smooth(measure: &str) -> bool {
    !measure.starts_with("overlap_") && !measure.starts_with("regret_")
}

/// All measures, and those of [`MEASURES`] in their order.
fn measure(outcomes: &[Outcome]) -> (Measures, [Option<f64>; COUNT]) {
    let (m, best) = Measures::with_best(outcomes);
    let values = [
        m.spearman,
        m.kendall,
        best.overlap(0.01),
        m.overlap_5,
        m.overlap_10,
        m.overlap_20,
        m.overlap_25,
        m.regret_1,
        m.regret_5,
        best.regret(0.10),
        best.regret(0.20),
        best.regret(0.25),
        best.mean_gap(0.01),
        best.mean_gap(0.05),
        m.best_mean_gap_10,
        best.mean_gap(0.20),
        best.mean_gap(0.25),
        m.mae,
    ];
    (m, values)
}

impl Comparison {
    fn of(known: &[Known], max_epochs: f64, basis: &Basis) -> Self {
        let predicted: Vec<Outcome> = known.iter().map(|k| k.outcome(max_epochs)).collect();
        let observed: Option<Vec<Outcome>> = known
            .iter()
            .map(|k| Some(Outcome { fitness: k.observed_fitness?, ..k.outcome(max_epochs) }))
            .collect();
        let observed = observed.unwrap_or_default();
        let bootstrap = Bootstrap::of(known.len());
        let (by_prediction, by_observation) = thread::scope(|scope| {
            let baseline = scope.spawn(|| Ranked::of(&observed, bootstrap));
            let by_prediction = Ranked::of(&predicted, bootstrap);
            (by_prediction, baseline.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
        });
        let kept = basis.knows_the_kept();
        let [by_prediction, by_observation] =
            [by_prediction, by_observation].map(|ranked| if kept { ranked } else { ranked.without_kept() });
        let row = |(at, &(measure, label, decimals, perfect, scale)): (
            usize,
            &(&'static str, &'static str, usize, f64, f64),
        )| {
            let ends = |interval: Option<(f64, f64)>| interval.map(|(low, high)| (low * scale, high * scale));
            Row {
                measure,
                label,
                decimals,
                predicted: by_prediction.values[at].map(|v| v * scale),
                predicted_interval: ends(by_prediction.intervals[at]),
                last_observed: by_observation.values[at].map(|v| v * scale),
                last_observed_interval: ends(by_observation.intervals[at]),
                trained_to_end: (!known.is_empty()).then_some(perfect),
                fewer_than_ten: kept
                    && !known.is_empty()
                    && shares::of(measure).is_some_and(|share| shares::are_few(share, known.len())),
            }
        };
        let measures = MEASURES.iter().enumerate().map(row).collect();
        let last_observed = by_observation.measures.spearman;
        let agreement = Agreement::with(known.len(), by_prediction.measures, last_observed, basis);
        Self { jobs: known.len(), bootstrap, measures, agreement }
    }

    fn table(&self, key: &'static str, whose: &str) -> Table {
        let columns = [
            ("measure", ""),
            ("label", "measure"),
            ("predicted", "#predicted"),
            ("predicted_interval", "#95 % interval"),
            ("last_observed", "#last observed"),
            ("last_observed_interval", "~#95 % interval"),
            ("trained_to_end", "#all to the end"),
            ("jobs", "#over jobs"),
        ];
        let mut table =
            Table::new(key, format!("Ranking of {whose}, by three ways to know the fitness"), &columns);
        for row in self.measures.iter().filter(|r| r.predicted.is_some() || r.fewer_than_ten) {
            let predicted = shares::of(row.measure).map_or_else(
                || Cell::number(row.predicted, row.decimals),
                |share| shares::cell(row.predicted, share, self.jobs, |v| Cell::Number(v, row.decimals)),
            );
            table.push(vec![
                row.measure.into(),
                row.label.into(),
                predicted,
                Cell::Interval(row.predicted_interval, row.decimals),
                Cell::number(row.last_observed, row.decimals),
                Cell::Interval(row.last_observed_interval, row.decimals),
                Cell::number(row.trained_to_end, row.decimals),
                Cell::Count(self.jobs as i64),
            ]);
        }
        table
    }
}

/// Does the search rank networks as training all of them to the end would? `workers`: how many a terminating search has, which is
/// simulated where this one observes.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn ranking(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    workers: usize,
) -> Result<Ranking, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let basis = Basis::load(conn, &scope, workers)?;
        let (known, truth) = (basis.of(Known::load(conn, &scope)?), Tally::load(conn, &scope)?.truth());
        Ok(Ranking::of(&scope, known, truth, basis))
    })
}

impl Ranking {
    pub(crate) fn of(scope: &Scope<'_>, known: Vec<Known>, truth: Truth, basis: Basis) -> Self {
        let max_epochs = scope.max_epochs();
        let (drawn, chosen) = drawn_and_chosen(&known);
        Self {
            citation: scope.citation.clone(),
            truth,
            promoted: Comparison::of(chosen, max_epochs, &basis),
            drawn: Comparison::of(drawn, max_epochs, &basis),
            terminating: basis,
            jobs: known,
        }
    }

    /// `truth`: whether to say how much of it is known.
    pub(crate) fn sections(&self, truth: bool) -> Vec<Section> {
        let mut section = Section::new("Predicted against true rank")
            .note_if(truth.then(|| self.truth.sentence()))
            .note_if(self.terminating.sentence().filter(|_| truth));
        let stopped = self.jobs.iter().any(|job| job.stops(self.citation.max_epochs));
        if !self.jobs.is_empty() && !stopped {
            return vec![section.note("For none of these was there a decision to stop before the last epoch: there is no prediction to judge.")];
        }
        if self.drawn.jobs > 0 {
            section = section
                .note(format!(
                    "Predicted: a job with {} counts with the prediction made there; another with its measured accuracy. Last \
                     observed: the accuracy at the same epochs, what one knows without a predictor. All to the end: the truth, at \
                     the price of all epochs. Regret: the best true accuracy less the best true accuracy among those that are \
                     ranked top. Intervals of shares are exact; of the others, where there is one: {}",
                    match &self.terminating {
                        Basis::Decisions => "a decision to stop",
                        Basis::Search => "a decision to set it aside, as if that had been final,",
                        Basis::Simulated(_) | Basis::Unknown { .. } => "a stop for good in the simulated search",
                    },
                    self.drawn.bootstrap.sentence()
                ))
                .table(self.drawn.table("ranking", "the networks observed or drawn"));
        }
        if self.promoted.jobs > 0 {
            section = section
                .note("Jobs that were taken up again or promoted were chosen for a high prediction: what holds for them need not hold for the others.")
                .table(self.promoted.table("ranking_promoted", "the networks taken up again or promoted"));
        }
        let figures = Figures::of(&self.citation, &self.jobs);
        for figure in [figures.scatter(), figures.ranks()].into_iter().flatten() {
            section.blocks.push(Block::Figure(Box::new(figure)));
        }
        vec![section]
    }
}

impl Report for Ranking {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document {
            title: "ranking",
            primary: "ranking",
            citations,
            highlights: vec![],
            sections: self.sections(true),
        }
    }
}
