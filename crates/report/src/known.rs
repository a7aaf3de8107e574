//! The jobs whose truth is known, and what may be concluded from them.

use diesel::pg::PgRowByRowLoadingMode;
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use predictor::Outcome;
use serde::Serialize;

use crate::ReportError;
use crate::scope::{Scope, failed};

/// A job that was trained to the end though the predictor might have stopped it.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
pub struct Known {
    /// Number of the job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// Whether it was chosen for its prediction, not drawn.
    #[diesel(sql_type = sql_types::Bool)]
    pub promoted: bool,
    /// Epoch of the first decision to stop; where the search was played, that at which it stopped the job for good.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub stop_epoch: Option<f64>,
    /// Prediction at that epoch, in per cent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub prediction: Option<f64>,
    /// What a terminating search would rank by, in per cent.
    #[diesel(sql_type = sql_types::Double)]
    pub believed_fitness: f64,
    /// Accuracy observed at the same epoch, in per cent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub observed_fitness: Option<f64>,
    /// Accuracy at the end, in per cent.
    #[diesel(sql_type = sql_types::Double)]
    pub true_fitness: f64,
    /// Epochs had it been stopped there.
    #[diesel(sql_type = sql_types::Double)]
    pub epochs: f64,
    /// Lower end of the 80 % interval of the prediction.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub low_80: Option<f64>,
    /// Upper end of it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub high_80: Option<f64>,
    /// Lower end of the 90 % interval of the prediction.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub low_90: Option<f64>,
    /// Upper end of it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub high_90: Option<f64>,
}

/// From how many jobs the truth is known, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Truth {
    /// Jobs that were terminated or completed.
    pub trained: i64,
    /// Trained to the end because the search only observes.
    pub observed: i64,
    /// Drawn to be trained to the end.
    pub audited: i64,
    /// Chosen to be trained to the end after they were stopped or set aside: promoted, or taken up again.
    pub promoted: i64,
    /// Trained to the end because the predictor did not stop them.
    pub never_stopped: i64,
}

impl Known {
    /// First those that were drawn or all observed, then those that were chosen, by number. Read row by row: a client never
    /// holds the answer of the server as a whole.
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Vec<Self>, ReportError> {
        let rows = scope
            .query(include_str!("known.sql"))
            .load_iter::<Self, PgRowByRowLoadingMode>(conn)
            .map_err(failed("known"))?;
        let mut jobs: Vec<Self> = rows.collect::<Result<_, _>>().map_err(failed("known"))?;
        jobs.sort_unstable_by_key(|job| (job.promoted, job.job_id));
        Ok(jobs)
    }

    /// Whether the predictor would have ended it early.
    pub fn stops(&self, max_epochs: f64) -> bool {
        self.stop_epoch.is_some_and(|epoch| epoch < max_epochs)
    }

    /// As the measures of the predictor want it: as a terminating search would have gone.
    pub fn outcome(&self, max_epochs: f64) -> Outcome {
        let terminated = self.stops(max_epochs);
        let interval = |low: Option<f64>, high| low.zip(high).filter(|_| terminated);
        Outcome {
            fitness: self.believed_fitness,
            truth: self.true_fitness,
            epochs: self.epochs,
            budget: max_epochs,
            terminated,
            interval_80: interval(self.low_80, self.high_80),
            interval_90: interval(self.low_90, self.high_90),
        }
    }
}

impl Truth {
    /// What a reader must know before the figures.
    pub fn sentence(&self) -> String {
        let Self { trained, observed, audited, promoted, never_stopped } = *self;
        let mut parts = Vec::new();
        if observed > 0 {
            parts.push(format!("{observed} trained to the end because the search only observes"));
        }
        if audited > 0 {
            parts.push(format!("{audited} drawn at random and trained to the end (audit)"));
        }
        if promoted > 0 {
            parts.push(format!(
                "{promoted} taken up again or promoted, that is, chosen for their prediction: no sample of all"
            ));
        }
        let known = observed + audited + promoted;
        let mut text = match (trained, known) {
            (0, _) => "No network has been trained yet.".to_owned(),
            (_, 0) => format!(
                "The true final accuracy is not known for any of the {trained} networks that the predictor could have \
                 stopped: how good its predictions are cannot be said. `audit` in the specification, or `peng search \
                 promote`, makes it known."
            ),
            _ => format!(
                "The true final accuracy is known for {known} of {trained} networks: {}.",
                parts.join("; ")
            ),
        };
        if never_stopped > 0 {
            text.push(' ');
            text.push_str(&never_stopped.to_string());
            text.push_str(
                " more reached the last epoch because the predictor did not stop them; they say nothing about its \
                 errors and are left out.",
            );
        }
        text
    }
}

/// Those drawn or all observed, and those chosen: figures of the second hold for the second alone.
pub(crate) fn drawn_and_chosen(known: &[Known]) -> (&[Known], &[Known]) {
    known.split_at(known.partition_point(|job| !job.promoted))
}
