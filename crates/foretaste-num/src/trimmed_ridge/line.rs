//! Ridge regression from sums of products, to which rows can be added and from which they can be taken.

use crate::lanes::dot;
use crate::linalg::positive::solve;

/// Sums of products of `[row, 1, target]`, lower triangle: all that a ridge regression needs of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    dim: usize,
    sums: Vec<f64>,
    row: Vec<f64>,
}

/// A linear function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    weights: Vec<f64>,
    intercept: f64,
}

impl Sums {
    pub fn new(dim: usize) -> Self {
        Self { dim, sums: vec![0.0; (dim + 2) * (dim + 2)], row: vec![0.0; dim + 2] }
    }

    /// Adds a row `weight` times; a negative weight takes it out again.
    pub fn add(&mut self, x: impl Iterator<Item = f64>, target: f64, weight: f64) {
        let n = self.dim + 2;
        self.row.iter_mut().zip(x).for_each(|(to, v)| *to = v);
        (self.row[n - 2], self.row[n - 1]) = (1.0, target);
        for (i, line) in self.sums.chunks_exact_mut(n).enumerate() {
            let by = weight * self.row[i];
            line[..=i].iter_mut().zip(&self.row).for_each(|(s, v)| *s += by * v);
        }
    }

    /// Minimises the mean squared error and `penalty` times the squared weights, the intercept free (Hoerl and Kennard 1970).
    pub fn solve(&self, penalty: f64) -> Line {
        let (d, n) = (self.dim, self.dim + 2);
        let total = self.sums[d * n + d];
        if total <= 0.0 {
            return Line::constant(d, 0.0);
        }
        let mean = |i: usize| self.sums[d * n + i] / total;
        let middle = self.sums[(d + 1) * n + d] / total;
        let mut matrix = vec![0.0; d * d];
        for i in 0..d {
            for j in 0..=i {
                matrix[i * d + j] = self.sums[i * n + j] / total - mean(i) * mean(j);
            }
            matrix[i * d + i] += penalty;
        }
        let right: Vec<f64> = (0..d).map(|i| self.sums[(d + 1) * n + i] / total - middle * mean(i)).collect();
        match solve(&matrix, &right) {
            Some(weights) if weights.iter().all(|w| w.is_finite()) => {
                let intercept = middle - (0..d).map(|i| weights[i] * mean(i)).sum::<f64>();
                Line { weights, intercept }
            }
            _ => Line::constant(d, middle),
        }
    }
}

impl Line {
    pub fn constant(dim: usize, value: f64) -> Self {
        Self { weights: vec![0.0; dim], intercept: value }
    }

    pub fn at(&self, x: impl Iterator<Item = f64>) -> f64 {
        self.intercept + x.zip(&self.weights).map(|(x, w)| x * w).sum::<f64>()
    }

    /// The same for a row as it is.
    pub fn of(&self, row: &[f32]) -> f64 {
        let mut wide = [0f64; 64];
        let mut sum = self.intercept;
        for (row, weights) in row.chunks(64).zip(self.weights.chunks(64)) {
            wide.iter_mut().zip(row).for_each(|(to, v)| *to = f64::from(*v));
            sum += dot(&wide[..row.len()], weights);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Ridge regression by the normal equations with explicit centring and Gaussian elimination.
    fn naive(rows: &[Vec<f64>], t: &[f64], penalty: f64) -> (Vec<f64>, f64) {
        let (n, d) = (rows.len() as f64, rows[0].len());
        let mean: Vec<f64> = (0..d).map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / n).collect();
        let middle = t.iter().sum::<f64>() / n;
        let mut a: Vec<Vec<f64>> = (0..d)
            .map(|i| {
                let product =
                    |j: usize| rows.iter().map(|r| (r[i] - mean[i]) * (r[j] - mean[j])).sum::<f64>() / n;
                let right = rows.iter().zip(t).map(|(r, t)| (r[i] - mean[i]) * (t - middle)).sum::<f64>() / n;
                (0..d).map(|j| product(j) + if i == j { penalty } else { 0.0 }).chain([right]).collect()
            })
            .collect();
        for i in 0..d {
            let pivot = a[i].clone();
            for (_, line) in a.iter_mut().enumerate().filter(|(k, _)| *k != i) {
                let by = line[i] / pivot[i];
                line.iter_mut().zip(&pivot).for_each(|(v, p)| *v -= by * p);
            }
        }
        let w: Vec<f64> = (0..d).map(|i| a[i][d] / a[i][i]).collect();
        let b = middle - w.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>();
        (w, b)
    }

    #[test]
    fn the_sums_give_the_regression_of_the_rows_that_are_in() {
        let mut rng = Rng::new(1, "trim-line");
        let rows: Vec<Vec<f64>> = (0..40).map(|_| (0..5).map(|_| rng.normal()).collect()).collect();
        let t: Vec<f64> = rows.iter().map(|r| 3.0 + r[0] - 2.0 * r[3] + 0.1 * rng.normal()).collect();
        let mut sums = Sums::new(5);
        rows.iter().zip(&t).for_each(|(r, t)| sums.add(r.iter().copied(), *t, 1.0));
        rows.iter().zip(&t).take(10).for_each(|(r, t)| sums.add(r.iter().copied(), *t, -1.0));
        let line = sums.solve(0.01);
        let (weights, intercept) = naive(&rows[10..], &t[10..], 0.01);
        assert!(line.weights.iter().zip(&weights).all(|(a, b)| (a - b).abs() < 1e-9));
        assert!((line.intercept - intercept).abs() < 1e-9);
        let short: Vec<f32> = rows[0].iter().map(|v| *v as f32).collect();
        assert!((line.of(&short) - line.at(rows[0].iter().copied())).abs() < 1e-5);
        assert_eq!(Sums::new(2).solve(1.0), Line::constant(2, 0.0));
    }
}
