//! Linear support vector machines, one class against the rest.
//!
//! Minimises `|w|^2 / 2 + C sum_i max(0, 1 - s_i w x_i)^2`, `s_i` being 1 in the class and -1 elsewhere and each row having a
//! constant one, for each class (two classes share one machine), by coordinate descent in the dual (Hsieh and others, "A Dual
//! Coordinate Descent Method for Large-scale Linear SVM", ICML 2008, algorithm 1 with the diagonal `1 / 2C`).

use super::Linear;
use crate::rng::Rng;
use crate::softmax::Rows;
use rayon::prelude::*;

/// How strongly errors count, and how precisely to solve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvmOptions {
    /// Weight `C` of the squared errors beside the penalty.
    pub c: f64,
    /// Most passes over the rows.
    pub max_passes: usize,
    /// Stops when the projected gradients of a pass span less than this.
    pub tolerance: f64,
    /// Seed of the order of the rows, which changes where in the tolerance it stops.
    pub seed: u64,
}

impl Default for SvmOptions {
    fn default() -> Self {
        Self { c: 1.0, max_passes: 300, tolerance: 1e-3, seed: 0 }
    }
}

/// Fits all rows whose label is below `classes`; scores are margins. A class that no row has gets the margin -1 everywhere. Values
/// that are not finite count as zero.
#[must_use]
pub fn svm(rows: Rows<'_>, labels: &[u32], classes: usize, options: &SvmOptions) -> Linear {
    let cols = rows.cols();
    let known: Vec<usize> =
        (0..rows.len().min(labels.len())).filter(|i| (labels[*i] as usize) < classes).collect();
    // two classes: one machine, and its mirror image
    let machines = if classes == 2 { vec![1] } else { (0..classes as u32).collect() };
    let solved: Vec<Vec<f64>> =
        machines.par_iter().map(|class| one(rows, labels, &known, *class, options)).collect();
    let mut out = Linear { weights: vec![], intercept: vec![], cols };
    let mirror =
        if classes == 2 { vec![(0, -1.0), (0, 1.0)] } else { (0..classes).map(|c| (c, 1.0)).collect() };
    for (machine, sign) in mirror {
        let w = &solved[machine];
        out.weights.extend(w[..cols].iter().map(|v| (sign * v) as f32));
        out.intercept.push((sign * w[cols]) as f32);
    }
    out
}

/// A row and the constant one.
#[derive(Clone, Copy)]
enum Row<'a> {
    Sparse(&'a [u32], &'a [f32]),
    Dense(&'a [f32]),
}

impl<'a> Row<'a> {
    fn of(rows: Rows<'a>, i: usize) -> Self {
        match rows {
            Rows::Sparse(csr) => {
                let (columns, values) = csr.row(i);
                Self::Sparse(columns, values)
            }
            Rows::Dense { data, dim } => Self::Dense(&data[i * dim..(i + 1) * dim]),
        }
    }

    fn dot(self, w: &[f64]) -> f64 {
        let bias = w.last().copied().unwrap_or(0.0);
        match self {
            Self::Sparse(columns, values) => {
                columns.iter().zip(values).map(|(c, v)| w[*c as usize] * sound(*v)).sum::<f64>() + bias
            }
            Self::Dense(values) => {
                // lanes of their own, so that sums need not wait for each other
                let mut sums = [0f64; 8];
                let (x, y) = (values.chunks_exact(8), w.chunks_exact(8));
                let rest = values.len() - x.remainder().len();
                let tail: f64 = x.remainder().iter().zip(&w[rest..]).map(|(v, w)| sound(*v) * w).sum();
                for (x, y) in x.zip(y) {
                    (0..8).for_each(|l| sums[l] += sound(x[l]) * y[l]);
                }
                sums.iter().sum::<f64>() + tail + bias
            }
        }
    }

    fn add(self, by: f64, w: &mut [f64]) {
        match self {
            Self::Sparse(columns, values) => {
                columns.iter().zip(values).for_each(|(c, v)| w[*c as usize] += by * sound(*v));
            }
            Self::Dense(values) => w.iter_mut().zip(values).for_each(|(w, v)| *w += by * sound(*v)),
        }
        if let Some(bias) = w.last_mut() {
            *bias += by;
        }
    }

    fn square(self) -> f64 {
        let (Self::Sparse(_, values) | Self::Dense(values)) = self;
        1.0 + values.iter().map(|v| sound(*v).powi(2)).sum::<f64>()
    }
}

fn sound(v: f32) -> f64 {
    if v.is_finite() { f64::from(v) } else { 0.0 }
}

/// One class against the rest: weights, and the intercept last.
fn one(rows: Rows<'_>, labels: &[u32], known: &[usize], class: u32, options: &SvmOptions) -> Vec<f64> {
    let mut w = vec![0f64; rows.cols() + 1];
    let diagonal = 0.5 / options.c.max(1e-12);
    let squares: Vec<f64> = known.iter().map(|i| Row::of(rows, *i).square() + diagonal).collect();
    let mut alpha = vec![0f64; known.len()];
    let mut order: Vec<usize> = (0..known.len()).collect();
    for pass in 0..options.max_passes {
        Rng::at(options.seed, "svm/order", pass as u64).shuffle(&mut order);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for &k in &order {
            let row = Row::of(rows, known[k]);
            let side = if labels[known[k]] == class { 1.0 } else { -1.0 };
            let gradient = side * row.dot(&w) - 1.0 + diagonal * alpha[k];
            let projected = if alpha[k] == 0.0 { gradient.min(0.0) } else { gradient };
            (low, high) = (low.min(projected), high.max(projected));
            if projected != 0.0 {
                let next = (alpha[k] - gradient / squares[k]).max(0.0);
                row.add((next - alpha[k]) * side, &mut w);
                alpha[k] = next;
            }
        }
        if known.is_empty() || high - low < options.tolerance {
            break;
        }
    }
    if !known.iter().any(|i| labels[*i] == class) {
        w.fill(0.0);
        w[rows.cols()] = -1.0;
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::tests::{near, problem, sparse};

    #[test]
    fn agrees_with_scikit_learn() {
        // LinearSVC(C=0.5, loss="squared_hinge", intercept_scaling=1, tol=1e-10)
        let options = SvmOptions { c: 0.5, tolerance: 1e-9, max_passes: 10_000, seed: 3 };
        for (classes, weights, intercept) in [(3, &THREE.0[..], &THREE.1[..]), (2, &TWO.0, &TWO.1)] {
            let (dense, labels) = problem(classes);
            for rows in [Rows::Dense { data: &dense, dim: 3 }, Rows::Sparse(&sparse(&dense, 3))] {
                let fitted = svm(rows, &labels, classes, &options);
                near(&fitted.weights, weights, 1e-5);
                near(&fitted.intercept, intercept, 1e-5);
            }
        }
    }

    const THREE: ([f64; 9], [f64; 3]) = (
        [
            -0.669_799_258,
            0.394_564_444,
            -0.014_742_213,
            0.006_646_357,
            0.005_197_091,
            -0.058_541_696,
            0.625_654_094,
            -0.376_219_397,
            0.093_160_952,
        ],
        [0.336_329_149, -0.331_108_211, -1.203_677_087],
    );
    const TWO: ([f64; 6], [f64; 2]) = (
        [-0.629_776_859, 0.380_436_114, -0.055_671_826, 0.629_776_859, -0.380_436_114, 0.055_671_826],
        [0.389_098_565, -0.389_098_565],
    );

    #[test]
    fn the_gradient_of_the_objective_is_zero() {
        // rows of more than one lane and a remainder
        let mut rng = Rng::new(5, "svm");
        let (n, dim) = (200, 19);
        let dense: Vec<f32> = (0..n * dim).map(|_| rng.normal() as f32).collect();
        let labels: Vec<u32> =
            (0..n).map(|i| u32::from(dense[i * dim] + dense[i * dim + 18] > 0.3)).collect();
        let options = SvmOptions { c: 0.3, tolerance: 1e-10, max_passes: 10_000, seed: 1 };
        let fitted = svm(Rows::Dense { data: &dense, dim }, &labels, 2, &options);
        let (w, b) = (&fitted.weights[dim..], fitted.intercept[1]);
        let mut gradient: Vec<f64> = w.iter().chain([&b]).map(|v| f64::from(*v)).collect();
        for (row, label) in dense.chunks_exact(dim).zip(&labels) {
            let side = if *label == 1 { 1.0 } else { -1.0 };
            let score: f64 =
                row.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>() + f64::from(b);
            let pull = -2.0 * 0.3 * side * (1.0 - side * score).max(0.0);
            gradient.iter_mut().zip(row.iter().chain([&1.0])).for_each(|(g, x)| *g += pull * f64::from(*x));
        }
        assert!(gradient.iter().all(|g| g.abs() < 1e-4), "{gradient:?}");
    }

    #[test]
    fn odd_input_is_no_trouble_and_threads_change_nothing() {
        let (dense, labels) = problem(3);
        let rows = Rows::Dense { data: &dense, dim: 3 };
        let lone = svm(rows, &[0; 60], 3, &SvmOptions::default());
        assert_eq!(lone.intercept[1..], [-1.0, -1.0]);
        assert!(lone.scores(rows).iter().all(|s| s.is_finite()));
        let none = svm(rows, &[], 3, &SvmOptions::default());
        assert_eq!(none.weights, [0.0; 9]);
        let odd =
            svm(Rows::Dense { data: &[f32::NAN, f32::INFINITY], dim: 1 }, &[0, 1], 2, &SvmOptions::default());
        assert!(odd.weights.iter().all(|w| w.is_finite()));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| svm(rows, &labels, 3, &SvmOptions::default()))
        };
        assert_eq!(run(1), run(3));
    }
}
