//! Who trained: use, idle time, crashes, retries.

use chrono::{DateTime, Utc};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::output::Report;
use crate::scope::{Scope, failed, snapshot};
use crate::table::{Fact, Table};
use crate::tally::Tally;
use crate::timing::Timing;
use crate::{Citation, Filter, ReportError};

/// The worker processes of a search.
#[derive(Clone, Debug, Serialize)]
pub struct Workers {
    /// What it is cited by.
    pub citation: Citation,
    /// Wall time and claims.
    pub timing: Timing,
    /// Crashes and retries.
    pub retries: Retries,
    /// One row per process.
    pub workers: Vec<Worker>,
}

/// Jobs that did not go well at the first attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retries {
    /// Jobs claimed more than once.
    pub claimed_again: i64,
    /// Jobs of which an attempt was lost or ended by a passing error.
    pub crashed: i64,
    /// Such attempts.
    pub crashes: i64,
    /// Jobs that failed for good.
    pub failed: i64,
    /// Their commonest error.
    pub commonest_error: Option<String>,
}

/// One worker process.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
pub struct Worker {
    /// Drawn anew by each process.
    #[diesel(sql_type = sql_types::Text)]
    pub worker_id: String,
    /// Host name.
    #[diesel(sql_type = sql_types::Text)]
    pub host: String,
    /// Process id.
    #[diesel(sql_type = sql_types::Integer)]
    pub pid: i32,
    /// What it trains on.
    #[diesel(sql_type = sql_types::Text)]
    pub device: String,
    /// Class of jobs.
    #[diesel(sql_type = sql_types::Text)]
    pub class: String,
    /// Version of peng.
    #[diesel(sql_type = sql_types::Text)]
    pub version: String,
    /// running, draining or stopped.
    #[diesel(sql_type = sql_types::Text)]
    pub state: String,
    /// When it registered.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub started_at: DateTime<Utc>,
    /// When it last renewed or polled.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub last_seen_at: DateTime<Utc>,
    /// Claims of jobs of the search.
    #[diesel(sql_type = sql_types::BigInt)]
    pub attempts: i64,
    /// Ended with an outcome.
    #[diesel(sql_type = sql_types::BigInt)]
    pub finished: i64,
    /// Given back in good order.
    #[diesel(sql_type = sql_types::BigInt)]
    pub released: i64,
    /// Ended by a passing error.
    #[diesel(sql_type = sql_types::BigInt)]
    pub retried: i64,
    /// Lost: the lease expired.
    #[diesel(sql_type = sql_types::BigInt)]
    pub lost: i64,
    /// Under way.
    #[diesel(sql_type = sql_types::BigInt)]
    pub running: i64,
    /// Seconds from its registration to when it left or was last seen.
    #[diesel(sql_type = sql_types::Double)]
    pub present_seconds: f64,
    /// Seconds that it held jobs of the search.
    #[diesel(sql_type = sql_types::Double)]
    pub busy_seconds: f64,
}

/// The worker processes of a search. `--since` and `--where` restrict the crashes and the wall time, not the processes.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn workers(conn: &mut PgConnection, search: &str, filter: &Filter) -> Result<Workers, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let (tally, timing) = (Tally::load(conn, &scope)?, Timing::load(conn, &scope)?);
        Workers::load(conn, &scope, &tally, timing)
    })
}

impl Worker {
    /// Share (0 to 1) of the time present that it held jobs of this search.
    pub fn busy_share(&self) -> Option<f64> {
        (self.present_seconds > 0.0).then(|| (self.busy_seconds / self.present_seconds).min(1.0))
    }
}

impl Retries {
    fn load(conn: &mut PgConnection, scope: &Scope<'_>, tally: &Tally) -> Result<Self, ReportError> {
        #[derive(QueryableByName)]
        struct Commonest {
            #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
            error: Option<String>,
        }
        let commonest: Commonest = scope
            .query(include_str!("commonest_error.sql"))
            .get_result(conn)
            .map_err(failed("commonest_error"))?;
        let (claimed_again, crashed, crashes, failed) = tally.retries();
        Ok(Self { claimed_again, crashed, crashes, failed, commonest_error: commonest.error })
    }
}

impl Workers {
    pub(crate) fn load(
        conn: &mut PgConnection,
        scope: &Scope<'_>,
        tally: &Tally,
        timing: Timing,
    ) -> Result<Self, ReportError> {
        Ok(Self {
            citation: scope.citation.clone(),
            timing,
            retries: Retries::load(conn, scope, tally)?,
            workers: scope.query(include_str!("workers.sql")).load(conn).map_err(failed("workers"))?,
        })
    }

    fn table(&self) -> Table {
        let columns = [
            ("worker_id", "worker"),
            ("host", "host"),
            ("pid", "#pid"),
            ("device", "device"),
            ("class", "class"),
            ("version", ""),
            ("state", "state"),
            ("busy_percent", "#busy, %"),
            ("busy_seconds", "#busy"),
            ("present_seconds", "#present"),
            ("finished", "#finished"),
            ("released", "#released"),
            ("retried", "#retried"),
            ("lost", "#lost"),
            ("running", "#running"),
            ("started_at", ""),
            ("last_seen_at", "last seen (UTC)"),
        ];
        let mut table = Table::new("workers", "Worker processes of the search", &columns);
        for worker in &self.workers {
            table.push(vec![
                worker.worker_id.get(..8).unwrap_or(&worker.worker_id).into(),
                worker.host.clone().into(),
                Cell::Text(worker.pid.to_string()),
                worker.device.clone().into(),
                worker.class.clone().into(),
                worker.version.clone().into(),
                worker.state.clone().into(),
                Cell::number(worker.busy_share().map(|s| 100.0 * s), 0),
                Cell::Seconds(worker.busy_seconds),
                Cell::Seconds(worker.present_seconds),
                worker.finished.into(),
                worker.released.into(),
                worker.retried.into(),
                worker.lost.into(),
                worker.running.into(),
                Cell::Time(worker.started_at),
                Cell::Time(worker.last_seen_at),
            ]);
        }
        table
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let section = Section::new("Workers");
        if self.workers.is_empty() {
            return vec![
                section.note(
                    "No worker has claimed a job of this search: its curves were imported, or it waits.",
                ),
            ];
        }
        let present: f64 = self.workers.iter().map(|w| w.present_seconds).sum();
        let busy: f64 = self.workers.iter().map(|w| w.busy_seconds).sum();
        let jobs = self.citation.jobs;
        let share = Cell::number((present > 0.0).then(|| 100.0 * (busy / present).min(1.0)), 1);
        let mut facts = vec![
            Fact::new(
                "worker_processes",
                "worker processes",
                Cell::Count(self.workers.len() as i64),
                "",
                jobs,
            ),
            Fact::new("claims", "claims", self.timing.claims.into(), "", jobs),
            Fact::new(
                "wall_seconds",
                "wall time, first claim to last end",
                self.timing.wall_seconds.map_or(Cell::Empty, Cell::Seconds),
                "",
                jobs,
            ),
            Fact::new("present_seconds", "time present, all workers", Cell::Seconds(present), "", jobs),
            Fact::new("busy_seconds", "time with a job of this search", Cell::Seconds(busy), "", jobs),
            Fact::new("idle_seconds", "time without one", Cell::Seconds((present - busy).max(0.0)), "", jobs),
            Fact::new("busy_percent", "busy", share, "%", jobs),
        ];
        let r = &self.retries;
        facts.extend([
            Fact::new("claimed_again", "jobs claimed more than once", r.claimed_again.into(), "", jobs),
            Fact::new(
                "crashes",
                "attempts lost or ended by a passing error",
                r.crashes.into(),
                "",
                r.crashed,
            ),
            Fact::new("failed", "jobs failed for good", r.failed.into(), "", jobs),
        ]);
        let section = section
            .note("Busy: the worker held a job of this search. A worker that serves other searches too is idle for this one meanwhile.")
            .note_if(r.commonest_error.as_ref().map(|error| format!("The commonest error of failed jobs: {error}")))
            .table(Fact::table("worker_totals", "All workers together", facts))
            .table(self.table());
        vec![section]
    }
}

impl Report for Workers {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document {
            title: "workers",
            primary: "workers",
            citations,
            highlights: vec![],
            sections: self.sections(),
        }
    }
}
