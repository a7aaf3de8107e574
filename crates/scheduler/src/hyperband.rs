//! Hyperband (Li et al., JMLR 18, 2018, arXiv 1603.06560), asynchronous: brackets of successive halving that differ in their
//! first rung share the jobs.

use predictor::{Settings, Target};

use crate::{Asha, Ledger, Next, Scheduler, SchedulerError, Variant, Verdict};

/// One bracket for each first rung below the target: `warm_up` epochs times 1, eta, eta² … Of B brackets the one that begins
/// last gets one share of the jobs, the one before it eta / 2, then eta² / 3: as many as by algorithm 1 of the paper.
#[derive(Debug)]
pub struct Hyperband {
    brackets: Vec<Asha>,
    eta: f64,
}

impl Hyperband {
    /// See [`Asha::new`].
    pub fn new(settings: &Settings, target: Target) -> Self {
        let first = settings.warm_up.unwrap_or(3.0).max(target.interval);
        let later =
            |epoch: &f64| Some(epoch * settings.eta).filter(|&epoch| target.step(epoch) < target.steps());
        let mut rungs: Vec<f64> = std::iter::successors(Some(first), later).collect();
        rungs.dedup_by_key(|epoch| target.step(*epoch));
        let bracket = |epoch| {
            let settings = predictor::Settings { warm_up: Some(epoch), ..settings.clone() };
            Asha::new(&settings, target, Variant::Promotion)
        };
        let brackets = rungs.into_iter().map(bracket).collect();
        Self { brackets, eta: settings.eta }
    }

    /// The bracket of a job, drawn by its number: all workers draw the same.
    fn bracket(&self, job: i64) -> usize {
        let share = |at: usize| {
            let later = (self.brackets.len() - 1 - at) as i32;
            self.eta.powi(later) / f64::from(later + 1)
        };
        let all: f64 = (0..self.brackets.len()).map(share).sum();
        let mut left = draw(job) * all;
        let passed = |at: &usize| {
            left -= share(*at);
            left >= 0.0
        };
        (0..self.brackets.len() - 1).take_while(passed).count()
    }
}

/// A number of [0, 1) that looks random: the output of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) for a job as its state.
fn draw(job: i64) -> f64 {
    let mut z = job.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

impl Scheduler for Hyperband {
    fn learn(&mut self, ledger: &Ledger, job: i64) -> Result<(), SchedulerError> {
        let at = self.bracket(job);
        self.brackets[at].learn(ledger, job)
    }

    fn decide(&mut self, ledger: &Ledger, job: i64, may_freeze: bool) -> Result<Verdict, SchedulerError> {
        let at = self.bracket(job);
        self.brackets[at].decide(ledger, job, may_freeze)
    }

    fn watches_running(&self) -> bool {
        true
    }

    fn promotes_first(&self) -> bool {
        true
    }

    fn freezes(&self) -> bool {
        true
    }

    fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
        let mut said = Next::Done;
        for bracket in &mut self.brackets {
            said = bracket.next(ledger)?;
            if matches!(said, Next::Resume(_)) {
                break;
            }
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use predictor::Observation;

    use super::*;
    use crate::{Decision, State};

    const TARGET: Target = Target { epochs: 40.0, interval: 1.0 };

    #[test]
    fn brackets_begin_later_and_later_and_at_least_one_is_there() {
        let table = [(40.0, 3.0, 3), (27.0, 3.0, 2), (20.0, 3.0, 2), (2.0, 3.0, 1), (40.0, 0.0, 4)];
        for (epochs, warm_up, expected) in table {
            let settings = Settings { warm_up: Some(warm_up), ..Settings::default() };
            let hyperband = Hyperband::new(&settings, Target { epochs, ..TARGET });
            assert_eq!(hyperband.brackets.len(), expected, "{epochs} epochs, first rung {warm_up}");
        }
    }

    #[test]
    fn jobs_are_shared_as_the_paper_does() {
        let hyperband = Hyperband::new(&Settings::default(), TARGET);
        let mut jobs = [0_i32; 3];
        for job in 0..5500 {
            jobs[hyperband.bracket(job)] += 1;
        }
        // 9 / 3, 3 / 2 and 1 of 5.5, within three deviations of a draw.
        for (found, expected) in jobs.into_iter().zip([3000, 1500, 1000]) {
            assert!((found - expected).abs() < 110, "{jobs:?}");
        }
        let mut even = [0_i32; 3];
        (0..5500).for_each(|job| even[hyperband.bracket(2 * job)] += 1);
        assert!(
            even.iter().zip(jobs).all(|(a, b)| (a - b).abs() < 160),
            "whatever numbers they have: {even:?}"
        );
    }

    /// Brackets begin at epochs 3, 9 and 27. The first job of a bracket, and alone there, is set aside at its first rung.
    #[test]
    fn a_job_is_set_aside_at_the_first_rung_of_its_bracket() {
        let (mut hyperband, mut ledger) = (Hyperband::new(&Settings::default(), TARGET), Ledger::default());
        for (bracket, first) in [3, 9, 27].into_iter().enumerate() {
            let job = (0..100).find(|&job| hyperband.bracket(job) == bracket).unwrap();
            ledger.start(job, None);
            let mut epoch = 0;
            loop {
                epoch += 1;
                ledger.observe(job, Observation::new(f64::from(epoch), 50.0)).unwrap();
                hyperband.learn(&ledger, job).unwrap();
                if hyperband.decide(&ledger, job, true).unwrap().decision == Decision::Freeze {
                    break;
                }
            }
            assert_eq!(epoch, first, "job {job}");
            ledger.settle(job, State::Frozen).unwrap();
            hyperband.learn(&ledger, job).unwrap();
        }
        assert_eq!(hyperband.next(&ledger), Ok(Next::Done), "one of a bracket is no three");
    }

    #[test]
    fn a_frozen_job_of_any_bracket_is_taken_up_before_a_new_one_starts() {
        let (mut hyperband, mut ledger) = (Hyperband::new(&Settings::default(), TARGET), Ledger::default());
        // The best of three of the second bracket may go on.
        let jobs: Vec<i64> = (0..100).filter(|&job| hyperband.bracket(job) == 1).take(3).collect();
        for (place, &job) in jobs.iter().enumerate() {
            ledger.start(job, None);
            for epoch in 1..=9 {
                ledger.observe(job, Observation::new(f64::from(epoch), 50.0 - place as f64)).unwrap();
                hyperband.learn(&ledger, job).unwrap();
            }
            ledger.settle(job, State::Frozen).unwrap();
            hyperband.learn(&ledger, job).unwrap();
        }
        ledger.set_waiting(1);
        assert_eq!(hyperband.next(&ledger), Ok(Next::Resume(jobs[0])));
        ledger.start(jobs[0], None);
        assert_eq!(hyperband.next(&ledger), Ok(Next::Start));
    }
}
