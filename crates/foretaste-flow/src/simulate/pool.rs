//! The data set as attacks see it.

use crate::dataset::Dataset;
use crate::error::Result;
use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use foretaste_core::{Batch, Error as CoreError, Image, Matrix, Picked, Pool, Role};
use rayon::prelude::*;
use std::sync::Arc;

/// A view of a data set for [`foretaste_core::Attack`].
pub struct Seen<'a>(pub &'a Dataset);

fn unreadable(e: impl std::fmt::Display) -> CoreError {
    CoreError::Unfit { entry: "simulate".into(), reason: e.to_string() }
}

impl Pool for Seen<'_> {
    fn rows(&self) -> u64 {
        self.0.rows
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }
    fn batches(
        &self,
    ) -> foretaste_core::Result<Box<dyn Iterator<Item = foretaste_core::Result<Batch>> + Send + '_>> {
        let batches = self.0.batches().map_err(unreadable)?;
        Ok(Box::new(batches.map(|b| b.map_err(unreadable))))
    }
    fn pick(&self, rows: &[u64]) -> foretaste_core::Result<Picked> {
        pick(self.0, rows).map_err(unreadable)
    }
}

/// Gathers some rows, in the order asked for, with their pictures decoded.
///
/// # Errors
/// If the data cannot be read.
pub fn pick(dataset: &Dataset, rows: &[u64]) -> Result<Picked> {
    let records = take_rows(dataset, rows)?;
    let mut batch = Batch::new(records, Arc::clone(&dataset.roles), 0);
    batch.labels = batch.column(Role::Label).map(|(_, column)| dataset.codes_of(column).into());
    batch.vectors = dataset.vectors.as_ref().map(|m| gather(m, rows));
    batch.probs = dataset.probs.as_ref().map(|m| gather(m, rows));
    let images = pictures(dataset, &batch.records);
    Ok(Picked { batch, rows: rows.to_vec(), cover: vec![false; rows.len()], images })
}

fn gather(m: &Matrix, rows: &[u64]) -> Matrix {
    let values: Vec<f32> = rows.iter().flat_map(|r| m.row(*r as usize)).copied().collect();
    Matrix::new(values, m.cols())
}

/// Rows by number, as one batch in the order asked for.
pub fn take_rows(dataset: &Dataset, rows: &[u64]) -> Result<RecordBatch> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| rows[*i]);
    let sorted: Vec<u64> = order.iter().map(|i| rows[*i]).collect();
    let mut pieces = vec![];
    let mut next = 0;
    for batch in dataset.batches()? {
        if next == sorted.len() {
            break;
        }
        let batch = batch?;
        let end = batch.first_row + batch.rows() as u64;
        let to = next + sorted[next..].partition_point(|r| *r < end);
        if to > next {
            let at: UInt32Array = sorted[next..to].iter().map(|r| (r - batch.first_row) as u32).collect();
            pieces.push(take(&batch.records, &at)?);
            next = to;
        }
    }
    let joined = arrow_select::concat::concat_batches(&dataset.schema, &pieces)?;
    let mut place = vec![0u32; rows.len()];
    order.iter().enumerate().for_each(|(k, i)| place[*i] = k as u32);
    take(&joined, &UInt32Array::from(place))
}

/// Rows of a batch by position.
pub fn take(records: &RecordBatch, at: &UInt32Array) -> Result<RecordBatch> {
    Ok(arrow_select::take::take_record_batch(records, at)?)
}

/// Pictures of the first image column.
fn pictures(dataset: &Dataset, records: &RecordBatch) -> Vec<Option<Image>> {
    let Some(at) = dataset.positions(|r| r == Role::Image).first().copied() else { return vec![] };
    let (field, column) = (dataset.schema.field(at), records.column(at));
    (0..records.num_rows())
        .into_par_iter()
        .map(|row| {
            let decoded = foretaste_formats::decode_image(field, column.as_ref(), row).ok().flatten()?;
            let foretaste_formats::DecodedImage { width, height, channels, pixels } = decoded;
            Some(Image { width, height, channels, pixels })
        })
        .collect()
}
