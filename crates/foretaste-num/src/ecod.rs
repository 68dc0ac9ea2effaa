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
    let tails: Vec<Tails> = (0..cols).into_par_iter().map(|c| Tails::new(values, rows, cols, c)).collect();
    (0..rows)
        .into_par_iter()
        .map(|r| {
            let (mut left, mut right, mut skewed) = (0.0, 0.0, 0.0);
            for (c, t) in tails.iter().enumerate() {
                let (l, u) = t.of(values[r * cols + c]);
                left += l;
                right += u;
                skewed += if t.skew < 0.0 {
                    l
                } else if t.skew > 0.0 {
                    u
                } else {
                    l + u
                };
            }
            left.max(right).max(skewed) as f32
        })
        .collect()
}

struct Tails {
    sorted: Vec<f32>,
    skew: f64,
}

impl Tails {
    fn new(values: &[f32], rows: usize, cols: usize, c: usize) -> Self {
        let mut sorted: Vec<f32> =
            (0..rows).map(|r| values[r * cols + c]).filter(|v| v.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        let skew = skewness(&sorted);
        Self { sorted, skew }
    }

    /// `-ln F(x)` and `-ln P(X >= x)`.
    fn of(&self, x: f32) -> (f64, f64) {
        let n = self.sorted.len();
        if !x.is_finite() || n == 0 {
            return (std::f64::consts::LN_2, std::f64::consts::LN_2);
        }
        let at_most = self.sorted.partition_point(|v| *v <= x);
        let below = self.sorted.partition_point(|v| *v < x);
        (-(at_most.max(1) as f64 / n as f64).ln(), -((n - below).max(1) as f64 / n as f64).ln())
    }
}

fn skewness(sorted: &[f32]) -> f64 {
    let n = sorted.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let mean = sorted.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let moment = |p: i32| sorted.iter().map(|v| (f64::from(*v) - mean).powi(p)).sum::<f64>() / n;
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

    #[test]
    fn odd_input_is_finite() {
        assert!(ecod(&[], 3).is_empty() && ecod(&[1.0], 0).is_empty());
        assert!(ecod(&[f32::NAN, 1.0, f32::INFINITY, 1.0], 2).iter().all(|v| v.is_finite()));
    }
}
