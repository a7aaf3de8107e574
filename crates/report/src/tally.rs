//! How many jobs ended how: every count and sum over the jobs of a search, from one reading of them.

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::ReportError;
use crate::basis::Basis;
use crate::epochs::Epochs;
use crate::known::Truth;
use crate::scope::{Scope, failed};
use crate::stops::Stops;

/// The jobs of a search in groups.
pub(crate) struct Tally {
    groups: Vec<Group>,
    max_epochs: f64,
}

/// Jobs that are alike in state, outcome, mode, epochs of decision and of their end, and in whether their truth is known.
#[derive(QueryableByName)]
struct Group {
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = sql_types::Text)]
    mode: String,
    #[diesel(sql_type = sql_types::Bool)]
    known: bool,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    stop_epoch: Option<f64>,
    /// Epoch at which the predictor ended them.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    left_at: Option<f64>,
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    epochs: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    epochs_if_obeyed: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    seconds: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    seconds_after_stop: Option<f64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    seconds_full: Option<f64>,
    #[diesel(sql_type = sql_types::BigInt)]
    timed: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    claimed_again: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    crashed: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    crashes: i64,
}

/// Jobs in one state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutcomeCount {
    /// The state: a place in the queue or an outcome.
    pub state: String,
    /// How many.
    pub jobs: i64,
    /// Epochs that they trained; none while they are under way.
    pub epochs: Option<f64>,
    /// Seconds that they trained.
    pub seconds: Option<f64>,
}

impl Tally {
    pub fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Self, ReportError> {
        let groups = scope.query(include_str!("tally.sql")).load(conn).map_err(failed("tally"))?;
        Ok(Self { groups, max_epochs: scope.max_epochs() })
    }

    /// Jobs by state, in the order of their life.
    pub fn outcomes(&self) -> Vec<OutcomeCount> {
        let states = self.groups.chunk_by(|a, b| a.state == b.state);
        let sum = |of: &[Group], what: fn(&Group) -> Option<f64>| {
            of.iter().filter_map(what).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
        };
        let count = |of: &[Group]| OutcomeCount {
            state: of[0].state.clone(),
            jobs: of.iter().map(|group| group.jobs).sum(),
            epochs: sum(of, |group| group.epochs),
            seconds: sum(of, |group| group.seconds),
        };
        states.map(count).collect()
    }

    /// From how many jobs, and from which, the truth is known.
    pub fn truth(&self) -> Truth {
        let known = |mode: &str| self.jobs(|group| group.known && group.mode == mode);
        let stopped = self.jobs(|group| group.known && group.mode == "terminate" && self.decided(group));
        Truth {
            trained: self.jobs(Group::is_trained),
            observed: known("observe"),
            audited: known("audit"),
            promoted: known("promoted") + stopped,
            never_stopped: known("terminate") - stopped,
        }
    }

    /// Epochs and seconds trained, and, of a search that observes, what a terminating one trains, over the jobs that were
    /// terminated or completed: a job that diverged or failed was not ended by the predictor.
    pub fn epochs(&self, basis: &Basis) -> Epochs {
        let jobs = self.jobs(Group::is_trained);
        let decisions = self.stops(basis);
        let converged: i64 = decisions.iter().map(|stops| stops.jobs).sum();
        let total: f64 = decisions.iter().map(|stops| stops.stop_epoch * stops.jobs as f64).sum();
        let sum = |what: &dyn Fn(&Group) -> Option<f64>| {
            // From 0: the sum of nothing is -0 otherwise.
            self.trained().filter_map(what).fold(0.0, |sum, value| sum + value)
        };
        let ignored = |group: &Group| group.is("completed") && self.decided(group);
        let observes = self.jobs(|group| group.is_trained() && group.mode == "observe") > 0;
        let obeyed = || sum(&|group| group.epochs_if_obeyed);
        Epochs {
            jobs,
            terminated: self.jobs(|group| group.is("terminated")),
            converged,
            stops: decisions.iter().filter(|s| s.stop_epoch < self.max_epochs).map(|s| s.jobs).sum(),
            mean_stop_epoch: (converged > 0).then(|| total / converged as f64),
            median_stop_epoch: median(&decisions),
            epochs_trained: sum(&|group| group.epochs),
            epochs_if_terminating: match basis {
                Basis::Decisions => observes.then(obeyed),
                Basis::Simulated(play) => Some(play.epochs),
                Basis::Search | Basis::Unknown { .. } => None,
            },
            epochs_full: jobs as f64 * self.max_epochs,
            seconds_trained: sum(&|group| group.seconds),
            seconds_full: sum(&|group| group.seconds_full),
            timed: self.trained().map(|group| group.timed).sum(),
            seconds_after_stop: basis
                .is_decisions()
                .then(|| sum(&|group| group.seconds_after_stop.filter(|_| ignored(group)))),
        }
    }

    /// Jobs that were terminated or completed, by the epoch at which the predictor stops them for good, obeyed or not.
    pub fn stops(&self, basis: &Basis) -> Vec<Stops> {
        let epoch: fn(&Group) -> Option<f64> = match basis {
            Basis::Decisions => |group| group.stop_epoch,
            Basis::Search => |group| group.left_at,
            Basis::Simulated(play) => return play.stops(),
            Basis::Unknown { .. } => return vec![],
        };
        let mut decisions: Vec<Stops> = Vec::new();
        let at = |group: &Group| epoch(group).map(|stop_epoch| Stops { stop_epoch, jobs: group.jobs });
        let mut groups: Vec<Stops> = self.trained().filter_map(at).collect();
        groups.sort_by(|a, b| a.stop_epoch.total_cmp(&b.stop_epoch));
        for stops in groups {
            match decisions.last_mut() {
                Some(last) if last.stop_epoch == stops.stop_epoch => last.jobs += stops.jobs,
                _ => decisions.push(stops),
            }
        }
        decisions
    }

    /// Jobs claimed more than once; jobs with an attempt that was lost or ended by a passing error, and such attempts;
    /// jobs that failed for good.
    pub fn retries(&self) -> (i64, i64, i64, i64) {
        let sum = |what: fn(&Group) -> i64| self.groups.iter().map(what).sum();
        let failed = self.jobs(|group| group.is("failed"));
        (sum(|group| group.claimed_again), sum(|group| group.crashed), sum(|group| group.crashes), failed)
    }

    fn trained(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.is_trained())
    }

    fn jobs(&self, of: impl Fn(&Group) -> bool) -> i64 {
        self.groups.iter().filter(|group| of(group)).map(|group| group.jobs).sum()
    }

    /// Whether there was a decision to stop before the last epoch.
    fn decided(&self, group: &Group) -> bool {
        group.stop_epoch.is_some_and(|epoch| epoch < self.max_epochs)
    }
}

impl Group {
    fn is(&self, outcome: &str) -> bool {
        self.outcome.as_deref() == Some(outcome)
    }

    fn is_trained(&self) -> bool {
        self.is("terminated") || self.is("completed")
    }
}

/// The middle epoch of decision; between two, their mean.
fn median(decisions: &[Stops]) -> Option<f64> {
    let jobs: i64 = decisions.iter().map(|stops| stops.jobs).sum();
    let nth = |place: i64| {
        let mut passed = 0;
        let at = decisions.iter().find(|stops| {
            passed += stops.jobs;
            passed > place
        });
        at.map(|stops| stops.stop_epoch)
    };
    Some(f64::midpoint(nth((jobs - 1) / 2)?, nth(jobs / 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_grouped_epochs() {
        let table: [(&[(f64, i64)], Option<f64>, &str); 4] = [
            (&[], None, "nothing"),
            (&[(5.0, 1)], Some(5.0), "one"),
            (&[(5.0, 2), (8.0, 2)], Some(6.5), "between two"),
            (&[(5.0, 2), (8.0, 3)], Some(8.0), "the third of five"),
        ];
        for (decisions, expected, why) in table {
            let stops = |&(stop_epoch, jobs)| Stops { stop_epoch, jobs };
            assert_eq!(median(&decisions.iter().map(stops).collect::<Vec<_>>()), expected, "{why}");
        }
    }
}
