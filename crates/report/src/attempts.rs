//! What it took to train the jobs of a search: restarts, epochs trained twice, and for how long workers held them.

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::ReportError;
use crate::cell::Cell;
use crate::scope::{Scope, failed};
use crate::table::Fact;

/// The claims of the jobs that were terminated or completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Attempts {
    /// Jobs that were set aside and taken up again.
    pub resumed: i64,
    /// How often that was.
    pub resumptions: i64,
    /// How often a job that had trained began anew, taken up again or after a claim that was given back or lost.
    pub restarts: i64,
    /// Epochs trained again because no checkpoint held them.
    pub epochs_repeated: f64,
    /// Seconds that workers held the jobs: training, validation, and what comes before and between.
    pub device_seconds: f64,
    /// Claims under which something was trained.
    pub starts: i64,
    /// Jobs with a claim.
    pub claimed: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    restarts: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    resumptions: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    resumed: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    repeated: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    starts: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    held_jobs: i64,
    #[diesel(sql_type = sql_types::Double)]
    held: f64,
}

impl Attempts {
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Self, ReportError> {
        let row: Row =
            scope.query(include_str!("attempts.sql")).get_result(conn).map_err(failed("attempts"))?;
        Ok(Self {
            resumed: row.resumed,
            resumptions: row.resumptions,
            restarts: row.restarts,
            epochs_repeated: row.repeated as f64 * scope.citation.interval,
            device_seconds: row.held,
            starts: row.starts,
            claimed: row.held_jobs,
        })
    }

    /// Seconds of a claim that are none of training or validation, as a mean: `trained` are those of all of them.
    pub(crate) fn start_seconds(&self, trained: f64) -> f64 {
        if self.starts > 0 { (self.device_seconds - trained).max(0.0) / self.starts as f64 } else { 0.0 }
    }

    pub(crate) fn facts(&self, interval_decimals: usize) -> Vec<Fact> {
        if self.claimed == 0 {
            return vec![];
        }
        let (jobs, repeated) = (self.claimed, Cell::Number(self.epochs_repeated, interval_decimals));
        let some = |count: i64| if count > 0 { Cell::Count(count) } else { Cell::Empty };
        vec![
            Fact::new(
                "restarts",
                "restarts: claims of jobs that had trained",
                self.restarts.into(),
                "",
                jobs,
            ),
            Fact::new(
                "resumptions",
                "of these, set aside and taken up again",
                some(self.resumptions),
                "",
                jobs,
            ),
            Fact::new("resumed", "jobs taken up again", some(self.resumed), "", jobs),
            Fact::new("epochs_repeated", "epochs trained again, no checkpoint held them", repeated, "", jobs),
        ]
    }
}
