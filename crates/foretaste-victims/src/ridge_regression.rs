//! Least squares, on numbers or as a classifier.

use crate::encode::{Encoded, Numbers};
use crate::linear::Scaled;
use foretaste_core::{Ctx, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::linear::{RidgeOptions, ridge, ridge_numbers};
use serde::{Deserialize, Serialize};

/// Least squares with a penalty, on words, columns, vectors or gradients of pictures.
///
/// # What it is
/// The simplest linear model: for each class a weighted sum of the features that is to be one in the class and zero elsewhere.
/// The squared error has no bound, so samples far out weigh most: what poisoning of regressions is measured on. It reads what
/// `softmax-regression` reads. Sums below zero count as zero, and the rest of a sample is scaled to one. In data with a numeric
/// target the sum is the number itself, and trials measure R2.
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
    /// How numbers of a table are read.
    pub numbers: Numbers,
}

impl Default for RidgeRegression {
    fn default() -> Self {
        Self { l2: 1.0, numbers: Numbers::Bins }
    }
}

/// A model of classes or of a number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fitted {
    scaled: Scaled,
    numeric: bool,
}

impl Victim for RidgeRegression {
    type Model = Fitted;

    fn needs(&self) -> Needs {
        Needs::any(&[Role::Label, Role::Target])
    }
    fn numeric(&self) -> bool {
        true
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Fitted> {
        let options = RidgeOptions { l2: self.l2, ..RidgeOptions::default() };
        if let Some(targets) = samples.batch.targets() {
            let fit = |rows: &Encoded| ridge_numbers(rows.rows(), &targets, &options);
            let scaled = Scaled::train_on(samples, self.numbers, "ridge-regression", fit)?;
            return Ok(Fitted { scaled, numeric: true });
        }
        let fit = |rows: &Encoded, labels: &[u32]| ridge(rows.rows(), labels, ctx.profile().classes.len(), &options);
        Ok(Fitted { scaled: Scaled::train(samples, self.numbers, "ridge-regression", fit)?, numeric: false })
    }
    fn predict(&self, model: &Fitted, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let (mut scores, classes) = model.scaled.scores(inputs)?;
        if model.numeric {
            return Ok(Matrix::new(scores, 1));
        }
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
