//! What times are, as numbers that order them, and back as words.

use arrow_array::ArrayRef;
use arrow_array::temporal_conversions::timestamp_s_to_datetime;
use arrow_schema::{DataType, TimeUnit};
use foretaste_core::{Strings, numbers};
use serde::{Deserialize, Serialize};

/// Digits of a text that are read: down to milliseconds.
const DIGITS: usize = 17;

/// How the numbers of a time column are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Clock {
    /// As they are.
    Number,
    /// Years, months, days and so on, digit after digit.
    Digits,
    /// Units of so many a day, since 1970.
    Since1970(f64),
}

/// Times of a column, not-a-number where there is none.
pub fn times(column: &ArrayRef) -> (Clock, Vec<f64>) {
    let clock = match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => Clock::Since1970(86_400.0),
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date64 => Clock::Since1970(86_400e3),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Clock::Since1970(86_400e6),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Clock::Since1970(86_400e9),
        DataType::Date32 => Clock::Since1970(1.0),
        _ => Clock::Number,
    };
    if let Some(values) = numbers(column) {
        return (clock, values);
    }
    // strings of one date format order like their digits
    let strings = Strings::new(column);
    let value = |s: &str| {
        let digits = s.bytes().filter(u8::is_ascii_digit).take(DIGITS);
        digits.fold(0.0, |v, b| v * 10.0 + f64::from(b - b'0'))
    };
    let cells = (0..strings.len()).map(|i| strings.get(i).map_or(f64::NAN, value)).collect();
    (Clock::Digits, cells)
}

impl Clock {
    /// A time as a person writes it, to the second.
    pub fn words(self, value: f64) -> String {
        match self {
            Clock::Since1970(a_day) => {
                let at = timestamp_s_to_datetime((value / a_day * 86_400.0).floor() as i64);
                at.map_or_else(|| value.to_string(), |at| at.to_string().trim_end_matches(" 00:00:00").to_owned())
            }
            Clock::Number => value.to_string(),
            Clock::Digits => dated(&format!("{value:.0}")),
        }
    }
}

/// `20231107120000` as `2023-11-07 12:00:00`; digits in another order as they are.
fn dated(digits: &str) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().take(14).enumerate() {
        out.push_str(match i {
            4 | 6 => "-",
            8 => " ",
            10 | 12 => ":",
            _ => "",
        });
        out.push(c);
    }
    let part = |from: usize| digits.get(from..from + 2).and_then(|d| d.parse::<u8>().ok());
    let is_date = digits.len() >= 8
        && matches!(digits.get(..2), Some("19" | "20"))
        && part(4).is_some_and(|m| (1..=12).contains(&m))
        && part(6).is_some_and(|d| (1..=31).contains(&d));
    if is_date { out } else { digits.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Date32Array, Int64Array, StringArray, TimestampMillisecondArray};
    use std::sync::Arc;

    fn words(column: ArrayRef) -> String {
        let (clock, values) = times(&column);
        clock.words(values[0])
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        assert_eq!(words(Arc::new(TimestampMillisecondArray::from(vec![1_700_000_000_123]))), "2023-11-14 22:13:20");
        assert_eq!(words(Arc::new(Date32Array::from(vec![19_000]))), "2022-01-08");
        assert_eq!(words(Arc::new(StringArray::from(vec!["2023-11-07T12:00:05Z"]))), "2023-11-07 12:00:05");
        assert_eq!(words(Arc::new(StringArray::from(vec!["2023-11-07"]))), "2023-11-07");
        // day first: nobody can order these, and they are shown as they were compared
        assert_eq!(words(Arc::new(StringArray::from(vec!["31.12.2023"]))), "31122023");
        assert_eq!(words(Arc::new(Int64Array::from(vec![1_700_000_000]))), "1700000000");
        assert!(!words(Arc::new(TimestampMillisecondArray::from(vec![i64::MAX]))).is_empty());
    }

    #[test]
    fn texts_of_one_format_are_ordered_as_their_times() {
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some("2023-11-07 12:00"), None, Some("2023-11-07 13:00")]));
        let (_, values) = times(&column);
        assert!(values[0] < values[2] && values[1].is_nan());
    }
}
