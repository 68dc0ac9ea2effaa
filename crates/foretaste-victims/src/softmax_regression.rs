//! A linear model.

use crate::encode::{Encoder, Numbers};
use foretaste_core::{Ctx, MISSING, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::softmax::{FitOptions, Softmax, fit};
use serde::{Deserialize, Serialize};

/// Softmax regression on words, columns, vectors or gradients of pictures.
///
/// # What it is
/// The linear model behind many spam filters and scoring systems: one weight for each feature and class. Texts become
/// weighted n-grams of one to three words and runs of symbols, columns become bins and categories, pictures histograms of gradients.
///
/// # How it learns
/// Minimises the cross-entropy with a squared penalty (limited-memory BFGS). The result does not depend on a seed.
///
/// # Cost
/// A few dozen passes over the rows.
///
/// # Example
/// ```text
/// foretaste trial --data train.csv --label y --victim softmax-regression --attack label-flip
/// ```
///
/// # References
/// Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2009, section 4.4.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct SoftmaxRegression {
    /// Strength of the penalty.
    #[param(min = 0.000001, max = 1000000)]
    pub l2: f64,
    /// How numbers of a table are read.
    pub numbers: Numbers,
}

impl Default for SoftmaxRegression {
    fn default() -> Self {
        Self { l2: 1.0, numbers: Numbers::Bins }
    }
}

/// Encoder and weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    encoder: Encoder,
    weights: Vec<f32>,
    intercept: Vec<f32>,
    cols: usize,
    classes: usize,
}

impl Victim for SoftmaxRegression {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let encoder = Encoder::fit(samples, self.numbers, "softmax-regression")?;
        let encoded = encoder.encode(samples)?;
        let labels: Vec<u32> = (0..samples.len()).map(|i| samples.label(i)).collect();
        let known = labels.iter().filter(|l| **l != MISSING).count().max(1);
        // unit-length texts need a weaker penalty than columns of ones: both are per row, as is the loss
        let l2 = self.l2 * if matches!(encoded.rows(), foretaste_num::softmax::Rows::Sparse(_)) { 0.1 } else { 1.0 };
        let options = FitOptions { l2: l2.min(known as f64), ..FitOptions::default() };
        let classes = ctx.profile().classes.len();
        let Softmax { weights, intercept, cols, classes } = fit(encoded.rows(), &labels, None, classes, &options);
        Ok(Model { encoder, weights, intercept, cols, classes })
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let encoded = model.encoder.encode(inputs)?;
        let fitted = Softmax {
            weights: model.weights.clone(),
            intercept: model.intercept.clone(),
            cols: model.cols,
            classes: model.classes,
        };
        Ok(Matrix::new(fitted.predict_proba(encoded.rows()), model.classes))
    }
}
