//! What the first pass learns about each column, before anyone knows what it means.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use foretaste_core::{Strings, numbers};
use std::collections::{HashMap, HashSet};

/// More different values than this and a column is no list of classes.
pub const MANY: usize = 10_000;

/// How many rows are looked at to see whether values repeat.
const UNIQUE_ROWS: usize = 65_536;

/// How many values of a column of bytes are looked at, to see whether they are image files.
const FILES: usize = 1000;

/// Statistics of one column over the whole data set. A fold: one state, all batches in order.
#[derive(Clone, Debug, Default)]
pub struct ColumnStats {
    /// Rows seen.
    pub rows: u64,
    /// Missing values.
    pub nulls: u64,
    /// Different values and their counts, in order of first appearance; stops growing past [`MANY`].
    pub values: Vec<(String, u64)>,
    index: HashMap<String, usize, FixedState>,
    /// Slots of numbers by their bits, so that a number is printed once.
    slots: HashMap<u64, usize, FixedState>,
    /// True if there are more than [`MANY`].
    pub many: bool,
    seen: HashSet<u64, FixedState>,
    seen_rows: usize,
    /// Bytes of all strings.
    pub string_bytes: u64,
    /// Longest string in bytes.
    pub longest: usize,
    /// Spaces between words.
    pub spaces: u64,
    /// NaN values in float columns.
    pub nans: u64,
    /// Infinite values.
    pub infinities: u64,
    /// First row with a NaN or infinity.
    pub first_odd: Option<u64>,
    /// Smallest and largest finite number.
    pub range: Option<(f64, f64)>,
    /// True while every number is whole.
    pub fractional: bool,
    /// Length of lists, if all are equal.
    pub list_len: Option<usize>,
    /// True if two lists differed in length.
    pub ragged: bool,
    /// Of the first values of a column of bytes: how many were looked at, and how many begin as image files.
    pub bytes: (usize, usize),
}

impl ColumnStats {
    /// Takes in the next batch of the column.
    pub fn fold(&mut self, column: &ArrayRef) {
        let first = self.rows;
        self.rows += column.len() as u64;
        self.nulls += column.null_count() as u64;
        match column.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                self.fold_strings(&Strings::new(column))
            }
            DataType::Dictionary(..) => self.fold_strings(&Strings::new(column)),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                self.fold_lists(column)
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => self.fold_bytes(column),
            _ => {
                if let Some(values) = numbers(column) {
                    self.fold_numbers(column, &values, first);
                }
            }
        }
    }

    fn fold_strings(&mut self, strings: &Strings) {
        for row in 0..strings.len() {
            let Some(s) = strings.get(row) else { continue };
            self.string_bytes += s.len() as u64;
            self.longest = self.longest.max(s.len());
            if self.seen_rows < UNIQUE_ROWS {
                self.seen_rows += 1;
                self.seen.insert(xxhash_rust::xxh3::xxh3_64(s.as_bytes()));
                self.spaces += s.trim().bytes().filter(|b| *b == b' ').count() as u64;
            }
            self.count(s);
        }
    }

    fn fold_numbers(&mut self, column: &ArrayRef, values: &[f64], first: u64) {
        let mut text = String::new();
        for (row, &v) in values.iter().enumerate() {
            if !v.is_finite() {
                if column.is_valid(row) {
                    if v.is_nan() {
                        self.nans += 1
                    } else {
                        self.infinities += 1
                    }
                    self.first_odd.get_or_insert(first + row as u64);
                }
                continue;
            }
            self.range = Some(self.range.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
            self.fractional = self.fractional || v.fract() != 0.0;
            if self.seen_rows < UNIQUE_ROWS {
                self.seen_rows += 1;
                self.seen.insert(v.to_bits());
            }
            if self.many {
                continue;
            }
            if let Some(&slot) = self.slots.get(&v.to_bits()) {
                self.values[slot].1 += 1;
                continue;
            }
            use std::fmt::Write;
            text.clear();
            if column.data_type() == &DataType::Boolean {
                text.push_str(if v == 0.0 { "false" } else { "true" });
            } else {
                let _ = write!(text, "{v}");
            }
            if let Some(slot) = self.count(&text) {
                self.slots.insert(v.to_bits(), slot);
            }
        }
    }

    fn fold_bytes(&mut self, column: &ArrayRef) {
        use arrow_array::cast::AsArray;
        for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
            if self.bytes.0 == FILES {
                return;
            }
            let bytes = match column.data_type() {
                DataType::Binary => column.as_binary::<i32>().value(row),
                DataType::LargeBinary => column.as_binary::<i64>().value(row),
                _ => column.as_binary_view().value(row),
            };
            self.bytes.0 += 1;
            self.bytes.1 += usize::from(foretaste_formats::images::begins_as_image(bytes));
        }
    }

    fn fold_lists(&mut self, column: &ArrayRef) {
        for row in 0..column.len() {
            if column.is_null(row) {
                continue;
            }
            let len = list_len(column, row);
            match self.list_len {
                None => self.list_len = Some(len),
                Some(l) if l != len => self.ragged = true,
                Some(_) => {}
            }
        }
    }

    fn count(&mut self, value: &str) -> Option<usize> {
        if self.many {
            return None;
        }
        if let Some(&slot) = self.index.get(value) {
            self.values[slot].1 += 1;
            return Some(slot);
        }
        // A column whose every value is new is a text or an id: no need to keep its values.
        let new =
            || self.values.len() >= 2_000 && self.rows > 2 * UNIQUE_ROWS as u64 && self.unique_share() > 0.9;
        if self.values.len() >= MANY || new() {
            self.many = true;
            (self.index, self.slots) = Default::default();
            return None;
        }
        self.index.insert(value.to_owned(), self.values.len());
        self.values.push((value.to_owned(), 1));
        Some(self.values.len() - 1)
    }

    /// Share of different values among the first rows; 1 if none repeats.
    #[must_use]
    pub fn unique_share(&self) -> f64 {
        if self.seen_rows == 0 { 0.0 } else { self.seen.len() as f64 / self.seen_rows as f64 }
    }

    /// Present values.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.rows - self.nulls
    }

    /// True if a column of bytes holds image files: a few may be broken.
    #[must_use]
    pub fn holds_images(&self) -> bool {
        let (seen, images) = self.bytes;
        seen > 0 && images * 10 >= seen * 9
    }

    /// Mean bytes of a string.
    #[must_use]
    pub fn mean_len(&self) -> f64 {
        self.string_bytes as f64 / self.present().max(1) as f64
    }

    /// Mean words of a string, among the first rows.
    #[must_use]
    pub fn mean_words(&self) -> f64 {
        if self.seen_rows == 0 { 0.0 } else { 1.0 + self.spaces as f64 / self.seen_rows as f64 }
    }

    /// How many different values, in words.
    #[must_use]
    pub fn distinct_words(&self) -> String {
        if self.many {
            format!("more than {} values", thousands(self.values.len() as u64))
        } else {
            count(self.values.len() as u64, "value")
        }
    }
}

fn list_len(column: &ArrayRef, row: usize) -> usize {
    use arrow_array::cast::AsArray;
    match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value_length(row) as usize,
        DataType::LargeList(_) => column.as_list::<i64>().value_length(row) as usize,
        DataType::FixedSizeList(_, n) => *n as usize,
        _ => 0,
    }
}

/// `1 row`, `2 rows`, `12,345 rows`.
#[must_use]
pub fn count(n: u64, noun: &str) -> String {
    let plural = if n == 1 {
        noun.to_owned()
    } else if let Some(stem) = noun.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        format!("{noun}s")
    };
    format!("{} {plural}", thousands(n))
}

/// `12345` as `12,345`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn counts_values_and_oddities() {
        let mut s = ColumnStats::default();
        let c: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(1.0), Some(1.0), Some(f64::NAN), None, Some(2.5)]));
        s.fold(&c);
        assert_eq!(s.values, vec![("1".into(), 2), ("2.5".into(), 1)]);
        assert_eq!((s.nulls, s.nans, s.first_odd, s.fractional), (1, 1, Some(2), true));
    }

    #[test]
    fn image_files_are_known_by_their_first_bytes() {
        let png: &[u8] = b"\x89PNG\r\n\x1a\n and more";
        let of = |values: Vec<&[u8]>| {
            let mut s = ColumnStats::default();
            let c: ArrayRef = Arc::new(arrow_array::BinaryArray::from_vec(values));
            s.fold(&c);
            s.holds_images()
        };
        assert!(of([vec![png; 9], vec![b"broken"]].concat()));
        assert!(!of(vec![png, b"other"]));
        assert!(!of(vec![]));
    }

    #[test]
    fn words_are_words() {
        let mut s = ColumnStats::default();
        let c: ArrayRef = Arc::new(StringArray::from(vec!["one two three", "one two three"]));
        s.fold(&c);
        assert_eq!(s.mean_words(), 3.0);
        assert_eq!(s.unique_share(), 0.5);
        assert_eq!(
            (count(1, "row"), count(12_345, "row"), count(2, "copy")),
            ("1 row".into(), "12,345 rows".into(), "2 copies".into())
        );
    }
}
