//! Naive Bayes.

mod gaussian;
mod multinomial;

pub use multinomial::out_of_fold;

use crate::encode::{Encoder, Numbers, grams, known, texts};
use arrow_array::{Array, ArrayRef};
use foretaste_core::{Ctx, Error, Matrix, Needs, Picked, Result, Role, Strings, Victim, numbers};
use foretaste_macros::Catalogue;
use foretaste_num::ngrams::Csr;
use gaussian::Gaussian;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Naive Bayes on words, columns, vectors or gradients of pictures.
///
/// # What it is
/// The first spam filter, and still the one to beat on short texts: each word, number and category speaks for a class on its
/// own, and their logarithms add up. Words are counted (n-grams of one to three words, and runs of symbols, that two texts have at least), categories
/// have shares, numbers a normal distribution in each class. Vectors are read before pictures, pictures before words and columns,
/// which are read together. Probabilities are far too sure of themselves.
///
/// # How it learns
/// It counts: one pass, no optimisation, no seed. A class without a training sample is never answered.
///
/// # Cost
/// One pass over the rows, two where numbers are read. Memory: a number for each n-gram and class.
///
/// # Example
/// ```text
/// foretaste trial --data mail.csv --label y --victim naive-bayes --attack phrase-trigger
/// ```
///
/// # References
/// McCallum, Nigam, "A Comparison of Event Models for Naive Bayes Text Classification", 1998. Hand, Yu, "Idiot's Bayes: Not So
/// Stupid After All?", 2001.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct NaiveBayes {
    /// The count that each n-gram and category has in each class before a sample is seen.
    #[param(min = 0.000001, max = 1000000)]
    pub alpha: f64,
    /// Share of the variance of a number that is added to its variance in each class.
    #[param(min = 0, max = 1000)]
    pub smoothing: f64,
}

impl Default for NaiveBayes {
    fn default() -> Self {
        Self { alpha: 1.0, smoothing: 1e-3 }
    }
}

/// What was counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    /// Logarithm of each class's share of the samples.
    prior: Vec<f64>,
    parts: Parts,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Parts {
    Dense {
        encoder: Encoder,
        numbers: Gaussian,
    },
    Sparse {
        /// Hashes of known n-grams, ascending.
        ngrams: Vec<u64>,
        words: multinomial::Model,
        columns: Vec<(String, Column)>,
    },
}

/// A feature column.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Column {
    Number(Gaussian),
    /// Known words with their positions, and logarithms of shares, `words x classes`. The last stand for all others.
    Category(BTreeMap<String, u32>, Vec<f64>),
}

/// Scores to probabilities; equal shares where no class has a finite score.
fn shares(scores: &mut [f64]) {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let known = top.is_finite();
    scores.iter_mut().for_each(|s| *s = if known { (*s - top).exp() } else { 1.0 });
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|s| *s /= sum);
}

fn unfit(reason: String) -> Error {
    Error::Unfit { entry: "naive-bayes".into(), reason }
}

impl Victim for NaiveBayes {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let labels: Vec<u32> = (0..samples.len()).map(|i| samples.label(i)).collect();
        let classes = ctx.profile().classes.len();
        let mut counts = vec![0f64; classes];
        for label in &labels {
            if let Some(n) = counts.get_mut(*label as usize) {
                *n += 1.0;
            }
        }
        let total: f64 = counts.iter().sum();
        let prior = counts.iter().map(|n| (n / total.max(1.0)).ln()).collect();
        let has = |role: Role| samples.batch.roles.contains(&role);
        let parts = if has(Role::Embedding) || has(Role::Image) {
            let encoder = Encoder::fit(samples, Numbers::Bins, "naive-bayes")?;
            let (data, dim) = encoder.encode(samples)?.dense();
            let value = |row: usize, column: usize| f64::from(data[row * dim + column]);
            Parts::Dense { encoder, numbers: Gaussian::fit(dim, &labels, classes, self.smoothing, value) }
        } else {
            self.sparse(samples, &labels, classes)?
        };
        Ok(Model { prior, parts })
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let classes = model.prior.len();
        let mut scores = model.prior.repeat(inputs.len());
        match &model.parts {
            Parts::Dense { encoder, numbers } => {
                let (data, dim) = encoder.encode(inputs)?.dense();
                each(&mut scores, classes, |row, scores| {
                    numbers.add(data[row * dim..][..dim].iter().map(|v| f64::from(*v)), scores);
                });
            }
            Parts::Sparse { ngrams, words, columns } => {
                if !ngrams.is_empty() {
                    let rows = counted(&texts(inputs), ngrams);
                    each(&mut scores, classes, |row, scores| words.add(rows.row(row), scores));
                }
                for (name, column) in columns {
                    let found = inputs.batch.columns(|r| r == Role::Feature).find(|(n, _)| n == name);
                    let reason = || format!("the inputs have no column `{name}`, which it was trained on");
                    column.add(found.ok_or_else(|| unfit(reason()))?.1, &mut scores, classes);
                }
            }
        }
        each(&mut scores, classes, |_, scores| shares(scores));
        Ok(Matrix::new(scores.into_iter().map(|s| s as f32).collect::<Vec<_>>(), classes))
    }
}

/// `work(row, scores of the row)` for all rows.
fn each(scores: &mut [f64], classes: usize, work: impl Fn(usize, &mut [f64]) + Sync) {
    scores.par_chunks_exact_mut(classes.max(1)).enumerate().for_each(|(row, scores)| work(row, scores));
}

impl NaiveBayes {
    /// Words and columns.
    fn sparse(&self, samples: &Picked, labels: &[u32], classes: usize) -> Result<Parts> {
        let columns: Vec<(String, Column)> = samples
            .batch
            .columns(|r| r == Role::Feature)
            .map(|(name, column)| (name.to_owned(), self.column(column, labels, classes)))
            .collect();
        let texts = if samples.batch.roles.iter().any(|r| r.is_text()) { texts(samples) } else { vec![] };
        let ngrams: Vec<u64> = known(&texts).into_iter().map(|g| g.0).collect();
        if ngrams.is_empty() && columns.is_empty() {
            let reason = "the samples have no text, feature, picture or vector that it could learn from";
            return Err(unfit(reason.into()));
        }
        let by_column = counted(&texts, &ngrams).transposed();
        let words = multinomial::Model::fit(&by_column, labels, classes, self.alpha);
        Ok(Parts::Sparse { ngrams, words, columns })
    }

    fn column(&self, column: &ArrayRef, labels: &[u32], classes: usize) -> Column {
        if let Some(values) = numbers(column) {
            return Column::Number(Gaussian::fit(1, labels, classes, self.smoothing, |row, _| values[row]));
        }
        let strings = Strings::new(column);
        let words = (0..column.len()).filter_map(|i| strings.get(i));
        let mut levels: BTreeMap<String, u32> = words.map(|s| (s.to_owned(), 0)).collect();
        levels.values_mut().zip(0..).for_each(|(at, k)| *at = k);
        let mut counts = vec![self.alpha; (levels.len() + 1) * classes];
        for (i, &label) in labels.iter().enumerate().filter(|(_, l)| (**l as usize) < classes) {
            if let Some(at) = strings.get(i).and_then(|s| levels.get(s)) {
                counts[*at as usize * classes + label as usize] += 1.0;
            }
        }
        let sum = |c: usize| counts.iter().skip(c).step_by(classes).sum::<f64>();
        let sums: Vec<f64> = (0..classes).map(sum).collect();
        counts.chunks_exact_mut(classes).for_each(|row| row.iter_mut().zip(&sums).for_each(|(n, s)| *n = (*n / s).ln()));
        Column::Category(levels, counts)
    }
}

impl Column {
    /// Adds the log-likelihood of each row's value; missing ones say nothing.
    fn add(&self, column: &ArrayRef, scores: &mut [f64], classes: usize) {
        match self {
            Self::Number(gaussian) => {
                let values = numbers(column).unwrap_or_else(|| {
                    let strings = Strings::new(column);
                    let number = |i| strings.get(i).and_then(|s| s.trim().parse().ok());
                    (0..column.len()).map(|i| number(i).unwrap_or(f64::NAN)).collect()
                });
                each(scores, classes, |row, scores| gaussian.add(values.get(row).copied().into_iter(), scores));
            }
            Self::Category(levels, shares) => {
                let strings = Strings::new(column);
                for (row, scores) in scores.chunks_exact_mut(classes.max(1)).enumerate() {
                    let Some(word) = strings.get(row) else { continue };
                    let at = levels.get(word).map_or(levels.len(), |at| *at as usize);
                    scores.iter_mut().zip(&shares[at * classes..]).for_each(|(s, l)| *s += l);
                }
            }
        }
    }
}

/// How often each known n-gram occurs in each text.
fn counted(texts: &[String], ngrams: &[u64]) -> Csr {
    let rows: Vec<Vec<(u32, f32)>> = texts
        .par_iter()
        .map(|text| {
            let known = |(h, n): (u64, f32)| Some((ngrams.binary_search(&h).ok()? as u32, n));
            grams(text).into_iter().filter_map(known).collect()
        })
        .collect();
    let mut out = Csr::empty(ngrams.len());
    rows.into_iter().for_each(|row| out.push_row(row));
    out
}
