//! A piece of the data as algorithms see it.

use crate::role::Role;
use crate::strings::numbers;
use arrow_array::{ArrayRef, RecordBatch};
use foretaste_num::phash::ImageHash;
use std::sync::Arc;

/// The code of a missing label.
pub const MISSING: u32 = u32::MAX;

/// A dense row-major matrix of `f32`, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    data: Arc<[f32]>,
    cols: usize,
    start: usize,
    rows: usize,
}

impl Matrix {
    /// A matrix of `data.len() / cols` rows. A remainder is cut off.
    #[must_use]
    pub fn new(data: impl Into<Arc<[f32]>>, cols: usize) -> Self {
        let data = data.into();
        let rows = data.len().checked_div(cols).unwrap_or(0);
        Self { data, cols, start: 0, rows }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.data[self.start * self.cols..(self.start + self.rows) * self.cols]
    }

    /// The values of one row; empty when out of range.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        if i < self.rows { &self.values()[i * self.cols..(i + 1) * self.cols] } else { &[] }
    }

    /// Column of the largest value of each row, the first of equals: of probabilities, the class.
    #[must_use]
    pub fn tops(&self) -> Vec<u32> {
        let larger = |best: (usize, f32), (c, v): (usize, &f32)| if *v > best.1 { (c, *v) } else { best };
        let top = |i: usize| self.row(i).iter().enumerate().fold((0, f32::NEG_INFINITY), larger).0 as u32;
        (0..self.rows).map(top).collect()
    }

    /// Rows `start..start + rows` without a copy, cut to what there is.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.rows);
        let rows = rows.min(self.rows - start);
        Self { data: Arc::clone(&self.data), cols: self.cols, start: self.start + start, rows }
    }
}

/// Decoded pictures of one size, cheap to clone: row by row, channels interleaved.
#[derive(Clone, Debug, Default)]
pub struct Pixels {
    data: Arc<[u8]>,
    start: usize,
    rows: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Values a pixel.
    pub channels: usize,
}

impl Pixels {
    /// Pictures of `width * height * channels` values each. A remainder is cut off.
    #[must_use]
    pub fn new(data: impl Into<Arc<[u8]>>, width: usize, height: usize, channels: usize) -> Self {
        let data = data.into();
        let rows = data.len().checked_div(width * height * channels).unwrap_or(0);
        Self { data, start: 0, rows, width, height, channels }
    }

    /// Number of pictures.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All values.
    #[must_use]
    pub fn values(&self) -> &[u8] {
        let size = self.width * self.height * self.channels;
        &self.data[self.start * size..(self.start + self.rows) * size]
    }

    /// Pictures `start..start + rows` without a copy, cut to what there is.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.rows);
        let rows = rows.min(self.rows - start);
        Self { data: Arc::clone(&self.data), start: self.start + start, rows, ..*self }
    }
}

/// An Arrow record batch, what its columns mean, and what the driver derived for its rows.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The columns as read.
    pub records: RecordBatch,
    /// One role a column, in the order of the schema.
    pub roles: Arc<[Role]>,
    /// Number of the first row in the whole data set, from 0.
    pub first_row: u64,
    /// Class codes of the rows (positions in [`crate::Profile::classes`], [`MISSING`] where absent).
    pub labels: Option<Arc<[u32]>>,
    /// One vector a row, from an embedding column or made by the driver from text, columns or pixels.
    pub vectors: Option<Matrix>,
    /// Probabilities of the classes, rows x classes, from the user's columns or out of fold from a surrogate.
    pub probs: Option<Matrix>,
    /// Perceptual hashes of the first image column.
    pub images: Option<Arc<[ImageHash]>>,
    /// Pictures of the first image column, if all have one size.
    pub pixels: Option<Pixels>,
}

impl Batch {
    /// A batch with nothing derived.
    #[must_use]
    pub fn new(records: RecordBatch, roles: Arc<[Role]>, first_row: u64) -> Self {
        Self {
            records,
            roles,
            first_row,
            labels: None,
            vectors: None,
            probs: None,
            images: None,
            pixels: None,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.records.num_rows()
    }

    /// Columns for which `wanted` holds: name and values.
    pub fn columns(&self, wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = (&str, &ArrayRef)> {
        let schema = self.records.schema_ref();
        self.roles
            .iter()
            .zip(self.records.columns())
            .enumerate()
            .filter(move |(_, (role, _))| wanted(**role))
            .map(move |(i, (_, column))| (schema.field(i).name().as_str(), column))
    }

    /// The first column of a role.
    #[must_use]
    pub fn column(&self, role: Role) -> Option<(&str, &ArrayRef)> {
        self.columns(|r| r == role).next()
    }

    /// The numbers that a model is to learn, NaN where one is missing or not finite; none without such a column.
    #[must_use]
    pub fn targets(&self) -> Option<Vec<f64>> {
        let values = numbers(self.column(Role::Target)?.1)?;
        Some(values.into_iter().map(|v| if v.is_finite() { v } else { f64::NAN }).collect())
    }

    /// Rows `start..start + rows`, without a copy, with all that was derived.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.rows());
        let rows = rows.min(self.rows() - start);
        Self {
            records: self.records.slice(start, rows),
            roles: Arc::clone(&self.roles),
            first_row: self.first_row + start as u64,
            labels: self.labels.as_ref().map(|l| l[start..start + rows].into()),
            vectors: self.vectors.as_ref().map(|m| m.slice(start, rows)),
            probs: self.probs.as_ref().map(|m| m.slice(start, rows)),
            images: self.images.as_ref().map(|h| h[start..start + rows].into()),
            pixels: self.pixels.as_ref().map(|p| p.slice(start, rows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix_slices_share_and_clip() {
        let m = Matrix::new(vec![1., 2., 3., 4., 5., 6.], 2);
        assert_eq!(m.slice(1, 9).values(), &[3., 4., 5., 6.]);
        assert_eq!(m.slice(1, 2).slice(1, 1).row(0), &[5., 6.]);
        assert!(m.row(3).is_empty());
        assert_eq!(Matrix::new(vec![1., 1., 0., 2.], 2).tops(), [0, 1]);
        assert_eq!(Matrix::new(vec![], 0).rows(), 0);
    }
}
