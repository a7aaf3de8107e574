//! From what it is known which jobs a terminating search stops, and what it takes them for.

use std::collections::HashSet;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use predictor::{EngineName, Settings};
use serde::Serialize;

use crate::known::Known;
use crate::play::Play;
use crate::scope::{Scope, failed};
use crate::{ReportError, play};

/// From what it is known which jobs a terminating search stops, and what it takes them for.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Basis {
    /// From the first decision to stop of each job: this engine judges each by its own curve, for good.
    Decisions,
    /// From what the search did: jobs were set aside and taken up again. What it makes of jobs that it trained to the end for the
    /// audit, or that a person promoted, is not known.
    Search,
    /// The search observes: its scheduler was run on the stored curves.
    Simulated(Play),
    /// The search observes and cannot be played.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Basis {
    /// `workers`: how many the played search has.
    pub(crate) fn load(
        conn: &mut PgConnection,
        scope: &Scope<'_>,
        workers: usize,
    ) -> Result<Self, ReportError> {
        let ended = Self::of_ended(scope);
        if ended.is_decisions() {
            return Ok(ended);
        }
        let observed = observed(conn, scope)?;
        if observed.is_empty() {
            return Ok(ended);
        }
        let settings: Settings = match serde_json::from_value(scope.spec["predictor"].clone()) {
            Ok(settings) => settings,
            Err(error) => {
                return Ok(Self::Unknown { why: format!("its settings are not understood: {error}") });
            }
        };
        let played = play::load(conn, scope, &settings, workers.max(1), &observed)?;
        Ok(played.map_or_else(|why| Self::Unknown { why }, Self::Simulated))
    }

    /// That of a search of which nothing is simulated.
    pub(crate) fn of_ended(scope: &Scope<'_>) -> Self {
        if is_final(scope) { Self::Decisions } else { Self::Search }
    }

    /// Whether decisions to stop are final, each job having been judged by its own curve.
    pub(crate) fn is_decisions(&self) -> bool {
        matches!(self, Self::Decisions)
    }

    /// Whether it is known which of the best networks a terminating search keeps.
    pub(crate) fn knows_the_kept(&self) -> bool {
        matches!(self, Self::Decisions | Self::Simulated(_))
    }

    /// The search that was played.
    pub(crate) fn play(&self) -> Option<&Play> {
        match self {
            Self::Simulated(play) => Some(play),
            _ => None,
        }
    }

    /// The jobs as a terminating search takes them, where that is known.
    pub(crate) fn of(&self, known: Vec<Known>) -> Vec<Known> {
        match self {
            Self::Simulated(play) => known.into_iter().map(|job| play.as_played(job)).collect(),
            Self::Unknown { .. } => known.into_iter().filter(|job| job.promoted).collect(),
            Self::Decisions | Self::Search => known,
        }
    }

    /// What a reader must know before any figure of predictions.
    pub(crate) fn sentence(&self) -> Option<String> {
        match self {
            Self::Decisions => None,
            Self::Search => Some(
                "Predictions are those of the first decision to set a job aside. Since such a job may be taken up again, it is \
                 not known from these jobs which of the best the search would have kept; `mode = \"observe\"` makes it known."
                    .to_owned(),
            ),
            Self::Simulated(play) => Some(play.sentence()),
            Self::Unknown { why } => {
                Some(format!("What a terminating search would have done with these jobs is not known: {why}."))
            }
        }
    }
}

/// Whether the first decision to stop of a job is final: the engine knows of no other job, or the decisions were made elsewhere.
fn is_final(scope: &Scope<'_>) -> bool {
    use EngineName::{Last, Menndl, None, PenguinV1, PenguinV2, PenguinV4};
    let engine = scope.citation.engine.parse();
    scope.spec.get("import").is_some()
        || engine
            .is_ok_and(|e: EngineName| [PenguinV1, PenguinV2, PenguinV4, Menndl, Last, None].contains(&e))
}

fn observed(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<HashSet<i64>, ReportError> {
    #[derive(QueryableByName)]
    struct Observed {
        #[diesel(sql_type = sql_types::BigInt)]
        job_id: i64,
    }
    let jobs: Vec<Observed> =
        scope.query(include_str!("observed.sql")).load(conn).map_err(failed("observed"))?;
    Ok(jobs.into_iter().map(|job| job.job_id).collect())
}
