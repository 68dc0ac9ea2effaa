//! Multinomial logistic (softmax) regression on sparse or dense rows, and its out-of-fold probabilities.
//!
//! Minimises `sum_i s_i * -log softmax(W x_i + b)[y_i] + l2/2 * |W|^2` with the intercept free. Two classes
//! use one logit. The folds of a cross-validation are trained together, so that one pass over the rows
//! serves all of them; see `descent`.

pub mod calibrate;
mod descent;
mod folds;
pub(crate) mod math;
mod rows;

pub use folds::{FoldOptions, OutOfFold, Robust, assign_folds, out_of_fold};
pub use rows::Rows;

pub(crate) use descent::padded;
use descent::{Job, minimise};
pub(crate) use rows::Prepared;

/// How long and how precisely to minimise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitOptions {
    /// Strength of the squared penalty on the weights, per the module's formula; at least `1e-9`.
    pub l2: f64,
    /// Most iterations; each passes over the rows twice.
    pub max_iterations: usize,
    /// Stops when an iteration lowers the loss by less than this per row (nats).
    pub tolerance: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { l2: 1.0, max_iterations: 100, tolerance: 1e-6 }
    }
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// `logits x cols` weights, row after row; one logit (of class 1) for two classes, else one per class.
    pub weights: Vec<f32>,
    /// One intercept per logit.
    pub intercept: Vec<f32>,
    /// Number of columns of the rows it was fitted on.
    pub cols: usize,
    /// Number of classes.
    pub classes: usize,
}

/// Number of logits for `classes` classes.
pub(crate) fn logits_of(classes: usize) -> usize {
    if classes <= 2 { 1 } else { classes }
}

/// Fits one model on all rows whose label is below `classes`.
///
/// `sample_weights`: one non-negative number per row, or `None` for ones. Values that are not finite count
/// as zero. With fewer than two classes or no labelled row the weights are zero.
#[must_use]
pub fn fit(
    rows: Rows<'_>,
    labels: &[u32],
    sample_weights: Option<&[f32]>,
    classes: usize,
    options: &FitOptions,
) -> Softmax {
    fit_from(rows, labels, sample_weights, classes, options, None)
}

/// As [`fit`], from where another model of the same columns and classes is; from the class shares if its shape is another.
#[must_use]
pub fn fit_from(
    rows: Rows<'_>,
    labels: &[u32],
    sample_weights: Option<&[f32]>,
    classes: usize,
    options: &FitOptions,
    start: Option<&Softmax>,
) -> Softmax {
    let prepared = Prepared::new(rows);
    let n = prepared.rows().min(labels.len());
    let mut weights: Vec<f32> = (0..prepared.rows())
        .map(|i| if i < n && (labels[i] as usize) < classes { 1.0 } else { 0.0 })
        .collect();
    if let Some(given) = sample_weights {
        for (i, w) in weights.iter_mut().enumerate() {
            let g = given.get(i).copied().unwrap_or(1.0);
            *w *= if g.is_finite() && g > 0.0 { g } else { 0.0 };
        }
    }
    let mut padded = labels.to_vec();
    padded.resize(prepared.rows(), u32::MAX);
    let mut job = Job::new(&prepared, &padded, weights, 1, classes);
    if let Some(start) = start {
        job.start_at(start);
    }
    minimise(&mut job, options);
    job.model(0)
}

impl Softmax {
    /// Class probabilities of rows: `rows x classes`, row after row. Zeros-only weights give equal shares.
    #[must_use]
    pub fn predict_proba(&self, rows: Rows<'_>) -> Vec<f32> {
        let mut out = vec![0f32; rows.len() * self.classes];
        if self.classes == 0 {
            return out;
        }
        let z = logits(rows, &self.weights, &self.intercept, self.cols);
        for (z, p) in z.chunks_exact(self.intercept.len().max(1)).zip(out.chunks_exact_mut(self.classes)) {
            math::probabilities(z, p);
        }
        out
    }
}

/// `rows x lanes` sums of columns times `weights` (`lanes x cols`) plus `intercept`, one a lane.
pub(crate) fn logits(rows: Rows<'_>, weights: &[f32], intercept: &[f32], cols: usize) -> Vec<f32> {
    let prepared = Prepared::new(rows);
    let (lanes, width) = (intercept.len(), padded(intercept.len()));
    let mut w = vec![0f32; (prepared.cols() + 1) * width];
    for l in 0..lanes {
        for c in 0..prepared.cols().min(cols) {
            w[c * width + l] = weights[l * cols + c];
        }
        w[prepared.cols() * width + l] = intercept[l];
    }
    let z = prepared.forward(&w, width);
    z.chunks_exact(width).flat_map(|z| &z[..lanes]).copied().collect()
}

#[cfg(test)]
mod tests;
