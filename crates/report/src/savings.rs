//! Epochs, device time and wall time: what they were, and what training all to the end would have taken.

use diesel::PgConnection;
use serde::Serialize;

use crate::attempts::Attempts;
use crate::basis::Basis;
use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::epochs::{Epochs, decimals};
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::output::Report;
use crate::palette::Ink;
use crate::scope::{Scope, snapshot};
use crate::stops::Stops;
use crate::table::{Fact, Table};
use crate::tally::Tally;
use crate::timing::Timing;
use crate::{Citation, Filter, ReportError};

/// What the predictor saved, over the jobs that were terminated or completed.
#[derive(Clone, Debug, Serialize)]
pub struct Savings {
    /// What it is cited by.
    pub citation: Citation,
    /// From what it is known which jobs a terminating search stops.
    pub terminating: Basis,
    /// Epochs.
    #[serde(flatten)]
    pub epochs: Epochs,
    /// Restarts, and the time that workers held the jobs.
    #[serde(flatten)]
    pub attempts: Attempts,
    /// Wall time and workers.
    #[serde(flatten)]
    pub timing: Timing,
    /// What training all to the end would have taken more.
    pub factors: Factors,
    /// Jobs by the epoch at which the predictor stopped them for good, or would have.
    pub stops_by_epoch: Vec<Stops>,
}

/// How many times as much training all to the end takes; none where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Factors {
    /// Epochs.
    pub epochs: Option<f64>,
    /// Seconds that workers hold jobs.
    pub device_time: Option<f64>,
    /// Seconds that workers hold jobs, training all to the end: extrapolated.
    pub device_seconds_full: Option<f64>,
    /// Seconds from the first claim to the last end.
    pub wall_time: Option<f64>,
    /// Seconds of wall time of training all to the end: extrapolated.
    pub wall_seconds_full: Option<f64>,
}

/// What the predictor of a search saved. `workers`: how many a terminating search has, which is simulated where this one observes.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn savings(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    workers: usize,
) -> Result<Savings, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let basis = Basis::load(conn, &scope, workers)?;
        let (tally, timing) = (Tally::load(conn, &scope)?, Timing::load(conn, &scope)?);
        Savings::load(conn, &scope, &tally, timing, basis)
    })
}

impl Factors {
    fn of(epochs: &Epochs, attempts: &Attempts, timing: &Timing) -> Self {
        let factor = |full: Option<f64>, spent: f64| full.filter(|_| spent > 0.0).map(|full| full / spent);
        let timed = epochs.timed == epochs.jobs && epochs.seconds_trained > 0.0;
        let start = attempts.start_seconds(epochs.seconds_trained);
        let device_seconds_full = timed.then_some(epochs.seconds_full + epochs.jobs as f64 * start);
        // On more slots than jobs, each job has one.
        let wall_seconds_full = device_seconds_full
            .zip(timing.slots)
            .map(|(full, slots)| full / slots.min(epochs.jobs).max(1) as f64);
        Self {
            epochs: factor(Some(epochs.epochs_full), epochs.epochs_trained),
            device_time: factor(device_seconds_full, held(epochs, attempts)),
            device_seconds_full,
            wall_time: factor(wall_seconds_full, timing.wall_seconds.unwrap_or(0.0)),
            wall_seconds_full,
        }
    }
}

/// Seconds that workers held jobs; those trained where there are no claims.
fn held(epochs: &Epochs, attempts: &Attempts) -> f64 {
    if attempts.claimed > 0 { attempts.device_seconds } else { epochs.seconds_trained }
}

impl Savings {
    pub(crate) fn load(
        conn: &mut PgConnection,
        scope: &Scope<'_>,
        tally: &Tally,
        timing: Timing,
        basis: Basis,
    ) -> Result<Self, ReportError> {
        let (epochs, attempts) = (tally.epochs(&basis), Attempts::load(conn, scope)?);
        Ok(Self {
            citation: scope.citation.clone(),
            factors: Factors::of(&epochs, &attempts, &timing),
            epochs,
            attempts,
            timing,
            stops_by_epoch: tally.stops(&basis),
            terminating: basis,
        })
    }

    /// Networks per hour of one device, from the seconds that workers held jobs; from those trained where there are no claims.
    pub fn networks_per_device_hour(&self) -> Option<f64> {
        let held = held(&self.epochs, &self.attempts);
        (held > 0.0).then(|| self.epochs.jobs as f64 * 3_600.0 / held)
    }

    /// Networks per hour of wall time, over all workers.
    pub fn networks_per_hour(&self) -> Option<f64> {
        let wall = self.timing.wall_seconds?;
        (wall > 0.0).then(|| self.epochs.jobs as f64 * 3_600.0 / wall)
    }

    fn facts(&self) -> Vec<Fact> {
        let (e, places) = (&self.epochs, decimals(self.citation.interval));
        let fact = |key, label: &str, value: Cell, unit| Fact::new(key, label, value, unit, e.jobs);
        let times = |value: Option<f64>| Cell::two(value);
        let mut facts = e.facts(&self.terminating);
        facts.push(fact("epochs_factor", "times as many, all to the end", times(self.factors.epochs), "×"));
        facts.extend(self.attempts.facts(places));
        facts.extend([
            fact("terminated", "stopped by the predictor", e.terminated.into(), ""),
            Fact::new(
                "mean_stop_epoch",
                "mean epoch of its stops",
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
        ]);
        if self.terminating.is_decisions() {
            let label = "converged: a decision to stop, the last epoch included";
            facts.push(fact("converged_percent", label, Cell::number(e.converged_percent(), 1), "%"));
        }
        facts.extend(self.times());
        facts.extend([
            fact(
                "networks_per_device_hour",
                "networks per device and hour",
                times(self.networks_per_device_hour()),
                "",
            ),
            fact(
                "networks_per_hour",
                "networks per hour of wall time, all workers",
                times(self.networks_per_hour()),
                "",
            ),
        ]);
        facts
    }

    /// Device time and wall time, each with what training all to the end takes.
    fn times(&self) -> Vec<Fact> {
        let (e, a) = (&self.epochs, &self.attempts);
        let seconds = |value: f64| if value > 0.0 { Cell::Seconds(value) } else { Cell::Empty };
        let full = self.factors.device_seconds_full.unwrap_or(0.0);
        vec![
            Fact::new(
                "seconds_trained",
                "time trained and validated (measured)",
                seconds(e.seconds_trained),
                "",
                e.timed,
            ),
            Fact::new(
                "device_seconds",
                "device time, starts and restarts included (measured)",
                seconds(a.device_seconds),
                "",
                a.claimed,
            ),
            Fact::new(
                "device_seconds_full",
                "device time, all to the end (extrapolated)",
                seconds(full),
                "",
                e.timed,
            ),
            Fact::new(
                "device_factor",
                "times as much, all to the end",
                Cell::two(self.factors.device_time),
                "×",
                e.timed,
            ),
            Fact::new(
                "seconds_after_stop",
                "time after decisions not obeyed (measured)",
                seconds(e.seconds_after_stop.unwrap_or(0.0)),
                "",
                e.stops - e.terminated,
            ),
            Fact::new(
                "wall_seconds",
                "wall time, first claim to last end (measured)",
                seconds(self.timing.wall_seconds.unwrap_or(0.0)),
                "",
                e.jobs,
            ),
            Fact::new(
                "wall_seconds_full",
                "wall time, all to the end (extrapolated)",
                seconds(self.factors.wall_seconds_full.unwrap_or(0.0)),
                "",
                e.timed,
            ),
            Fact::new(
                "wall_factor",
                "times as long, all to the end",
                Cell::two(self.factors.wall_time),
                "×",
                e.timed,
            ),
        ]
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let section = Section::new("Training saved")
            .note(
                "Over the jobs that were terminated or completed; one that diverged or failed was not ended by the \
                 predictor. Saved: 1 less epochs trained over epochs of training all to the end. Times of training all to the \
                 end are extrapolated: seconds per epoch of each job, times its full budget, and one start of a mean claim; \
                 wall time on as many slots as there were, without a pause.",
            )
            .note_if(self.terminating.sentence().filter(|_| !matches!(self.terminating, Basis::Search)))
            .table(Fact::table("savings", "Epochs, device time and wall time", self.facts()))
            .plain(self.histogram())
            .figure(self.figure());
        vec![section]
    }

    fn histogram(&self) -> Table {
        let columns = [("stop_epoch", "#epoch"), ("jobs", "#jobs"), ("share", "~share of all")];
        let mut table = Table::new("stops", "Jobs by the epoch at which the predictor stops them", &columns);
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
            caption: self.caption(never),
            x: Axis { label: "epoch of the stop".into(), low: 0.0, high: max_epochs + interval },
            y: Axis::around("jobs", bars.iter().map(|b| b.2).chain([0.0])).from(0.0),
            layers: vec![Layer { name: None, ink: Ink::Vermilion, opacity: 1.0, marks: Marks::Bars(bars) }],
            numbers: self.histogram(),
        })
    }
}

impl Savings {
    /// `never`: jobs that are not stopped.
    fn caption(&self, never: i64) -> String {
        let (what, saved) = match &self.terminating {
            Basis::Decisions if self.epochs.terminated == 0 => {
                ("of the first decision to stop", "would have been saved")
            }
            Basis::Decisions => {
                ("of the first decision to stop, obeyed or not", "was saved where it was obeyed")
            }
            Basis::Search | Basis::Unknown { .. } => ("at which they were stopped for good", "was saved"),
            Basis::Simulated(_) => {
                ("at which a terminating search would have stopped them for good", "would have been saved")
            }
        };
        format!(
            "Jobs by the epoch {what}; {never} of {} have none. What lies to the right of a bar {saved}.",
            self.epochs.jobs
        )
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
