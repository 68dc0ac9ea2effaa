//! Columns as bins of one byte: what trees look at.

use super::Column;
use crate::rng::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Features whose bins lie beside each other: one load brings the bins of a row in all of them, and their
/// histograms (four kilobytes each) stay together in the first cache.
pub(super) const GROUP: usize = 4;

/// Values a column's quantiles are taken from; of longer columns one value is drawn from each stretch.
const LOOK: usize = 200_000;

/// How the values of a column become bins. The bin after the last holds what is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Rule {
    /// Bin `b` holds numbers above cut `b - 1` and up to cut `b`.
    Number { cuts: Vec<f64> },
    /// The categories that have a bin, by code, each with its bin. All others count as missing.
    Category { bins: Vec<(u32, u8)> },
}

impl Rule {
    pub(super) fn learn(column: &Column<'_>, rows: &[u32], most: usize, seed: u64) -> Self {
        match column {
            Column::Number(values) => {
                let look = spread(rows, seed);
                let mut seen: Vec<f64> = look.iter().filter_map(|&i| value(values, i)).collect();
                seen.sort_unstable_by(f64::total_cmp);
                Self::Number { cuts: cuts(&seen, most) }
            }
            Column::Category(codes) => {
                let mut seen: Vec<u32> = rows
                    .iter()
                    .filter_map(|&i| codes.get(i as usize))
                    .copied()
                    .filter(|&c| c != u32::MAX)
                    .collect();
                seen.sort_unstable();
                let mut counts: Vec<(usize, u32)> =
                    seen.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0])).collect();
                counts.sort_by_key(|&(count, code)| (std::cmp::Reverse(count), code));
                counts.truncate(most);
                let mut bins: Vec<(u32, u8)> =
                    counts.iter().zip(0u8..=255).map(|(&(_, code), bin)| (code, bin)).collect();
                bins.sort_unstable();
                Self::Category { bins }
            }
        }
    }

    /// Bins that hold values; the next one holds what is missing.
    pub(super) fn filled(&self) -> usize {
        match self {
            Self::Number { cuts } => cuts.len() + 1,
            Self::Category { bins } => bins.len(),
        }
    }

    pub(super) fn is_category(&self) -> bool {
        matches!(self, Self::Category { .. })
    }

    /// The bin of a row. A column of the other kind, or one that is too short, is missing.
    fn bin(&self, column: Option<&Column<'_>>, row: u32) -> u8 {
        let found = match (self, column) {
            (Self::Number { cuts }, Some(Column::Number(values))) => {
                value(values, row).map(|v| cuts.partition_point(|&c| c < v))
            }
            (Self::Category { bins }, Some(Column::Category(codes))) => codes
                .get(row as usize)
                .and_then(|c| bins.binary_search_by_key(c, |b| b.0).ok())
                .and_then(|at| bins.get(at))
                .map(|b| usize::from(b.1)),
            _ => None,
        };
        // at most 255 bins are filled, so that the one after them is a byte, too
        found.unwrap_or(self.filled()).min(255) as u8
    }
}

fn value(values: &[f64], row: u32) -> Option<f64> {
    values.get(row as usize).copied().filter(|v| !v.is_nan())
}

/// At most [`LOOK`] of the rows, one drawn from each stretch of equal length.
fn spread(rows: &[u32], seed: u64) -> Vec<u32> {
    if rows.len() <= LOOK {
        return rows.to_vec();
    }
    let mut rng = Rng::new(seed, "boost/quantiles");
    let bound = |k: usize| (k as u128 * rows.len() as u128 / LOOK as u128) as usize;
    (0..LOOK).map(|k| rows[bound(k) + rng.below(bound(k + 1) - bound(k))]).collect()
}

/// Cuts between the bins of sorted values: between all neighbours if these are few, else at quantiles.
fn cuts(sorted: &[f64], most: usize) -> Vec<f64> {
    let middle = |a: f64, b: f64| {
        let m = a + (b - a) / 2.0;
        // halfway between two huge or two adjacent numbers may be neither between them nor a number
        if m.is_finite() && m < b { m } else { a }
    };
    let mut distinct: Vec<f64> = Vec::with_capacity(most + 1);
    for run in sorted.chunk_by(|a, b| a == b) {
        distinct.push(run[0]);
        if distinct.len() > most {
            break;
        }
    }
    let mut cuts: Vec<f64> = if distinct.len() <= most {
        distinct.windows(2).map(|w| middle(w[0], w[1])).collect()
    } else {
        let last = sorted.len() - 1;
        (1..most)
            .map(|b| {
                // the midpoint rule: no weight on how the values lie between two neighbours
                let at = b as f64 * last as f64 / most as f64;
                middle(sorted[at.floor() as usize], sorted[at.ceil() as usize])
            })
            .collect()
    };
    cuts.dedup();
    cuts
}

/// Bins of some rows, four features beside each other.
#[derive(Clone, Debug)]
pub(super) struct Bins {
    pub(super) groups: Vec<Vec<[u8; GROUP]>>,
    pub(super) rows: usize,
}

impl Bins {
    pub(super) fn new(rules: &[Rule], columns: &[Column<'_>], rows: &[u32]) -> Self {
        let groups = rules
            .par_chunks(GROUP)
            .enumerate()
            .map(|(g, rules)| {
                let mut out = vec![[0u8; GROUP]; rows.len()];
                for (lane, rule) in rules.iter().enumerate() {
                    let column = columns.get(g * GROUP + lane);
                    for (out, &row) in out.iter_mut().zip(rows) {
                        out[lane] = rule.bin(column, row);
                    }
                }
                out
            })
            .collect();
        Self { groups, rows: rows.len() }
    }

    /// The bins of a row in all features, `GROUP` at a time.
    pub(super) fn row(&self, row: usize, out: &mut Vec<u8>) {
        out.clear();
        self.groups.iter().for_each(|g| out.extend_from_slice(g.get(row).unwrap_or(&[0; GROUP])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64], most: usize) -> (Rule, Vec<u8>) {
        let rows: Vec<u32> = (0..values.len() as u32).collect();
        let column = Column::Number(values);
        let rule = Rule::learn(&column, &rows, most, 1);
        let bins = rows.iter().map(|&i| rule.bin(Some(&column), i)).collect();
        (rule, bins)
    }

    #[test]
    fn few_values_get_a_bin_each_and_missing_ones_the_last() {
        let (rule, bins) = numbers(&[3.0, 1.0, f64::NAN, 2.0, 1.0, f64::INFINITY, f64::NEG_INFINITY], 255);
        assert_eq!(bins, [3, 1, 5, 2, 1, 4, 0]);
        assert_eq!(rule.filled(), 5);
    }

    #[test]
    fn many_values_are_spread_evenly() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i * 7919 % 10_000).powi(3)).collect();
        let (rule, bins) = numbers(&values, 255);
        assert_eq!(rule.filled(), 255);
        let mut counts = [0; 256];
        bins.iter().for_each(|b| counts[usize::from(*b)] += 1);
        assert!(counts[..255].iter().all(|c| (38..=41).contains(c)), "{counts:?}");
        assert_eq!(counts[255], 0);
    }

    #[test]
    fn adjacent_and_huge_numbers_are_told_apart() {
        let next = f64::from_bits(1f64.to_bits() + 1);
        assert_eq!(numbers(&[1.0, next], 255).1, [0, 1]);
        assert_eq!(numbers(&[f64::MAX, f64::MIN, 0.0], 255).1, [2, 0, 1]);
        assert_eq!(numbers(&[0.0, -0.0], 255).1, [0, 0]);
        assert_eq!(numbers(&[], 255).0.filled(), 1);
    }

    #[test]
    fn frequent_categories_get_bins_first() {
        let codes = [7, 7, 7, 9, 9, 4, u32::MAX];
        let rows: Vec<u32> = (0..7).collect();
        let column = Column::Category(&codes);
        let rule = Rule::learn(&column, &rows, 2, 1);
        let bins: Vec<u8> = rows.iter().map(|&i| rule.bin(Some(&column), i)).collect();
        assert_eq!(bins, [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(rule.bin(Some(&Column::Number(&[1.0])), 0), 2, "a column of another kind is missing");
    }
}
