//! A linear support vector machine.

use crate::encode::Encoder;
use foretaste_core::{Ctx, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::linear::{Linear, SvmOptions, svm};
use serde::{Deserialize, Serialize};

/// A linear support vector machine on words, columns, vectors or gradients of pictures.
///
/// # What it is
/// The model of many filters for texts and malware: a weight for each feature and class, chosen so that samples lie well on their
/// side. Samples that do are of no weight at all, so poison acts where it comes near the border. It reads what `softmax-regression`
/// reads. The scores of the classes are margins; their softmax stands for probabilities and is not calibrated.
///
/// # How it learns
/// Each class against the rest (two classes share one machine): squared hinge loss with a squared penalty, by coordinate descent in
/// the dual. Rows are divided by their root mean squared length, so that `c` means the same on all data. The seed orders the rows,
/// which changes the result within the tolerance only.
///
/// # Cost
/// At most 300 passes over the rows for each class, often a few dozen.
///
/// # Example
/// ```text
/// foretaste trial --data train.csv --label y --victim linear-svm --attack adversarial-flip
/// ```
///
/// # References
/// Hsieh, Chang, Lin, Keerthi, Sundararajan, "A Dual Coordinate Descent Method for Large-scale Linear SVM", 2008.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct LinearSvm {
    /// Weight of the errors beside the penalty.
    #[param(min = 0.000001, max = 1000000)]
    pub c: f64,
}

impl Default for LinearSvm {
    fn default() -> Self {
        Self { c: 1.0 }
    }
}

/// Encoder and weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    encoder: Encoder,
    /// What rows are multiplied by.
    scale: f32,
    weights: Linear,
}

impl Victim for LinearSvm {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let encoder = Encoder::fit(samples, "linear-svm")?;
        let encoded = encoder.encode(samples)?;
        let scale = encoded.unit();
        let encoded = encoded.times(scale);
        let labels: Vec<u32> = (0..samples.len()).map(|i| samples.label(i)).collect();
        let seed = ctx.rng("linear-svm/order").next_u64();
        let options = SvmOptions { c: self.c, seed, ..SvmOptions::default() };
        let weights = svm(encoded.rows(), &labels, ctx.profile().classes.len(), &options);
        Ok(Model { encoder, scale, weights })
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let encoded = model.encoder.encode(inputs)?.times(model.scale);
        let mut scores = model.weights.scores(encoded.rows());
        let classes = model.weights.intercept.len();
        for row in scores.chunks_exact_mut(classes.max(1)) {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|s| *s = (*s - top).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|s| *s /= sum);
        }
        Ok(Matrix::new(scores, classes))
    }
}
