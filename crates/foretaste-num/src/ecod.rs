//! Empirical-cumulative-distribution outlier scores (ECOD).

use rayon::prelude::*;

/// ECOD scores of the rows of a row-major matrix with `cols` columns, one number a row, higher is further out.
///
/// Equations 7 to 10 of Li et al., "ECOD", TKDE 2022: tail probabilities `F(x)` and `1 - F(x-)` per column, the tail on
/// the side of the skewness, sums of `-ln`, and the largest of the three sums. Non-finite values count as the median
/// (a tail probability of one half). Deterministic: columns are summed in order.
#[must_use]
pub fn ecod(values: &[f32], cols: usize) -> Vec<f32> {
    if cols == 0 {
        return vec![];
    }
    let rows = values.len() / cols;
    let logs: Vec<f64> = (0..=rows).map(|k| surprise(k, rows)).collect();
    let mut sums = vec![[0.0; 3]; rows];
    for first in (0..cols).step_by(BLOCK) {
        let block = first..cols.min(first + BLOCK);
        let tails: Vec<Tails> = block.into_par_iter().map(|c| Tails::new(values, rows, cols, c)).collect();
        sums.par_iter_mut().enumerate().with_min_len(256).for_each(|(r, [left, right, skewed])| {
            for t in &tails {
                let (l, u) = t.of(r, &logs);
                *left += l;
                *right += u;
                *skewed += if t.skew < 0.0 {
                    l
                } else if t.skew > 0.0 {
                    u
                } else {
                    l + u
                };
            }
        });
    }
    sums.into_iter().map(|[left, right, skewed]| left.max(right).max(skewed) as f32).collect()
}

/// Columns ranked at once: eight bytes a value are held for them.
const BLOCK: usize = 16;

/// `-ln(k / n)`, with one for `k = 0`.
fn surprise(k: usize, n: usize) -> f64 {
    -(k.max(1) as f64 / n as f64).ln()
}

/// The ranks of all values of a column. A column is sorted once: asking each value for its place costs a search through
/// memory that no cache holds.
struct Tails {
    /// How many values are at most this one and how many at least; zeros where it is not finite.
    ranks: Vec<(u32, u32)>,
    finite: usize,
    skew: f64,
}

impl Tails {
    fn new(values: &[f32], rows: usize, cols: usize, c: usize) -> Self {
        let mut order: Vec<(f32, u32)> =
            (0..rows).map(|r| (values[r * cols + c], r as u32)).filter(|(v, _)| v.is_finite()).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let n = order.len();
        let mut ranks = vec![(0, 0); rows];
        let mut below = 0;
        for ties in order.chunk_by(|a, b| a.0 == b.0) {
            let at_most = below + ties.len();
            ties.iter().for_each(|(_, r)| ranks[*r as usize] = (at_most as u32, (n - below) as u32));
            below = at_most;
        }
        Self { ranks, finite: n, skew: skewness(&order) }
    }

    /// `-ln F(x)` and `-ln P(X >= x)` of a row; `logs` holds those of columns without gaps.
    fn of(&self, row: usize, logs: &[f64]) -> (f64, f64) {
        let (at_most, at_least) = self.ranks[row];
        if at_most == 0 {
            return (std::f64::consts::LN_2, std::f64::consts::LN_2);
        }
        let log = |k: u32| {
            if self.finite + 1 == logs.len() { logs[k as usize] } else { surprise(k as usize, self.finite) }
        };
        (log(at_most), log(at_least))
    }
}

fn skewness(sorted: &[(f32, u32)]) -> f64 {
    let n = sorted.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let mean = sorted.iter().map(|v| f64::from(v.0)).sum::<f64>() / n;
    let moment = |p: i32| sorted.iter().map(|v| (f64::from(v.0) - mean).powi(p)).sum::<f64>() / n;
    let spread = moment(2);
    if spread <= 0.0 { 0.0 } else { moment(3) / spread.powf(1.5) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extreme_row_scores_highest() {
        let mut m: Vec<f32> = (0..200).flat_map(|i| [(i % 17) as f32, (i % 11) as f32]).collect();
        m.extend([100.0, -50.0]);
        let s = ecod(&m, 2);
        let best = (0..s.len()).max_by(|a, b| s[*a].total_cmp(&s[*b])).unwrap();
        assert_eq!(best, 200);
    }

    #[test]
    fn three_values_by_hand() {
        // F = 1/3, 2/3, 1; upper = 1, 2/3, 1/3; skewness 0, so the third sum is left + right.
        let s = ecod(&[1.0, 2.0, 3.0], 1);
        let by_hand = [3f64.ln(), 2.0 * 1.5f64.ln(), 3f64.ln()];
        for (a, b) in s.iter().zip(by_hand) {
            assert!((f64::from(*a) - b).abs() < 1e-6);
        }
    }

    /// As the paper writes it: each value is asked for its share of the column.
    fn plain(values: &[f32], cols: usize) -> Vec<f32> {
        let score = |row: &[f32]| {
            let mut sums = [0.0f64; 3];
            for (c, x) in row.iter().enumerate() {
                let column: Vec<f32> = values.iter().skip(c).step_by(cols).copied().collect();
                let of = |keep: &dyn Fn(f32) -> bool| {
                    let (finite, kept) = column
                        .iter()
                        .filter(|v| v.is_finite())
                        .fold((0, 0), |(n, k), v| (n + 1, k + usize::from(keep(*v))));
                    -(kept as f64 / f64::from(finite)).ln()
                };
                let half = std::f64::consts::LN_2;
                let (l, u) = if x.is_finite() { (of(&|v| v <= *x), of(&|v| v >= *x)) } else { (half, half) };
                let mut sorted: Vec<(f32, u32)> =
                    column.iter().filter(|v| v.is_finite()).map(|v| (*v, 0)).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                let skew = skewness(&sorted);
                let third = if skew < 0.0 {
                    l
                } else if skew > 0.0 {
                    u
                } else {
                    l + u
                };
                sums.iter_mut().zip([l, u, third]).for_each(|(s, v)| *s += v);
            }
            sums.into_iter().fold(f64::MIN, f64::max) as f32
        };
        values.chunks(cols).map(score).collect()
    }

    #[test]
    fn the_same_as_asking_each_value() {
        let mut rng = crate::rng::Rng::new(1, "ecod");
        let cols = 37;
        let mut values: Vec<f32> =
            (0..120 * cols).map(|_| (rng.unit() * 40.0).floor() as f32 / 4.0 - 3.0).collect();
        values[5] = f32::NAN;
        values[5 + cols] = -0.0;
        values[5 + 2 * cols] = 0.0;
        assert_eq!(ecod(&values, cols), plain(&values, cols));
    }

    #[test]
    fn odd_input_is_finite() {
        assert!(ecod(&[], 3).is_empty() && ecod(&[1.0], 0).is_empty());
        assert!(ecod(&[f32::NAN, 1.0, f32::INFINITY, 1.0], 2).iter().all(|v| v.is_finite()));
    }
}
