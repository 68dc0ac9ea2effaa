//! The same columns as rows of numbers for linear models.

use super::{Cells, Columns, words};
use foretaste_num::straight::scaled;
use std::collections::BTreeMap;

/// Levels of a category that get a number of their own, and rows that each must have.
const LEVELS: usize = 32;
const LEVEL_ROWS: usize = 10;

/// Rows of `dim` numbers in the order of the data.
#[derive(Debug, Default)]
pub struct Wide {
    /// Runs of rows.
    pub runs: Vec<(u64, u64)>,
    /// Row by row.
    pub values: Vec<f32>,
    /// Numbers a row.
    pub dim: usize,
}

impl Columns {
    /// Numbers centred at their median, in robust standard deviations, or their signed logarithm where that is less skewed,
    /// missing ones 0; 0 and 1 for each frequent level of a category, and for missing ones.
    pub fn wide(mut self) -> Wide {
        self.pieces.sort_by_key(|p| p.first_row);
        let mut out = Wide::default();
        for p in &self.pieces {
            crate::gather::add_run(&mut out.runs, p.first_row, p.labels.len() as u64);
        }
        let rows: usize = out.runs.iter().map(|r| r.1 as usize).sum();
        let columns = self.pieces.iter().map(|p| p.columns.len()).min().unwrap_or(0);
        let parts: Vec<Vec<Vec<f32>>> = (0..columns)
            .map(|at| {
                let cells: Vec<&Cells> = self.pieces.iter().map(|p| &p.columns[at].1).collect();
                if cells.iter().all(|c| matches!(c, Cells::Numbers(_))) {
                    numbers(&cells)
                } else {
                    levels(&cells)
                }
            })
            .collect();
        let parts: Vec<&Vec<f32>> = parts.iter().flatten().collect();
        out.dim = parts.len();
        out.values = Vec::with_capacity(rows * out.dim);
        (0..rows).for_each(|i| out.values.extend(parts.iter().map(|p| p.get(i).copied().unwrap_or(0.0))));
        out
    }
}

fn numbers(cells: &[&Cells]) -> Vec<Vec<f32>> {
    let finite = |v: &f64| if v.is_finite() { *v } else { f64::NAN };
    let of = |c: &&Cells| match c {
        Cells::Numbers(v) => v.iter().map(finite).collect(),
        Cells::Words { .. } => vec![],
    };
    let values: Vec<f64> = cells.iter().flat_map(of).collect();
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if sorted.is_empty() {
        return vec![];
    }
    sorted.sort_by(f64::total_cmp);
    let mut out = vec![scaled(&values, &sorted)];
    if sorted.len() < values.len() {
        out.push(values.iter().map(|v| f32::from(u8::from(v.is_nan()))).collect());
    }
    out
}

fn levels(cells: &[&Cells]) -> Vec<Vec<f32>> {
    let words = words(cells);
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    words.iter().for_each(|w| *counts.entry(w.as_deref()).or_default() += 1);
    let mut frequent: Vec<(Option<&str>, usize)> =
        counts.into_iter().filter(|(_, n)| *n >= LEVEL_ROWS).collect();
    frequent.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    frequent.truncate(LEVELS);
    let place: BTreeMap<Option<&str>, usize> =
        frequent.iter().enumerate().map(|(k, (w, _))| (*w, k)).collect();
    let mut out = vec![vec![0.0; words.len()]; place.len()];
    for (i, w) in words.iter().enumerate() {
        if let Some(k) = place.get(&w.as_deref()) {
            out[*k][i] = 1.0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Piece;
    use super::*;

    #[test]
    fn numbers_are_scaled_and_levels_are_apart() {
        let piece = |first_row: u64| Piece {
            first_row,
            labels: vec![0; 40],
            columns: vec![
                (
                    "n".into(),
                    Cells::Numbers((0..40).map(|i| if i == 7 { f64::NAN } else { f64::from(i) }).collect()),
                ),
                (
                    "c".into(),
                    Cells::Words {
                        codes: (0..40).map(|i| i % 2).collect(),
                        words: vec!["a".into(), "b".into()],
                    },
                ),
            ],
        };
        let mut columns = Columns { pieces: vec![piece(40)] };
        columns.merge(Columns { pieces: vec![piece(0)] });
        let wide = columns.wide();
        assert_eq!((wide.runs, wide.dim), (vec![(0, 80)], 4));
        let row = |i: usize| &wide.values[i * 4..(i + 1) * 4];
        assert_eq!(&row(7)[..2], [0.0, 1.0], "missing");
        assert_eq!((&row(0)[2..], &row(1)[2..]), (&[1.0, 0.0][..], &[0.0, 1.0][..]));
        assert!(row(0)[0] < -1.0 && row(39)[0] > 1.0 && row(20)[0].abs() < 0.1);
        assert!(Columns::default().wide().values.is_empty());
    }
}
