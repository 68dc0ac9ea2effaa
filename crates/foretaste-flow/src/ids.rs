//! Stable ids of all rows.

use crate::dataset::Dataset;
use crate::error::Result;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use foretaste_core::{Batch, Role, RowHasher, SampleId, Strings, numbers};
use rayon::prelude::*;
use std::collections::HashMap;

/// Rows hashed by one task.
const ROWS: usize = 1024;

/// The id of every row: the id column if there is one, else content hash and occurrence number.
///
/// # Errors
/// If a file cannot be read.
pub fn sample_ids(dataset: &Dataset) -> Result<Vec<SampleId>> {
    let mut seen: HashMap<u128, u32> = HashMap::new();
    let mut out = Vec::with_capacity(dataset.rows as usize);
    for batch in dataset.batches()? {
        let batch = batch?;
        if let Some((_, column)) = batch.column(Role::Id) {
            let strings = Strings::new(column);
            let first = batch.first_row;
            out.extend((0..batch.rows()).map(|i| match strings.get(i) {
                Some(id) => SampleId::from_column(id),
                None => SampleId(format!("row-{}", first + i as u64)),
            }));
            continue;
        }
        for hash in content_hashes(&batch) {
            let n = seen.entry(hash).or_default();
            out.push(SampleId::from_content(hash, *n));
            *n += 1;
        }
    }
    Ok(out)
}

/// Content hash of each row of a batch, over all columns in the order of their names.
#[must_use]
pub fn content_hashes(batch: &Batch) -> Vec<u128> {
    let schema = batch.records.schema();
    let mut columns: Vec<(&str, Cells)> = schema
        .fields()
        .iter()
        .zip(batch.records.columns())
        .map(|(f, c)| (f.name().as_str(), Cells::new(c)))
        .collect();
    columns.sort_by_key(|(name, _)| *name);
    let mut out = vec![0; batch.rows()];
    out.par_chunks_mut(ROWS).enumerate().for_each(|(chunk, out)| {
        let mut hasher = RowHasher::default();
        for (i, hash) in out.iter_mut().enumerate() {
            hasher.clear();
            for (name, cells) in &columns {
                hasher.column(name);
                cells.put(chunk * ROWS + i, &mut hasher);
            }
            *hash = hasher.finish();
        }
    });
    out
}

/// A column opened for reading cell by cell.
enum Cells {
    Numbers(Vec<f64>, ArrayRef),
    Strings(Strings),
    Bytes(ArrayRef),
    Lists(Vec<f64>, ArrayRef),
}

impl Cells {
    fn new(column: &ArrayRef) -> Self {
        if let Some(values) = numbers(column) {
            return Self::Numbers(values, column.clone());
        }
        match column.data_type() {
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                let wide =
                    arrow_cast::cast(column, &DataType::LargeBinary).unwrap_or_else(|_| column.clone());
                Self::Bytes(wide)
            }
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                let child = match column.data_type() {
                    DataType::List(_) => column.as_list::<i32>().values().clone(),
                    DataType::LargeList(_) => column.as_list::<i64>().values().clone(),
                    _ => column.as_fixed_size_list().values().clone(),
                };
                match numbers(&child) {
                    Some(values) => Self::Lists(values, column.clone()),
                    None => Self::Strings(printed(column)),
                }
            }
            DataType::Struct(_) => match column.as_struct().column_by_name("bytes") {
                Some(bytes) => Self::new(bytes),
                None => Self::Strings(printed(column)),
            },
            _ => Self::Strings(Strings::new(column)),
        }
    }

    fn put(&self, row: usize, hasher: &mut RowHasher) {
        match self {
            Self::Numbers(values, array) => {
                if array.is_null(row) {
                    hasher.null()
                } else {
                    hasher.number(values[row])
                }
            }
            Self::Strings(strings) => match strings.get(row) {
                Some(s) => hasher.text(s),
                None => hasher.null(),
            },
            Self::Bytes(array) => match array.as_binary_opt::<i64>() {
                Some(b) if b.is_valid(row) => hasher.bytes(b.value(row)),
                _ => hasher.null(),
            },
            Self::Lists(values, array) => {
                if array.is_null(row) {
                    return hasher.null();
                }
                let (from, to) = list_range(array, row);
                values.get(from..to).unwrap_or_default().iter().for_each(|v| hasher.number(*v));
                hasher.text("]");
            }
        }
    }
}

fn printed(column: &ArrayRef) -> Strings {
    let options = arrow_cast::display::FormatOptions::default();
    let texts: Vec<Option<String>> = match arrow_cast::display::ArrayFormatter::try_new(column, &options) {
        Ok(f) => (0..column.len()).map(|i| column.is_valid(i).then(|| f.value(i).to_string())).collect(),
        Err(_) => vec![None; column.len()],
    };
    Strings::Small(arrow_array::StringArray::from(texts))
}

/// Positions of a list's values in its child array.
#[must_use]
pub fn list_range(array: &ArrayRef, row: usize) -> (usize, usize) {
    match array.data_type() {
        DataType::List(_) => {
            let o = array.as_list::<i32>().value_offsets();
            (o[row] as usize, o[row + 1] as usize)
        }
        DataType::LargeList(_) => {
            let o = array.as_list::<i64>().value_offsets();
            (o[row] as usize, o[row + 1] as usize)
        }
        _ => {
            let list = array.as_fixed_size_list();
            let n = list.value_length() as usize;
            let from = list.value_offset(row) as usize;
            (from, from + n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray};
    use arrow_schema::{Field, Schema};
    use std::sync::Arc;

    fn hashes(columns: Vec<(&str, ArrayRef)>) -> Vec<u128> {
        let fields: Vec<Field> =
            columns.iter().map(|(n, c)| Field::new(*n, c.data_type().clone(), true)).collect();
        let records = RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, c)| c).collect(),
        )
        .unwrap();
        let roles: Vec<Role> = vec![Role::Feature; records.num_columns()];
        content_hashes(&Batch::new(records, roles.into(), 0))
    }

    #[test]
    fn ids_do_not_depend_on_column_order_or_number_type() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let one = hashes(vec![("x", ints), ("t", text.clone())]);
        assert_eq!(one, hashes(vec![("t", text.clone()), ("x", floats.clone())]));
        assert_ne!(one[0], one[1]);
        assert_ne!(one, hashes(vec![("t", text), ("y", floats)]));
    }
}
