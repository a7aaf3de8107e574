//! What a terminating search does: its scheduler, run on the curves of a search that observed all of them to the end.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::PgConnection;
use predictor::replay::Recorded;
use predictor::{Calibration, Engine, Outcome, Settings, Target};
use scheduler::simulation::{Setup, Simulation, simulate};
use serde::Serialize;

use crate::known::Known;
use crate::replay::{Cost, recorded};
use crate::scope::Scope;
use crate::stops::Stops;
use crate::{Filter, ReportError};

/// The time grows faster than the jobs: 5,000 take half a minute, for which nobody waits who asks for a summary.
const MOST_JOBS: usize = 2_000;

/// What a terminating search of the same settings does with the jobs of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Play {
    /// Jobs in training at the same time.
    pub workers: usize,
    /// Jobs of the report that were played.
    pub jobs: i64,
    /// Of these, stopped.
    pub terminated: i64,
    /// Of these, set aside and taken up again.
    pub resumed: i64,
    /// How often that was.
    pub restarts: i64,
    /// Epochs trained.
    pub epochs: f64,
    /// Epochs of training them to the end.
    pub epochs_full: f64,
    /// Epochs saved, in per cent.
    pub epochs_saved_percent: Option<f64>,
    /// How many times as long the same workers take for the whole search, all jobs of it trained to the end.
    pub speed: f64,
    #[serde(skip)]
    played: HashMap<i64, Played>,
}

#[derive(Clone, Copy, Debug)]
struct Played {
    outcome: Outcome,
    /// Accuracy where the job was left, in per cent.
    observed: f64,
    resumed: usize,
}

/// Plays the whole search, or says why it cannot; the figures are over the jobs of the report alone, `observed`.
pub(crate) fn load(
    conn: &mut PgConnection,
    scope: &Scope<'_>,
    settings: &Settings,
    workers: usize,
    observed: &HashSet<i64>,
) -> Result<Result<Play, String>, ReportError> {
    let engine = settings.engine;
    if scope.citation.ended > MOST_JOBS as i64 {
        let name = &scope.citation.search;
        let why = format!(
            "it has more than {MOST_JOBS} jobs, and to play it takes long; `peng curve replay --search {name} --engine \
             {engine}` does"
        );
        return Ok(Err(why));
    }
    let (citation, target) = (&scope.citation, target(scope));
    let refused = |source| ReportError::Engine { engine: engine.to_string(), source };
    let curve = |source| ReportError::Curve { search: citation.search.clone(), source };
    let mut calibration = Calibration::default();
    if let Some(name) = &settings.warm_start {
        let earlier = match earlier(conn, name) {
            Err(ReportError::NoSearch { .. }) => {
                return Ok(Err(format!("search `{name}`, which it began with, is gone")));
            }
            earlier => earlier?,
        };
        let engine = Engine::new(settings, target).map_err(refused)?;
        for Recorded { job, curve: points, .. } in &earlier {
            let damaged = |source| curve(scheduler::LedgerError::Curve { job: *job, source }.into());
            engine.learn_earlier(&mut calibration, points).map_err(damaged)?;
        }
    }
    let mut scheduler = scheduler::of(settings, target, calibration).map_err(refused)?;
    let all = Filter::default();
    let whole = Scope { filter: &all, citation: citation.clone(), spec: scope.spec.clone(), ..*scope };
    let jobs = recorded(conn, &whole, Cost::of_strategy(&scope.spec))?;
    let setup = Setup { workers, restart: 0, target };
    let played = simulate(scheduler.as_mut(), &jobs.iter().collect::<Vec<_>>(), &setup).map_err(curve)?;
    Ok(Ok(Play::of(workers, &jobs, &played, observed)))
}

fn target(scope: &Scope<'_>) -> Target {
    Target { epochs: scope.citation.max_epochs, interval: scope.citation.interval }
}

/// The curves of another search that were trained to the end.
fn earlier(conn: &mut PgConnection, name: &str) -> Result<Vec<Recorded>, ReportError> {
    let all = Filter::default();
    let scope = Scope::open(conn, name, &all)?;
    recorded(conn, &scope, Cost::None)
}

impl Play {
    fn of(workers: usize, jobs: &[Recorded], simulation: &Simulation, of: &HashSet<i64>) -> Self {
        let both = jobs.iter().zip(&simulation.jobs).filter(|(recorded, _)| of.contains(&recorded.job));
        let played: HashMap<i64, Played> = both
            .map(|(recorded, job)| {
                let left = recorded.curve.iter().take_while(|o| o.epoch <= job.outcome.epochs).last();
                let observed = left.map_or(job.outcome.truth, |o| o.val_acc);
                (job.job, Played { outcome: job.outcome, observed, resumed: job.resumed })
            })
            .collect();
        let count = |of: fn(&Played) -> usize| played.values().map(of).sum::<usize>() as i64;
        // In the order of jobs, so that the sum is the same each time.
        let in_order = || simulation.jobs.iter().filter(|job| of.contains(&job.job)).map(|job| &job.outcome);
        let epochs = in_order().fold(0.0, |sum, outcome| sum + outcome.epochs);
        let epochs_full = in_order().fold(0.0, |sum, outcome| sum + outcome.budget);
        Self {
            workers,
            jobs: played.len() as i64,
            terminated: count(|job| usize::from(job.outcome.terminated)),
            resumed: count(|job| usize::from(job.resumed > 0)),
            restarts: count(|job| job.resumed),
            epochs,
            epochs_full,
            epochs_saved_percent: (epochs_full > 0.0).then(|| 100.0 * (1.0 - epochs / epochs_full)),
            speed: simulation.speed(),
            played,
        }
    }

    /// Where it stopped a job for good: the epoch, and the accuracy there.
    pub(crate) fn stop_of(&self, job: i64) -> Option<(f64, f64)> {
        let played = self.played.get(&job).filter(|played| played.outcome.terminated)?;
        Some((played.outcome.epochs, played.observed))
    }

    /// A job as it takes it.
    pub(crate) fn as_played(&self, job: Known) -> Known {
        let Some(Played { outcome, observed, .. }) = self.played.get(&job.job_id) else { return job };
        let stopped = |value: f64| Some(value).filter(|_| outcome.terminated);
        Known {
            stop_epoch: stopped(outcome.epochs),
            prediction: stopped(outcome.fitness),
            believed_fitness: outcome.fitness,
            observed_fitness: Some(*observed),
            epochs: outcome.epochs,
            low_80: outcome.interval_80.map(|i| i.0),
            high_80: outcome.interval_80.map(|i| i.1),
            low_90: outcome.interval_90.map(|i| i.0),
            high_90: outcome.interval_90.map(|i| i.1),
            ..job
        }
    }

    /// The jobs that it stopped, by the epoch that each had come to.
    pub(crate) fn stops(&self) -> Vec<Stops> {
        // Epochs are above 0: their bits are in the order of their values.
        let mut by_epoch = BTreeMap::<u64, i64>::new();
        for played in self.played.values().filter(|played| played.outcome.terminated) {
            *by_epoch.entry(played.outcome.epochs.to_bits()).or_default() += 1;
        }
        by_epoch.into_iter().map(|(epoch, jobs)| Stops { stop_epoch: f64::from_bits(epoch), jobs }).collect()
    }

    /// How it was played.
    pub(crate) fn sentence(&self) -> String {
        let workers =
            if self.workers == 1 { "one worker".to_owned() } else { format!("{} workers", self.workers) };
        format!(
            "The search observes. What a terminating search of the same settings would have made of these {} jobs was simulated: \
             its scheduler was run on the stored curves, with {workers}, no audit, and the jobs in the order of proposal.",
            self.jobs
        )
    }
}
