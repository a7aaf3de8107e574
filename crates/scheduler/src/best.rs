//! Engine `peng` as a scheduler: train on what may be among the best, and set all else aside.
//!
//! The first `startup` jobs (7) are trained to the end, whatever they show: completed jobs that were chosen would promise too
//! much. All others train for the warm-up (2 epochs). Then each is frozen whose chance to be among the best is low, and once no
//! job is left to start the frozen ones are taken up, the likeliest first, and train on until another one is likelier. Each
//! completed job makes all chances better known. When no chance is above `risk` the search is done.
//!
//! Where that many jobs are not completed yet, [`Prefer::Epochs`] freezes all others and lets workers idle, while
//! [`Prefer::Time`] compares jobs at the same step ([`Peers`]) and lets idle workers take up the best of them.

use std::collections::{BTreeMap, BTreeSet};

use predictor::{Calibration, End, Ended, Engine, Peers, Prediction, Prefer, SnapshotError};

use crate::{Decision, Job, Ledger, Next, Scheduler, SchedulerError, State, Verdict};

/// A job is frozen below this chance while others wait to be started.
const PROVISIONAL: f64 = 0.5;
/// The same where time counts.
const PROVISIONAL_IN_TIME: f64 = 0.1;
/// Where time counts, a job trains on above this many times the risk.
const FINAL: f64 = 2.0;
/// Where time counts, and so few frozen jobs are left that they would keep less than half of the workers busy, one that would
/// make the search last longer is taken up above this chance.
const LATE: f64 = 0.5;
/// Jobs that are taken up at a time, at least, where epochs count: the best of them teach whether the others are worth it.
const AT_A_TIME: usize = 7;

/// What taking up a frozen job costs, in intervals, where nobody has said so (`restart_epochs`).
pub const RESTART: f64 = 2.0;

/// See the head of this file.
#[derive(Debug)]
pub struct Best {
    engine: Engine,
    calibration: Calibration,
    prefer: Prefer,
    restart: f64,
    peers: Peers,
    /// Most jobs that ran at the same time: how many workers there seem to be.
    workers: usize,
    /// Frozen jobs that were not learned from yet, since nothing could be predicted for them.
    unlearned: BTreeSet<i64>,
    /// Chances of the frozen jobs, as far as they were asked for under `standing`.
    chances: BTreeMap<i64, f64>,
    standing: (u64, Option<f64>),
}

impl Best {
    /// `calibration`: what an earlier search taught (`warm_start`). `restart`: what taking up a frozen job costs, in
    /// intervals.
    pub fn new(engine: Engine, calibration: Calibration, restart: f64) -> Self {
        let peers = Peers::new(engine.settings(), engine.target());
        Self {
            standing: engine.standing(&calibration),
            prefer: engine.settings().prefer,
            engine,
            calibration,
            restart,
            peers,
            workers: 0,
            unlearned: BTreeSet::new(),
            chances: BTreeMap::new(),
        }
    }

    fn is_ready(&self) -> bool {
        self.engine.is_ready(&self.calibration)
    }

    /// Whether a job is one of those that are trained to the end whatever they show.
    fn teaches(&self, ledger: &Ledger, job: i64) -> bool {
        ledger.is_among_first(job, self.first_jobs())
    }

    fn risk(&self) -> f64 {
        self.engine.settings().risk
    }

    /// The chance below which a job is frozen: higher while others wait to be started.
    fn frozen_below(&self, ledger: &Ledger) -> f64 {
        match self.prefer {
            _ if ledger.waiting() == 0 => self.least(),
            Prefer::Epochs => PROVISIONAL,
            Prefer::Time => PROVISIONAL_IN_TIME,
        }
    }

    /// The frozen job to be taken up now, if there is one.
    fn resumable(&mut self, ledger: &Ledger) -> Option<i64> {
        if !self.is_ready() {
            // One of the first was lost, and another one takes its place.
            let teaching = ledger.frozen().find(|(job, _)| self.teaches(ledger, *job));
            if let Some((job, _)) = teaching {
                return Some(job);
            }
        }
        let least = self.least();
        let places = (self.engine.settings().keep * ledger.len() as f64).ceil() as usize;
        match self.prefer {
            Prefer::Epochs if !self.is_ready() || ledger.running() >= places.max(AT_A_TIME) => None,
            Prefer::Epochs => self.likeliest(ledger, least).map(|best| best.0),
            Prefer::Time => {
                let (job, chance) = self.likeliest(ledger, least)?;
                let likely = self.chances.values().filter(|chance| **chance > least).count();
                let in_time = !self.is_ready() || chance > LATE || 2 * likely >= self.workers;
                (in_time || ledger.has_behind(job)).then_some(job)
            }
        }
    }

    /// The least chance for which a job trains on when none is left to start.
    fn least(&self) -> f64 {
        match self.prefer {
            Prefer::Epochs => self.risk(),
            Prefer::Time => FINAL * self.risk(),
        }
    }

    fn said(&self, job: i64, entry: &Job) -> Option<Prediction> {
        if self.is_ready() {
            self.engine.assess_grown(entry.curve(), entry.cost(), &self.calibration).prediction
        } else {
            let peers = || self.peers.assess(job);
            (self.prefer == Prefer::Time)
                .then(peers)
                .flatten()
                .or_else(|| entry.last().map(Prediction::point))
        }
    }

    fn stop(&mut self, job: i64, entry: &Job) -> Result<(), SchedulerError> {
        let said = self.engine.assess_grown(entry.curve(), entry.cost(), &self.calibration);
        let Some(prediction) = said.prediction else { return Ok(()) };
        let end = End::Stopped { fitness: prediction.fitness };
        let ended = Ended { job, curve: entry.curve().points(), end, cost: entry.cost() };
        Ok(self.engine.learn(&mut self.calibration, &ended)?)
    }

    /// Chances hold until a job is completed or the bar moves.
    fn renew(&mut self) {
        let standing = self.engine.standing(&self.calibration);
        if standing != self.standing {
            self.standing = standing;
            self.chances.clear();
        }
    }

    /// The frozen job of the highest chance, if that is above `least`; of equals the earlier one.
    fn likeliest(&mut self, ledger: &Ledger, mut least: f64) -> Option<(i64, f64)> {
        self.renew();
        let ready = self.is_ready();
        let mut best = None;
        for (job, entry) in ledger.frozen() {
            let known = self.chances.get(&job).copied().filter(|_| ready);
            let chance = known.unwrap_or_else(|| self.said(job, entry).and_then(|p| p.chance).unwrap_or(0.0));
            if ready {
                self.chances.insert(job, chance);
            }
            if chance > least {
                (best, least) = (Some((job, chance)), chance);
            }
        }
        best
    }
}

impl Scheduler for Best {
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        self.chances.remove(&job);
        self.workers = self.workers.max(ledger.running());
        match entry.state() {
            State::Running => {
                if !self.is_ready() {
                    self.peers.add(job, entry.curve());
                }
            }
            State::Lost => {
                self.peers.forget(job);
                self.unlearned.remove(&job);
                self.engine.forget(&mut self.calibration, job, entry.curve().points());
            }
            State::Frozen | State::Stopped => {
                if self.is_ready() {
                    self.stop(job, entry)?;
                } else {
                    self.unlearned.insert(job);
                }
            }
            State::Completed => {
                self.unlearned.remove(&job);
                let (curve, cost) = (entry.curve().points(), entry.cost());
                let ended = Ended { job, curve, end: End::Completed, cost };
                self.engine.learn(&mut self.calibration, &ended)?;
                if self.is_ready() {
                    for job in std::mem::take(&mut self.unlearned) {
                        if let Some(entry) = ledger.job(job) {
                            self.stop(job, entry)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, ledger: &Ledger, job: i64, may_freeze: bool) -> Result<Verdict, SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        let said = self.engine.assess_grown(entry.curve(), entry.cost(), &self.calibration);
        let verdict = |decision, prediction, why: String| {
            let reason = if why.is_empty() { said.reason.clone() } else { format!("{}; {why}", said.reason) };
            Ok(Verdict { decision, prediction, reason })
        };
        let warm_up = self.engine.settings().warm_up.unwrap_or(2.0);
        if entry.curve().points().last().is_none_or(|o| o.epoch < warm_up) {
            return verdict(Decision::Continue, said.prediction, format!("no stop before epoch {warm_up}"));
        }
        if self.teaches(ledger, job) {
            return verdict(
                Decision::Continue,
                said.prediction,
                "one of the first jobs: trained to the end".into(),
            );
        }
        if !may_freeze {
            let chance = said.prediction.and_then(|p| p.chance);
            let stop = self.is_ready() && chance.is_some_and(|chance| chance < self.risk());
            let decision = if stop { Decision::Stop } else { Decision::Continue };
            return verdict(decision, said.prediction, "without a checkpoint a stop is final".into());
        }
        if !self.is_ready() {
            let standing = self.said(job, entry);
            let chance = standing.and_then(|p| p.chance);
            let decision = match (self.prefer, chance) {
                (Prefer::Epochs, _) => Decision::Freeze,
                (Prefer::Time, Some(chance)) if chance < self.frozen_below(ledger) => Decision::Freeze,
                (Prefer::Time, _) => Decision::Continue,
            };
            let prediction = standing.filter(|p| p.chance.is_some()).or(said.prediction);
            return verdict(decision, prediction, "until the first jobs are completed".into());
        }
        if said.decision == predictor::Decision::Stop && said.prediction.and_then(|p| p.chance) > Some(0.5) {
            return verdict(Decision::Stop, said.prediction, String::new());
        }
        let Some(chance) = said.prediction.and_then(|p| p.chance) else {
            return verdict(Decision::Continue, said.prediction, String::new());
        };
        if chance <= self.frozen_below(ledger) {
            return verdict(Decision::Freeze, said.prediction, String::new());
        }
        if ledger.waiting() == 0
            && self.prefer == Prefer::Epochs
            && let Some((other, rival)) = self.likeliest(ledger, chance * (1.0 + self.restart))
        {
            let why = format!("job {other} has a chance of {:.1} %", 100.0 * rival);
            return verdict(Decision::Freeze, said.prediction, why);
        }
        verdict(Decision::Continue, said.prediction, String::new())
    }

    fn freezes(&self) -> bool {
        true
    }

    fn first_jobs(&self) -> usize {
        if self.is_ready() { 0 } else { self.engine.startup(&self.calibration) }
    }

    fn watches_running(&self) -> bool {
        self.prefer == Prefer::Time && !self.is_ready()
    }

    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
        if ledger.waiting() > 0 {
            return Ok(Next::Start);
        }
        if let Some(job) = self.resumable(ledger) {
            return Ok(Next::Resume(job));
        }
        Ok(if ledger.running() > 0 { Next::Wait } else { Next::Done })
    }

    fn state(&self) -> Result<Option<Vec<u8>>, SnapshotError> {
        if !self.is_ready() || !self.unlearned.is_empty() {
            return Ok(None);
        }
        let mut state = (self.workers as u64).to_le_bytes().to_vec();
        state.extend(self.calibration.to_bytes()?);
        Ok(Some(state))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        let (workers, calibration) =
            state.split_first_chunk().ok_or(SnapshotError::Foreign { bytes: state.len() })?;
        self.calibration = Calibration::from_bytes(calibration)?;
        self.workers = u64::from_le_bytes(*workers) as usize;
        self.renew();
        Ok(())
    }

    fn estimate(&self, ledger: &Ledger, job: i64) -> Result<Option<Prediction>, SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        Ok(self.engine.assess_grown(entry.curve(), entry.cost(), &self.calibration).prediction)
    }
}
