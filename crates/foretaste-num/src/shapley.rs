//! What each training row is worth to a vote of nearest neighbours: exact Shapley values.

use rayon::prelude::*;

/// Values of one bit: how a neighbour at a place in the order of distance takes part.
///
/// `w(l) = min(k, l) / (k l)`: with it, the recursion of Jia and others (2019, "Efficient task-specific data valuation for
/// nearest neighbor algorithms", theorem 1) reads `s(j) = m(j) w(j) + sum over l > j of m(l) (w(l) - w(l - 1))`, `m` being
/// 1 where the label is the wanted one.
fn weight(place: usize, k: usize) -> f64 {
    (k.min(place)) as f64 / (k as f64 * place as f64)
}

/// Shapley values of training rows for the game "share of the `k` nearest rows that have the label `wanted`" of one query.
/// Positive: the row makes the vote say `wanted`. They sum to the share among the `k` nearest of all rows.
///
/// `distances`: one a row. Rows at equal distances stand in every order with the same chance, so that copies are worth the
/// same, whatever their row numbers. Rows with a distance that is not finite stand last of all. At most 2^32 rows.
#[must_use]
pub fn knn_shapley(distances: &[f32], labels: &[u32], wanted: u32, k: usize) -> Vec<f64> {
    let n = distances.len().min(labels.len());
    let mut values = vec![0.0; n];
    if k == 0 {
        return values;
    }
    // place and row in one number: sorting numbers is faster than looking distances up
    let mut order: Vec<u64> =
        (0..n as u64).map(|i| u64::from(ordered(distances[i as usize])) << 32 | i).collect();
    order.sort_unstable();
    let row = |key: u64| (key & u64::from(u32::MAX)) as usize;
    // from the farthest run of equal distances to the nearest; `after` is the sum over all that are farther
    let mut after = 0.0;
    let mut end = n;
    while end > 0 {
        let distance = order[end - 1] >> 32;
        let start = order[..end].iter().rposition(|key| key >> 32 != distance).map_or(0, |before| before + 1);
        let run = &order[start..end];
        let length = run.len() as f64;
        let matches = run.iter().filter(|key| labels[row(**key)] == wanted).count() as f64;
        let last = weight(end, k);
        let mean = (start + 1..=end).map(|place| weight(place, k)).sum::<f64>() / length;
        for i in run.iter().map(|key| row(*key)) {
            let own = f64::from(u8::from(labels[i] == wanted));
            // the others of the run stand behind this row as often as before it
            let others = if run.len() > 1 { (matches - own) / (length - 1.0) * (last - mean) } else { 0.0 };
            values[i] = own * mean + others + after;
        }
        let before = if start > 0 { weight(start, k) } else { 0.0 };
        after += matches / length * (last - before);
        end = start;
    }
    values
}

/// Bits in the order of the numbers; those that are not finite come last, and both zeros are one.
fn ordered(distance: f32) -> u32 {
    let bits = if distance.is_finite() { (distance + 0.0).to_bits() } else { f32::INFINITY.to_bits() };
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// Squared distance, in sums that a processor adds side by side.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest =
        whole_a.remainder().iter().zip(whole_b.remainder()).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
    for (x, y) in whole_a.zip(whole_b) {
        for lane in 0..LANES {
            sums[lane] += (x[lane] - y[lane]) * (x[lane] - y[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Sums beside each other.
const LANES: usize = 16;

/// [`knn_shapley`] averaged over queries, by Euclidean distance: `base` and `queries` are row-major of `dim` columns, `wanted`
/// holds a label for each query.
#[must_use]
pub fn knn_shapley_mean(
    base: &[f32],
    labels: &[u32],
    queries: &[f32],
    wanted: &[u32],
    dim: usize,
    k: usize,
) -> Vec<f64> {
    let n = base.len().checked_div(dim).unwrap_or(0).min(labels.len());
    let mut sum = vec![0.0; n];
    if dim == 0 {
        return sum;
    }
    let asked: Vec<(&[f32], u32)> = queries.chunks_exact(dim).zip(wanted.iter().copied()).collect();
    for some in asked.chunks(QUERIES) {
        let parts: Vec<Vec<f64>> = some
            .par_iter()
            .map(|(query, wanted)| {
                let distances: Vec<f32> =
                    base.chunks_exact(dim).take(n).map(|row| apart(row, query)).collect();
                knn_shapley(&distances, labels, *wanted, k)
            })
            .collect();
        parts.iter().for_each(|part| sum.iter_mut().zip(part).for_each(|(s, v)| *s += v));
    }
    let count = asked.len().max(1) as f64;
    sum.iter_mut().for_each(|s| *s /= count);
    sum
}

/// Mean values of rows for queries that are rows themselves, `queries` their places: each takes no part in the game of its
/// own query, and the mean goes over the others. Rows whose distance is not finite stand last, as in [`knn_shapley`].
#[must_use]
pub fn knn_shapley_within(base: &[f32], labels: &[u32], queries: &[usize], dim: usize, k: usize) -> Vec<f64> {
    let n = base.len().checked_div(dim).unwrap_or(0).min(labels.len());
    let (mut sum, mut left_out) = (vec![0.0; n], vec![0usize; n]);
    let asked: Vec<usize> = queries.iter().copied().filter(|q| *q < n).collect();
    for some in asked.chunks(QUERIES) {
        let parts: Vec<Vec<f64>> = some
            .par_iter()
            .map(|&query| {
                let at = &base[query * dim..(query + 1) * dim];
                let others = |i: &usize| *i != query;
                let rows = (0..n).filter(others);
                let distances: Vec<f32> = rows.map(|i| apart(&base[i * dim..(i + 1) * dim], at)).collect();
                let theirs: Vec<u32> = (0..n).filter(others).map(|i| labels[i]).collect();
                knn_shapley(&distances, &theirs, labels[query], k)
            })
            .collect();
        for (&query, part) in some.iter().zip(&parts) {
            left_out[query] += 1;
            let (before, after) = part.split_at(query.min(part.len()));
            sum[..query].iter_mut().zip(before).for_each(|(s, v)| *s += v);
            sum[query + 1..].iter_mut().zip(after).for_each(|(s, v)| *s += v);
        }
    }
    let count = |out: &usize| (asked.len() - out).max(1) as f64;
    sum.iter_mut().zip(&left_out).for_each(|(s, out)| *s /= count(out));
    sum
}

/// Queries whose values are held at once.
const QUERIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Share of the wanted label among the `k` nearest of a set, over all orders of rows at equal distances.
    fn utility(set: &[usize], distances: &[f32], labels: &[u32], k: usize) -> f64 {
        let mut left = k.min(set.len()) as f64;
        let mut sum = 0.0;
        let mut sorted = set.to_vec();
        sorted.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        for run in sorted.chunk_by(|&a, &b| distances[a] == distances[b]) {
            let taken = left.min(run.len() as f64);
            let matches = run.iter().filter(|&&i| labels[i] == 1).count() as f64;
            sum += matches * taken / run.len() as f64;
            left -= taken;
        }
        sum / k as f64
    }

    /// The definition: the mean of what a row adds, over all subsets of the others.
    fn naive(distances: &[f32], labels: &[u32], k: usize) -> Vec<f64> {
        let n = distances.len();
        let choose = |m: usize| (0..m).map(|i| (n - 1 - i) as f64 / (i + 1) as f64).product::<f64>();
        (0..n)
            .map(|i| {
                (0u32..1 << n)
                    .filter(|mask| mask >> i & 1 == 0)
                    .map(|mask| {
                        let mut set: Vec<usize> = (0..n).filter(|j| mask >> j & 1 == 1).collect();
                        let without = utility(&set, distances, labels, k);
                        let share = 1.0 / (n as f64 * choose(set.len()));
                        set.push(i);
                        share * (utility(&set, distances, labels, k) - without)
                    })
                    .sum()
            })
            .collect()
    }

    #[test]
    fn the_same_as_over_all_subsets() {
        let mut rng = Rng::new(1, "shapley");
        for n in 1..9 {
            for k in [1, 2, 3, 5, 12] {
                for places in [3, 100] {
                    let distances: Vec<f32> = (0..n).map(|_| rng.below(places) as f32).collect();
                    let labels: Vec<u32> = (0..n).map(|_| rng.below(3) as u32).collect();
                    let (ours, theirs) =
                        (knn_shapley(&distances, &labels, 1, k), naive(&distances, &labels, k));
                    for (a, b) in ours.iter().zip(&theirs) {
                        assert!((a - b).abs() < 1e-12, "n {n}, k {k}: {ours:?} {theirs:?}");
                    }
                    let all: Vec<usize> = (0..n).collect();
                    let whole = utility(&all, &distances, &labels, k);
                    assert!((ours.iter().sum::<f64>() - whole).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn means_over_queries() {
        let base = [0.0, 1.0, 2.0, 5.0];
        let labels = [0, 1, 1, 0];
        let both = knn_shapley_mean(&base, &labels, &[0.4, 6.0], &[1, 0], 1, 2);
        let one = knn_shapley(&[0.16, 0.36, 2.56, 21.16], &labels, 1, 2);
        let other = knn_shapley(&[36.0, 25.0, 16.0, 1.0], &labels, 0, 2);
        for i in 0..4 {
            assert!((both[i] - 0.5 * (one[i] + other[i])).abs() < 1e-9);
        }
    }

    #[test]
    fn a_row_has_no_part_in_its_own_query() {
        let base = [0.0, 1.0, 2.5, 5.0, 5.0];
        let labels = [0, 1, 1, 0, 1];
        let got = knn_shapley_within(&base, &labels, &[1, 3], 1, 2);
        let without = |query: usize| {
            let others: Vec<usize> = (0..5).filter(|i| *i != query).collect();
            let distances: Vec<f32> = others.iter().map(|i| (base[*i] - base[query]).abs()).collect();
            let theirs: Vec<u32> = others.iter().map(|i| u32::from(labels[*i] == labels[query])).collect();
            let mut values = naive(&distances, &theirs, 2);
            values.insert(query, 0.0);
            values
        };
        let (one, other) = (without(1), without(3));
        for i in 0..5 {
            // rows 1 and 3 take part in one game each
            let want = (one[i] + other[i]) / if i == 1 || i == 3 { 1.0 } else { 2.0 };
            assert!((got[i] - want).abs() < 1e-12, "{i}: {} {want}", got[i]);
        }
    }

    #[test]
    fn odd_input_is_no_trouble() {
        assert!(knn_shapley_within(&[1.0], &[0], &[0], 0, 2).is_empty());
        assert_eq!(knn_shapley_within(&[1.0], &[0], &[0, 7], 1, 2), [0.0]);
        let odd = [f32::NAN, f32::INFINITY, 3e38, -3e38, 0.0];
        assert!(knn_shapley_within(&odd, &[0, 1, 0, 1, 7], &[0, 2, 4], 1, 2).iter().all(|v| v.is_finite()));
        assert!(knn_shapley(&[], &[], 0, 5).is_empty());
        assert_eq!(knn_shapley(&[1.0, 2.0], &[0, 0], 0, 0), [0.0, 0.0]);
        assert!(knn_shapley(&[f32::NAN, f32::INFINITY, 0.0], &[0, 1, 0], 0, 2).iter().all(|v| v.is_finite()));
        assert!(knn_shapley_mean(&[1.0], &[0], &[1.0], &[0], 0, 2).is_empty());
    }
}
