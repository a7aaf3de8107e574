//! Asynchronous successive halving (Li et al., MLSys 2020, arXiv 1810.05934), in both of its variants.

use predictor::{Settings, Target};

use crate::rungs::Rungs;
use crate::{Decision, Ledger, Next, Scheduler, SchedulerError, State, Verdict};

/// Which of the two algorithms that are called ASHA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As published (algorithm 2): every job waits at each rung until it is among the best 1/eta there, and whoever is
    /// free takes up the best of the highest rung first.
    Promotion,
    /// As in Ray Tune and Syne Tune: a job goes on at once or is stopped for good, by its rank among those that were
    /// there before.
    Stopping,
}

/// One bracket of successive halving. Rungs learn from running jobs; ties pass; NaN is refused before it is asked. Whom it lets
/// on follows from what the ledger shows of each job, so that several workers, each with its own, promote no job twice. A job
/// that cannot be frozen is judged as by [`Variant::Stopping`].
#[derive(Debug)]
pub struct Asha {
    variant: Variant,
    target: Target,
    rungs: Rungs,
}

impl Asha {
    /// `settings.warm_up` (3 epochs) is the first rung, `settings.eta` (3) the factor between them.
    pub fn new(settings: &Settings, target: Target, variant: Variant) -> Self {
        let rungs = Rungs::new(target, settings.warm_up.unwrap_or(3.0), settings.eta);
        Self { variant, target, rungs }
    }

    /// The frozen job that trains on now, if there is one: one that was promoted before and was interrupted between two rungs,
    /// else the best of the highest rung. `own`: a job that is counted as frozen, too.
    fn promotable(&self, ledger: &Ledger, own: Option<i64>) -> Option<i64> {
        let waits = |job: i64| own == Some(job) || is_frozen(ledger, job);
        let interrupted =
            || ledger.frozen().map(|frozen| frozen.0).find(|&job| self.is_promoted(ledger, job));
        // Whoever has left a rung behind is at a higher one, or trains.
        let best = |rung| {
            let stands = |job: &i64| self.reached(ledger, *job) == Some(rung) && waits(*job);
            self.rungs.best(rung).into_iter().find(stands)
        };
        interrupted().or_else(|| (0..self.rungs.len()).rev().find_map(best))
    }

    /// Whether a job that this bracket knows has trained on from a rung and not reached the next one.
    fn is_promoted(&self, ledger: &Ledger, job: i64) -> bool {
        self.rungs.rank(0, job).is_some() && self.reached(ledger, job).is_none()
    }

    /// The rung at which a job stands, by its last observation.
    fn reached(&self, ledger: &Ledger, job: i64) -> Option<usize> {
        let last = ledger.job(job)?.curve().points().last()?;
        self.rungs.at(self.target.step(last.epoch))
    }
}

impl Scheduler for Asha {
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError> {
        let entry = ledger.job(job).ok_or(SchedulerError::Unknown(job))?;
        if entry.state() == State::Lost {
            self.rungs.forget(job);
        } else {
            // What others have trained may have passed several rungs since it was last looked at.
            self.rungs.enter(job, entry.curve().points(), self.target);
        }
        Ok(())
    }

    fn decide(&mut self, ledger: &Ledger, job: i64, may_freeze: bool) -> Result<Verdict, SchedulerError> {
        let prediction = self.estimate(ledger, job)?;
        let Some(rung) = self.reached(ledger, job) else {
            return Ok(Verdict {
                decision: Decision::Continue,
                prediction,
                reason: "between two rungs".into(),
            });
        };
        let (rank, of) = self.rungs.rank(rung, job).unwrap_or((1, 1));
        let reason = format!("rank {rank} of {of} at rung {}", rung + 1);
        let decision = match self.variant {
            // Whoever would be taken up at once need not be set aside.
            Variant::Promotion if may_freeze && self.promotable(ledger, Some(job)) == Some(job) => {
                Decision::Continue
            }
            Variant::Promotion if may_freeze => Decision::Freeze,
            _ if self.rungs.passes(rung, job) => Decision::Continue,
            _ => Decision::Stop,
        };
        Ok(Verdict { decision, prediction, reason })
    }

    fn watches_running(&self) -> bool {
        true
    }

    fn freezes(&self) -> bool {
        self.variant == Variant::Promotion
    }

    fn promotes_first(&self) -> bool {
        self.variant == Variant::Promotion
    }

    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
        if let Some(job) = self.promotable(ledger, None) {
            return Ok(Next::Resume(job));
        }
        Ok(match (ledger.waiting(), ledger.running()) {
            (0, 0) => Next::Done,
            (0, _) => Next::Wait,
            _ => Next::Start,
        })
    }
}

fn is_frozen(ledger: &Ledger, job: i64) -> bool {
    ledger.job(job).is_some_and(|entry| entry.state() == State::Frozen)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use predictor::Observation;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const TARGET: Target = Target { epochs: 20.0, interval: 1.0 };
    /// The rungs of the default settings under that target, and its end.
    const STEPS: [usize; 3] = [3, 9, 20];
    const JOBS: i64 = 40;

    fn asha(variant: Variant) -> Asha {
        Asha::new(&Settings::default(), TARGET, variant)
    }

    /// Algorithm 2 of arXiv 1810.05934, read word by word: what a free worker is given, a job and the rung that it trains to.
    #[derive(Default)]
    struct Published {
        /// For each rung the jobs that were trained to it, and their accuracies there.
        rungs: [Vec<(i64, f64)>; 2],
        promoted: [BTreeSet<i64>; 2],
        drawn: i64,
    }

    impl Published {
        /// The job to promote, and from which rung.
        fn promotable(&self) -> Option<(i64, usize)> {
            [1, 0].into_iter().find_map(|k| {
                let mut candidates = self.rungs[k].clone();
                candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                candidates.truncate(self.rungs[k].len() / 3);
                let mut candidates = candidates.into_iter().map(|(job, _)| job);
                candidates.find(|job| !self.promoted[k].contains(job)).map(|job| (job, k))
            })
        }

        fn get_job(&mut self) -> Option<(i64, usize)> {
            if let Some((job, k)) = self.promotable() {
                self.promoted[k].insert(job);
                return Some((job, k + 1));
            }
            self.drawn += 1;
            (self.drawn <= JOBS).then_some((self.drawn - 1, 0))
        }
    }

    /// Trains a job to a rung; the last verdict, none at the end of the training.
    fn train(asha: &mut Asha, ledger: &mut Ledger, job: i64, rung: usize, of: &[f64]) -> Option<Decision> {
        let from = ledger.job(job).map_or(0, |entry| entry.curve().points().len());
        let mut decision = None;
        for step in from + 1..=STEPS[rung] {
            assert!(matches!(decision, None | Some(Decision::Continue)), "set aside between two rungs");
            ledger.observe(job, Observation::new(step as f64, of[step - 1])).unwrap();
            let ends = step == STEPS[2];
            if ends {
                ledger.settle(job, State::Completed).unwrap();
            }
            asha.learn(ledger, job).unwrap();
            decision = if ends { None } else { Some(asha.decide(ledger, job, true).unwrap().decision) };
        }
        decision
    }

    /// Five workers that finish in random order, and are sometimes not asked at once, are given what the paper says, until
    /// nothing is left.
    #[test]
    fn promotion_gives_each_worker_what_the_published_algorithm_does() {
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            // Few different accuracies, so that there are ties.
            let curves: Vec<Vec<f64>> =
                (0..JOBS).map(|_| (0..20).map(|_| f64::from(rng.next_u32() % 30)).collect()).collect();
            let (mut asha, mut published) = (asha(Variant::Promotion), Published::default());
            let mut ledger = Ledger::default();
            ledger.set_waiting(JOBS as usize);
            let mut slots: Vec<Option<(i64, usize)>> = vec![None; 5];
            let mut completed = 0;
            loop {
                let all_idle = slots.iter().all(Option::is_none);
                for slot in slots.iter_mut().filter(|slot| slot.is_none()) {
                    if !all_idle && rng.next_u32() % 2 == 0 {
                        continue;
                    }
                    let expected = published.get_job();
                    let next = asha.next(&ledger).unwrap();
                    match (next, expected) {
                        (Next::Start, Some((job, 0))) => {
                            ledger.start(job, None);
                            ledger.set_waiting((JOBS - 1 - job) as usize);
                        }
                        (Next::Resume(job), Some((other, _))) if job == other => ledger.start(job, None),
                        (Next::Wait | Next::Done, None) => {}
                        _ => panic!("seed {seed}: {next:?}, the paper says {expected:?}"),
                    }
                    *slot = expected;
                }
                let busy: Vec<usize> = (0..5).filter(|&at| slots[at].is_some()).collect();
                if busy.is_empty() {
                    break;
                }
                let at = busy[rng.next_u32() as usize % busy.len()];
                let (job, rung) = slots[at].take().unwrap();
                let decision = train(&mut asha, &mut ledger, job, rung, &curves[job as usize]);
                match published.rungs.get_mut(rung) {
                    Some(there) => there.push((job, curves[job as usize][STEPS[rung] - 1])),
                    None => completed += 1,
                }
                let Some(decision) = decision else { continue };
                if published.promotable() == Some((job, rung)) {
                    assert_eq!(decision, Decision::Continue, "seed {seed}: it would be taken up at once");
                    slots[at] = published.get_job();
                } else {
                    assert_eq!(decision, Decision::Freeze, "seed {seed}");
                    ledger.settle(job, State::Frozen).unwrap();
                    asha.learn(&ledger, job).unwrap();
                }
            }
            assert_eq!(asha.next(&ledger), Ok(Next::Done));
            assert!(completed > 3 && ledger.frozen().count() > 20, "seed {seed}: {completed} completed");
        }
    }

    /// The verdict on a job of the first rung, after others that had these accuracies there.
    fn stopping(others: &[f64], own: f64) -> Verdict {
        let (mut asha, mut ledger) = (asha(Variant::Stopping), Ledger::default());
        let mut last = None;
        for (job, &accuracy) in others.iter().chain([&own]).enumerate() {
            ledger.start(job as i64, None);
            for step in 1..=3 {
                ledger.observe(job as i64, Observation::new(f64::from(step), accuracy)).unwrap();
                asha.learn(&ledger, job as i64).unwrap();
                last = Some(asha.decide(&ledger, job as i64, true).unwrap());
                assert!(step == 3 || last.as_ref().unwrap().decision == Decision::Continue);
            }
        }
        last.unwrap()
    }

    #[test]
    fn stopping_ends_what_more_than_a_third_beat() {
        let table: [(&[f64], f64, Decision, &str, &str); 5] = [
            (&[], 5.0, Decision::Continue, "rank 1 of 1 at rung 1", "the first passes"),
            (&[50.0], 40.0, Decision::Stop, "rank 2 of 2 at rung 1", "half are better"),
            (&[50.0], 50.0, Decision::Continue, "rank 1 of 2 at rung 1", "a tie passes"),
            (&[50.0, 30.0], 40.0, Decision::Continue, "rank 2 of 3 at rung 1", "a third is better"),
            (&[50.0, 60.0, 30.0], 40.0, Decision::Stop, "rank 3 of 4 at rung 1", "a half is"),
        ];
        for (others, own, decision, reason, why) in table {
            let verdict = stopping(others, own);
            assert_eq!((verdict.decision, verdict.reason.as_str()), (decision, reason), "{why}");
            assert_eq!(verdict.prediction.map(|p| p.fitness), Some(own), "{why}");
        }
    }

    #[test]
    fn a_lost_job_is_compared_with_no_more() {
        let (mut asha, mut ledger) = (asha(Variant::Stopping), Ledger::default());
        for job in [0, 1] {
            ledger.start(job, None);
        }
        let of = |accuracy: f64| vec![accuracy; 20];
        assert_eq!(train(&mut asha, &mut ledger, 0, 0, &of(50.0)), Some(Decision::Continue));
        ledger.settle(0, State::Lost).unwrap();
        asha.learn(&ledger, 0).unwrap();
        assert_eq!(train(&mut asha, &mut ledger, 1, 0, &of(40.0)), Some(Decision::Continue));
    }

    #[test]
    fn a_promoted_job_that_was_interrupted_goes_on_first_whatever_its_rank_is_now() {
        let (mut asha, mut ledger) = (asha(Variant::Promotion), Ledger::default());
        let set_aside = |asha: &mut Asha, ledger: &mut Ledger, job: i64, epochs: i32, accuracy: f64| {
            ledger.start(job, None);
            let known = ledger.job(job).unwrap().curve().points().len() as i32;
            for epoch in known + 1..=epochs {
                ledger.observe(job, Observation::new(f64::from(epoch), accuracy)).unwrap();
            }
            ledger.settle(job, State::Frozen).unwrap();
            asha.learn(ledger, job).unwrap();
        };
        for (job, accuracy) in [(0, 50.0), (1, 40.0), (2, 30.0)] {
            set_aside(&mut asha, &mut ledger, job, 3, accuracy);
        }
        assert_eq!(asha.next(&ledger), Ok(Next::Resume(0)));
        set_aside(&mut asha, &mut ledger, 0, 5, 50.0);
        set_aside(&mut asha, &mut ledger, 3, 3, 60.0);
        assert_eq!(asha.next(&ledger), Ok(Next::Resume(0)), "not job 3, though that is the best");
        ledger.start(0, None);
        assert_eq!(asha.next(&ledger), Ok(Next::Resume(3)));
    }

    #[test]
    fn a_job_that_was_never_started_is_named() {
        let mut asha = asha(Variant::Promotion);
        assert_eq!(asha.learn(&Ledger::default(), 4), Err(SchedulerError::Unknown(4)));
        assert_eq!(asha.decide(&Ledger::default(), 4, true), Err(SchedulerError::Unknown(4)));
    }
}
