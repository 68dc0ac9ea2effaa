//! An additive model of texts from which the evidence of any phrase can be taken away.
//!
//! Rows are tf-idf weighted n-grams of unit length, the models softmax regressions of the folds. A phrase takes part
//! through every n-gram that overlaps it. Without them, a row of length one has the logit
//! `b + (w.x - sum_removed w_g x_g) / sqrt(1 - sum_removed x_g^2)`: what the model would say of the rest.

use rayon::prelude::*;

use super::tokens::Texts;
use crate::ngrams::{Csr, Table};
use crate::rng::mix;
use crate::softmax::calibrate::{CalibrateOptions, Calibration, calibrate};
use crate::softmax::{FoldOptions, OutOfFold, Rows, out_of_fold};

/// Longest n-gram.
pub(super) const ORDERS: usize = 3;
/// Fewest texts of an n-gram with a column.
const LEAST: u32 = 2;
/// Parts of the hash space, each numbered by one task.
const SHARDS: u64 = 16;
/// No column.
const NONE: u32 = u32::MAX;

/// N-grams, rows and models.
pub(super) struct Additive<'a> {
    pub texts: &'a Texts,
    /// Column of the n-gram of `o + 1` words that begins at each word: `columns[o][word]`.
    columns: Vec<Vec<u32>>,
    /// Where each column's n-gram stands first, and its number of words.
    pub first: Vec<(usize, usize)>,
    /// Weighted rows.
    pub rows: Csr,
    pub fitted: OutOfFold,
    calibration: Calibration,
}

impl<'a> Additive<'a> {
    /// Numbers the n-grams and trains out of fold.
    pub fn new(texts: &'a Texts, labels: &[u32], classes: usize, options: &FoldOptions) -> Self {
        let (columns, first, df) = number(texts);
        let rows = weighted(texts, &columns, &df);
        let options = FoldOptions { keep_models: true, ..options.clone() };
        let fitted = out_of_fold(Rows::Sparse(&rows), labels, classes, None, &options);
        let calibration = calibrate(&[&fitted.probs], labels, classes, &CalibrateOptions::default());
        Self { texts, columns, first, rows, fitted, calibration }
    }

    /// The words of a column's n-gram.
    pub fn words(&self, column: u32) -> &[u32] {
        let (at, n) = self.first[column as usize];
        &self.texts.words[at..at + n]
    }

    /// Column of each n-gram of row `i` with its place in the row, in the order of columns and places.
    pub fn places(&self, i: usize) -> Vec<(u32, u32)> {
        let (from, to) = (self.texts.starts[i], self.texts.starts[i + 1]);
        let mut out: Vec<(u32, u32)> = (0..ORDERS)
            .flat_map(|o| (from..to).map(move |p| (o, p)))
            .filter_map(|(o, p)| {
                let column = self.columns[o][p];
                (column != NONE).then_some((column, (p - from) as u32))
            })
            .collect();
        out.sort_unstable();
        out
    }

    /// What each stretch of row `i` adds to the logits.
    pub fn row(&self, i: usize) -> Row<'_> {
        let (from, to) = (self.texts.starts[i], self.texts.starts[i + 1]);
        let n = to - from;
        let model = self.fitted.models.get(self.fitted.fold[i] as usize);
        let logits = model.map_or(0, |m| m.intercept.len());
        let (known, values) = self.rows.row(i);
        let mut counts = vec![0f64; known.len()];
        let at = |p: usize, o: usize| known.binary_search(&self.columns[o][p]).ok();
        for o in 0..ORDERS {
            (from..to).filter_map(|p| at(p, o)).for_each(|k| counts[k] += 1.0);
        }
        let width = logits + 1;
        // sums[o][p]: all n-grams of o + 1 words that begin before p; the last number is squared length
        let mut sums = vec![vec![0f64; (n + 1) * width]; ORDERS];
        for (o, sums) in sums.iter_mut().enumerate() {
            for p in 0..n {
                let (done, next) = sums.split_at_mut((p + 1) * width);
                next[..width].copy_from_slice(&done[p * width..]);
                if let (Some(k), Some(m)) = (at(from + p, o), model) {
                    let v = f64::from(values[k]) / counts[k];
                    for (l, s) in next[..logits].iter_mut().enumerate() {
                        *s += v * f64::from(m.weights[l * m.cols + known[k] as usize]);
                    }
                    next[logits] += f64::from(values[k]) * v;
                }
            }
        }
        let intercept = model.map_or(&[][..], |m| &m.intercept);
        Row { sums, width, n, intercept, model: self }
    }
}

/// See [`Additive::row`].
pub(super) struct Row<'a> {
    sums: Vec<Vec<f64>>,
    width: usize,
    n: usize,
    intercept: &'a [f32],
    model: &'a Additive<'a>,
}

impl Row<'_> {
    /// Probabilities of the classes without the stretches that begin at `places` and have `length` words.
    pub fn without(&self, places: &[usize], length: usize) -> Vec<f64> {
        let w = self.width;
        let logits = w - 1;
        let total = |l: usize| self.sums.iter().map(|s| s[self.n * w + l]).sum::<f64>();
        let mut left: Vec<f64> = (0..w).map(total).collect();
        let whole = left[logits];
        for &a in places {
            for (o, sums) in self.sums.iter().enumerate() {
                let (from, to) = (a.saturating_sub(o), (a + length).min(self.n));
                (0..w).for_each(|l| left[l] -= sums[to * w + l] - sums[from * w + l]);
            }
        }
        let scale = if whole > 0.0 && left[logits] > 1e-6 { (whole / left[logits]).sqrt() } else { 0.0 };
        let mut z: Vec<f64> = (0..logits).map(|l| f64::from(self.intercept[l]) + scale * left[l]).collect();
        self.model.calibration.of_logits(&mut z);
        z
    }
}

type Numbered = (Vec<Vec<u32>>, Vec<(usize, usize)>, Vec<u32>);

/// Gives every n-gram of at least [`LEAST`] texts a column: columns by place, first places, texts by column.
fn number(texts: &Texts) -> Numbered {
    let hashes: Vec<Vec<u64>> = (0..ORDERS).map(|o| hashes(texts, o)).collect();
    struct Shard {
        first: Vec<(usize, usize)>,
        df: Vec<u32>,
        /// Order, word and local number of every place.
        at: Vec<(u8, u32, u32)>,
    }
    let count = |shard: u64| {
        let mut table = Table::with_capacity(1024);
        let mut out = Shard { first: vec![], df: vec![], at: vec![] };
        let mut last: Vec<u32> = vec![];
        for row in 0..texts.len() {
            for p in texts.starts[row]..texts.starts[row + 1] {
                for (o, hashes) in hashes.iter().enumerate() {
                    let h = hashes[p];
                    if h == 0 || h >> 60 != shard {
                        continue;
                    }
                    let id = table.insert(h) as usize;
                    if id == out.df.len() {
                        out.first.push((p, o + 1));
                        out.df.push(0);
                        last.push(NONE);
                    }
                    if last[id] != row as u32 {
                        last[id] = row as u32;
                        out.df[id] += 1;
                    }
                    out.at.push((o as u8, p as u32, id as u32));
                }
            }
        }
        out
    };
    let shards: Vec<Shard> = (0..SHARDS).into_par_iter().map(count).collect();
    let mut columns = vec![vec![NONE; texts.words.len()]; ORDERS];
    let (mut first, mut df) = (vec![], vec![]);
    for shard in shards {
        let mut column = vec![NONE; shard.df.len()];
        for (id, n) in shard.df.iter().enumerate().filter(|(_, n)| **n >= LEAST) {
            column[id] = df.len() as u32;
            first.push(shard.first[id]);
            df.push(*n);
        }
        shard.at.iter().for_each(|&(o, p, id)| columns[o as usize][p as usize] = column[id as usize]);
    }
    (columns, first, df)
}

/// Hash of the n-gram of `o + 1` words that begins at each word; 0 where the text ends before.
pub(super) fn hashes(texts: &Texts, o: usize) -> Vec<u64> {
    let mut out = vec![0u64; texts.words.len()];
    for row in 0..texts.len() {
        let words = texts.row(row);
        let from = texts.starts[row];
        for p in 0..words.len().saturating_sub(o) {
            let h =
                words[p..=p + o].iter().fold(0u64, |h, w| mix(h.rotate_left(23) ^ mix(u64::from(*w) + 1)));
            out[from + p] = h.max(1);
        }
    }
    out
}

/// Rows of `(1 + ln count) (1 + ln((1 + n) / (1 + df)))`, of unit length.
fn weighted(texts: &Texts, columns: &[Vec<u32>], df: &[u32]) -> Csr {
    let n = 1.0 + texts.len() as f64;
    let of_row = |row: usize| {
        let span = texts.starts[row]..texts.starts[row + 1];
        let mut found: Vec<u32> =
            columns.iter().flat_map(|c| &c[span.clone()]).copied().filter(|c| *c != NONE).collect();
        found.sort_unstable();
        let mut out: Vec<(u32, f32)> = vec![];
        for run in found.chunk_by(|a, b| a == b) {
            let rarity = 1.0 + (n / (1.0 + f64::from(df[run[0] as usize]))).ln();
            out.push((run[0], ((1.0 + (run.len() as f64).ln()) * rarity) as f32));
        }
        out
    };
    let parts: Vec<Vec<(u32, f32)>> = (0..texts.len()).into_par_iter().map(of_row).collect();
    let mut out = Csr::empty(df.len());
    parts.into_iter().for_each(|row| out.push_row(row));
    out.l2_normalise();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_the_last_word_away_equals_the_row_without_its_ngrams() {
        let words = ["red", "green", "blue", "warm", "cold", "soft", "hard", "old"];
        // six different words a text, so that no n-gram stands twice in a row
        let all: Vec<String> = (0..300usize)
            .map(|i| (0..6).map(|k| words[(i * 3 + k * (1 + 2 * (i % 4))) % 8]).collect::<Vec<_>>().join(" "))
            .collect();
        let labels: Vec<u32> =
            all.iter().enumerate().map(|(i, t)| u32::from(t.starts_with("red") || i % 7 == 0)).collect();
        let texts = Texts::new(&all);
        let model = Additive::new(&texts, &labels, 2, &FoldOptions::default());
        let mut moved = 0;
        for i in 0..40 {
            let last = texts.row(i).len() - 1;
            let (known, values) = model.rows.row(i);
            let of_last: Vec<u32> = model
                .places(i)
                .iter()
                .filter(|(c, at)| *at as usize + model.first[*c as usize].1 > last)
                .map(|(c, _)| *c)
                .collect();
            let mut rest = Csr::empty(model.rows.cols);
            rest.push_row(
                known.iter().copied().zip(values.iter().copied()).filter(|(c, _)| !of_last.contains(c)),
            );
            rest.l2_normalise();
            let m = &model.fitted.models[model.fitted.fold[i] as usize];
            let p = f64::from(m.predict_proba(Rows::Sparse(&rest))[1]);
            let mut want = vec![(p / (1.0 - p)).ln()];
            model.calibration.of_logits(&mut want);
            let row = model.row(i);
            let (whole, got) = (row.without(&[], 0), row.without(&[last], 1));
            assert!((got[1] - want[1]).abs() < 1e-4, "{i}: {got:?} and {want:?}");
            moved += usize::from((got[1] - whole[1]).abs() > 1e-3);
        }
        assert!(moved > 10, "the word says something in {moved} texts");
    }
}
