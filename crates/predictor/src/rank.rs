//! Rank correlations with ties.

/// Spearman's rho: the correlation of average ranks. None where one side is constant or has fewer than 2 values.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    correlation(&ranks(a), &ranks(b))
}

/// Kendall's tau-b, by Knight's merge sort (JASA 61, 1966) in O(n log n). None where one side is constant or has
/// fewer than 2 values.
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    let mut pairs: Vec<(f64, f64)> = a.iter().copied().zip(b.iter().copied()).collect();
    pairs.sort_unstable_by(|p, q| p.0.total_cmp(&q.0).then(p.1.total_cmp(&q.1)));
    let all = choose_two(pairs.len());
    let tied_a = tied_pairs(pairs.iter().map(|p| p.0));
    let tied_both = tied_pairs(pairs.iter().copied());
    let mut seconds: Vec<f64> = pairs.iter().map(|p| p.1).collect();
    let mut spare = seconds.clone();
    let discordant = inversions(&mut seconds, &mut spare) as f64;
    let tied_b = tied_pairs(seconds.iter().copied());
    let difference = all - tied_a - tied_b + tied_both - 2.0 * discordant;
    let scale = ((all - tied_a) * (all - tied_b)).sqrt();
    (scale > 0.0).then(|| difference / scale)
}

fn choose_two(n: usize) -> f64 {
    n as f64 * (n as f64 - 1.0) / 2.0
}

/// Pairs of equal values in a sorted sequence.
fn tied_pairs<T: PartialEq>(sorted: impl Iterator<Item = T>) -> f64 {
    let (mut pairs, mut run, mut before) = (0.0, 0, None);
    for value in sorted {
        run = if before.as_ref() == Some(&value) { run + 1 } else { 0 };
        pairs += f64::from(run);
        before = Some(value);
    }
    pairs
}

/// Runs up to this length are sorted by insertion: merging costs more there.
const RUN: usize = 16;

/// Sorts, and counts the pairs that were in falling order. `spare` is as long as `values`; what is in it is lost.
fn inversions(values: &mut [f64], spare: &mut [f64]) -> u64 {
    if values.len() <= RUN {
        return inversions_by_insertion(values);
    }
    let middle = values.len() / 2;
    let (spare_left, spare_right) = spare.split_at_mut(middle);
    let (left, right) = values.split_at_mut(middle);
    let mut count = inversions(left, spare_left) + inversions(right, spare_right);
    if left[middle - 1] <= right[0] {
        return count;
    }
    spare_left.copy_from_slice(left);
    let (mut i, mut j) = (0, middle);
    for at in 0..values.len() {
        if i == middle {
            break;
        }
        if j == values.len() || spare_left[i] <= values[j] {
            values[at] = spare_left[i];
            i += 1;
        } else {
            count += (middle - i) as u64;
            values[at] = values[j];
            j += 1;
        }
    }
    count
}

fn inversions_by_insertion(values: &mut [f64]) -> u64 {
    let mut count = 0;
    for end in 1..values.len() {
        let value = values[end];
        let mut at = end;
        while at > 0 && values[at - 1] > value {
            values[at] = values[at - 1];
            at -= 1;
        }
        values[at] = value;
        count += (end - at) as u64;
    }
    count
}

/// Average ranks, from 1.
#[expect(clippy::float_cmp, reason = "a tie is equality")]
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut before) = (vec![0.0; values.len()], 0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + f64::midpoint(tied.len() as f64, 1.0);
        for &(_, at) in tied {
            ranks[at] = rank;
        }
        before += tied.len();
    }
    ranks
}

fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        aa += (x - mean_a) * (x - mean_a);
        bb += (y - mean_b) * (y - mean_b);
        ab += (x - mean_a) * (y - mean_b);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whole numbers from a small range, so that there are ties on either side and on both.
        #[test]
        fn what_sorting_counts_is_what_comparing_each_pair_counts(
            pairs in prop::collection::vec((0..40i32, 0..40i32), 2..300)
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
            let (mut sum, mut untied_a, mut untied_b) = (0.0, 0.0, 0.0);
            for (i, j) in (0..a.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
                let (of_a, of_b) = (pairs[i].0.cmp(&pairs[j].0) as i32, pairs[i].1.cmp(&pairs[j].1) as i32);
                sum += f64::from(of_a * of_b);
                untied_a += f64::from(of_a.abs());
                untied_b += f64::from(of_b.abs());
            }
            let tau = (untied_a * untied_b > 0.0).then(|| sum / (untied_a * untied_b).sqrt());
            match (kendall(&a, &b), tau) {
                (Some(found), Some(tau)) => prop_assert!((found - tau).abs() < 1e-12, "{found}, expected {tau}"),
                (found, tau) => prop_assert_eq!(found, tau),
            }
            let rank = |v: &[f64], x: f64| {
                let below = v.iter().filter(|y| **y < x).count() as f64;
                below + f64::midpoint(v.iter().filter(|y| **y == x).count() as f64, 1.0)
            };
            prop_assert_eq!(ranks(&a), a.iter().map(|x| rank(&a, *x)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn correlations_with_ties() {
        type Row = (&'static [f64], &'static [f64], Option<f64>, Option<f64>);
        // Expected values from scipy.stats 1.17: spearmanr, kendalltau.
        let table: [Row; 6] = [
            (&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0], Some(1.0), Some(1.0)),
            (&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0], Some(-1.0), Some(-1.0)),
            (
                &[1.0, 2.0, 2.0, 4.0, 5.0],
                &[2.0, 1.0, 3.0, 3.0, 5.0],
                Some(0.763_157_894_736_842),
                Some(0.666_666_666_666_667),
            ),
            (
                &[12.0, 2.0, 1.0, 12.0, 2.0],
                &[1.0, 4.0, 7.0, 1.0, 0.0],
                Some(-0.540_738_070_435_875),
                Some(-0.471_404_520_791_032),
            ),
            (&[1.0, 1.0], &[1.0, 2.0], None, None),
            (&[1.0], &[1.0], None, None),
        ];
        for (a, b, rho, tau) in table {
            for (found, expected) in [(spearman(a, b), rho), (kendall(a, b), tau)] {
                match (found, expected) {
                    (Some(f), Some(e)) => assert!((f - e).abs() < 1e-12, "{a:?} {b:?}: {f}, expected {e}"),
                    (f, e) => assert_eq!(f, e, "{a:?} {b:?}"),
                }
            }
        }
    }
}
