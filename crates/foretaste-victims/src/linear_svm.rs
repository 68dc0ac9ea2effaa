//! A linear support vector machine.

use crate::encode::Numbers;
use crate::linear::Scaled;
use foretaste_core::{Ctx, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::linear::{SvmOptions, svm};

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
    /// How numbers of a table are read.
    pub numbers: Numbers,
}

impl Default for LinearSvm {
    fn default() -> Self {
        Self { c: 1.0, numbers: Numbers::Bins }
    }
}

impl Victim for LinearSvm {
    type Model = Scaled;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Scaled> {
        Scaled::train(samples, self.numbers, "linear-svm", |rows, labels| {
            let seed = ctx.rng("linear-svm/order").next_u64();
            let options = SvmOptions { c: self.c, seed, ..SvmOptions::default() };
            svm(rows.rows(), labels, ctx.profile().classes.len(), &options)
        })
    }
    fn predict(&self, model: &Scaled, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let (mut scores, classes) = model.scores(inputs)?;
        for row in scores.chunks_exact_mut(classes.max(1)) {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|s| *s = (*s - top).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|s| *s /= sum);
        }
        Ok(Matrix::new(scores, classes))
    }
}
