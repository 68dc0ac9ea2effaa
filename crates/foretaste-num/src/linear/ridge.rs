//! Ridge regression on one-hot targets, or on numbers.
//!
//! Minimises `sum_i |W x_i + b - y_i|^2 + l2 |W|^2` with the intercept free (Hoerl and Kennard 1970), by conjugate gradients
//! on the centred normal equations, preconditioned by their diagonal, all classes side by side. Products are in single
//! precision, what steers the descent in double.

use super::Linear;
use crate::softmax::{Prepared, Rows, padded};

/// How strongly to shrink, and how precisely to solve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RidgeOptions {
    /// Strength of the squared penalty on the weights; at least `1e-9`.
    pub l2: f64,
    /// Most iterations; each passes over the rows twice.
    pub max_iterations: usize,
    /// Stops when the residual of every class is this share of what it was.
    pub tolerance: f64,
}

impl Default for RidgeOptions {
    fn default() -> Self {
        Self { l2: 1.0, max_iterations: 200, tolerance: 1e-5 }
    }
}

/// Fits all rows whose label is below `classes`. Scores estimate the probabilities of the classes and sum to one. With no
/// labelled row all weights are zero.
#[must_use]
pub fn ridge(rows: Rows<'_>, labels: &[u32], classes: usize, options: &RidgeOptions) -> Linear {
    let cols = rows.cols();
    let known: Vec<u32> = (0u32..)
        .zip(labels)
        .take(rows.len())
        .filter(|(_, l)| (**l as usize) < classes)
        .map(|k| k.0)
        .collect();
    let out = Linear {
        weights: vec![0.0; classes * cols],
        intercept: vec![1.0 / classes.max(1) as f32; classes],
        cols,
    };
    let width = padded(classes);
    let mut target = vec![0f32; known.len() * width];
    for (row, i) in target.chunks_exact_mut(width).zip(&known) {
        row[labels[*i as usize] as usize] = 1.0;
    }
    solved(rows, &known, &target, out, options)
}

/// Fits the rows whose target is finite: one score a row, the target expected. The penalty is that on targets of deviation 1,
/// so that it does not depend on their unit. With no such row, or equal targets, all weights are zero.
#[must_use]
pub fn ridge_numbers(rows: Rows<'_>, targets: &[f64], options: &RidgeOptions) -> Linear {
    let cols = rows.cols();
    let finite = (0u32..).zip(targets).take(rows.len()).filter(|(_, t)| t.is_finite());
    let (known, values): (Vec<u32>, Vec<f64>) = finite.map(|(i, t)| (i, *t)).unzip();
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut out = Linear { weights: vec![0.0; cols], intercept: vec![mean as f32], cols };
    if !(deviation > 0.0 && deviation.is_finite()) {
        return out;
    }
    let width = padded(1);
    let mut target = vec![0f32; known.len() * width];
    for (row, v) in target.chunks_exact_mut(width).zip(&values) {
        row[0] = ((v - mean) / deviation) as f32;
    }
    out.intercept = vec![0.0];
    let mut out = solved(rows, &known, &target, out, options);
    out.weights.iter_mut().for_each(|w| *w = (f64::from(*w) * deviation) as f32);
    out.intercept.iter_mut().for_each(|b| *b = (f64::from(*b) * deviation + mean) as f32);
    out
}

/// Fits `target`, padded lanes for each of the rows `known`; `out` is the model that says nothing.
fn solved(rows: Rows<'_>, known: &[u32], target: &[f32], mut out: Linear, options: &RidgeOptions) -> Linear {
    let (cols, classes) = (out.cols, out.intercept.len());
    let n = known.len();
    if n == 0 {
        return out;
    }
    let rows = Prepared::new(rows).gather(known);
    let width = padded(classes);
    let back = |r: &[f32]| {
        let mut sums = vec![0f32; (cols + 1) * width];
        rows.backward_into(r, width, &mut sums);
        split(sums, cols, width)
    };
    let (right, count) = back(target);
    let (column_sums, _) = back(&vec![1.0; n * width]);
    let mean: Vec<f64> = column_sums.chunks_exact(width).map(|s| s[0] / n as f64).collect();
    // X'(y - mean of y), and the diagonal of the centred normal equations
    let right: Vec<f64> = right
        .chunks_exact(width)
        .zip(&mean)
        .flat_map(|(row, m)| row.iter().zip(&count).map(move |(v, c)| v - m * c))
        .collect();
    let l2 = options.l2.max(1e-9);
    let squares = rows.column_squares(&vec![1.0; n]);
    let diagonal = squares.iter().zip(&mean).map(|(s, m)| (s - n as f64 * m * m).max(0.0) + l2);
    let scale: Vec<f64> = diagonal.map(|d| 1.0 / d).collect();
    let product = |v: &[f64]| -> Vec<f64> {
        let mut table: Vec<f32> = v.iter().map(|v| *v as f32).collect();
        let centre = (0..width)
            .map(|l| -mean.iter().zip(v.chunks_exact(width)).map(|(m, v)| m * v[l]).sum::<f64>() as f32);
        table.extend(centre);
        let (sums, all) = back(&rows.forward(&table, width));
        let each = sums.chunks_exact(width).zip(&mean).zip(v.chunks_exact(width));
        each.flat_map(|((b, m), v)| b.iter().zip(&all).zip(v).map(move |((b, s), v)| b - m * s + l2 * v))
            .collect()
    };
    let weights = conjugate(&right, &scale, width, options, product);
    for (column, w) in weights.chunks_exact(width).enumerate() {
        (0..classes).for_each(|c| out.weights[c * cols + column] = w[c] as f32);
    }
    for (c, b) in out.intercept.iter_mut().enumerate() {
        let shift: f64 = mean.iter().zip(weights.chunks_exact(width)).map(|(m, w)| m * w[c]).sum();
        *b = (count[c] / n as f64 - shift) as f32;
    }
    out
}

/// Sums of columns, and the plain sums after them.
fn split(sums: Vec<f32>, cols: usize, width: usize) -> (Vec<f64>, Vec<f64>) {
    let mut all: Vec<f64> = sums.into_iter().map(f64::from).collect();
    let last = all.split_off(cols * width);
    (all, last)
}

/// Sum over the rows of `a * b * scale` for each lane.
fn dots(a: &[f64], b: &[f64], scale: Option<&[f64]>, width: usize) -> Vec<f64> {
    let mut out = vec![0f64; width];
    for (k, (a, b)) in a.chunks_exact(width).zip(b.chunks_exact(width)).enumerate() {
        let s = scale.map_or(1.0, |s| s[k]);
        out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o += s * a * b);
    }
    out
}

/// Preconditioned conjugate gradients, a system for each lane (Shewchuk 1994, B3).
fn conjugate(
    right: &[f64],
    scale: &[f64],
    width: usize,
    options: &RidgeOptions,
    product: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let scaled = |r: &[f64]| -> Vec<f64> {
        r.chunks_exact(width).zip(scale).flat_map(|(r, s)| r.iter().map(move |r| r * s)).collect()
    };
    let (mut x, mut r) = (vec![0f64; right.len()], right.to_vec());
    let mut d = scaled(&r);
    let mut square = dots(&r, &r, Some(scale), width);
    let enough: Vec<f64> = square.iter().map(|s| options.tolerance.powi(2) * s).collect();
    for _ in 0..options.max_iterations {
        if square.iter().zip(&enough).all(|(s, e)| s <= e) {
            break;
        }
        let h = product(&d);
        let curve = dots(&d, &h, None, width);
        let lane =
            |l: usize| if square[l] > enough[l] && curve[l] > 0.0 { square[l] / curve[l] } else { 0.0 };
        let step: Vec<f64> = (0..width).map(lane).collect();
        let lanes = x.chunks_exact_mut(width).zip(r.chunks_exact_mut(width));
        for ((x, r), (d, h)) in lanes.zip(d.chunks_exact(width).zip(h.chunks_exact(width))) {
            for l in 0..width {
                x[l] += step[l] * d[l];
                r[l] -= step[l] * h[l];
            }
        }
        let next = dots(&r, &r, Some(scale), width);
        let z = scaled(&r);
        for (d, z) in d.chunks_exact_mut(width).zip(z.chunks_exact(width)) {
            for l in 0..width {
                d[l] = z[l] + if square[l] > 0.0 { next[l] / square[l] * d[l] } else { 0.0 };
            }
        }
        if step.iter().all(|s| *s == 0.0) {
            break;
        }
        square = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::tests::{near, problem, sparse};

    #[test]
    fn agrees_with_scikit_learn() {
        // Ridge(alpha=2) on one-hot targets
        let (dense, labels) = problem(3);
        let options = RidgeOptions { l2: 2.0, ..RidgeOptions::default() };
        for rows in [Rows::Dense { data: &dense, dim: 3 }, Rows::Sparse(&sparse(&dense, 3))] {
            let fitted = ridge(rows, &labels, 3, &options);
            near(&fitted.weights, &WEIGHTS, 1e-5);
            near(&fitted.intercept, &INTERCEPT, 1e-5);
            let scores = fitted.scores(rows);
            assert!(scores.chunks(3).all(|s| (s.iter().sum::<f32>() - 1.0).abs() < 1e-4));
        }
    }

    #[test]
    fn numbers_are_fitted_like_classes() {
        // zero and one as numbers are a class as numbers, but for the unit of the penalty
        let (dense, labels) = problem(2);
        let targets: Vec<f64> = labels.iter().map(|l| 1000.0 * f64::from(*l)).collect();
        let numbers = RidgeOptions { l2: 2.0, ..RidgeOptions::default() };
        let rows = Rows::Dense { data: &dense, dim: 3 };
        let (fitted, one_hot) = (ridge_numbers(rows, &targets, &numbers), ridge(rows, &labels, 2, &numbers));
        let want: Vec<f64> = one_hot.weights[3..].iter().map(|w| 1000.0 * f64::from(*w)).collect();
        near(&fitted.weights, &want, 1e-2);
        near(&fitted.intercept, &[1000.0 * f64::from(one_hot.intercept[1])], 1e-2);
        assert_eq!(ridge_numbers(rows, &[5.0; 60], &numbers).intercept, [5.0]);
        assert_eq!(ridge_numbers(rows, &[f64::NAN; 60], &numbers).weights, [0.0; 3]);
    }

    const WEIGHTS: [f64; 9] = [
        -0.243_360_590,
        0.137_742_525,
        -0.012_642_376,
        0.005_186_850,
        0.001_418_274,
        -0.027_558_128,
        0.238_173_740,
        -0.139_160_800,
        0.040_200_503,
    ];
    const INTERCEPT: [f64; 3] = [0.626_450_027, 0.329_373_973, 0.044_176_000];

    #[test]
    fn unlabelled_rows_do_not_count_and_odd_input_is_no_trouble() {
        let (mut dense, mut labels) = problem(2);
        let options = RidgeOptions::default();
        let before = ridge(Rows::Dense { data: &dense, dim: 3 }, &labels, 2, &options);
        dense.extend([1e9, f32::NAN, -1e9]);
        labels.push(u32::MAX);
        assert_eq!(ridge(Rows::Dense { data: &dense, dim: 3 }, &labels, 2, &options), before);
        let none = ridge(Rows::Dense { data: &dense, dim: 3 }, &[], 2, &options);
        assert_eq!((none.weights, none.intercept), (vec![0.0; 6], vec![0.5; 2]));
        let flat = ridge(Rows::Dense { data: &[7.0; 12], dim: 3 }, &[0, 1, 1, 1], 2, &options);
        near(&flat.intercept, &[0.25, 0.75], 1e-6);
        assert!(ridge(Rows::Dense { data: &[], dim: 0 }, &[], 0, &options).weights.is_empty());
    }

    #[test]
    fn same_bytes_on_any_number_of_threads() {
        let (dense, labels) = problem(3);
        let (dense, labels) = (dense.repeat(40), labels.repeat(40));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ridge(Rows::Dense { data: &dense, dim: 3 }, &labels, 3, &RidgeOptions::default()))
        };
        assert_eq!(run(1), run(3));
    }
}
