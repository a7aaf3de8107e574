//! Runs engines over recorded curves as if they were live.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::{
    Assessment, Calibration, CurveError, Decision, End, Ended, Engine, Measures, Observation, Outcome,
    Prediction,
};

/// A job whose whole curve is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The job's id.
    pub job: i64,
    /// Its curve to the target epoch; points beyond are not looked at.
    pub curve: Vec<Observation>,
    /// FLOPs, in a search with two objectives.
    pub cost: Option<f64>,
}

/// How a search is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Play<'a> {
    /// Completed curves of an earlier search to begin with (`warm_start`).
    pub earlier: &'a [Recorded],
    /// Jobs in training at the same time, advancing in turn by one observation each; at least 1.
    pub workers: usize,
}

impl Default for Play<'_> {
    fn default() -> Self {
        Self { earlier: &[], workers: 1 }
    }
}

/// One job of a played search.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// The job's id.
    pub job: i64,
    /// What the engine said after each observation the job was trained for.
    pub assessments: Vec<Assessment>,
    /// How it ended, for [`Measures::of`].
    pub outcome: Outcome,
}

/// A job on its way.
struct Run<'a> {
    recorded: &'a Recorded,
    /// Full length within the target.
    length: usize,
    assessments: Vec<Assessment>,
    stopped: bool,
}

impl<'a> Run<'a> {
    fn new(recorded: &'a Recorded, engine: &Engine) -> Self {
        let target = engine.target();
        let length = recorded.curve.iter().filter(|o| target.step(o.epoch) <= target.steps()).count();
        Self { recorded, length, assessments: Vec::new(), stopped: false }
    }

    /// Trains one interval; true when the job ended by it.
    fn advance(&mut self, engine: &Engine, calibration: &mut Calibration) -> Result<bool, CurveError> {
        let points = self.assessments.len() + 1;
        let curve = &self.recorded.curve[..points.min(self.length)];
        let assessment = engine.assess_with_cost(curve, self.recorded.cost, calibration)?;
        let complete = points >= self.length;
        self.stopped = assessment.decision == Decision::Stop && !complete;
        let prediction = assessment.prediction;
        self.assessments.push(assessment);
        let end = match prediction {
            _ if complete => End::Completed,
            Some(p) if self.stopped => End::Stopped { fitness: p.fitness },
            _ => return Ok(false),
        };
        let ended = Ended { job: self.recorded.job, curve, end, cost: self.recorded.cost };
        engine.learn(calibration, &ended)?;
        Ok(true)
    }

    /// Ends a resumed job again that the engine would have trained on: others may deserve the next interval more.
    fn put_back(&mut self, engine: &Engine, calibration: &mut Calibration) -> Result<(), CurveError> {
        self.stopped = true;
        let Some(prediction) = self.assessments.last().and_then(|a| a.prediction) else { return Ok(()) };
        let curve = &self.recorded.curve[..self.assessments.len()];
        let end = End::Stopped { fitness: prediction.fitness };
        engine.learn(calibration, &Ended { job: self.recorded.job, curve, end, cost: self.recorded.cost })
    }

    /// Chance of a stopped job under another calibration than it was stopped with.
    fn chance(&self, engine: &Engine, calibration: &Calibration) -> Result<f64, CurveError> {
        let curve = &self.recorded.curve[..self.assessments.len()];
        let now = engine.assess_with_cost(curve, self.recorded.cost, calibration)?;
        Ok(now.prediction.and_then(|p| p.chance).unwrap_or(0.0))
    }

    fn prediction(&self) -> Option<Prediction> {
        self.assessments.last().and_then(|a| a.prediction)
    }

    fn played(self, engine: &Engine) -> Played {
        let trained = self.assessments.len();
        let last = self.recorded.curve[self.length - 1];
        let prediction = self.prediction().filter(|_| self.stopped);
        let outcome = Outcome {
            fitness: prediction.map_or(last.val_acc, |p| p.fitness),
            truth: last.val_acc,
            epochs: self.recorded.curve[trained - 1].epoch,
            budget: last.epoch.min(engine.target().epochs),
            terminated: self.stopped,
            interval_80: prediction.and_then(|p| p.interval_80),
            interval_90: prediction.and_then(|p| p.interval_90),
        };
        Played { job: self.recorded.job, assessments: self.assessments, outcome }
    }
}

/// Plays one search: the jobs start in the order given. The result is in that order.
///
/// The calls of `assess` and `learn` are those of a live search whose jobs end in the same order, so that the
/// decisions are too, bit for bit.
///
/// # Errors
/// A curve that is damaged or has no point up to the target epoch.
pub fn play(engine: &Engine, jobs: &[&Recorded], how: &Play<'_>) -> Result<Vec<Played>, CurveError> {
    let mut calibration = Calibration::default();
    for recorded in how.earlier {
        engine.learn_earlier(&mut calibration, &recorded.curve)?;
    }
    let mut runs: Vec<Run<'_>> = jobs.iter().map(|j| Run::new(j, engine)).collect();
    if let Some(empty) = runs.iter().find(|r| r.length == 0) {
        return Err(CurveError::Empty { job: empty.recorded.job });
    }
    let mut waiting = 0..runs.len();
    let mut training: Vec<usize> = waiting.by_ref().take(how.workers.max(1)).collect();
    while !training.is_empty() {
        let mut still = Vec::with_capacity(training.len());
        for at in training {
            if !runs[at].advance(engine, &mut calibration)? {
                still.push(at);
            } else if let Some(next) = waiting.next() {
                still.push(next);
            }
        }
        training = still;
    }
    if let Some(least) = engine.thaw_above() {
        thaw(engine, &mut runs, &mut calibration, least)?;
    }
    Ok(runs.into_iter().map(|r| r.played(engine)).collect())
}

/// Resumes stopped jobs by the chance that today's calibration gives them.
fn thaw(
    engine: &Engine,
    runs: &mut [Run<'_>],
    calibration: &mut Calibration,
    least: f64,
) -> Result<(), CurveError> {
    // Chance by run as things stand; while they do, only a run that advanced has to be asked again.
    let mut chances: Vec<Option<f64>> = vec![None; runs.len()];
    let mut standing = engine.standing(calibration);
    loop {
        if engine.standing(calibration) != standing {
            standing = engine.standing(calibration);
            chances.fill(None);
        }
        let mut best: Option<(f64, usize)> = None;
        for (at, run) in runs.iter().enumerate().filter(|(_, r)| r.stopped) {
            let chance = match chances[at] {
                Some(chance) => chance,
                None => run.chance(engine, calibration)?,
            };
            chances[at] = Some(chance);
            if chance > best.map_or(least, |b| b.0) {
                best = Some((chance, at));
            }
        }
        let Some((_, at)) = best else { return Ok(()) };
        if !runs[at].advance(engine, calibration)? {
            runs[at].put_back(engine, calibration)?;
        }
        chances[at] = None;
    }
}

/// `count` random orders (or draws without replacement of `take`) of `jobs` jobs.
pub fn orders(jobs: usize, take: usize, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order = || {
        let mut all: Vec<usize> = (0..jobs).collect();
        all.shuffle(&mut rng);
        all.truncate(take);
        all
    };
    (0..count).map(|_| order()).collect()
}

/// Plays every order, on all cores, and measures each: one entry per order, in their order.
///
/// # Errors
/// As [`play`].
pub fn measure(
    engine: &Engine,
    jobs: &[Recorded],
    orders: &[Vec<usize>],
    how: &Play<'_>,
) -> Result<Vec<Measures>, CurveError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(order) = orders.get(at) else { return done };
            let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
            let outcomes = play(engine, &drawn, how)
                .map(|played| Measures::of(&played.iter().map(|p| p.outcome).collect::<Vec<_>>()));
            done.push((at, outcomes));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(orders.len().max(1));
    let mut done: Vec<_> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .flat_map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|d| d.0);
    done.into_iter().map(|d| d.1).collect()
}
