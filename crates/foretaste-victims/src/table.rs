//! Tables as sparse rows for the surrogate, and as dense rows for neighbour search.
//!
//! A number becomes one of its column's quantile bins (so that any curve can be learnt, and an outlier is
//! no more than the last bin) beside its standardised signed logarithm (so that a trend needs few rows); a
//! missing number is a bin of its own. A category becomes one of its levels, rare ones pooled.

use foretaste_num::ngrams::Csr;
use foretaste_num::straight::scaled;
use rayon::prelude::*;

use crate::Features;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers.
    Number {
        /// Name of the column.
        name: String,
        /// One per row; NaN where missing.
        values: Vec<f64>,
    },
    /// Categories.
    Category {
        /// Name of the column.
        name: String,
        /// Level of each row; not below `levels` (such as `u32::MAX`) where missing.
        codes: Vec<u32>,
        /// Number of levels.
        levels: usize,
    },
}

impl Column {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Number { values, .. } => values.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How columns become features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableOptions {
    /// Most quantile bins per number; a number of fewer distinct values gets one bin per value.
    pub bins: usize,
    /// Whether to add the standardised signed logarithm of each number.
    pub trend: bool,
    /// Levels in fewer rows than this share one feature.
    pub min_level_rows: usize,
    /// Most levels of a category that get a feature of their own (the most frequent).
    pub max_levels: usize,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { bins: 32, trend: true, min_level_rows: 3, max_levels: 1024 }
    }
}

/// Sparse rows for the surrogate. The number of rows is that of the shortest column.
#[must_use]
pub fn features(columns: &[Column], options: &TableOptions) -> Features {
    let coded: Vec<Coded> = columns.par_iter().map(|c| Coded::new(c, options)).collect();
    let rows = columns.iter().map(Column::len).min().unwrap_or(0);
    let mut offsets = Vec::with_capacity(coded.len());
    let mut cols = 0usize;
    for c in &coded {
        offsets.push(cols as u32);
        cols += c.levels + usize::from(c.trend.is_some());
    }
    let mut csr = Csr::empty(cols);
    for i in 0..rows {
        csr.push_row(coded.iter().zip(&offsets).flat_map(|(c, &offset)| {
            let trend = c.trend.as_ref().map(|t| t[i]).filter(|&t| t != 0.0);
            let level = (c.codes[i] != u32::MAX).then(|| (offset + c.codes[i], 1.0));
            level.into_iter().chain(trend.map(|t| (offset + c.levels as u32, t)))
        }));
    }
    Features::Sparse(csr)
}

/// Dense rows for neighbour search: `(rows * dim numbers, dim)`.
///
/// A number is its signed logarithm when that makes the column less skewed, centred at the median and scaled so that the
/// middle half spans as in a standard normal, cut at four; missing is zero with a feature of its own. A
/// category is one feature per level: two rows that differ are as far apart as two random numbers are.
#[must_use]
pub fn neighbour_features(columns: &[Column]) -> (Vec<f32>, usize) {
    let options = TableOptions { bins: 0, trend: true, min_level_rows: 10, max_levels: 32 };
    let coded: Vec<Coded> = columns.par_iter().map(|c| Coded::new(c, &options)).collect();
    let rows = columns.iter().map(Column::len).min().unwrap_or(0);
    let dim: usize = coded.iter().map(|c| c.levels + usize::from(c.trend.is_some())).sum();
    let mut out = vec![0f32; rows * dim];
    let mut offset = 0;
    for c in &coded {
        for (i, row) in out.chunks_exact_mut(dim.max(1)).enumerate() {
            if c.codes[i] != u32::MAX {
                row[offset + c.codes[i] as usize] = 1.0;
            }
            if let Some(trend) = &c.trend {
                row[offset + c.levels] = trend[i];
            }
        }
        offset += c.levels + usize::from(c.trend.is_some());
    }
    (out, dim)
}

/// A column as levels (`u32::MAX`: none) and, for numbers, a scaled value.
struct Coded {
    codes: Vec<u32>,
    levels: usize,
    trend: Option<Vec<f32>>,
}

impl Coded {
    fn new(column: &Column, options: &TableOptions) -> Self {
        match column {
            Column::Number { values, .. } => Self::number(values, options),
            Column::Category { codes, levels, .. } => Self::category(codes, *levels, options),
        }
    }

    fn category(codes: &[u32], levels: usize, options: &TableOptions) -> Self {
        // distinct codes by sorting: a table indexed by code could be far larger than the column
        let present = |c: u32| c != u32::MAX && (c as usize) < levels;
        let mut sorted: Vec<u32> = codes.iter().copied().filter(|&c| present(c)).collect();
        sorted.par_sort_unstable();
        let runs: Vec<(u32, usize)> = sorted.chunk_by(|a, b| a == b).map(|r| (r[0], r.len())).collect();
        let mut order: Vec<usize> =
            (0..runs.len()).filter(|&r| runs[r].1 >= options.min_level_rows.max(1)).collect();
        order.sort_by_key(|&r| (std::cmp::Reverse(runs[r].1), r));
        order.truncate(options.max_levels);
        let (pooled, missing) = (order.len() as u32, order.len() as u32 + 1);
        let mut place = vec![pooled; runs.len()];
        order.iter().enumerate().for_each(|(p, &r)| place[r] = p as u32);
        let code = |&c: &u32| match runs.binary_search_by_key(&c, |r| r.0) {
            Ok(r) => place[r],
            Err(_) => missing,
        };
        let codes = codes.iter().map(code).collect();
        Self { codes, levels: missing as usize + 1, trend: None }
    }

    fn number(values: &[f64], options: &TableOptions) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        sorted.par_sort_unstable_by(f64::total_cmp);
        let edges = edges(&sorted, options.bins);
        let missing = edges.len() as u32;
        let bins = options.bins > 0;
        let codes = values
            .iter()
            .map(|&v| match (v.is_nan(), bins) {
                (true, _) => missing,
                (false, true) => edges.partition_point(|&e| e < v) as u32,
                (false, false) => u32::MAX,
            })
            .collect();
        let trend = (options.trend && !sorted.is_empty()).then(|| scaled(values, &sorted));
        Self { codes, levels: edges.len() + 1, trend }
    }
}

/// Upper edges of the bins: each distinct value when there are few, else quantiles, equal ones merged.
fn edges(sorted: &[f64], bins: usize) -> Vec<f64> {
    if bins == 0 || sorted.is_empty() {
        return Vec::new();
    }
    let mut distinct: Vec<f64> = Vec::new();
    for &v in sorted {
        if distinct.last().is_none_or(|&d| d < v) {
            if distinct.len() == bins {
                distinct.clear();
                break;
            }
            distinct.push(v);
        }
    }
    if !distinct.is_empty() {
        return distinct;
    }
    let last = sorted.len() - 1;
    let mut out: Vec<f64> =
        (1..=bins).map(|b| sorted[(b * sorted.len() / bins).saturating_sub(1).min(last)]).collect();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surrogate;
    use foretaste_num::softmax::FoldOptions;

    fn number(values: Vec<f64>) -> Column {
        Column::Number { name: "n".into(), values }
    }

    fn category(codes: Vec<u32>, levels: usize) -> Column {
        Column::Category { name: "c".into(), codes, levels }
    }

    #[test]
    fn a_band_in_the_middle_and_a_missing_value_are_learnt() {
        let values: Vec<f64> =
            (0..2000).map(|i| if i % 9 == 0 { f64::NAN } else { f64::from(i * 37 % 2000) }).collect();
        let labels: Vec<u32> =
            values.iter().map(|v| u32::from(v.is_nan() || (700.0..1300.0).contains(v))).collect();
        let features = features(&[number(values)], &TableOptions::default());
        let out = surrogate(&features, &labels, 2, None, &FoldOptions::default());
        assert!(out.accuracy > 0.95, "{}", out.accuracy);
    }

    #[test]
    fn few_values_get_a_bin_each_and_ties_share_one() {
        assert_eq!(edges(&[1.0, 1.0, 2.0, 5.0], 4), [1.0, 2.0, 5.0]);
        let mut skewed = vec![0.0; 900];
        skewed.extend((1..=100).map(f64::from));
        let edges = edges(&skewed, 10);
        assert_eq!(edges.first(), Some(&0.0));
        assert_eq!(edges.last(), Some(&100.0));
        assert!(edges.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn rare_levels_are_pooled_and_missing_ones_are_apart() {
        let coded = Coded::category(&[0, 0, 0, 1, 2, u32::MAX], 3, &TableOptions::default());
        assert_eq!(coded.codes, [0, 0, 0, 1, 1, 2]);
        assert_eq!(coded.levels, 3);
    }

    #[test]
    fn odd_columns_are_no_trouble() {
        assert!(features(&[], &TableOptions::default()).is_empty());
        assert_eq!(neighbour_features(&[]), (Vec::new(), 0));
        let odd = [
            number(vec![f64::NAN; 4]),
            number(vec![f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308]),
            number(vec![3.0; 4]),
            category(vec![u32::MAX; 4], usize::MAX),
            category(vec![u32::MAX - 1; 4], usize::MAX),
        ];
        let (data, dim) = neighbour_features(&odd);
        assert_eq!(data.len(), 4 * dim);
        assert!(data.iter().all(|v| v.is_finite()));
        let Features::Sparse(csr) = features(&odd, &TableOptions::default()) else { return };
        assert_eq!(csr.rows(), 4);
        assert!(csr.values.iter().all(|v| v.is_finite()));
    }
}
