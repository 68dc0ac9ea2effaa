//! From fields to columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, NullArray, StringArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::cell::{Kind, bool_of, float_of, int_of, is_float, is_int, kind_of};
use super::dialect::unquote;
use super::scan::Fields;

/// Rows worked on before the next column: their bytes stay in the cache.
const BLOCK: usize = 512;

/// The bytes of one piece and where its fields are.
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) fields: &'a Fields,
    pub(crate) columns: usize,
    pub(crate) quote: u8,
}

impl<'a> Text<'a> {
    /// The field as it stands in the file, without the carriage return of the line end.
    #[inline]
    fn raw(&self, row: usize, column: usize) -> &'a [u8] {
        let index = self.fields.rows[row] as usize + column;
        let end = self.fields.ends[index] as usize;
        let field = &self.bytes[self.fields.start(index)..end];
        if column + 1 == self.columns { field.strip_suffix(b"\r").unwrap_or(field) } else { field }
    }

    /// The value of a field that is no text: what is between quotes, if there are quotes.
    #[inline]
    fn plain(&self, row: usize, column: usize) -> &'a [u8] {
        match self.raw(row, column) {
            [open, inner @ .., close] if *open == self.quote && *close == self.quote => inner,
            field => field,
        }
    }
}

/// Judges all cells: the kind of each column. Columns known to be text are left out.
pub(crate) fn kinds(text: &Text<'_>, known: &[AtomicBool]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Empty; text.columns];
    let rows = text.fields.rows.len();
    for start in (0..rows).step_by(BLOCK) {
        for (column, kind) in kinds.iter_mut().enumerate() {
            if known[column].load(Ordering::Relaxed) {
                *kind = Kind::Text;
                continue;
            }
            for row in start..(start + BLOCK).min(rows) {
                let cell = text.plain(row, column);
                let fits = match *kind {
                    _ if cell.is_empty() => true,
                    Kind::Int => is_int(cell),
                    Kind::Float => is_float(cell),
                    Kind::Bool => bool_of(cell).is_some(),
                    Kind::Text => break,
                    Kind::Empty => false,
                };
                if !fits {
                    *kind = kind.join(kind_of(cell));
                }
            }
            if *kind == Kind::Text {
                known[column].store(true, Ordering::Relaxed);
            }
        }
    }
    kinds
}

/// A cell that does not fit its column.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) cell: String,
}

enum Column {
    Empty,
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text { ends: Vec<i32>, bytes: Vec<u8> },
    Large { ends: Vec<i64>, bytes: Vec<u8> },
}

/// A column under construction. Validity is kept only once a null came.
struct Builder {
    column: Column,
    valid: Option<Vec<bool>>,
}

/// Builds all columns of a piece.
pub(crate) fn build(text: &Text<'_>, types: &[DataType]) -> Result<Vec<ArrayRef>, Misfit> {
    let rows = text.fields.rows.len();
    let mut builders: Vec<Builder> = types.iter().map(|t| Builder::new(t, rows)).collect();
    for start in (0..rows).step_by(BLOCK) {
        let end = (start + BLOCK).min(rows);
        for (column, builder) in builders.iter_mut().enumerate() {
            builder.extend(text, column, start, end)?;
        }
    }
    builders.into_iter().enumerate().map(|(column, b)| b.finish(column, rows)).collect()
}

impl Builder {
    fn new(data_type: &DataType, rows: usize) -> Builder {
        let column = match data_type {
            DataType::Boolean => Column::Bool(Vec::with_capacity(rows)),
            DataType::Int64 => Column::Int(Vec::with_capacity(rows)),
            DataType::Float64 => Column::Float(Vec::with_capacity(rows)),
            DataType::LargeUtf8 => Column::Large { ends: first(0i64, rows), bytes: Vec::new() },
            DataType::Null => Column::Empty,
            _ => Column::Text { ends: first(0i32, rows), bytes: Vec::new() },
        };
        Builder { column, valid: None }
    }

    fn extend(&mut self, text: &Text<'_>, column: usize, start: usize, end: usize) -> Result<(), Misfit> {
        let valid = &mut self.valid;
        match &mut self.column {
            Column::Empty => Ok(()),
            Column::Bool(values) => typed(text, column, start..end, values, valid, bool_of),
            Column::Int(values) => typed(text, column, start..end, values, valid, int_of),
            Column::Float(values) => typed(text, column, start..end, values, valid, float_of),
            Column::Text { ends, bytes } => {
                copy(text, column, start..end, bytes, valid, |n| ends.push(n as i32));
                Ok(())
            }
            Column::Large { ends, bytes } => {
                copy(text, column, start..end, bytes, valid, |n| ends.push(n as i64));
                Ok(())
            }
        }
    }

    fn finish(self, column: usize, rows: usize) -> Result<ArrayRef, Misfit> {
        let nulls = self.valid.map(|v| NullBuffer::new(BooleanBuffer::from(v)));
        let bad = |_| Misfit { row: 0, column, cell: "not UTF-8".into() };
        Ok(match self.column {
            Column::Empty => Arc::new(NullArray::new(rows)),
            Column::Bool(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
            Column::Int(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Column::Float(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Column::Text { ends, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(StringArray::try_new(offsets, Buffer::from(bytes), nulls).map_err(bad)?)
            }
            Column::Large { ends, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(LargeStringArray::try_new(offsets, Buffer::from(bytes), nulls).map_err(bad)?)
            }
        })
    }
}

fn first<T>(zero: T, rows: usize) -> Vec<T> {
    let mut ends = Vec::with_capacity(rows + 1);
    ends.push(zero);
    ends
}

#[inline]
fn mark(valid: &mut Option<Vec<bool>>, before: usize, is_valid: bool) {
    match valid {
        Some(valid) => valid.push(is_valid),
        None if is_valid => {}
        None => {
            let mut all = vec![true; before];
            all.push(false);
            *valid = Some(all);
        }
    }
}

fn typed<T: Default>(
    text: &Text<'_>,
    column: usize,
    rows: std::ops::Range<usize>,
    values: &mut Vec<T>,
    valid: &mut Option<Vec<bool>>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<(), Misfit> {
    for row in rows {
        let cell = text.plain(row, column);
        if cell.is_empty() {
            mark(valid, row, false);
            values.push(T::default());
            continue;
        }
        let Some(value) = read(cell) else {
            return Err(Misfit { row, column, cell: crate::error::shown(cell) });
        };
        mark(valid, row, true);
        values.push(value);
    }
    Ok(())
}

/// Text: an empty field is null, an empty pair of quotes is empty text.
fn copy(
    text: &Text<'_>,
    column: usize,
    rows: std::ops::Range<usize>,
    bytes: &mut Vec<u8>,
    valid: &mut Option<Vec<bool>>,
    mut end: impl FnMut(usize),
) {
    for row in rows {
        let field = text.raw(row, column);
        mark(valid, row, !field.is_empty());
        if field.first() == Some(&text.quote) {
            bytes.extend_from_slice(&unquote(field, text.quote));
        } else {
            bytes.extend_from_slice(field);
        }
        end(bytes.len());
    }
}
