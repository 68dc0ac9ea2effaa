//! Samples as rows of numbers, by rules learned on the training samples alone.

use crate::image::{Picture, histogram_features};
use arrow_array::{Array, ArrayRef};
use foretaste_core::{Error, Picked, Result, Role, Strings, numbers};
use foretaste_num::habits::habits;
use foretaste_num::ngrams::Csr;
use foretaste_num::phrases;
use foretaste_num::rng::mix;
use foretaste_num::softmax::Rows;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Longest n-gram of words.
const WORDS: usize = 3;
/// Bins of a number.
const BINS: usize = 16;
/// Deviations at which a number beside its bins is cut.
const BINNED_REACH: f64 = 5.0;
/// The same of a number alone: only what would drown all else in single precision is cut.
const PLAIN_REACH: f64 = 1e4;
/// Categories with fewer rows share one column.
const LEVEL_ROWS: usize = 2;
/// Most categories of a column with a column of their own.
const LEVELS: usize = 1000;

foretaste_core::choices! {
    /// How a model reads the numbers of a table.
    pub enum Numbers {
        /// In bins of about equally many rows, beside the number itself, cut at five deviations: any curve can be learned, and a value far out
        /// is no more than the last bin.
        Bins = "bins",
        /// Standardised as they are, far as they may lie. Poison that lies far out reaches such a model.
        Plain = "plain",
    }
}

/// Rows of numbers.
#[derive(Clone, Debug)]
pub enum Encoded {
    /// Mostly zeros.
    Sparse(Csr),
    /// `rows * dim` numbers.
    Dense(Vec<f32>, usize),
}

impl Encoded {
    /// As the kernels want them.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        match self {
            Self::Sparse(csr) => Rows::Sparse(csr),
            Self::Dense(data, dim) => Rows::Dense { data, dim: *dim },
        }
    }

    /// One over the root mean squared length of a row; 1 if no row has a length.
    #[must_use]
    pub fn unit(&self) -> f32 {
        let (Self::Sparse(Csr { values, .. }) | Self::Dense(values, _)) = self;
        let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let mean = squares / self.rows().len().max(1) as f64;
        if mean > 0.0 && mean.is_finite() { mean.sqrt().recip() as f32 } else { 1.0 }
    }

    /// All values times `by`.
    #[must_use]
    pub fn times(mut self, by: f32) -> Self {
        let (Self::Sparse(Csr { values, .. }) | Self::Dense(values, _)) = &mut self;
        values.iter_mut().for_each(|v| *v *= by);
        self
    }

    /// Sparse rows of more than `width` columns, folded into so many by a hash of the column, with signs (feature hashing);
    /// other rows as they are.
    #[must_use]
    pub fn folded(self, width: usize) -> Self {
        let Self::Sparse(csr) = self else { return self };
        if csr.cols <= width || width == 0 {
            return Self::Sparse(csr);
        }
        let mut out = Csr::empty(width);
        for row in 0..csr.rows() {
            let (at, values) = csr.row(row);
            let mut sums: BTreeMap<u32, f32> = BTreeMap::new();
            for (c, v) in at.iter().zip(values) {
                let h = mix(u64::from(*c));
                let sign = if h >> 63 == 0 { 1.0 } else { -1.0 };
                *sums.entry((h % width as u64) as u32).or_default() += sign * v;
            }
            out.push_row(sums);
        }
        Self::Sparse(out)
    }

    /// Dense rows and their width.
    #[must_use]
    pub fn dense(self) -> (Vec<f32>, usize) {
        match self {
            Self::Dense(data, dim) => (data, dim),
            Self::Sparse(csr) => {
                let mut data = vec![0.0; csr.rows() * csr.cols];
                for (row, out) in data.chunks_exact_mut(csr.cols.max(1)).enumerate() {
                    let (at, values) = csr.row(row);
                    at.iter().zip(values).for_each(|(c, v)| out[*c as usize] = *v);
                }
                (data, csr.cols)
            }
        }
    }
}

/// What was learned about each part of the samples that a model reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Encoder {
    /// Vectors or gradient histograms, each number standardised.
    Dense {
        /// Pictures (true) or vectors.
        pictures: bool,
        /// Mean of each number.
        mean: Vec<f32>,
        /// One over its deviation, 0 for constants.
        scale: Vec<f32>,
    },
    /// Words and columns side by side, sparse.
    Sparse {
        /// Hashes of known n-grams, ascending, and their weights by rarity.
        ngrams: Vec<(u64, f32)>,
        /// Feature columns in the order of the schema.
        columns: Vec<Column>,
    },
}

/// What was learned about a feature column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Column {
    /// Bin edges, ascending, and the mean and scale of the trend.
    Number {
        /// Name.
        name: String,
        /// Edges between bins.
        cuts: Vec<f64>,
        /// Mean.
        mean: f64,
        /// One over the deviation.
        scale: f64,
        /// Deviations at which the trend is cut.
        reach: f64,
    },
    /// Categories with a column of their own.
    Category {
        /// Name.
        name: String,
        /// Known values and their positions.
        levels: BTreeMap<String, u32>,
    },
}

impl Encoder {
    /// Learns from samples: from vectors if there are some, else pictures, else words and columns together.
    ///
    /// # Errors
    /// If the samples have nothing that a model could read.
    pub fn fit(samples: &Picked, numbers: Numbers, entry: &str) -> Result<Self> {
        let has = |role: Role| samples.batch.roles.contains(&role);
        if has(Role::Embedding) || has(Role::Image) {
            let pictures = !has(Role::Embedding);
            let (data, dim) = dense(samples, pictures);
            let (mean, scale) = moments(&data, dim);
            return Ok(Self::Dense { pictures, mean, scale });
        }
        let ngrams =
            if samples.batch.roles.iter().any(|r| r.is_text()) { known(&texts(samples)) } else { vec![] };
        let columns: Vec<Column> = samples
            .batch
            .columns(|r| r == Role::Feature)
            .map(|(name, c)| Column::fit(name, c, numbers))
            .collect();
        if ngrams.is_empty() && columns.is_empty() {
            let reason =
                "the samples have no text, feature, picture or vector that it could learn from".to_owned();
            return Err(Error::Unfit { entry: entry.into(), reason });
        }
        Ok(Self::Sparse { ngrams, columns })
    }

    /// Encodes samples.
    ///
    /// # Errors
    /// If a column is missing that it was fitted on.
    pub fn encode(&self, samples: &Picked) -> Result<Encoded> {
        match self {
            Self::Dense { pictures, mean, scale } => {
                let (mut data, dim) = dense(samples, *pictures);
                if dim != mean.len() && !samples.is_empty() {
                    return Err(lacking(format!("vectors of {dim} numbers instead of {}", mean.len())));
                }
                for row in data.chunks_exact_mut(dim.max(1)) {
                    row.iter_mut().zip(mean.iter().zip(scale)).for_each(|(v, (m, s))| *v = (*v - m) * s);
                }
                Ok(Encoded::Dense(data, mean.len()))
            }
            Self::Sparse { ngrams, columns } => sparse(samples, ngrams, columns).map(Encoded::Sparse),
        }
    }
}

fn lacking(what: String) -> Error {
    Error::Unfit {
        entry: "victim".into(),
        reason: format!("the inputs have other columns than the training data: {what}"),
    }
}

/// Vectors, or histograms of pictures.
fn dense(samples: &Picked, pictures: bool) -> (Vec<f32>, usize) {
    if pictures {
        let blank = || Picture { width: 1, height: 1, channels: 1, bytes: vec![0] };
        let all: Vec<Picture> = samples
            .images
            .iter()
            .map(|image| {
                image.as_ref().map_or_else(blank, |i| Picture {
                    width: i.width as usize,
                    height: i.height as usize,
                    channels: usize::from(i.channels),
                    bytes: i.pixels.clone(),
                })
            })
            .collect();
        return histogram_features(&all);
    }
    match &samples.batch.vectors {
        Some(v) => (v.values().iter().map(|x| if x.is_finite() { *x } else { 0.0 }).collect(), v.cols()),
        None => (vec![], 0),
    }
}

fn moments(data: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = data.len().checked_div(dim).unwrap_or(0).max(1) as f64;
    let (mut sum, mut square) = (vec![0f64; dim], vec![0f64; dim]);
    for row in data.chunks_exact(dim.max(1)) {
        for (i, v) in row.iter().enumerate() {
            sum[i] += f64::from(*v);
            square[i] += f64::from(*v).powi(2);
        }
    }
    let mean: Vec<f32> = sum.iter().map(|s| (s / rows) as f32).collect();
    let scale = sum.iter().zip(&square).map(|(s, q)| {
        let variance = q / rows - (s / rows).powi(2);
        if variance > 1e-12 { (1.0 / variance.sqrt()) as f32 } else { 0.0 }
    });
    (mean, scale.collect())
}

/// All text columns of each sample, joined by a line break.
#[must_use]
pub fn texts(samples: &Picked) -> Vec<String> {
    let columns: Vec<Strings> = samples.batch.columns(Role::is_text).map(|(_, c)| Strings::new(c)).collect();
    (0..samples.len())
        .map(|i| columns.iter().filter_map(|c| c.get(i)).collect::<Vec<_>>().join("\n"))
        .collect()
}

/// Hashes of the n-grams of words (of two letters at least) of a text, and of its runs of symbols, with their counts, ascending.
///
/// Symbols (an emoji, `...?`) count alone: language models read them, and words that stand around one stay neighbours. So do
/// habits of writing, which tokens in small letters hide.
pub(crate) fn grams(text: &str) -> Vec<(u64, f32)> {
    let hash = |token: &str| {
        let bytes = token.bytes();
        bytes.fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
    };
    let (mut tokens, mut hashes) = (vec![], vec![]);
    phrases::tokens(text, |token, span| {
        if !token.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            hashes.push(mix(hash(token)));
        } else if text[span].chars().nth(1).is_some() {
            tokens.push(hash(token));
        }
    });
    hashes.extend(habits(text).map(|habit| mix(hash(habit.name()))));
    hashes.reserve(tokens.len() * WORDS);
    for start in 0..tokens.len() {
        let mut h = 0;
        for token in tokens.iter().skip(start).take(WORDS) {
            h = mix(h ^ token);
            hashes.push(h);
        }
    }
    hashes.sort_unstable();
    let mut out: Vec<(u64, f32)> = vec![];
    for h in hashes {
        match out.last_mut() {
            Some((last, n)) if *last == h => *n += 1.0,
            _ => out.push((h, 1.0)),
        }
    }
    out
}

/// N-grams of two texts at least, with `1 + ln((1 + texts) / (1 + texts with it))`.
pub(crate) fn known(texts: &[String]) -> Vec<(u64, f32)> {
    let counted: Vec<Vec<(u64, f32)>> = texts.par_iter().map(|t| grams(t)).collect();
    let mut all: Vec<u64> = counted.into_iter().flatten().map(|(h, _)| h).collect();
    all.par_sort_unstable();
    let mut out = vec![];
    for run in all.chunk_by(|a, b| a == b).filter(|run| run.len() >= 2) {
        let rarity = 1.0 + ((1.0 + texts.len() as f64) / (1.0 + run.len() as f64)).ln();
        out.push((run[0], rarity as f32));
    }
    out
}

fn sparse(samples: &Picked, ngrams: &[(u64, f32)], columns: &[Column]) -> Result<Csr> {
    let rows = samples.len();
    let mut parts: Vec<Vec<(u32, f32)>> = vec![vec![]; rows];
    if !ngrams.is_empty() {
        let texts = texts(samples);
        parts.par_iter_mut().zip(&texts).for_each(|(out, text)| *out = weighted(text, ngrams));
    }
    let mut offset = ngrams.len() as u32;
    let names: HashMap<String, ArrayRef> = samples
        .batch
        .columns(|r| r == Role::Feature)
        .map(|(name, c)| (name.to_owned(), ArrayRef::clone(c)))
        .collect();
    for column in columns {
        let array =
            names.get(column.name()).ok_or_else(|| lacking(format!("no column `{}`", column.name())))?;
        column.encode(array, offset, &mut parts);
        offset += column.width();
    }
    let mut out = Csr::empty(offset as usize);
    parts.into_iter().for_each(|row| out.push_row(row));
    Ok(out)
}

/// Weights of the known n-grams of a text, scaled to unit length.
fn weighted(text: &str, ngrams: &[(u64, f32)]) -> Vec<(u32, f32)> {
    let mut out: Vec<(u32, f32)> = grams(text)
        .into_iter()
        .filter_map(|(h, n)| {
            let at = ngrams.binary_search_by_key(&h, |g| g.0).ok()?;
            Some((at as u32, (1.0 + n.ln()) * ngrams[at].1))
        })
        .collect();
    let length = out.iter().map(|(_, v)| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        out.iter_mut().for_each(|(_, v)| *v /= length);
    }
    out
}

impl Column {
    fn fit(name: &str, column: &ArrayRef, how: Numbers) -> Self {
        let name = name.to_owned();
        let Some(values) = numbers(column) else {
            let strings = Strings::new(column);
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            (0..column.len()).filter_map(|i| strings.get(i)).for_each(|s| *counts.entry(s).or_default() += 1);
            let mut frequent: Vec<(&str, usize)> =
                counts.into_iter().filter(|(_, n)| *n >= LEVEL_ROWS).collect();
            frequent.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            frequent.truncate(LEVELS);
            let levels = frequent.iter().enumerate().map(|(i, (s, _))| ((*s).to_owned(), i as u32)).collect();
            return Self::Category { name, levels };
        };
        let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let mut cuts: Vec<f64> =
            (1..BINS).filter_map(|i| sorted.get(i * sorted.len() / BINS).copied()).collect();
        cuts.dedup();
        let reach = match how {
            Numbers::Bins => BINNED_REACH,
            Numbers::Plain => {
                cuts.clear();
                PLAIN_REACH
            }
        };
        let n = sorted.len().max(1) as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let variance = sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
        Self::Number { name, cuts, mean, scale, reach }
    }

    fn name(&self) -> &str {
        match self {
            Self::Number { name, .. } | Self::Category { name, .. } => name,
        }
    }

    /// Numbers: bins, one for missing, one for the trend. Categories: levels, one for the others, one for missing.
    fn width(&self) -> u32 {
        match self {
            Self::Number { cuts, .. } => cuts.len() as u32 + 3,
            Self::Category { levels, .. } => levels.len() as u32 + 2,
        }
    }

    fn encode(&self, column: &ArrayRef, offset: u32, rows: &mut [Vec<(u32, f32)>]) {
        match self {
            Self::Number { cuts, mean, scale, reach, .. } => {
                let values = numbers(column).unwrap_or_else(|| {
                    let strings = Strings::new(column);
                    (0..column.len())
                        .map(|i| strings.get(i).and_then(|s| s.parse().ok()).unwrap_or(f64::NAN))
                        .collect()
                });
                let missing = offset + cuts.len() as u32 + 1;
                for (row, v) in rows.iter_mut().zip(values) {
                    if v.is_finite() {
                        if !cuts.is_empty() {
                            row.push((offset + cuts.partition_point(|c| *c <= v) as u32, 1.0));
                        }
                        let trend = ((v - mean) * scale).clamp(-reach, *reach) as f32;
                        if trend != 0.0 {
                            row.push((missing + 1, trend));
                        }
                    } else {
                        row.push((missing, 1.0));
                    }
                }
            }
            Self::Category { levels, .. } => {
                let strings = Strings::new(column);
                let others = offset + levels.len() as u32;
                for (i, row) in rows.iter_mut().enumerate() {
                    let at = strings.get(i).map(|s| levels.get(s).map_or(others, |l| offset + l));
                    row.push((at.unwrap_or(others + 1), 1.0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_count_alone_and_part_no_words() {
        let (plain, symbols) = (grams("one two"), grams("one 🍋 two ...? ."));
        assert_eq!(plain.len(), 3, "two words and a pair");
        assert_eq!(symbols.len(), 5, "a lemon and a run of marks more; a single mark is nothing");
        assert!(plain.iter().all(|g| symbols.contains(g)));
    }
}
