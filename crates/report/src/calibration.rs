//! Are predictions as good as they say they are?

use std::collections::BTreeMap;

use diesel::PgConnection;
use serde::Serialize;

use crate::basis::Basis;
use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::epochs::decimals;
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::known::{Known, Truth};
use crate::output::Report;
use crate::palette::Ink;
use crate::scope::{Scope, snapshot};
use crate::shares::share_interval;
use crate::table::Table;
use crate::tally::Tally;
use crate::{Citation, Filter, ReportError};

/// Error, bias, coverage and width of the predictions that stopped a job or would have, by epoch of decision.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// What it is cited by.
    pub citation: Citation,
    /// From how many jobs the truth is known.
    pub truth: Truth,
    /// From what it is known which jobs a terminating search stops.
    pub terminating: Basis,
    /// By epoch of decision.
    pub by_epoch: Vec<Errors>,
    /// Over all of them; none without any.
    pub all: Option<Errors>,
    /// Over those resumed or promoted to the end, which are no sample: they were chosen for their prediction.
    pub chosen: Option<Errors>,
}

/// Errors of predictions made at one epoch, in points.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Errors {
    /// The epoch of decision; none for all of them.
    pub stop_epoch: Option<f64>,
    /// Whether the jobs were chosen for their prediction.
    pub chosen: bool,
    /// Jobs behind it.
    pub jobs: i64,
    /// Mean of predicted less true.
    pub bias: Option<f64>,
    /// Mean of its size.
    pub mean_absolute_error: Option<f64>,
    /// Root of the mean of its square.
    pub root_mean_square_error: Option<f64>,
    /// Jobs with an 80 % interval.
    pub with_interval_80: i64,
    /// Of these, with the truth in it.
    pub inside_80: i64,
    /// Mean width of it.
    pub width_80: Option<f64>,
    /// Jobs with a 90 % interval.
    pub with_interval_90: i64,
    /// Of these, with the truth in it.
    pub inside_90: i64,
    /// Mean width of it.
    pub width_90: Option<f64>,
    /// Mean of true less observed at the decision: what a prediction had to foresee.
    pub gained_after_stop: Option<f64>,
}

/// What the means of [`Errors`] are made from.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    jobs: i64,
    error: f64,
    size: f64,
    square: f64,
    observed: i64,
    gained: f64,
    within_80: Within,
    within_90: Within,
}

/// Intervals of one level.
#[derive(Clone, Copy, Debug, Default)]
struct Within {
    jobs: i64,
    inside: i64,
    width: f64,
}

/// Are predictions as good as they say they are? `workers`: how many a terminating search has, which is simulated where this one
/// observes.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn calibration(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    workers: usize,
) -> Result<Calibration, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let basis = Basis::load(conn, &scope, workers)?;
        let truth = Tally::load(conn, &scope)?.truth();
        let known = basis.of(Known::load(conn, &scope)?);
        Ok(Calibration::of(scope.citation.clone(), &known, truth, basis))
    })
}

impl Within {
    fn add(&mut self, truth: f64, interval: Option<(f64, f64)>) {
        if let Some((low, high)) = interval {
            self.jobs += 1;
            self.inside += i64::from(low <= truth && truth <= high);
            self.width += high - low;
        }
    }

    fn mean_width(&self) -> Option<f64> {
        (self.jobs > 0).then(|| self.width / self.jobs as f64)
    }
}

impl Sums {
    fn add(&mut self, job: &Known, prediction: f64) {
        let error = prediction - job.true_fitness;
        self.jobs += 1;
        self.error += error;
        self.size += error.abs();
        self.square += error * error;
        if let Some(observed) = job.observed_fitness {
            self.observed += 1;
            self.gained += job.true_fitness - observed;
        }
        self.within_80.add(job.true_fitness, job.low_80.zip(job.high_80));
        self.within_90.add(job.true_fitness, job.low_90.zip(job.high_90));
    }

    fn errors(&self, stop_epoch: Option<f64>, chosen: bool) -> Option<Errors> {
        let mean = |sum: f64| (self.jobs > 0).then(|| sum / self.jobs as f64);
        (self.jobs > 0).then(|| Errors {
            stop_epoch,
            chosen,
            jobs: self.jobs,
            bias: mean(self.error),
            mean_absolute_error: mean(self.size),
            root_mean_square_error: mean(self.square).map(f64::sqrt),
            with_interval_80: self.within_80.jobs,
            inside_80: self.within_80.inside,
            width_80: self.within_80.mean_width(),
            with_interval_90: self.within_90.jobs,
            inside_90: self.within_90.inside,
            width_90: self.within_90.mean_width(),
            gained_after_stop: (self.observed > 0).then(|| self.gained / self.observed as f64),
        })
    }
}

fn percent(inside: i64, of: i64) -> Option<f64> {
    (of > 0).then(|| 100.0 * inside as f64 / of as f64)
}

impl Calibration {
    /// Over those of the jobs that a prediction stopped before the last epoch, or would have.
    pub(crate) fn of(citation: Citation, known: &[Known], truth: Truth, terminating: Basis) -> Self {
        // Epochs are above 0: their bits are in the order of their values.
        let mut by_epoch = BTreeMap::<u64, Sums>::new();
        let (mut all, mut chosen) = (Sums::default(), Sums::default());
        for job in known.iter().filter(|job| job.stops(citation.max_epochs)) {
            let (Some(epoch), Some(prediction)) = (job.stop_epoch, job.prediction) else { continue };
            if job.promoted {
                chosen.add(job, prediction);
            } else {
                all.add(job, prediction);
                by_epoch.entry(epoch.to_bits()).or_default().add(job, prediction);
            }
        }
        let at = |(epoch, sums): (u64, Sums)| sums.errors(Some(f64::from_bits(epoch)), false);
        Self {
            citation,
            truth,
            terminating,
            by_epoch: by_epoch.into_iter().filter_map(at).collect(),
            all: all.errors(None, false),
            chosen: chosen.errors(None, true),
        }
    }

    fn table(&self) -> Table {
        let columns = [
            ("stop_epoch", "decision at epoch"),
            ("jobs", "#jobs"),
            ("bias", "#bias"),
            ("mean_absolute_error", "#mean error"),
            ("root_mean_square_error", "~#root mean square"),
            ("gained_after_stop", "~#gained after it"),
            ("coverage_80", "#80 % interval holds, %"),
            ("coverage_80_interval", "~#95 % interval"),
            ("width_80", "#width"),
            ("coverage_90", "#90 % interval holds, %"),
            ("coverage_90_interval", "~#95 % interval"),
            ("width_90", "#width"),
        ];
        let mut table =
            Table::new("calibration", "Errors of the predictions by epoch of decision, in points", &columns);
        let places = decimals(self.citation.interval);
        for errors in self.by_epoch.iter().chain(&self.all).chain(&self.chosen) {
            table.push(vec![
                match errors.stop_epoch {
                    Some(epoch) => format!("{epoch:.places$}"),
                    None if errors.chosen => "chosen".to_owned(),
                    None => "all".to_owned(),
                }
                .into(),
                errors.jobs.into(),
                Cell::two(errors.bias),
                Cell::two(errors.mean_absolute_error),
                Cell::two(errors.root_mean_square_error),
                Cell::two(errors.gained_after_stop),
                Cell::number(percent(errors.inside_80, errors.with_interval_80), 0),
                Cell::Interval(share_interval(errors.inside_80, errors.with_interval_80), 0),
                Cell::two(errors.width_80),
                Cell::number(percent(errors.inside_90, errors.with_interval_90), 0),
                Cell::Interval(share_interval(errors.inside_90, errors.with_interval_90), 0),
                Cell::two(errors.width_90),
            ]);
        }
        table
    }

    /// `truth`: whether to say how much of it is known.
    pub(crate) fn sections(&self, truth: bool) -> Vec<Section> {
        let section = Section::new("Calibration")
            .note_if(truth.then(|| self.truth.sentence()))
            .note_if(self.terminating.sentence().filter(|_| truth));
        let Some(any) = self.all.as_ref().or(self.chosen.as_ref()) else {
            return vec![
                section
                    .note("There is no prediction that stopped a job, or would have, whose truth is known."),
            ];
        };
        let without = (any.with_interval_80 == 0).then(|| {
            "The engine of this search gives no intervals: their coverage cannot be said.".to_owned()
        });
        let section = section
            .note(
                "Over the predictions that stopped a job before the last epoch, or would have. Bias: mean of predicted \
                 less true. Gained after it: mean of true less observed at the decision, what a prediction had to foresee.",
            )
            .note_if(without)
            .note_if(self.chosen.as_ref().map(|_| {
                "Chosen: taken up again or promoted to the end for their prediction, so no sample; not in the rows above."
                    .to_owned()
            }))
            .table(self.table())
            .figure(Some(self.figure()));
        vec![section]
    }

    fn figure(&self) -> Figure {
        let bias: Vec<_> = self.by_epoch.iter().filter_map(|e| Some((e.stop_epoch?, e.bias?))).collect();
        let error: Vec<_> =
            self.by_epoch.iter().filter_map(|e| Some((e.stop_epoch?, e.mean_absolute_error?))).collect();
        let half: Vec<_> = self
            .by_epoch
            .iter()
            .filter_map(|e| Some((e.stop_epoch?, -e.width_80? / 2.0, e.width_80? / 2.0)))
            .collect();
        let max_epochs = self.citation.max_epochs;
        let span =
            bias.iter().chain(&error).map(|p| p.1).chain(half.iter().flat_map(|w| [w.1, w.2])).chain([0.0]);
        Figure {
            key: "calibration",
            title: "Error of the predictions by epoch of decision".to_owned(),
            caption: "Mean of predicted less true (dots) and mean size of the error (crosses); where the engine gives \
                      intervals, bars show the mean width of the 80 % interval around zero: errors should mostly lie \
                      within. The fewer jobs at an epoch, the less a mark says; their number is in the table."
                .to_owned(),
            x: Axis { label: "epoch of decision".into(), low: 0.0, high: max_epochs * 1.01 },
            y: Axis::around("points of accuracy", span),
            layers: vec![
                Layer { name: None, ink: Ink::Quiet, opacity: 1.0, marks: Marks::Dashes(vec![(0.0, 0.0), (max_epochs, 0.0)]) },
                Layer::new("mean 80 % interval", Ink::Green, Marks::Whiskers(half)).opacity(0.6),
                Layer::new("mean absolute error", Ink::Blue, Marks::Crosses(error)),
                Layer::new("bias", Ink::Vermilion, Marks::Dots(bias)),
            ],
            numbers: Table::default(),
        }
    }
}

impl Report for Calibration {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document {
            title: "calibration",
            primary: "calibration",
            citations,
            highlights: vec![],
            sections: self.sections(true),
        }
    }
}
