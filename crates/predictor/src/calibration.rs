//! What an engine has learned from the jobs of the same search that ended before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::peng::Knowledge;
use crate::possible::{number, that, within};
use crate::{Impossible, Observation};

/// How a job ended. Failed, cancelled and diverged jobs teach nothing and are not given to an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Trained to the target epoch; the last accuracy of its curve is the truth.
    Completed,
    /// Stopped by the predictor, which expected this fitness (per cent).
    Stopped {
        /// The prediction that stood when the job was stopped.
        fitness: f64,
    },
}

/// A job that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended<'a> {
    /// The job's id; a job given again (a stopped one that was resumed) replaces its earlier estimate.
    pub job: i64,
    /// All its observations.
    pub curve: &'a [Observation],
    /// Completed or stopped.
    pub end: End,
    /// FLOPs, or another cost that the search minimises beside the fitness; give it for every job or for none.
    pub cost: Option<f64>,
}

/// What the search believes about one ended job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The job's id.
    pub job: i64,
    /// The true final accuracy of a completed job, the expected one of a stopped job; per cent.
    pub fitness: f64,
    /// The cost of the job, in a search with two objectives.
    pub cost: Option<f64>,
    /// Whether `fitness` was measured.
    pub completed: bool,
}

/// What an engine knows of a search: a fold over its ended jobs in the order of their finish numbers, by
/// [`Engine::learn`](crate::Engine::learn). The default knows nothing.
///
/// The same jobs in the same order give the same calibration bit for bit, and so the same decisions; `version`
/// says how many were taken in. A worker keeps one in memory and adds what ended since; a snapshot saves a new
/// worker the way from the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    version: u64,
    completed: u64,
    /// Best fitness first; among equals the smaller job id.
    board: Vec<Estimate>,
    /// For `median` and `asha`: accuracies at a step, rising.
    values: BTreeMap<u32, Vec<f64>>,
    /// For `peng`.
    pub(crate) knowledge: Knowledge,
}

/// Raised whenever the same numbers come to mean something else, so that no snapshot is misread.
const FORMAT: u8 = 5;

/// A snapshot that cannot be written or read back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no memory for it.
    #[error("cannot write a calibration snapshot")]
    Write(#[source] postcard::Error),
    /// It says something else than this version writes.
    #[error(
        "cannot read a calibration snapshot of {bytes} bytes: it is damaged, or another version of peng wrote it"
    )]
    Read {
        /// Its size.
        bytes: usize,
        /// What does not fit.
        source: postcard::Error,
    },
    /// The scheduler that is to take it over keeps none.
    #[error("what was kept, {bytes} bytes, is another scheduler's")]
    Foreign {
        /// Its size.
        bytes: usize,
    },
    /// It holds a number that no engine can have learned.
    #[error(
        "cannot use a calibration snapshot: it is damaged; let the engine learn anew from the jobs that ended"
    )]
    Impossible(#[source] Impossible),
}

impl Calibration {
    /// How many endings were taken in; stored with each decision.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many jobs of this search were trained to the end.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// All ended jobs, best fitness first.
    pub fn board(&self) -> &[Estimate] {
        &self.board
    }

    /// The calibration as bytes (floats exact).
    ///
    /// # Errors
    /// None in practice: only if memory for the bytes cannot be had.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        postcard::to_stdvec(&(FORMAT, self)).map_err(SnapshotError::Write)
    }

    /// Reads what [`Calibration::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the bytes are damaged or were written by another version of the program; fold the ended jobs anew.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let read = |source| SnapshotError::Read { bytes: bytes.len(), source };
        let (format, rest) = postcard::take_from_bytes::<u8>(bytes).map_err(read)?;
        if format != FORMAT {
            return Err(read(postcard::Error::DeserializeBadEncoding));
        }
        let calibration: Self = postcard::from_bytes(rest).map_err(read)?;
        calibration.check().map_err(SnapshotError::Impossible)?;
        Ok(calibration)
    }

    /// Refuses numbers that no engine can have learned.
    fn check(&self) -> Result<(), Impossible> {
        that(self.version < u64::from(u32::MAX), "version", self.version, "fewer endings than 4294967295")?;
        that(self.completed <= self.version, "completed", self.completed, "no more than the endings")?;
        for (i, estimate) in self.board.iter().enumerate() {
            number(&format!("board[{i}].fitness"), estimate.fitness)?;
            let cost = estimate.cost.unwrap_or_default();
            that(cost.is_finite(), &format!("board[{i}].cost"), cost, "a finite number")?;
        }
        let fitness = |i: usize| format!("board[{i}].fitness");
        for (i, pair) in self.board.windows(2).enumerate() {
            let falling = pair[0].fitness >= pair[1].fitness;
            that(falling, &fitness(i + 1), pair[1].fitness, "no more than the one before")?;
        }
        for (step, values) in &self.values {
            for (i, value) in values.iter().enumerate() {
                let rising = i == 0 || values[i - 1] <= *value;
                let field = format!("values[{step}][{i}]");
                number(&field, *value)?;
                that(rising, &field, value, "no less than the one before")?;
            }
        }
        within("knowledge", self.knowledge.check())
    }

    /// Enters a job's estimate on the board and counts it. Returns false for a completed job that had been
    /// entered as completed before.
    pub(crate) fn enter(&mut self, estimate: Estimate) -> bool {
        self.version += 1;
        let known = self.board.iter().position(|e| e.job == estimate.job).map(|at| self.board.remove(at));
        let after = |e: &Estimate| (estimate.fitness, e.job) < (e.fitness, estimate.job);
        let at = self.board.partition_point(after);
        self.board.insert(at, estimate);
        let again = known.is_some_and(|k| k.completed);
        if estimate.completed && !again {
            self.completed += 1;
        }
        !again
    }

    /// Takes a stopped job off the board; says whether it was there.
    pub(crate) fn strike(&mut self, job: i64) -> bool {
        let Some(at) = self.board.iter().position(|e| e.job == job && !e.completed) else { return false };
        self.board.remove(at);
        self.version += 1;
        true
    }

    /// Adds an accuracy to those seen at a step.
    pub(crate) fn add_value(&mut self, step: u32, value: f64) {
        let values = self.values.entry(step).or_default();
        let at = values.partition_point(|&v| v < value);
        values.insert(at, value);
    }

    /// The accuracies seen at a step, rising.
    pub(crate) fn values(&self, step: u32) -> &[f64] {
        self.values.get(&step).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(job: i64, fitness: f64, completed: bool) -> Estimate {
        Estimate { job, fitness, cost: None, completed }
    }

    #[test]
    fn the_board_is_sorted_and_holds_each_job_once() {
        let mut calibration = Calibration::default();
        for e in [
            estimate(1, 50.0, true),
            estimate(2, 70.0, false),
            estimate(3, 60.0, true),
            estimate(2, 55.0, true),
        ] {
            assert!(calibration.enter(e));
        }
        let jobs: Vec<i64> = calibration.board().iter().map(|e| e.job).collect();
        assert_eq!(jobs, [3, 2, 1]);
        assert_eq!((calibration.version(), calibration.completed()), (4, 3));
        assert!(!calibration.enter(estimate(2, 55.0, true)), "completed twice");
        assert_eq!(calibration.completed(), 3);
    }

    #[test]
    fn a_snapshot_is_exact_and_damage_is_noticed() {
        let mut calibration = Calibration::default();
        calibration.enter(estimate(1, 0.1 + 0.2, true));
        calibration.add_value(3, 1.0 / 3.0);
        let bytes = calibration.to_bytes().unwrap();
        assert_eq!(Calibration::from_bytes(&bytes).unwrap(), calibration);
        assert!(Calibration::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        calibration.board[0].fitness = f64::NAN;
        match Calibration::from_bytes(&calibration.to_bytes().unwrap()) {
            Err(SnapshotError::Impossible(wrong)) => {
                let expected = "board[0].fitness is NaN, expected a number from -1e15 to 1e15";
                assert_eq!(wrong.to_string(), expected);
            }
            other => panic!("{other:?}"),
        }
        let older = [&[FORMAT - 1][..], &bytes[1..]].concat();
        assert!(Calibration::from_bytes(&older).is_err(), "written by an older version");
    }
}
