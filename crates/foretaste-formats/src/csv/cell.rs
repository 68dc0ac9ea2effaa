//! What a cell may be: whole number, number, truth value, or text.

use arrow_schema::DataType;

/// Type of the cells of a column seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only empty cells.
    Empty,
    Bool,
    Int,
    Float,
    Text,
}

impl Kind {
    /// The narrowest kind that holds both.
    pub(crate) fn join(self, other: Kind) -> Kind {
        use Kind::*;
        match (self, other) {
            (a, b) if a == b => a,
            (Empty, a) | (a, Empty) => a,
            (Int, Float) | (Float, Int) => Float,
            _ => Text,
        }
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Kind::Empty => DataType::Null,
            Kind::Bool => DataType::Boolean,
            Kind::Int => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Text => DataType::Utf8,
        }
    }

    /// The kind that reads as `data_type`.
    pub(crate) fn of(data_type: &DataType) -> Option<Kind> {
        Some(match data_type {
            DataType::Null => Kind::Empty,
            DataType::Boolean => Kind::Bool,
            DataType::Int64 => Kind::Int,
            DataType::Float64 => Kind::Float,
            DataType::Utf8 | DataType::LargeUtf8 => Kind::Text,
            _ => return None,
        })
    }
}

/// The kind of one cell that is not empty.
pub(crate) fn kind_of(cell: &[u8]) -> Kind {
    if is_int(cell) {
        Kind::Int
    } else if is_float(cell) {
        Kind::Float
    } else if bool_of(cell).is_some() {
        Kind::Bool
    } else {
        Kind::Text
    }
}

/// Blanks around numbers do not count.
pub(crate) fn trim(cell: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = cell.iter().position(|b| !blank(b)).unwrap_or(cell.len());
    let end = cell.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &cell[start..end]
}

/// A whole number that prints as it is written: no plus sign, no leading zeros (those are identifiers), 64 bits.
#[inline]
pub(crate) fn is_int(cell: &[u8]) -> bool {
    plain_int(cell).is_some()
        || (cell.first().is_some_and(|b| *b <= b' ') || cell.last().is_some_and(|b| *b <= b' '))
            && plain_int(trim(cell)).is_some()
}

/// The value of a cell for which [`is_int`] holds.
#[inline]
pub(crate) fn int_of(cell: &[u8]) -> Option<i64> {
    plain_int(cell).or_else(|| plain_int(trim(cell)))
}

#[inline]
fn plain_int(cell: &[u8]) -> Option<i64> {
    let (negative, digits) = match cell {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 19 || (digits[0] == b'0' && (digits.len() > 1 || negative)) {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits fit 64 bits without sign.
        value = value * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// A decimal number. Leading zeros and plus signs make text, so that identifiers survive; so do whole numbers beyond
/// 64 bits, which would lose digits.
#[inline]
pub(crate) fn is_float(cell: &[u8]) -> bool {
    plain_float(cell) || plain_float(trim(cell))
}

#[inline]
fn plain_float(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    let whole = run(digits);
    if whole == 0 && !matches!(digits.first(), Some(b'.')) {
        return matches!(digits, b"nan" | b"NaN" | b"inf" | b"Inf" | b"Infinity" | b"infinity" | b"INF")
            || cell == b"NAN";
    }
    if whole > 1 && digits[0] == b'0' {
        return false;
    }
    let mut rest = &digits[whole..];
    let mut part = 0;
    let mut exact = rest.is_empty();
    if let Some(after) = rest.strip_prefix(b".") {
        part = run(after);
        rest = &after[part..];
        exact = false;
    }
    if whole + part == 0 {
        return false;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let after = match after {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        let n = run(after);
        return n > 0 && n == after.len();
    }
    rest.is_empty() && !(exact && whole > 18)
}

#[inline]
fn run(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len())
}

/// The value of a cell for which [`is_int`] or [`is_float`] holds.
#[inline]
pub(crate) fn float_of(cell: &[u8]) -> Option<f64> {
    if let Some(value) = short_decimal(cell) {
        return Some(value);
    }
    fast_float2::parse(cell).ok().or_else(|| fast_float2::parse(trim(cell)).ok())
}

const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Up to 15 digits without exponent: digits and power of ten are exact as floats, so one division rounds correctly
/// (Clinger, "How to read floating point numbers accurately", PLDI 1990).
#[inline]
fn short_decimal(cell: &[u8]) -> Option<f64> {
    let (negative, digits) = match cell {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let (mut value, mut point) = (0u64, None);
    for (i, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if byte == b'.' && point.is_none() {
            point = Some(i);
        } else {
            return None;
        }
    }
    let (count, places) = match point {
        Some(i) => (digits.len() - 1, digits.len() - 1 - i),
        None => (digits.len(), 0),
    };
    if count == 0 || count > 15 {
        return None;
    }
    let value = value as f64 / TENS[places];
    Some(if negative { -value } else { value })
}

/// A truth value, in the three spellings that programs print.
#[inline]
pub(crate) fn bool_of(cell: &[u8]) -> Option<bool> {
    match cell {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds() {
        for (cell, kind) in [
            ("0", Kind::Int),
            ("-12", Kind::Int),
            (" 12", Kind::Int),
            ("9223372036854775807", Kind::Int),
            ("-9223372036854775808", Kind::Int),
            ("9223372036854775808", Kind::Text),
            ("007", Kind::Text),
            ("00.5", Kind::Text),
            ("+44", Kind::Text),
            ("0.5", Kind::Float),
            (".5", Kind::Float),
            ("5.", Kind::Float),
            ("1e-9", Kind::Float),
            ("-0", Kind::Float),
            ("NaN", Kind::Float),
            ("-inf", Kind::Float),
            ("e5", Kind::Text),
            ("-", Kind::Text),
            (".", Kind::Text),
            ("1.2.3", Kind::Text),
            ("True", Kind::Bool),
            ("yes", Kind::Text),
        ] {
            assert_eq!(kind_of(cell.as_bytes()), kind, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn values_are_those_of_the_standard_library(text in "-?[0-9]{0,18}(\\.[0-9]{0,18})?(e-?[0-9]{1,3})?") {
            let cell = text.as_bytes();
            if is_float(cell) || is_int(cell) {
                let got = float_of(cell).unwrap();
                prop_assert_eq!(got.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
            if is_int(cell) {
                prop_assert_eq!(int_of(cell).unwrap(), text.parse::<i64>().unwrap());
            }
        }
    }
}
