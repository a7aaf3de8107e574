//! The judge: a search's predictor with what it has learned, fed from the store. The live worker and whoever checks a
//! stored search use this same code, so that a decision can be recomputed bit for bit.

use diesel::PgConnection;
use domain::{JobId, Ordinal, SearchId};
use predictor::{Assessment, Calibration, CurveError, End, Ended, Engine, Observation};
use store::{
    curve,
    finish::{self, Cursor, Finish},
    job::Outcome,
    search,
};
use strategy::Strategy;

use crate::{Spec, SpecError};

/// Why the judge knows nothing.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The database did not answer.
    #[error("cannot read what the predictor has to know")]
    Query(#[from] diesel::result::Error),
    /// A stored curve is damaged.
    #[error("the stored curve of job {job} is damaged")]
    Curve {
        /// The job.
        job: JobId,
        /// How.
        source: CurveError,
    },
    /// The search to start from is not there.
    #[error("`predictor.warm_start` names search `{0}`, which does not exist")]
    NoWarmStart(String),
    /// A stored specification is not understood.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl JudgeError {
    /// An error of the database as such, and any other as a value: the first may pass, the other stays.
    ///
    /// # Errors
    /// Those of the database.
    pub fn parted<T>(self) -> diesel::QueryResult<Result<T, Self>> {
        match self {
            Self::Query(error) => Err(error),
            other => Ok(Err(other)),
        }
    }
}

/// The predictor of one search. Reads each finished curve once and keeps only what it learned.
#[derive(Debug)]
pub struct Judge {
    search_id: SearchId,
    engine: Engine,
    with_cost: bool,
    calibration: Calibration,
    /// What a warm start gave.
    at_first: Calibration,
    seen: Cursor,
}

impl Judge {
    /// A judge that knows of no finished job yet but for those of the `warm_start` search.
    ///
    /// # Errors
    /// [`JudgeError::NoWarmStart`] and those of the database.
    pub fn new(conn: &mut PgConnection, search_id: SearchId, spec: &Spec) -> Result<Self, JudgeError> {
        let with_cost = matches!(spec.strategy, Strategy::Nsga2(_));
        let mut judge = Self {
            search_id,
            engine: spec.engine(),
            with_cost,
            calibration: Calibration::default(),
            at_first: Calibration::default(),
            seen: Cursor::default(),
        };
        if let Some(name) = &spec.predictor.warm_start {
            judge.warm_start(conn, name)?;
            judge.at_first = judge.calibration.clone();
        }
        Ok(judge)
    }

    fn warm_start(&mut self, conn: &mut PgConnection, name: &str) -> Result<(), JudgeError> {
        let earlier = search::find(conn, name)?.ok_or_else(|| JudgeError::NoWarmStart(name.to_owned()))?;
        for ending in finish::since(conn, earlier.id, Cursor::default())?.unwrap_or_default() {
            if ending.outcome == Outcome::Completed {
                let curve = curve_of(&curve::load(conn, ending.job_id, ending.step)?);
                let learned = self.engine.learn_earlier(&mut self.calibration, &curve);
                learned.map_err(|source| JudgeError::Curve { job: ending.job_id, source })?;
            }
        }
        Ok(())
    }

    /// The search that it judges.
    pub fn search_id(&self) -> SearchId {
        self.search_id
    }

    /// The chance above which a terminated job is resumed once nothing is left to start; none where stops are final.
    pub fn thaw_above(&self) -> Option<f64> {
        self.engine.thaw_above()
    }

    /// Ordinal of the last ending that it knows of; stored with each decision.
    pub fn seen(&self) -> Ordinal {
        self.seen.ordinal
    }

    /// Takes in what ended since. Reads nothing but those endings.
    ///
    /// # Errors
    /// Those of the database.
    pub fn refresh(&mut self, conn: &mut PgConnection) -> Result<(), JudgeError> {
        self.refresh_to(conn, Ordinal(i64::MAX))
    }

    /// Takes in what ended up to an ordinal, to judge as a worker did that knew of no more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn refresh_to(&mut self, conn: &mut PgConnection, ordinal: Ordinal) -> Result<(), JudgeError> {
        let mut endings = finish::since(conn, self.search_id, self.seen)?;
        if endings.is_none() {
            // A fail-over or a restore has lost what was learned from.
            (self.calibration, self.seen) = (self.at_first.clone(), Cursor::default());
            endings = finish::since(conn, self.search_id, self.seen)?;
        }
        for ending in endings.unwrap_or_default() {
            if ending.ordinal.unwrap_or_default() > ordinal {
                break;
            }
            self.learn(conn, &ending)?;
            self.seen = ending.cursor();
        }
        Ok(())
    }

    fn learn(&mut self, conn: &mut PgConnection, ending: &Finish) -> Result<(), JudgeError> {
        let end = match (ending.outcome, ending.fitness) {
            (Outcome::Completed, _) => End::Completed,
            (Outcome::Terminated, Some(fitness)) => End::Stopped { fitness },
            _ => return Ok(()), // Nothing is learned from a job that failed, diverged or was cancelled.
        };
        let curve = curve_of(&curve::load(conn, ending.job_id, ending.step)?);
        let cost = if self.with_cost {
            search::cost_of(conn, ending.job_id)?.map(|flops| flops as f64)
        } else {
            None
        };
        let ended = Ended { job: ending.job_id.0, curve: &curve, end, cost };
        let learned = self.engine.learn(&mut self.calibration, &ended);
        learned.map_err(|source| JudgeError::Curve { job: ending.job_id, source })
    }

    /// Judges a curve by what is known so far. `flops`: of the job's network.
    ///
    /// # Errors
    /// A curve with a number that is not finite, or with epochs that do not rise.
    pub fn assess(&self, curve: &[Observation], flops: i64) -> Result<Assessment, CurveError> {
        let cost = self.with_cost.then_some(flops as f64);
        self.engine.assess_with_cost(curve, cost, &self.calibration)
    }

    /// Chance (0 to 1) that a job of this curve ends among the best, by what is known so far; 0 where the engine gives
    /// none.
    ///
    /// # Errors
    /// As [`Self::assess`].
    pub fn chance(&self, curve: &[Observation], flops: i64) -> Result<f64, CurveError> {
        let prediction = self.assess(curve, flops)?.prediction;
        Ok(prediction.and_then(|p| p.chance).unwrap_or(0.0))
    }
}

/// A stored curve as an engine sees it.
pub fn curve_of(points: &[curve::Observation]) -> Vec<Observation> {
    let point = |p: &curve::Observation| Observation {
        epoch: p.epoch,
        val_acc: p.val_acc,
        train_acc: p.train_acc,
        train_loss: p.train_loss,
    };
    points.iter().map(point).collect()
}
