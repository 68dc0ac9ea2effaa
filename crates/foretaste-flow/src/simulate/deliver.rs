//! Who sent a crafted row, when, and under which id.

use super::edit::fit;
use super::poison::{Delivery, Placement, Timing};
use super::pool::take_rows;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use foretaste_core::{Ctx, Entering, Role, numbers};
use std::sync::Arc;

/// Sets id, source and time of crafted rows as their way of entering asks for.
///
/// # Errors
/// If a value does not fit its column.
pub fn deliver(
    dataset: &Dataset,
    rows: RecordBatch,
    places: &[Placement],
    enter: Entering,
    delivery: &Delivery,
    ctx: &Ctx,
) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    let at = |role: Role| dataset.roles.iter().position(|r| *r == role);
    if let Some(name) = &delivery.as_source {
        let Some(at) = at(Role::Source).or_else(|| at(Role::Annotator)) else {
            return Err(Error::data(
                "no column says where samples come from",
                "name one with --source, or leave --as-source away",
            ));
        };
        let names: ArrayRef = Arc::new(StringArray::from(vec![name.as_str(); rows.num_rows()]));
        columns[at] = fit(&names, dataset.schema.field(at))?;
    }
    if enter == Entering::Insert {
        if let Some(at) = at(Role::Id) {
            columns[at] = fresh_ids(dataset, at, rows.num_rows(), ctx)?;
        }
        if let Some(at) = at(Role::Time).filter(|_| delivery.timing != Timing::Random) {
            columns[at] = times(dataset, at, places)?;
        }
    }
    if enter == Entering::Replace
        && let Some(at) = at(Role::Id)
    {
        // the sample that went away leaves its id behind
        let gone: Vec<u64> = places.iter().map(|p| row_of(*p)).collect();
        columns[at] = take_rows(dataset, &gone)?.column(at).clone();
    }
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

fn row_of(place: Placement) -> u64 {
    match place {
        Placement::Before(row) | Placement::At(row) => row,
    }
}

/// Inserted rows come when the row after them came.
fn times(dataset: &Dataset, at: usize, places: &[Placement]) -> Result<ArrayRef> {
    let last = dataset.rows.saturating_sub(1);
    let beside: Vec<u64> = places.iter().map(|p| row_of(*p).min(last)).collect();
    Ok(take_rows(dataset, &beside)?.column(at).clone())
}

/// Ids that no row has: numbers above all others, or words drawn from the seed.
fn fresh_ids(dataset: &Dataset, at: usize, n: usize, ctx: &Ctx) -> Result<ArrayRef> {
    let field = dataset.schema.field(at);
    let mut largest: Option<f64> = None;
    for batch in dataset.batches()? {
        let values = numbers(batch?.records.column(at));
        let here = values.and_then(|v| v.into_iter().filter(|v| v.is_finite()).reduce(f64::max));
        largest = match (largest, here) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
    let fresh: ArrayRef = match largest {
        Some(top) => Arc::new((0..n).map(|i| Some(top + 1.0 + i as f64)).collect::<Float64Array>()),
        None => {
            let word = |i: usize| format!("{:012x}", ctx.rng_at("simulate/id", i as u64).next_u64() >> 16);
            Arc::new((0..n).map(|i| Some(word(i))).collect::<StringArray>())
        }
    };
    fit(&fresh, field)
}
