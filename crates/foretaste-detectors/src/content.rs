//! The content of a row: what a model reads of it and the number that it learns, without label, id and origin.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use foretaste_core::{Batch, Role, Strings, numbers};
use foretaste_num::rng::mix;
use xxhash_rust::xxh3::xxh3_64;

/// Two independent hashes of the content of each row; `(0, 0)` where every content cell is missing.
pub fn hashes(batch: &Batch) -> Vec<(u64, u64)> {
    let mut out = vec![(0u64, 0u64); batch.rows()];
    let mut some = vec![false; batch.rows()];
    let reads =
        |r: Role| r.is_text() || matches!(r, Role::Feature | Role::Target | Role::Image | Role::Embedding);
    for (_, column) in batch.columns(reads) {
        for (i, (h, some)) in cells(column).into_iter().zip(&mut some).enumerate() {
            *some |= h.is_some();
            let h = h.unwrap_or(1);
            out[i].0 = mix(out[i].0 ^ mix(h));
            out[i].1 = mix(out[i].1.rotate_left(17) ^ mix(h ^ 0x5bd1_e995));
        }
    }
    out.into_iter().zip(some).map(|(h, some)| if some { h } else { (0, 0) }).collect()
}

/// A hash of each cell, `None` where it is missing.
fn cells(column: &ArrayRef) -> Vec<Option<u64>> {
    if let Some(values) = numbers(column) {
        return values
            .into_iter()
            .enumerate()
            .map(|(i, v)| column.is_valid(i).then(|| (v + 0.0).to_bits()))
            .collect();
    }
    match column.data_type() {
        // No bytes are no picture: two of them are no copies of each other.
        DataType::Binary => column.as_binary::<i32>().iter().map(some_bytes).collect(),
        DataType::LargeBinary => column.as_binary::<i64>().iter().map(some_bytes).collect(),
        DataType::FixedSizeBinary(_) => {
            column.as_fixed_size_binary().iter().map(|b| b.map(xxh3_64)).collect()
        }
        DataType::Struct(_) => match column.as_struct().column_by_name("bytes") {
            Some(bytes) => cells(bytes),
            None => vec![None; column.len()],
        },
        DataType::List(_) => lists(column.as_list::<i32>().iter()),
        DataType::LargeList(_) => lists(column.as_list::<i64>().iter()),
        DataType::FixedSizeList(..) => lists(column.as_fixed_size_list().iter()),
        _ => {
            let strings = Strings::new(column);
            (0..strings.len()).map(|i| strings.get(i).map(|s| xxh3_64(s.as_bytes()))).collect()
        }
    }
}

fn some_bytes(bytes: Option<&[u8]>) -> Option<u64> {
    bytes.filter(|b| !b.is_empty()).map(xxh3_64)
}

fn lists(rows: impl Iterator<Item = Option<ArrayRef>>) -> Vec<Option<u64>> {
    let one = |values: ArrayRef| {
        numbers(&values).unwrap_or_default().iter().fold(2, |h, v| mix(h ^ mix((v + 0.0).to_bits())))
    };
    rows.map(|r| r.map(one)).collect()
}

/// All text columns of a batch, joined by a line break; `None` if there is no text column.
pub fn texts(batch: &Batch) -> Option<Vec<String>> {
    let columns: Vec<Strings> = batch.columns(Role::is_text).map(|(_, c)| Strings::new(c)).collect();
    if columns.is_empty() {
        return None;
    }
    Some(
        (0..batch.rows())
            .map(|i| columns.iter().filter_map(|c| c.get(i)).collect::<Vec<_>>().join("\n"))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{RecordBatch, StringArray};
    use arrow_schema::{Field, Schema};
    use std::sync::Arc;

    #[test]
    fn equal_content_under_other_labels_hashes_alike() {
        let schema =
            Schema::new(vec![Field::new("t", DataType::Utf8, true), Field::new("y", DataType::Utf8, true)]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("b"), None])),
            Arc::new(StringArray::from(vec!["x", "y", "x", "x"])),
        ];
        let records = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let h = hashes(&Batch::new(records, [Role::Text, Role::Label].into(), 0));
        assert!(h[0] == h[1] && h[0] != h[2] && h[3] == (0, 0));
    }
}
