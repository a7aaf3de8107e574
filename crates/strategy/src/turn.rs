use crate::{Evaluated, Evaluation};

/// What an evolutionary strategy is to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// So many samples for the first population.
    Fill(usize),
    /// So many children of what has been evaluated; of this generation if there is a barrier.
    Breed(usize, Option<u32>),
}

/// Whose turn it is: the first population is filled, then come generations of `size` (with a barrier) or as many
/// children as keep `in_flight` architectures waiting or training (without).
pub(crate) fn turn(population: &[Evaluated], size: usize, in_flight: Option<usize>, room: usize) -> Turn {
    let pending = population.iter().filter(|e| e.evaluation == Evaluation::Pending).count();
    if population.len() < size {
        return Turn::Fill(room.min(size - population.len()));
    }
    match in_flight {
        Some(in_flight) => Turn::Breed(room.min(in_flight.saturating_sub(pending)), None),
        None if pending > 0 => Turn::Breed(0, None),
        None => {
            let last = population.iter().map(|e| e.generation).max().unwrap_or(0);
            Turn::Breed(room.min(size), Some(last + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use genome::{Input, RandomCnnSpace, Space};

    use super::*;
    use crate::{Proposal, Random, Search, Strategy};

    fn population(pending: usize, finished: usize, generation: u32) -> Vec<Evaluated> {
        let space = Space::RandomCnn(RandomCnnSpace::default());
        let input = Input { channels: 1, height: 28, width: 28, classes: 10 };
        let search = Search { space: &space, input, budget: pending + finished };
        let proposals = Strategy::Random(Random { seed: 1 }).propose(&search, &[], &HashSet::new());
        let evaluated = |(i, p): (usize, Proposal)| Evaluated {
            id: i as i64,
            cost: p.genome.cost(input).unwrap(),
            genome: p.genome,
            generation,
            parents: vec![],
            evaluation: if i < pending { Evaluation::Pending } else { Evaluation::Fitness(50.0) },
        };
        proposals.into_iter().enumerate().map(evaluated).collect()
    }

    #[test]
    fn turns() {
        let table = [
            (0, 0, None, 100, Turn::Fill(10), "an empty search is filled"),
            (3, 1, None, 100, Turn::Fill(6), "imports count towards the first population"),
            (0, 0, None, 4, Turn::Fill(4), "the budget ends it early"),
            (1, 9, None, 100, Turn::Breed(0, None), "the barrier waits for the last one"),
            (0, 10, None, 100, Turn::Breed(10, Some(1)), "the next generation"),
            (0, 25, None, 3, Turn::Breed(3, Some(1)), "the last, shorter generation"),
            (4, 6, Some(4), 100, Turn::Breed(0, None), "enough are waiting"),
            (2, 8, Some(4), 100, Turn::Breed(2, None), "workers would run dry"),
            (2, 8, Some(4), 1, Turn::Breed(1, None), "the budget is nearly spent"),
        ];
        for (pending, finished, in_flight, room, expected, why) in table {
            assert_eq!(turn(&population(pending, finished, 0), 10, in_flight, room), expected, "{why}");
        }
    }
}
