//! What a network has to beat.

use crate::Estimate;

/// The fitness (per cent) that a job must end above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    /// To enter the best share of the networks seen.
    Best { fitness: f64, share: f64 },
    /// To enter the Pareto front: the best fitness at this cost or less.
    Front { fitness: f64 },
    /// Nothing stands in the way: no job has ended, or none at this cost or less.
    None,
}

impl Bar {
    /// For a job of this cost, if the search minimises one, among the ended jobs (best first). What a stopped job is
    /// expected to reach counts up to what some job did reach: a network must not be kept out by a hope.
    pub(super) fn of(board: &[Estimate], cost: Option<f64>, keep: f64) -> Self {
        let reached = board.iter().find(|e| e.completed).map_or(f64::INFINITY, |e| e.fitness);
        let Some(cost) = cost.filter(|_| board.iter().all(|e| e.cost.is_some())) else {
            // 1e-9: a tenth of 20 is 2, not 3.
            let place = ((keep * board.len() as f64 - 1e-9).ceil() as usize).max(1);
            return board
                .get(place - 1)
                .map_or(Self::None, |e| Self::Best { fitness: e.fitness.min(reached), share: keep });
        };
        let cheaper = board.iter().find(|e| e.cost.is_some_and(|c| c <= cost));
        cheaper.map_or(Self::None, |e| Self::Front { fitness: e.fitness.min(reached) })
    }

    /// The fitness, if there is one to beat.
    pub(super) fn fitness(self) -> Option<f64> {
        match self {
            Self::Best { fitness, .. } | Self::Front { fitness } => Some(fitness),
            Self::None => None,
        }
    }

    /// What beating it means, in words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Best { fitness, share } => {
                format!("needs {fitness:.1} to enter the best {} %", (share * 1e4).round() / 1e2)
            }
            Self::Front { fitness } => format!("needs {fitness:.1} to enter the Pareto front at its cost"),
            Self::None => "nothing to compare with yet".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(jobs: &[Job]) -> Vec<Estimate> {
        let estimate = |(job, &(fitness, cost)): (usize, &Job)| Estimate {
            job: job as i64,
            fitness,
            cost,
            completed: true,
        };
        jobs.iter().enumerate().map(estimate).collect()
    }

    /// Fitness and cost of a job.
    type Job = (f64, Option<f64>);
    /// Jobs, cost of the one in question, bar, why.
    type Row<'a> = (&'a [Job], Option<f64>, Option<f64>, &'a str);

    #[test]
    fn what_is_hoped_for_counts_up_to_what_was_reached() {
        let mut board = board(&[(100.0, None), (99.0, None), (95.0, None), (90.0, None)]);
        for hoped in &mut board[..2] {
            hoped.completed = false;
        }
        assert_eq!(Bar::of(&board, None, 0.5).fitness(), Some(95.0), "the second of four, hoped to reach 99");
        assert_eq!(Bar::of(&board, None, 1.0).fitness(), Some(90.0), "measured");
        for estimate in &mut board {
            estimate.cost = Some(100.0 - estimate.fitness);
        }
        assert_eq!(Bar::of(&board, Some(5.0), 0.5).fitness(), Some(95.0), "on the front too");
    }

    #[test]
    fn bars_of_small_boards() {
        let many: Vec<_> = (0..20).map(|i| (90.0 - f64::from(i), None)).collect();
        let front = [(90.0, Some(900.0)), (80.0, Some(500.0)), (70.0, Some(600.0)), (60.0, Some(100.0))];
        let mixed = [(90.0, Some(900.0)), (80.0, None)];
        let table: [Row<'_>; 8] = [
            (&[], None, None, "nothing ended"),
            (&many[..1], None, Some(90.0), "one job: the best"),
            (&many[..10], None, Some(90.0), "a tenth of ten"),
            (&many[..11], None, Some(89.0), "a tenth of eleven is rounded up"),
            (&many, None, Some(89.0), "a tenth of twenty"),
            (&front, Some(650.0), Some(80.0), "the best of those not dearer"),
            (&front, Some(50.0), None, "cheaper than all"),
            (&mixed, Some(900.0), Some(90.0), "a cost is missing: fitness alone"),
        ];
        for (jobs, cost, expected, why) in table {
            assert_eq!(Bar::of(&board(jobs), cost, 0.1).fitness(), expected, "{why}");
        }
    }
}
