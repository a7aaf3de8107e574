//! Epochs and GPU seconds trained and saved.

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::epochs::{Epochs, Stops, decimals};
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::output::Report;
use crate::palette::Ink;
use crate::scope::{Scope, failed, snapshot};
use crate::table::{Fact, Table};
use crate::tally::Tally;
use crate::timing::Timing;
use crate::{Citation, Filter, ReportError};

/// What the predictor saved, over the jobs that were terminated or completed.
#[derive(Clone, Debug, Serialize)]
pub struct Savings {
    /// What it is cited by.
    pub citation: Citation,
    /// Epochs.
    #[serde(flatten)]
    pub epochs: Epochs,
    /// Seconds.
    #[serde(flatten)]
    pub seconds: Seconds,
    /// Wall time and workers.
    #[serde(flatten)]
    pub timing: Timing,
    /// Jobs by epoch of the first decision to stop.
    pub stops_by_epoch: Vec<Stops>,
}

/// Seconds that training the terminated jobs to the end would have taken more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, QueryableByName)]
pub struct Seconds {
    /// Estimated: intervals that were left, times the seconds of the last one trained.
    #[diesel(sql_type = sql_types::Double)]
    pub seconds_saved: f64,
    /// Terminated jobs with a measured last interval.
    #[diesel(sql_type = sql_types::BigInt)]
    pub seconds_jobs: i64,
}

/// What the predictor of a search saved.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn savings(conn: &mut PgConnection, search: &str, filter: &Filter) -> Result<Savings, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let (tally, timing) = (Tally::load(conn, &scope)?, Timing::load(conn, &scope)?);
        Savings::load(conn, &scope, &tally, timing)
    })
}

impl Savings {
    pub(crate) fn load(
        conn: &mut PgConnection,
        scope: &Scope<'_>,
        tally: &Tally,
        timing: Timing,
    ) -> Result<Self, ReportError> {
        Ok(Self {
            citation: scope.citation.clone(),
            epochs: tally.epochs(),
            seconds: scope.query(include_str!("seconds.sql")).get_result(conn).map_err(failed("seconds"))?,
            timing,
            stops_by_epoch: tally.decisions(),
        })
    }

    /// Seconds of training all to the end: measured where they were, estimated for the rest.
    pub fn seconds_full(&self) -> f64 {
        self.epochs.seconds_trained + self.seconds.seconds_saved
    }

    /// How many times as many networks an hour as without the predictor; none where no seconds were recorded.
    pub fn factor(&self) -> Option<f64> {
        let timed = self.seconds.seconds_jobs == self.epochs.terminated && self.epochs.seconds_trained > 0.0;
        timed.then(|| self.seconds_full() / self.epochs.seconds_trained)
    }

    /// Networks per hour of one device, from the seconds trained.
    pub fn networks_per_device_hour(&self) -> Option<f64> {
        let trained = self.epochs.seconds_trained;
        (trained > 0.0).then(|| self.epochs.jobs as f64 * 3_600.0 / trained)
    }

    /// Networks per hour of wall time, over all workers.
    pub fn networks_per_hour(&self) -> Option<f64> {
        let wall = self.timing.wall_seconds?;
        (wall > 0.0).then(|| self.epochs.jobs as f64 * 3_600.0 / wall)
    }

    fn facts(&self) -> Vec<Fact> {
        let e = &self.epochs;
        let jobs = e.jobs;
        let seconds = |value: f64| {
            if value > 0.0 { Cell::Seconds(value) } else { Cell::Empty }
        };
        let mut facts = e.facts();
        facts.extend([
            Fact::new("terminated", "stopped by the predictor", e.terminated.into(), "", jobs),
            Fact::new(
                "converged_percent",
                "converged: a decision to stop, the last epoch included",
                Cell::number(e.converged_percent(), 1),
                "%",
                jobs,
            ),
            Fact::new(
                "mean_stop_epoch",
                "mean epoch of that decision",
                Cell::two(e.mean_stop_epoch),
                "",
                e.converged,
            ),
            Fact::new(
                "median_stop_epoch",
                "median of it",
                Cell::number(e.median_stop_epoch, 1),
                "",
                e.converged,
            ),
            Fact::new("seconds_trained", "device time trained", seconds(e.seconds_trained), "", jobs),
            Fact::new(
                "seconds_saved",
                "device time saved (estimate)",
                seconds(self.seconds.seconds_saved),
                "",
                self.seconds.seconds_jobs,
            ),
            Fact::new(
                "seconds_after_stop",
                "device time after decisions not obeyed (measured)",
                seconds(e.seconds_after_stop),
                "",
                e.stops - e.terminated,
            ),
            Fact::new(
                "networks_per_device_hour",
                "networks per device and hour",
                Cell::two(self.networks_per_device_hour()),
                "",
                jobs,
            ),
            Fact::new(
                "networks_per_hour",
                "networks per hour of wall time, all workers",
                Cell::two(self.networks_per_hour()),
                "",
                jobs,
            ),
            Fact::new(
                "throughput_factor",
                "times as many networks as training all to the end",
                Cell::two(self.factor()),
                "×",
                jobs,
            ),
        ]);
        facts
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let section = Section::new("Training saved")
            .note(
                "Over the jobs that were terminated or completed; one that diverged or failed was not ended by the \
                 predictor. Saved: 1 less epochs trained over epochs of training all to the end. Device time saved is \
                 an estimate: for each terminated job, the intervals left times the seconds of its last one.",
            )
            .table(Fact::table("savings", "Epochs and device time trained and saved", self.facts()))
            .plain(self.histogram())
            .figure(self.figure());
        vec![section]
    }

    fn histogram(&self) -> Table {
        let columns = [("stop_epoch", "#epoch"), ("jobs", "#jobs"), ("share", "~share of all")];
        let mut table = Table::new("stops", "Jobs by epoch of the first decision to stop", &columns);
        for stops in &self.stops_by_epoch {
            let share = stops.jobs as f64 / self.epochs.jobs.max(1) as f64;
            table.push(vec![
                Cell::Number(stops.stop_epoch, decimals(self.citation.interval)),
                stops.jobs.into(),
                Cell::Bar(share),
            ]);
        }
        table
    }

    fn figure(&self) -> Option<Figure> {
        if self.stops_by_epoch.is_empty() {
            return None;
        }
        let interval = self.citation.interval;
        let bars: Vec<_> = self
            .stops_by_epoch
            .iter()
            .map(|s| (s.stop_epoch - interval / 2.0, s.stop_epoch + interval / 2.0, s.jobs as f64))
            .collect();
        let never = self.epochs.jobs - self.epochs.converged;
        let max_epochs = self.citation.max_epochs;
        Some(Figure {
            key: "stops",
            title: "When the predictor decided to stop".to_owned(),
            caption: format!(
                "Jobs by epoch of the first decision to stop, obeyed or not; for {never} of {} there was none before or \
                 at epoch {max_epochs}. What lies to the right of a bar was saved, or would have been.",
                self.epochs.jobs
            ),
            x: Axis {
                label: "epoch of the first decision to stop".into(),
                low: 0.0,
                high: max_epochs + interval,
            },
            y: Axis::around("jobs", bars.iter().map(|b| b.2).chain([0.0])).from(0.0),
            layers: vec![Layer { name: None, ink: Ink::Vermilion, opacity: 1.0, marks: Marks::Bars(bars) }],
            numbers: self.histogram(),
        })
    }
}

impl Report for Savings {
    fn document(&self) -> Document {
        Document {
            title: "savings",
            primary: "savings",
            citations: vec![self.citation.clone()],
            highlights: vec![],
            sections: self.sections(),
        }
    }
}
