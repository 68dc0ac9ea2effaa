//! Multinomial naive Bayes on sparse rows, and its out-of-fold probabilities.
//!
//! Each class `c` has weights `ln theta_cj`, `theta_cj = (alpha + sum of column j over the rows of the class) / total`;
//! a row scores `ln prior_c + sum_j x_j ln theta_cj` (McCallum and Nigam 1998; with tf-idf values Rennie et al., ICML
//! 2003). It counts each word once and for all where a regression shares the credit out among words that come together,
//! so on short texts the two are wrong in different places (Wang and Manning, ACL 2012). Its probabilities are far too
//! sure of themselves; [`crate::committee`] calibrates them.

use foretaste_num::ngrams::Csr;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows or columns handled by one task.
const CHUNK: usize = 1024;

/// Class probabilities of each row, `rows x classes`, by counts over the rows of other folds.
///
/// `labels`: one per row, not below `classes` where there is none; such rows are scored only. `weights`: how much each
/// row counts, or `None` for ones. `fold`: the fold of each row. `alpha`: the count that every column has before any row
/// is seen. Values below zero or not finite count as zero. Inputs of another length than the rows give equal shares.
#[must_use]
pub fn out_of_fold(
    rows: &Csr,
    labels: &[u32],
    weights: Option<&[f32]>,
    fold: &[u32],
    classes: usize,
    alpha: f64,
) -> Vec<f32> {
    let n = rows.rows();
    let mut out = vec![1.0 / classes.max(1) as f32; n * classes];
    let fits = labels.len() == n && fold.len() == n && weights.is_none_or(|w| w.len() == n);
    if classes < 2 || !fits || !(alpha > 0.0 && alpha.is_finite()) {
        return out;
    }
    let by_column = rows.transposed();
    let folds = fold.iter().max().map_or(0, |f| *f as usize + 1);
    let weight = |i: usize| weights.map_or(1.0, |w| f64::from(amount(w[i])));
    let slot = |(&f, &y): (&u32, &u32)| {
        if (y as usize) < classes { f as usize * classes + y as usize } else { usize::MAX }
    };
    let slots: Vec<usize> = fold.iter().zip(labels).map(slot).collect();
    let mut prior = vec![0f64; folds * classes];
    slots.iter().enumerate().for_each(|(i, &slot)| {
        if let Some(p) = prior.get_mut(slot) {
            *p += weight(i);
        }
    });
    let one = (by_column.rows() * classes * size_of::<f32>()).max(1);
    let together = (TABLES / one).clamp(1, folds.max(1));
    for first in (0..folds).step_by(together) {
        let left = first..folds.min(first + together);
        let model = Model::without(&by_column, left.clone(), folds, classes, alpha, |i| slots[i], weight);
        let prior: Vec<f64> = left
            .clone()
            .flat_map(|f| (0..classes).map(move |c| (f, c)))
            .map(|(f, c)| {
                let others = (0..folds).filter(|g| *g != f);
                (1.0 + others.map(|g| prior[g * classes + c]).sum::<f64>()).ln()
            })
            .collect();
        out.par_chunks_mut(CHUNK * classes).enumerate().for_each(|(chunk, out)| {
            let mut scores = vec![0f64; classes];
            for (at, p) in out.chunks_exact_mut(classes).enumerate() {
                let i = chunk * CHUNK + at;
                let f = fold[i] as usize;
                if left.contains(&f) {
                    scores.copy_from_slice(&prior[(f - first) * classes..][..classes]);
                    model.add_without(f - first, rows.row(i), &mut scores);
                    super::shares(&mut scores);
                    p.iter_mut().zip(&scores).for_each(|(p, s)| *p = *s as f32);
                }
            }
        });
    }
    out
}

/// Bytes of tables that are filled in one pass over the entries; each fold has one.
const TABLES: usize = 256 << 20;

fn amount(v: f32) -> f32 {
    if v.is_finite() && v > 0.0 { v } else { 0.0 }
}

/// Logarithms of the shares of columns in each class: `columns x tables x classes`, one table where no fold is left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    log_theta: Vec<f32>,
    #[serde(skip, default = "one")]
    tables: usize,
}

fn one() -> usize {
    1
}

impl Model {
    /// Counts the entries of `by_column` (a row for each column, an entry for each sample that has it), each as often as its
    /// value says, and `alpha` beforehand. `labels` as in [`out_of_fold`].
    pub fn fit(by_column: &Csr, labels: &[u32], classes: usize, alpha: f64) -> Self {
        // all samples are in the second of two folds, and the first is left out
        let slot = |i: usize| {
            let y = labels[i] as usize;
            if y < classes { classes + y } else { usize::MAX }
        };
        Self::without(by_column, 0..1, 2, classes, alpha, slot, |_| 1.0)
    }

    /// A table for each fold in `left`, with the samples of all other folds. `slot` of a sample: its fold times `classes` and
    /// its class; beyond all slots if it has none.
    fn without(
        by_column: &Csr,
        left: std::ops::Range<usize>,
        folds: usize,
        classes: usize,
        alpha: f64,
        slot: impl Fn(usize) -> usize + Sync,
        weight: impl Fn(usize) -> f64 + Sync,
    ) -> Self {
        let wide = left.len() * classes;
        let mut counts = vec![0f32; by_column.rows() * wide];
        counts.par_chunks_mut(CHUNK * wide).enumerate().for_each(|(chunk, counts)| {
            let mut sums = vec![0f64; folds * classes];
            let mut all = vec![0f64; classes];
            for (at, counts) in counts.chunks_exact_mut(wide).enumerate() {
                sums.fill(0.0);
                let (members, values) = by_column.row(chunk * CHUNK + at);
                for (&i, &v) in members.iter().zip(values) {
                    if let Some(sum) = sums.get_mut(slot(i as usize)) {
                        *sum += weight(i as usize) * f64::from(amount(v));
                    }
                }
                all.fill(alpha);
                for own in sums.chunks_exact(classes) {
                    all.iter_mut().zip(own).for_each(|(a, s)| *a += s);
                }
                let own = sums[left.start * classes..].chunks_exact(classes);
                for (counts, own) in counts.chunks_exact_mut(classes).zip(own) {
                    counts.iter_mut().zip(all.iter().zip(own)).for_each(|(c, (a, s))| *c = (a - s) as f32);
                }
            }
        });
        let mut totals = vec![0f64; wide];
        for row in counts.chunks_exact(wide) {
            totals.iter_mut().zip(row).for_each(|(t, c)| *t += f64::from(*c));
        }
        let totals: Vec<f32> = totals.iter().map(|t| t.ln() as f32).collect();
        counts.par_chunks_mut(wide).for_each(|row| {
            row.iter_mut().zip(&totals).for_each(|(c, t)| *c = c.ln() - t);
        });
        Self { log_theta: counts, tables: left.len() }
    }

    /// Adds the log-likelihood of a row in each class, up to what is the same for all.
    pub fn add(&self, row: (&[u32], &[f32]), scores: &mut [f64]) {
        self.add_without(0, row, scores);
    }

    /// [`Model::add`] with the table of one fold.
    fn add_without(&self, table: usize, (columns, values): (&[u32], &[f32]), scores: &mut [f64]) {
        let classes = scores.len();
        for (&j, &v) in columns.iter().zip(values) {
            let from = (j as usize * self.tables + table) * classes;
            if let Some(thetas) = self.log_theta.get(from..from + classes) {
                scores.iter_mut().zip(thetas).for_each(|(o, t)| *o += f64::from(amount(v)) * f64::from(*t));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::rng::Rng;

    fn draw(n: usize, columns: usize, classes: usize) -> (Csr, Vec<u32>, Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(3, "naive-bayes");
        let mut rows = Csr::empty(columns);
        let (mut labels, mut weights) = (vec![], vec![]);
        for i in 0..n {
            let y = if i % 17 == 0 { u32::MAX } else { rng.below(classes) as u32 };
            let entries: Vec<(u32, f32)> = (0..columns as u32)
                .filter(|c| rng.unit() < if c % classes as u32 == y { 0.4 } else { 0.1 })
                .map(|c| (c, 0.5 + (c % 3) as f32))
                .collect();
            rows.push_row(entries);
            labels.push(y);
            weights.push(rng.unit() as f32);
        }
        (rows, labels, weights, (0..n as u32).map(|i| i * 7 % 5).collect())
    }

    /// The formula of the module, one row at a time on dense numbers.
    fn naive(
        rows: &Csr,
        labels: &[u32],
        weights: &[f32],
        fold: &[u32],
        classes: usize,
        at: usize,
    ) -> Vec<f64> {
        let mut sums = vec![vec![1f64; rows.cols]; classes];
        let mut prior = vec![1f64; classes];
        for i in (0..rows.rows()).filter(|&i| fold[i] != fold[at] && (labels[i] as usize) < classes) {
            let c = labels[i] as usize;
            prior[c] += f64::from(weights[i]);
            let (columns, values) = rows.row(i);
            columns.iter().zip(values).for_each(|(&j, &v)| sums[c][j as usize] += f64::from(weights[i] * v));
        }
        let (columns, values) = rows.row(at);
        let scores: Vec<f64> = (0..classes)
            .map(|c| {
                let total: f64 = sums[c].iter().sum();
                let terms = columns
                    .iter()
                    .zip(values)
                    .map(|(&j, &v)| f64::from(v) * (sums[c][j as usize] / total).ln());
                prior[c].ln() + terms.sum::<f64>()
            })
            .collect();
        let sum: f64 = scores.iter().map(|s| s.exp()).sum();
        scores.iter().map(|s| s.exp() / sum).collect()
    }

    #[test]
    fn agrees_with_the_formula() {
        let (rows, labels, weights, fold) = draw(300, 24, 3);
        let got = out_of_fold(&rows, &labels, Some(&weights), &fold, 3, 1.0);
        for at in 0..300 {
            let want = naive(&rows, &labels, &weights, &fold, 3, at);
            for (g, w) in got[at * 3..].iter().zip(&want) {
                assert!((f64::from(*g) - w).abs() < 1e-4, "row {at}: {g} instead of {w}");
            }
        }
        let labelled = (0..300).filter(|&i| labels[i] != u32::MAX);
        let right = labelled.clone().filter(|&i| got[i * 3 + labels[i] as usize] > 0.5).count();
        assert!(right as f64 > 0.75 * labelled.count() as f64, "{right}");
    }

    #[test]
    fn a_label_does_not_reach_its_own_row() {
        let (rows, mut labels, _, fold) = draw(100, 24, 2);
        let before = out_of_fold(&rows, &labels, None, &fold, 2, 1.0);
        labels[8] = 1 - labels[8].min(1);
        let after = out_of_fold(&rows, &labels, None, &fold, 2, 1.0);
        assert_eq!(before[16..18], after[16..18]);
        assert_ne!(before, after);
    }

    #[test]
    fn odd_shapes_give_equal_shares() {
        let (rows, labels, _, fold) = draw(20, 6, 2);
        assert!(out_of_fold(&rows, &labels[..3], None, &fold, 2, 1.0).iter().all(|p| *p == 0.5));
        assert!(out_of_fold(&rows, &labels, None, &fold, 2, 0.0).iter().all(|p| *p == 0.5));
        assert!(out_of_fold(&Csr::empty(0), &[], None, &[], 2, 1.0).is_empty());
        assert!(out_of_fold(&rows, &labels, None, &fold, 1, 1.0).iter().all(|p| *p == 1.0));
    }

    #[test]
    fn same_bytes_on_any_number_of_threads() {
        let (rows, labels, weights, fold) = draw(3000, 24, 3);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| out_of_fold(&rows, &labels, Some(&weights), &fold, 3, 1.0))
        };
        assert_eq!(run(1), run(3));
    }
}
