//! Gaussian naive Bayes: in each class every number has a normal distribution of its own.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Columns handled by one task.
const CHUNK: usize = 64;

/// Means and variances of each column in each class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gaussian {
    /// `columns x classes` means.
    mean: Vec<f64>,
    /// `columns x classes`: one over the variance.
    precision: Vec<f64>,
}

impl Gaussian {
    /// Learns from `value(row, column)`; values that are not finite are missing. `smoothing` times the variance of a column is
    /// added to each of its variances. A class without a value in a column has the distribution of the column.
    pub fn fit(
        columns: usize,
        labels: &[u32],
        classes: usize,
        smoothing: f64,
        value: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Self {
        let parts: Vec<(Vec<f64>, Vec<f64>)> = (0..columns.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let columns = chunk * CHUNK..((chunk + 1) * CHUNK).min(columns);
                moments(columns, labels, classes, smoothing, &value)
            })
            .collect();
        let (mean, precision) = parts.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        Self { mean: mean.concat(), precision: precision.concat() }
    }

    /// Adds the log-density of `values`, one a column, in each class, up to what is the same for all. Missing values say
    /// nothing.
    pub fn add(&self, values: impl Iterator<Item = f64>, scores: &mut [f64]) {
        let classes = scores.len().max(1);
        let columns = self.mean.chunks_exact(classes).zip(self.precision.chunks_exact(classes));
        for (v, (mean, precision)) in values.zip(columns).filter(|(v, _)| v.is_finite()) {
            for ((score, m), p) in scores.iter_mut().zip(mean).zip(precision) {
                *score += 0.5 * (p.ln() - (v - m).powi(2) * p);
            }
        }
    }
}

/// Means and reciprocal variances of some columns, `columns x classes`.
fn moments(
    columns: std::ops::Range<usize>,
    labels: &[u32],
    classes: usize,
    smoothing: f64,
    value: &(impl Fn(usize, usize) -> f64 + Sync),
) -> (Vec<f64>, Vec<f64>) {
    // a last class that all rows are in
    let (width, of_all) = (classes + 1, classes);
    let mut count = vec![0f64; columns.len() * width];
    let (mut mean, mut square) = (count.clone(), count.clone());
    let each = |work: &mut dyn FnMut(usize, f64)| {
        for (row, &label) in labels.iter().enumerate().filter(|(_, l)| (**l as usize) < classes) {
            for (k, column) in columns.clone().enumerate() {
                let v = value(row, column);
                if v.is_finite() {
                    work(k * width + label as usize, v);
                    work(k * width + of_all, v);
                }
            }
        }
    };
    each(&mut |at, v| {
        count[at] += 1.0;
        mean[at] += v;
    });
    mean.iter_mut().zip(&count).for_each(|(m, n)| *m /= n.max(1.0));
    each(&mut |at, v| square[at] += (v - mean[at]).powi(2));
    let (mut means, mut precisions) = (vec![], vec![]);
    for ((count, mean), square) in count.chunks(width).zip(mean.chunks(width)).zip(square.chunks(width)) {
        let whole = square[of_all] / count[of_all].max(1.0);
        for c in 0..classes {
            let (m, v) = if count[c] > 0.0 { (mean[c], square[c] / count[c]) } else { (mean[of_all], whole) };
            let variance = v + smoothing * whole;
            means.push(m);
            // a column that never changes says nothing
            precisions.push(if whole > 0.0 && variance > 0.0 && variance.is_finite() { 1.0 / variance } else { 1.0 });
        }
    }
    (means, precisions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scikit_learn() {
        // GaussianNB(var_smoothing=0) on x = (sin 1.3 i + 0.9 y, cos 0.7 i - 0.5 y), i = 0..30, y = i mod 3
        let value = |i: usize, c: usize| {
            let (t, y) = (i as f64, (i % 3) as f64);
            if c == 0 { (1.3 * t).sin() + 0.9 * y } else { (0.7 * t).cos() - 0.5 * y }
        };
        let labels: Vec<u32> = (0..30).map(|i| i % 3).collect();
        let model = Gaussian::fit(2, &labels, 3, 0.0, value);
        let mut scores = vec![0f64; 3];
        model.add([0.3, -0.2].into_iter(), &mut scores);
        crate::naive_bayes::shares(&mut scores);
        for (got, want) in scores.iter().zip(WANTED) {
            assert!((got - want).abs() < 1e-9, "{scores:?}");
        }
    }

    const WANTED: [f64; 3] = [0.543_906_251_624, 0.433_019_190_649, 0.023_074_557_727];

    #[test]
    fn missing_values_and_empty_classes_are_no_trouble() {
        let rows = [f64::NAN, 1.0, 2.0, f64::INFINITY, 7.0];
        let model = Gaussian::fit(2, &[0, 0, 0, 1, u32::MAX], 3, 1e-9, |i, c| if c == 0 { rows[i] } else { 5.0 });
        let mut scores = vec![0f64; 3];
        model.add([1.2, 5.0].into_iter(), &mut scores);
        assert!(scores.iter().all(|s| s.is_finite()), "{scores:?}");
        assert!((scores[1] - scores[2]).abs() < 1e-12, "neither class has a value");
        let mut none = vec![0f64; 3];
        model.add([f64::NAN, 5.0].into_iter(), &mut none);
        assert_eq!(none, [0.0; 3]);
    }
}
