//! Rank correlations with ties.

/// Spearman's rho: the correlation of average ranks. None where one side is constant or has fewer than 2 values.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    correlation(&ranks(a), &ranks(b))
}

/// Kendall's tau-b, by Knight's merge sort (JASA 61, 1966) in O(n log n). None where one side is constant or has
/// fewer than 2 values.
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    let mut pairs: Vec<(f64, f64)> = a.iter().copied().zip(b.iter().copied()).collect();
    pairs.sort_by(|p, q| p.0.total_cmp(&q.0).then(p.1.total_cmp(&q.1)));
    let all = choose_two(pairs.len());
    let tied_a = tied_pairs(pairs.iter().map(|p| p.0));
    let tied_both = tied_pairs(pairs.iter().copied());
    let mut seconds: Vec<f64> = pairs.iter().map(|p| p.1).collect();
    let discordant = inversions(&mut seconds);
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

/// Sorts, and counts the pairs that were in falling order.
fn inversions(values: &mut [f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let middle = values.len() / 2;
    let mut count = inversions(&mut values[..middle]) + inversions(&mut values[middle..]);
    let merged: Vec<f64> = {
        let (left, right) = values.split_at(middle);
        let (mut i, mut j) = (0, 0);
        std::iter::from_fn(|| {
            if j == right.len() || (i < left.len() && left[i] <= right[j]) {
                i += 1;
                return left.get(i - 1).copied();
            }
            count += (left.len() - i) as f64;
            j += 1;
            Some(right[j - 1])
        })
        .collect()
    };
    values.copy_from_slice(&merged);
    count
}

/// Average ranks, from 1.
#[expect(clippy::float_cmp, reason = "a tie is equality")]
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let first = order.partition_point(|&i| values[i] < values[tied[0]]);
        for &i in tied {
            ranks[i] = first as f64 + f64::midpoint(tied.len() as f64, 1.0);
        }
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
    use super::*;

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
