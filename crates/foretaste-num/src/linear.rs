//! Linear models: a weight for each column and class, by squared loss or squared hinge.

mod ridge;
mod svm;

pub use ridge::{RidgeOptions, ridge, ridge_numbers};
pub use svm::{SvmOptions, svm};

use crate::softmax::{Rows, logits};
use serde::{Deserialize, Serialize};

/// A weight for each column and class, and a constant for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// `classes x cols`, row after row.
    pub weights: Vec<f32>,
    /// One a class.
    pub intercept: Vec<f32>,
    /// Number of columns of the rows it was fitted on.
    pub cols: usize,
}

impl Linear {
    /// `rows x classes` scores. Values that are not finite count as zero, and so do columns that it was not fitted on.
    #[must_use]
    pub fn scores(&self, rows: Rows<'_>) -> Vec<f32> {
        logits(rows, &self.weights, &self.intercept, self.cols)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::ngrams::Csr;

    /// Sixty rows `(sin 1.3 i + 0.9 y, cos 0.7 i - 0.5 y, sin 2.1 i * cos 0.4 i)` with `y = i mod 3`, without any randomness, and
    /// their labels: the problem that scikit-learn was given.
    pub(crate) fn problem(classes: usize) -> (Vec<f32>, Vec<u32>) {
        let labels: Vec<u32> = (0..60).map(|i| (i % classes) as u32).collect();
        let row = |i: usize| {
            let (t, y) = (i as f64, (i % classes) as f64);
            [(1.3 * t).sin() + 0.9 * y, (0.7 * t).cos() - 0.5 * y, (2.1 * t).sin() * (0.4 * t).cos()]
        };
        ((0..60).flat_map(row).map(|v| v as f32).collect(), labels)
    }

    /// The same rows, sparse.
    pub(crate) fn sparse(dense: &[f32], dim: usize) -> Csr {
        let mut out = Csr::empty(dim);
        dense.chunks_exact(dim).for_each(|row| out.push_row((0u32..).zip(row.iter().copied())));
        out
    }

    pub(crate) fn near(got: &[f32], want: &[f64], by: f64) {
        assert_eq!(got.len(), want.len());
        assert!(
            got.iter().zip(want).all(|(g, w)| (f64::from(*g) - w).abs() < by),
            "{got:?} instead of {want:?}"
        );
    }
}
