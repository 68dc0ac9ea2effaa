//! Least squares as a classifier.

use crate::linear::Scaled;
use foretaste_core::{Ctx, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::linear::{RidgeOptions, ridge};

/// Least squares with a penalty, on words, columns, vectors or gradients of pictures.
///
/// # What it is
/// The simplest linear model: for each class a weighted sum of the features that is to be one in the class and zero elsewhere.
/// The squared error has no bound, so samples far out weigh most: what poisoning of regressions is measured on. It reads what
/// `softmax-regression` reads. Sums below zero count as zero, and the rest of a sample is scaled to one.
///
/// # How it learns
/// Minimises the squared error and a squared penalty (conjugate gradients on the normal equations). Rows are divided by
/// their root mean squared length, so that `l2` means the same on all data. No seed.
///
/// # Cost
/// At most 200 times two passes over the rows, all classes together.
///
/// # Example
/// ```text
/// foretaste trial --data train.csv --label y --victim ridge-regression --attack gradient-poisoning
/// ```
///
/// # References
/// Hoerl, Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", 1970. Jagielski et al., "Manipulating Machine
/// Learning: Poisoning Attacks and Countermeasures for Regression Learning", 2018.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct RidgeRegression {
    /// Strength of the penalty.
    #[param(min = 0.000001, max = 1000000)]
    pub l2: f64,
}

impl Default for RidgeRegression {
    fn default() -> Self {
        Self { l2: 1.0 }
    }
}

impl Victim for RidgeRegression {
    type Model = Scaled;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Scaled> {
        Scaled::train(samples, "ridge-regression", |rows, labels| {
            let options = RidgeOptions { l2: self.l2, ..RidgeOptions::default() };
            ridge(rows.rows(), labels, ctx.profile().classes.len(), &options)
        })
    }
    fn predict(&self, model: &Scaled, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let (mut scores, classes) = model.scores(inputs)?;
        for row in scores.chunks_exact_mut(classes.max(1)) {
            row.iter_mut().for_each(|s| *s = s.max(0.0));
            let sum: f32 = row.iter().sum();
            // scores sum to one, so one of them is above zero; rounding of absurd inputs may say otherwise
            let share = 1.0 / classes as f32;
            row.iter_mut().for_each(|s| *s = if sum > 0.0 && sum.is_finite() { *s / sum } else { share });
        }
        Ok(Matrix::new(scores, classes))
    }
}
