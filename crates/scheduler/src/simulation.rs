//! Runs a scheduler over recorded curves as if they were live, with as many workers as are wanted.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use predictor::{Measures, Outcome, Prediction, Target, replay::Recorded};
use serde::Serialize;

pub use crate::play::{Proposals, Setup, SimulationError};
use crate::{LedgerError, Scheduler, State, Verdict, play::Play};

/// What became of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// The job's id.
    pub job: i64,
    /// What was decided after each of its observations but a last one at the target epoch.
    pub verdicts: Vec<Verdict>,
    /// How it ended, for [`predictor::Measures::of`].
    pub outcome: Outcome,
    /// How often it was taken up again.
    pub resumed: usize,
}

/// What became of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The jobs, in the order given.
    pub jobs: Vec<Simulated>,
    /// How long it took, in intervals.
    pub time: usize,
    /// How long it takes the same workers to train all jobs to the end, in intervals.
    pub untouched: usize,
}

impl Simulation {
    /// How often jobs were taken up again.
    pub fn restarts(&self) -> usize {
        self.jobs.iter().map(|job| job.resumed).sum()
    }

    /// The time that untouched trainings take, over the time taken.
    pub fn speed(&self) -> f64 {
        self.untouched as f64 / self.time as f64
    }
}

/// Simulates one search: the jobs wait in the order given, every interval takes as long as any other, and what happens at the
/// same time happens in the order of the slots.
///
/// # Errors
/// [`SimulationError`].
pub fn simulate(
    scheduler: &mut dyn Scheduler,
    jobs: &[&Recorded],
    setup: &Setup,
) -> Result<Simulation, SimulationError> {
    let jobs = jobs.iter().map(|&job| Cow::Borrowed(job));
    let mut play = Play::new(*setup, jobs, None)?;
    play.run(scheduler, usize::MAX)?;
    if let Some(&at) = play.waiting.front() {
        return Err(LedgerError::Unknown(play.jobs[at].job).into());
    }
    finished(play, scheduler)
}

/// Simulates one search that evolves: jobs are proposed as others end, until nothing more is proposed or so many epochs were
/// trained; what is frozen or trains then is ended. As in a live search, what is frozen ends only when nothing else is left to do,
/// and nothing is taken up while a first training may lead to a proposal. Of what comes back, jobs that never started are left out.
///
/// # Errors
/// [`SimulationError`].
pub fn evolve(
    scheduler: &mut dyn Scheduler,
    proposals: &mut dyn Proposals,
    epochs: f64,
    setup: &Setup,
) -> Result<Simulation, SimulationError> {
    let mut play = Play::new(*setup, [], Some(proposals))?;
    play.run(scheduler, (epochs / setup.target.interval).ceil() as usize)?;
    play.end_unfinished(scheduler)?;
    finished(play, scheduler)
}

fn finished(play: Play<'_>, scheduler: &mut dyn Scheduler) -> Result<Simulation, SimulationError> {
    let Play { setup, ledger, jobs, lengths, verdicts, time, .. } = play;
    let mut simulated = Vec::with_capacity(jobs.len());
    for ((recorded, verdicts), &length) in jobs.iter().zip(verdicts).zip(&lengths) {
        let Some(entry) = ledger.job(recorded.job) else { continue };
        let trained = entry.curve().points().len();
        if trained == 0 {
            continue; // The budget was spent before its first interval.
        }
        let completed = entry.state() == State::Completed;
        let estimate = if completed { None } else { scheduler.estimate(&ledger, recorded.job)? };
        simulated.push(Simulated {
            job: recorded.job,
            verdicts,
            outcome: outcome(recorded, trained, length, estimate, setup.target),
            resumed: entry.resumed(),
        });
    }
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let untouched = jobs.len().div_ceil(setup.workers.max(1)) * longest;
    Ok(Simulation { jobs: simulated, time, untouched })
}

fn outcome(
    recorded: &Recorded,
    trained: usize,
    length: usize,
    estimate: Option<Prediction>,
    target: Target,
) -> Outcome {
    let (last, reached) = (recorded.curve[length - 1], recorded.curve[trained - 1]);
    Outcome {
        fitness: estimate.map_or(reached.val_acc, |p| p.fitness),
        truth: last.val_acc,
        epochs: reached.epoch,
        budget: last.epoch.min(target.epochs),
        terminated: trained < length,
        interval_80: estimate.and_then(|p| p.interval_80),
        interval_90: estimate.and_then(|p| p.interval_90),
    }
}

/// What a simulated search saved and kept, and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Of its jobs.
    #[serde(flatten)]
    pub measures: Measures,
    /// [`Simulation::speed`].
    pub speed: f64,
    /// [`Simulation::restarts`].
    pub restarts: f64,
}

impl Measured {
    /// The measures of one search.
    pub fn of(simulation: &Simulation) -> Self {
        let outcomes: Vec<Outcome> = simulation.jobs.iter().map(|job| job.outcome).collect();
        Self {
            measures: Measures::of(&outcomes),
            speed: simulation.speed(),
            restarts: simulation.restarts() as f64,
        }
    }

    /// The means over several searches.
    pub fn mean(of: &[Self]) -> Self {
        let measures: Vec<Measures> = of.iter().map(|one| one.measures.clone()).collect();
        let mean = |value: fn(&Self) -> f64| of.iter().map(value).sum::<f64>() / of.len() as f64;
        Self {
            measures: Measures::mean(&measures),
            speed: mean(|one| one.speed),
            restarts: mean(|one| one.restarts),
        }
    }
}

/// Simulates a search for each order of the jobs, on all cores, each with a scheduler of its own: one entry per order, in
/// their order.
///
/// # Errors
/// As [`simulate`].
pub fn measure(
    make: &(dyn Fn() -> Box<dyn Scheduler> + Sync),
    jobs: &[Recorded],
    orders: &[Vec<usize>],
    setup: &Setup,
) -> Result<Vec<Measured>, SimulationError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(order) = orders.get(at) else { return done };
            let drawn: Vec<&Recorded> = order.iter().map(|&i| &jobs[i]).collect();
            done.push((at, simulate(make().as_mut(), &drawn, setup).map(|played| Measured::of(&played))));
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

#[cfg(test)]
mod tests {
    use predictor::{Calibration, Engine, EngineName, Observation, Settings};

    use super::*;
    use crate::{Asha, Decision, Ledger, Next, SchedulerError, Single, Variant};

    const TARGET: Target = Target { epochs: 10.0, interval: 1.0 };

    fn jobs(count: i64, points: usize) -> Vec<Recorded> {
        let curve = |job: i64| {
            let point = |x: usize| Observation::new(x as f64, 40.0 + (job * 7 % 10) as f64 + x as f64);
            Recorded { job, curve: (1..=points).map(point).collect(), cost: None }
        };
        (0..count).map(curve).collect()
    }

    fn single(engine: EngineName) -> Single {
        let settings = Settings { engine, stop_at: Some(4.0), ..Settings::default() };
        Single::new(Engine::new(&settings, TARGET).unwrap(), Calibration::default())
    }

    fn play(scheduler: &mut dyn Scheduler, jobs: &[Recorded], workers: usize, restart: usize) -> Simulation {
        let jobs: Vec<&Recorded> = jobs.iter().collect();
        simulate(scheduler, &jobs, &Setup { workers, restart, target: TARGET }).unwrap()
    }

    #[test]
    fn untouched_trainings_take_as_long_as_the_workers_need_for_them() {
        let jobs = jobs(7, 12);
        for (workers, rounds) in [(1, 7), (2, 4), (3, 3), (7, 1), (100, 1), (0, 7)] {
            let played = play(&mut single(EngineName::None), &jobs, workers, 5);
            assert_eq!((played.time, played.untouched), (10 * rounds, 10 * rounds), "{workers} workers");
            assert_eq!((played.speed(), played.restarts()), (1.0, 0), "{workers} workers");
            for (job, recorded) in played.jobs.iter().zip(&jobs) {
                assert_eq!((job.job, job.verdicts.len()), (recorded.job, 9), "not asked at the last epoch");
                assert!(!job.outcome.terminated && job.outcome.epochs == 10.0, "{job:?}");
            }
        }
    }

    #[test]
    fn a_stopped_job_makes_room_at_once_and_points_beyond_the_target_are_not_trained() {
        let played = play(&mut single(EngineName::Last), &jobs(6, 12), 2, 0);
        assert_eq!((played.time, played.untouched), (12, 30));
        for job in &played.jobs {
            let o = job.outcome;
            assert_eq!((o.epochs, o.budget, o.terminated), (4.0, 10.0, true));
            assert_eq!(
                (o.truth - o.fitness, job.verdicts.len()),
                (6.0, 4),
                "the last accuracy stands for the end"
            );
        }
        let outcomes: Vec<_> = played.jobs.iter().map(|job| job.outcome).collect();
        assert_eq!(Measures::of(&outcomes).epochs_saved_percent, Some(60.0));
    }

    /// One worker has to pay for each job that it takes up, and for nothing else.
    #[test]
    fn taking_up_a_frozen_job_takes_its_time() {
        let jobs = jobs(30, 10);
        let asha = || Asha::new(&Settings::default(), TARGET, Variant::Promotion);
        let (free, dear) = (play(&mut asha(), &jobs, 1, 0), play(&mut asha(), &jobs, 1, 4));
        assert_eq!(free.jobs, dear.jobs, "decisions are the same");
        assert!(free.restarts() > 0);
        assert_eq!(dear.time, free.time + 4 * free.restarts());
    }

    /// Stops all jobs at their first point, and expects 99 % of them.
    struct Hopeful;

    impl Scheduler for Hopeful {
        fn learn(&mut self, _: &Ledger, _: i64) -> Result<(), SchedulerError> {
            Ok(())
        }

        fn decide(&mut self, _: &Ledger, _: i64, _: bool) -> Result<Verdict, SchedulerError> {
            Ok(Verdict { decision: Decision::Stop, prediction: None, reason: String::new() })
        }

        fn next(&mut self, ledger: &Ledger) -> Result<Next, SchedulerError> {
            Ok(if ledger.waiting() > 0 { Next::Start } else { Next::Done })
        }

        fn estimate(&self, _: &Ledger, _: i64) -> Result<Option<Prediction>, SchedulerError> {
            Ok(Some(Prediction::point(99.0)))
        }
    }

    #[test]
    fn what_the_scheduler_expects_of_unfinished_jobs_at_the_end_is_measured() {
        let played = play(&mut Hopeful, &jobs(2, 10), 1, 0);
        assert!(played.jobs.iter().all(|job| job.outcome.fitness == 99.0 && job.outcome.truth < 60.0));
        let short = play(&mut Hopeful, &jobs(1, 1), 1, 0);
        assert_eq!(short.jobs[0].outcome.fitness, 41.0, "what was completed was measured");
    }

    /// Proposes the next job for each that ends, up to a number, after some at the start, and notes what it is told.
    struct Stream {
        jobs: std::vec::IntoIter<Recorded>,
        at_first: usize,
        told: Vec<Vec<(i64, f64)>>,
    }

    impl Stream {
        fn new(count: i64, at_first: usize) -> Self {
            Self { jobs: jobs(count, 10).into_iter(), at_first, told: vec![] }
        }
    }

    impl Proposals for Stream {
        fn propose(&mut self, ended: &[(i64, f64)]) -> Vec<Recorded> {
            let wanted = if self.told.is_empty() { self.at_first } else { ended.len() };
            self.told.push(ended.to_vec());
            self.jobs.by_ref().take(wanted).collect()
        }
    }

    #[test]
    fn whoever_proposes_hears_of_a_frozen_job_when_nothing_else_is_left_to_do() {
        let mut asha = Asha::new(&Settings::default(), TARGET, Variant::Promotion);
        let (mut stream, setup) = (Stream::new(12, 6), Setup { workers: 2, restart: 0, target: TARGET });
        let played = evolve(&mut asha, &mut stream, f64::INFINITY, &setup).unwrap();
        // Rungs are at 3 and 9. Of six jobs two are promoted and neither further; of all twelve job 7 is, and completes.
        let told: Vec<usize> = stream.told.iter().map(Vec::len).collect();
        assert_eq!(told, [0, 6, 1, 5], "{:?}", stream.told);
        let mut all = stream.told.concat();
        all.sort_by_key(|told| told.0);
        let expected: Vec<(i64, f64)> =
            played.jobs.iter().map(|job| (job.job, job.outcome.fitness)).collect();
        assert_eq!(all, expected, "each once, by its last accuracy");
    }

    #[test]
    fn a_search_that_evolves_ends_with_its_epochs() {
        let (mut stream, setup) = (Stream::new(100, 3), Setup { workers: 3, restart: 0, target: TARGET });
        let played = evolve(&mut single(EngineName::None), &mut stream, 35.0, &setup).unwrap();
        let trained: f64 = played.jobs.iter().map(|job| job.outcome.epochs).sum();
        assert_eq!((trained, played.time, played.jobs.len()), (36.0, 12, 6), "whole rounds of three");
        assert_eq!(stream.told.concat().len(), 6, "what was interrupted has ended, too: {:?}", stream.told);
    }

    #[test]
    fn each_observation_is_trained_once() {
        let mut asha = Asha::new(&Settings::default(), TARGET, Variant::Promotion);
        let played = play(&mut asha, &jobs(40, 10), 1, 0);
        let trained: f64 = played.jobs.iter().map(|job| job.outcome.epochs).sum();
        assert_eq!(trained, played.time as f64, "one worker is never idle and never trains an epoch twice");
    }

    #[test]
    fn a_job_without_an_observation_in_time_is_named() {
        let mut all = jobs(3, 10);
        all[1].curve = vec![Observation::new(11.0, 50.0)];
        let jobs: Vec<&Recorded> = all.iter().collect();
        let setup = Setup { workers: 1, restart: 0, target: TARGET };
        let error = simulate(&mut single(EngineName::None), &jobs, &setup).unwrap_err();
        assert_eq!(error, SimulationError::Empty(1));
        assert_eq!(error.to_string(), "job 1 has no observation up to the target epoch");
    }

    #[test]
    fn a_damaged_curve_is_named() {
        let mut all = jobs(2, 10);
        all[1].curve[4].val_acc = f64::NAN;
        let jobs: Vec<&Recorded> = all.iter().collect();
        let setup = Setup { workers: 2, restart: 0, target: TARGET };
        let error = simulate(&mut single(EngineName::None), &jobs, &setup).unwrap_err();
        assert_eq!(error.to_string(), "the curve of job 1 is damaged");
    }
}
