//! Which terminated job to resume when a search has nothing left to start.

use std::collections::HashMap;

use diesel::PgConnection;
use domain::{Fence, JobId, Ordinal};
use predictor::Observation;
use store::{
    curve,
    thaw::{self, FrozenJob, ThawClaim},
};

use crate::{Judge, JudgeError, curve_of};

/// The terminated jobs of a search as its judge last saw them: they are listed anew only when something has changed, each
/// curve is read once for each of its lengths, and each chance is worked out once for what is known.
#[derive(Debug, Default)]
pub struct FrozenJobs {
    jobs: HashMap<JobId, Job>,
    seen: Ordinal,
    choice: Option<Choice>,
}

#[derive(Debug)]
struct Job {
    step: i32,
    curve: Vec<Observation>,
    chance: Option<f64>,
}

/// What was found best, and under what: the endings that were known, and the jobs that were resumed at that time, of
/// which each may come back without an ending.
#[derive(Debug)]
struct Choice {
    seen: Ordinal,
    resumed: Vec<(JobId, Fence)>,
    best: Option<ThawClaim>,
}

impl FrozenJobs {
    /// The terminated job of the highest chance of belonging to the best under all that is known now, if that is above
    /// what the search accepts; of equals the one proposed first. None also for engines whose stops are final.
    ///
    /// # Errors
    /// Those of the database, and a damaged curve.
    pub fn best(
        &mut self,
        conn: &mut PgConnection,
        judge: &mut Judge,
    ) -> Result<Option<ThawClaim>, JudgeError> {
        let Some(least) = judge.thaw_above() else {
            return Ok(None);
        };
        judge.refresh(conn)?;
        let (seen, resumed) = (judge.seen(), thaw::resumed(conn, judge.search_id())?);
        if let Some(choice) = &self.choice
            && choice.seen == seen
            && choice.resumed == resumed
        {
            return Ok(choice.best);
        }
        let best = self.choose(conn, judge, least)?;
        self.choice = Some(Choice { seen, resumed, best });
        Ok(best)
    }

    /// Whether a job was being resumed when it was last asked for the best: that one may come back without an ending.
    pub fn has_resumed(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| !choice.resumed.is_empty())
    }

    /// Somebody else was faster, or the job is promoted: what was found best is to be looked for anew.
    pub fn reconsider(&mut self) {
        self.choice = None;
    }

    fn choose(
        &mut self,
        conn: &mut PgConnection,
        judge: &Judge,
        mut least: f64,
    ) -> Result<Option<ThawClaim>, JudgeError> {
        if self.seen != judge.seen() {
            self.seen = judge.seen();
            self.jobs.values_mut().for_each(|job| job.chance = None);
        }
        let mut best = None;
        for stopped in thaw::stopped(conn, judge.search_id())? {
            let chance = self.chance(conn, judge, &stopped)?;
            if chance > least {
                least = chance;
                best = Some(ThawClaim { stopped, chance, calibration: judge.seen() });
            }
        }
        Ok(best)
    }

    fn chance(
        &mut self,
        conn: &mut PgConnection,
        judge: &Judge,
        stopped: &FrozenJob,
    ) -> Result<f64, JudgeError> {
        let id = stopped.job_id;
        if self.jobs.get(&id).is_none_or(|job| job.step != stopped.step) {
            let curve = curve_of(&curve::load(conn, id, stopped.step)?);
            self.jobs.insert(id, Job { step: stopped.step, curve, chance: None });
        }
        let job = self.jobs.get_mut(&id).expect("the job was just entered");
        if let Some(chance) = job.chance {
            return Ok(chance);
        }
        let chance = judge.chance(&job.curve, stopped.flops);
        let chance = chance.map_err(|source| JudgeError::Curve { job: id, source })?;
        job.chance = Some(chance);
        Ok(chance)
    }
}
