//! Non-dominated sorting, crowding distance and selection of NSGA-II (Deb et al., IEEE TEVC 6(2), 2002).

use rand::{Rng, RngExt};

/// Two objectives, both to be minimised.
pub type Objectives = [f64; 2];

/// Place of a candidate among others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Number of its front: 0 for those that none dominates.
    pub rank: usize,
    /// Crowding distance within its front; infinite at the ends.
    pub crowding: f64,
}

impl Standing {
    /// The crowded comparison: a lower front, or the same and less crowded.
    pub fn beats(self, other: Self) -> bool {
        self.rank < other.rank || (self.rank == other.rank && self.crowding > other.crowding)
    }
}

/// The candidates' indices by front: first those that no other dominates (is nowhere worse and somewhere better), then
/// those that only they dominate, and so on. Equal candidates are in the same front. Indices rise within a front. No
/// objective may be NaN.
///
/// With two objectives a sort is enough: taken in rising order of the first one (and of the second among equals), a
/// candidate is dominated by a front exactly if that front's least second objective so far is not above its own.
pub fn fronts(candidates: &[Objectives]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    let by_both = |i: &usize, j: &usize| {
        let ([a0, a1], [b0, b1]) = (candidates[*i], candidates[*j]);
        a0.total_cmp(&b0).then(a1.total_cmp(&b1))
    };
    order.sort_by(by_both);
    let mut fronts: Vec<Vec<usize>> = vec![];
    let mut least: Vec<f64> = vec![];
    for equals in order.chunk_by(|i, j| by_both(i, j).is_eq()) {
        let second = candidates[equals[0]][1];
        // The least values rise from front to front, as each front is dominated by the one before.
        let rank = least.partition_point(|&value| value <= second);
        if rank == fronts.len() {
            fronts.push(vec![]);
            least.push(second);
        }
        least[rank] = second;
        fronts[rank].extend(equals);
    }
    for front in &mut fronts {
        front.sort_unstable();
    }
    fronts
}

/// Crowding distance of each member of a front, in the order given: the sum over both objectives of the gap between
/// its neighbours, as a share of the front's extent; infinite for the ends. An objective in which the whole front is
/// equal adds nothing.
pub fn crowding(front: &[Objectives]) -> Vec<f64> {
    let mut distance = vec![0.0; front.len()];
    for axis in 0..2 {
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&i, &j| front[i][axis].total_cmp(&front[j][axis]));
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else {
            break;
        };
        distance[first] = f64::INFINITY;
        distance[last] = f64::INFINITY;
        let extent = front[last][axis] - front[first][axis];
        if extent > 0.0 {
            for w in order.windows(3) {
                distance[w[1]] += (front[w[2]][axis] - front[w[0]][axis]) / extent;
            }
        }
    }
    distance
}

/// Indices and standing of the `count` best candidates, best fronts first; of the front that does not fit as a whole,
/// the least crowded. All candidates if there are no more than `count`.
pub fn survivors(candidates: &[Objectives], count: usize) -> Vec<(usize, Standing)> {
    let mut chosen = vec![];
    for (rank, front) in fronts(candidates).into_iter().enumerate() {
        let values: Vec<Objectives> = front.iter().map(|&i| candidates[i]).collect();
        let mut members: Vec<(usize, Standing)> = front
            .into_iter()
            .zip(crowding(&values))
            .map(|(index, crowding)| (index, Standing { rank, crowding }))
            .collect();
        let room = count - chosen.len();
        if members.len() > room {
            members.sort_by(|a, b| b.1.crowding.total_cmp(&a.1.crowding));
            members.truncate(room);
        }
        chosen.extend(members);
        if chosen.len() == count {
            break;
        }
    }
    chosen
}

/// The better of two random candidates by the crowded comparison (Deb et al., section III-B), the first drawn of
/// equals; its index. `candidates` must not be empty.
pub fn tournament(candidates: &[Standing], rng: &mut impl Rng) -> usize {
    let mut draw = || rng.random_range(0..candidates.len());
    let (a, b) = (draw(), draw());
    if candidates[b].beats(candidates[a]) { b } else { a }
}
