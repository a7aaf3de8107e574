//! When a search was worked on, and by how many.

use chrono::{DateTime, Utc};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::ReportError;
use crate::cell::Cell;
use crate::scope::{Scope, failed};
use crate::table::Fact;

/// When a search was worked on, and by how many worker processes.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
pub struct Timing {
    /// Worker processes that claimed a job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub workers: i64,
    /// Claims.
    #[diesel(sql_type = sql_types::BigInt)]
    pub claims: i64,
    /// Most jobs that were held at the same time; none without a claim.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub slots: Option<i64>,
    /// The first claim.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// The end of the last attempt; now, if one is under way.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Seconds between.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub wall_seconds: Option<f64>,
}

impl Timing {
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Self, ReportError> {
        scope.query(include_str!("timing.sql")).get_result(conn).map_err(failed("timing"))
    }

    /// `device_seconds`: for which workers held jobs.
    pub(crate) fn facts(&self, device_seconds: f64, jobs: i64) -> Vec<Fact> {
        let known = |value: Option<f64>| value.filter(|s| *s > 0.0).map_or(Cell::Empty, Cell::Seconds);
        let workers = if self.workers > 0 { Cell::Count(self.workers) } else { Cell::Empty };
        vec![
            Fact::new(
                "wall_seconds",
                "wall time, first claim to last end",
                known(self.wall_seconds),
                "",
                jobs,
            ),
            Fact::new("device_seconds", "device time, all workers", known(Some(device_seconds)), "", jobs),
            Fact::new("workers", "worker processes", workers, "", jobs),
        ]
    }
}
