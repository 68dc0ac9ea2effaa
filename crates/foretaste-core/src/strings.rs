//! Reading any column as strings.

use arrow_array::{
    Array, ArrayRef, LargeStringArray, StringArray, StringViewArray, cast::AsArray, types::ArrowPrimitiveType,
};
use arrow_schema::DataType;

/// A column seen as strings: string columns without a copy, all others through their printed form.
#[derive(Clone, Debug)]
pub enum Strings {
    /// 32-bit offsets.
    Small(StringArray),
    /// 64-bit offsets.
    Large(LargeStringArray),
    /// Views.
    View(StringViewArray),
}

impl Strings {
    /// Sees `column` as strings. Types without a printed form give nulls.
    #[must_use]
    pub fn new(column: &ArrayRef) -> Self {
        match column.data_type() {
            DataType::Utf8 => Self::Small(column.as_string::<i32>().clone()),
            DataType::LargeUtf8 => Self::Large(column.as_string::<i64>().clone()),
            DataType::Utf8View => Self::View(column.as_string_view().clone()),
            _ => match arrow_cast::cast(column, &DataType::Utf8) {
                Ok(cast) => Self::Small(cast.as_string::<i32>().clone()),
                Err(_) => Self::Small(StringArray::new_null(column.len())),
            },
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Small(a) => a.len(),
            Self::Large(a) => a.len(),
            Self::View(a) => a.len(),
        }
    }

    /// True if there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string of a row, `None` where it is null or out of range.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Small(a) => (row < a.len() && a.is_valid(row)).then(|| a.value(row)),
            Self::Large(a) => (row < a.len() && a.is_valid(row)).then(|| a.value(row)),
            Self::View(a) => (row < a.len() && a.is_valid(row)).then(|| a.value(row)),
        }
    }
}

/// A numeric or boolean column as `f64`, NaN where null; `None` for other types.
#[must_use]
pub fn numbers(column: &ArrayRef) -> Option<Vec<f64>> {
    fn copy<T: ArrowPrimitiveType>(column: &ArrayRef, to: impl Fn(T::Native) -> f64) -> Vec<f64> {
        let cells = column.as_primitive::<T>();
        if cells.null_count() == 0 {
            return cells.values().iter().map(|v| to(*v)).collect();
        }
        cells.iter().map(|v| v.map_or(f64::NAN, &to)).collect()
    }
    use arrow_array::types as t;
    Some(match column.data_type() {
        DataType::Boolean => {
            column.as_boolean().iter().map(|v| v.map_or(f64::NAN, |b| f64::from(u8::from(b)))).collect()
        }
        DataType::Int8 => copy::<t::Int8Type>(column, f64::from),
        DataType::Int16 => copy::<t::Int16Type>(column, f64::from),
        DataType::Int32 => copy::<t::Int32Type>(column, f64::from),
        DataType::Int64 => copy::<t::Int64Type>(column, |v| v as f64),
        DataType::UInt8 => copy::<t::UInt8Type>(column, f64::from),
        DataType::UInt16 => copy::<t::UInt16Type>(column, f64::from),
        DataType::UInt32 => copy::<t::UInt32Type>(column, f64::from),
        DataType::UInt64 => copy::<t::UInt64Type>(column, |v| v as f64),
        DataType::Float32 => copy::<t::Float32Type>(column, f64::from),
        DataType::Float64 => copy::<t::Float64Type>(column, |v| v),
        kind if kind.is_temporal() => {
            let whole = arrow_cast::cast(column, &DataType::Int64).ok()?;
            copy::<t::Int64Type>(&whole, |v| v as f64)
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Float16 => {
            let float = arrow_cast::cast(column, &DataType::Float64).ok()?;
            copy::<t::Float64Type>(&float, |v| v)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, TimestampSecondArray};
    use std::sync::Arc;

    #[test]
    fn any_column_reads() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None]));
        let s = Strings::new(&ints);
        assert_eq!((s.get(0), s.get(1), s.get(2)), (Some("3"), None, None));
        let n = numbers(&ints).unwrap();
        assert!(n[0] == 3.0 && n[1].is_nan());
        let times: ArrayRef = Arc::new(TimestampSecondArray::from(vec![7]));
        assert_eq!(numbers(&times).unwrap(), vec![7.0]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        assert!(numbers(&texts).is_none());
    }
}
