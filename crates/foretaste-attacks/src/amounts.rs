//! Numeric columns as an attacker sees them: standardised, and bounded by what occurs.

use arrow_array::{ArrayRef, Float64Array};
use foretaste_core::{Ctx, Error, MISSING, Picked, Pool, Result, Role, numbers};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most rows that the attacker's model is trained and judged on.
const ROWS: usize = 3000;
/// Most numbers in those rows.
const CELLS: usize = 150_000;

/// Most decimals that are kept to: numbers with more were measured or computed, and nobody looks at the last.
const DECIMALS: i32 = 6;

/// The nearest number that is written with so many decimals.
fn rounded(v: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    let out = (v * scale).round() / scale;
    if out.is_finite() { out } else { v }
}

/// A numeric column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its place in the schema.
    pub at: usize,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Decimals that its numbers have at most; `None`: more than [`DECIMALS`].
    pub decimals: Option<i32>,
}

impl Column {
    /// In deviations from the mean; a missing number is the mean.
    pub fn standard(&self, v: f64) -> f64 {
        if v.is_finite() { (v - self.mean) / self.deviation } else { 0.0 }
    }

    /// As it is written.
    pub fn written(&self, z: f64) -> f64 {
        let v = self.mean + self.deviation * z;
        let v = self.decimals.map_or(v, |d| rounded(v, d));
        v.clamp(self.low, self.high)
    }

    /// Within what occurs, both in deviations.
    pub fn boxed(&self, z: f64) -> f64 {
        z.clamp(self.standard(self.low), self.standard(self.high))
    }
}

/// Columns, and the attacker's sample of the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Numeric columns.
    pub columns: Vec<Column>,
    /// Sampled rows, each number standardised.
    pub rows: Vec<f64>,
    /// Their labels.
    pub labels: Vec<u32>,
    /// Rows of the data for each of the sample.
    pub weight: f64,
}

impl Known {
    /// Draws labelled rows by the seed.
    pub fn draw(entry: &str, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        let labels = data.labels()?;
        let mut columns = columns(data, Role::Feature, entry)?;
        let key = format!("{entry}/known");
        let mut keyed: Vec<(u64, usize)> = (0..labels.len())
            .filter(|&i| labels[i] != MISSING)
            .map(|i| (ctx.rng_at(&key, i as u64).next_u64(), i))
            .collect();
        keyed.sort_unstable();
        let labelled = keyed.len();
        // fewer columns rather than a handful of rows
        columns.truncate(CELLS / 100);
        keyed.truncate(ROWS.min(CELLS / columns.len()));
        if keyed.len() < 20 {
            return Err(unfit(entry, "it needs 20 labelled rows at least to train a model on"));
        }
        let seen = data.pick(&keyed.iter().map(|k| k.1 as u64).collect::<Vec<_>>())?;
        let rows = standardised(&columns, &seen);
        let labels: Vec<u32> = (0..seen.len()).map(|i| seen.label(i)).collect();
        let weight = labelled as f64 / seen.len() as f64;
        Ok(Self { columns, rows, labels, weight })
    }
}

fn unfit(entry: &str, reason: impl Into<String>) -> Error {
    Error::Unfit { entry: entry.into(), reason: reason.into() }
}

/// The numeric columns of a role that vary, looked at over all rows.
pub fn columns(data: &dyn Pool, wanted: Role, entry: &str) -> Result<Vec<Column>> {
    let schema = data.schema();
    let mut seen: Vec<(Column, f64, f64)> = vec![];
    for (k, batch) in data.batches()?.enumerate() {
        let batch = batch?;
        if k == 0 {
            // times and truth values are not amounts
            let amount = |at: usize| schema.fields().get(at).is_some_and(|f| f.data_type().is_numeric());
            let fit = |(at, role): (usize, &Role)| (*role == wanted && amount(at)).then_some(at);
            let empty = |at| Column {
                at,
                low: f64::INFINITY,
                high: f64::NEG_INFINITY,
                mean: 0.0,
                deviation: 0.0,
                decimals: Some(0),
            };
            seen = batch.roles.iter().enumerate().filter_map(fit).map(|at| (empty(at), 0.0, 0.0)).collect();
        }
        for (column, count, square) in &mut seen {
            let values = numbers(batch.records.column(column.at)).unwrap_or_default();
            for v in values.into_iter().filter(|v| v.is_finite()) {
                column.low = column.low.min(v);
                column.high = column.high.max(v);
                column.decimals = column.decimals.and_then(|d| (d..=DECIMALS).find(|d| v == rounded(v, *d)));
                // Welford: sums of squares would drown the spread of large numbers
                *count += 1.0;
                let off = v - column.mean;
                column.mean += off / *count;
                *square += off * (v - column.mean);
            }
        }
    }
    let none = seen.is_empty();
    let columns: Vec<Column> = seen
        .into_iter()
        .map(|(c, count, square)| Column { deviation: (square / count).sqrt(), ..c })
        .filter(|c| c.high > c.low && c.deviation > 0.0 && c.deviation.is_finite())
        .collect();
    match (none, columns.is_empty()) {
        (true, _) => Err(unfit(
            entry,
            format!("no {wanted} column holds numbers; name one with --{wanted}, or use another attack"),
        )),
        (_, true) => Err(unfit(entry, format!("no numeric {wanted} column varies; use another attack"))),
        _ => Ok(columns),
    }
}

/// The way back of [`standardised`]: each column as it is written, with its position.
pub fn written(columns: &[Column], rows: &[f64]) -> Vec<(usize, ArrayRef)> {
    let values = |k: usize, c: &Column| -> ArrayRef {
        let of = rows.iter().skip(k).step_by(columns.len()).map(|z| c.written(*z));
        Arc::new(of.collect::<Float64Array>())
    };
    columns.iter().enumerate().map(|(k, c)| (c.at, values(k, c))).collect()
}

/// Rows x columns, standardised.
pub fn standardised(columns: &[Column], samples: &Picked) -> Vec<f64> {
    let dim = columns.len();
    let mut out = vec![0.0; samples.len() * dim];
    for (k, column) in columns.iter().enumerate() {
        let values = samples.batch.records.columns().get(column.at).and_then(numbers).unwrap_or_default();
        for (i, v) in values.into_iter().enumerate() {
            out[i * dim + k] = column.boxed(column.standard(v));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_decimals_and_stay_within() {
        let c = Column { at: 0, low: 1.0, high: 7.0, mean: 3.3, deviation: 2.7, decimals: Some(0) };
        assert_eq!(c.written(c.standard(5.0) + 0.1), 5.0);
        assert_eq!(c.written(99.0), 7.0);
        assert_eq!(c.standard(f64::NAN), 0.0);
        let c = Column { decimals: Some(1), high: 99.0, ..c };
        assert_eq!(c.written(c.standard(30.2) + 1e-9), 30.2);
        assert_eq!((1..=DECIMALS).find(|d| 0.1 + 0.2 == rounded(0.1 + 0.2, *d)), None);
    }
}
