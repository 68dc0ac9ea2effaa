//! An additive model of rows from which columns can be taken away.

use super::CodedColumn;
use crate::ngrams::Csr;
use crate::softmax::calibrate::{CalibrateOptions, Calibration, calibrate};
use crate::softmax::{FoldOptions, OutOfFold, Rows, out_of_fold};
use rayon::prelude::*;

/// Softmax regressions of the folds on one-hot parts of columns.
pub(super) struct Additive<'a> {
    columns: &'a [CodedColumn],
    offsets: Vec<usize>,
    fitted: OutOfFold,
    calibration: Calibration,
    classes: usize,
    logits: usize,
    /// Logits of each row by its fold's model, `rows x logits`.
    whole: Vec<f32>,
    /// Mean weight of each column by fold and logit: `(fold * columns + column) * logits + logit`.
    means: Vec<f64>,
}

impl<'a> Additive<'a> {
    pub fn new(columns: &'a [CodedColumn], labels: &[u32], classes: usize, options: &FoldOptions) -> Self {
        let mut offsets = vec![0];
        for c in columns {
            offsets.push(offsets[offsets.len() - 1] + c.bins);
        }
        let mut rows = Csr::empty(offsets[columns.len()]);
        for i in 0..labels.len() {
            rows.push_row(columns.iter().zip(&offsets).map(|(c, o)| (*o as u32 + c.bin[i], 1.0)));
        }
        let options = FoldOptions { keep_models: true, ..options.clone() };
        let fitted = out_of_fold(Rows::Sparse(&rows), labels, classes, None, &options);
        let calibration = calibrate(&[&fitted.probs], labels, classes, &CalibrateOptions::default());
        let logits = fitted.models.first().map_or(0, |m| m.intercept.len());
        let mut whole = vec![0f32; labels.len() * logits];
        whole.par_chunks_mut(logits.max(1)).enumerate().for_each(|(i, out)| {
            let Some(m) = fitted.models.get(fitted.fold[i] as usize) else { return };
            for (l, z) in out.iter_mut().enumerate() {
                let at = |(c, o): (&CodedColumn, &usize)| m.weights[l * m.cols + o + c.bin[i] as usize];
                *z = m.intercept[l] + columns.iter().zip(&offsets).map(at).sum::<f32>();
            }
        });
        let shares: Vec<Vec<f64>> = columns.iter().map(shares).collect();
        let mut means = Vec::with_capacity(fitted.models.len() * columns.len() * logits);
        for m in &fitted.models {
            for (c, shares) in shares.iter().enumerate() {
                for l in 0..logits {
                    let weights = &m.weights[l * m.cols + offsets[c]..][..shares.len()];
                    means.push(weights.iter().zip(shares).map(|(w, s)| f64::from(*w) * s).sum());
                }
            }
        }
        Self { columns, offsets, fitted, calibration, classes, logits, whole, means }
    }

    /// Probabilities of the classes of row `i` with some columns replaced by their average, as the given labels follow
    /// them: with temperature and noise floor. `scratch` holds the answer.
    pub fn without<'s>(&self, i: usize, removed: &[usize], scratch: &'s mut Vec<f64>) -> &'s [f64] {
        scratch.clear();
        let fold = self.fitted.fold[i] as usize;
        let Some(m) = self.fitted.models.get(fold) else {
            scratch.resize(self.classes, 1.0 / self.classes.max(1) as f64);
            return scratch;
        };
        for l in 0..self.logits {
            let mut z = f64::from(self.whole[i * self.logits + l]);
            for &c in removed {
                let weight = m.weights[l * m.cols + self.offsets[c] + self.columns[c].bin[i] as usize];
                z += self.means[(fold * self.columns.len() + c) * self.logits + l] - f64::from(weight);
            }
            scratch.push(z);
        }
        self.calibration.of_logits(scratch);
        scratch
    }
}

/// Share of the rows in each part of a column.
fn shares(column: &CodedColumn) -> Vec<f64> {
    let mut out = vec![0f64; column.bins];
    column.bin.iter().for_each(|b| out[*b as usize] += 1.0);
    let n = column.bin.len().max(1) as f64;
    out.iter_mut().for_each(|s| *s /= n);
    out
}
