//! Quality scores of given labels.

use rayon::prelude::*;

use super::joint::ROWS;
use super::{ConfidentError, Prob, Score, Table, thresholds};

/// Floor of the divisors in the entropy score.
const TINY: f64 = 1e-6;

/// One score per row; `adjust` holds the class thresholds to subtract first.
pub(super) fn scores<T: Prob>(table: Table<'_, T>, score: Score, adjust: Option<&[f64]>) -> Vec<T> {
    let shift: Option<Vec<T>> = adjust.map(|t| {
        let max = t.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        t.iter().map(|&t| T::of(max) - T::of(t)).collect()
    });
    let mut out = vec![T::of(0.0); table.labels.len()];
    out.par_chunks_mut(ROWS).enumerate().for_each(|(c, out)| {
        let mut adjusted = vec![T::of(0.0); table.classes];
        for (o, s) in out.iter_mut().enumerate() {
            let i = c * ROWS + o;
            let y = table.labels[i] as usize;
            let row = match &shift {
                None => table.row(i),
                Some(shift) => {
                    renormalise(table.row(i), shift, &mut adjusted);
                    &adjusted
                }
            };
            *s = one(row, y, score);
        }
    });
    out
}

/// Thresholds subtracted, the largest of them added, then made to sum to one.
fn renormalise<T: Prob>(row: &[T], shift: &[T], out: &mut [T]) {
    let mut sum = T::of(0.0);
    for ((o, &p), &s) in out.iter_mut().zip(row).zip(shift) {
        *o = p + s;
        sum = sum + *o;
    }
    if sum > T::of(0.0) {
        out.iter_mut().for_each(|o| *o = *o / sum);
    }
}

fn one<T: Prob>(row: &[T], y: usize, score: Score) -> T {
    match score {
        Score::SelfConfidence => row[y],
        Score::NormalizedMargin => {
            let top = |s: &[T], m: T| s.iter().fold(m, |m, &p| if p > m { p } else { m });
            let other = top(&row[y + 1..], top(&row[..y], T::of(0.0)));
            (row[y] - other + T::of(1.0)) / T::of(2.0)
        }
        Score::ConfidenceWeightedEntropy => {
            let entropy: f64 = row.iter().map(|p| p.wide()).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
            // one class has no entropy to normalise
            let scale = (row.len() as f64).ln().max(f64::MIN_POSITIVE);
            let u = entropy / scale / row[y].wide().max(TINY);
            T::of(u.ln_1p() / u.max(TINY))
        }
    }
}

/// Quality of every given label, low is suspicious.
///
/// # Errors
/// As [`super::find_label_issues`], except that probabilities are not checked.
pub fn quality_scores<T: Prob>(
    labels: &[u32],
    probs: &[T],
    classes: usize,
    score: Score,
    adjust_pred_probs: bool,
) -> Result<Vec<T>, ConfidentError> {
    let table = Table::new(labels, probs, classes)?;
    let t = if adjust_pred_probs { Some(thresholds(labels, probs, classes)?) } else { None };
    Ok(scores(table, score, t.as_deref()))
}
