//! Writes delimited text that reads back as it was: quotes where they are needed, empty text told from null.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, SchemaRef};

use crate::error::{FormatError, Result};
use crate::format::BatchWriter;
use crate::output::{NewFile, check_batch, list_item, refuse_column};

struct Writer {
    file: NewFile,
    schema: SchemaRef,
    path: PathBuf,
    delimiter: u8,
    buffer: Vec<u8>,
    rows: u64,
}

pub(super) fn writer(path: &Path, schema: SchemaRef, delimiter: u8) -> Result<Box<dyn BatchWriter>> {
    for field in schema.fields() {
        let t = field.data_type();
        if t.is_nested() && list_item(t).is_none_or(|item| !item.is_numeric()) || is_bytes(t) {
            return Err(refuse_column("delimited text", field, path));
        }
    }
    let mut file = NewFile::create(path)?;
    let mut header = Vec::new();
    for (i, field) in schema.fields().iter().enumerate() {
        if i > 0 {
            header.push(delimiter);
        }
        put_text(field.name().as_bytes(), delimiter, field.name().is_empty(), &mut header);
    }
    header.push(b'\n');
    file.write_all(&header).map_err(|e| FormatError::write(path, e))?;
    Ok(Box::new(Writer { file, schema, path: path.to_path_buf(), delimiter, buffer: Vec::new(), rows: 0 }))
}

fn is_bytes(t: &DataType) -> bool {
    matches!(
        t,
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) | DataType::BinaryView
    )
}

fn put_text(text: &[u8], delimiter: u8, empty: bool, out: &mut Vec<u8>) {
    let special = |b: &u8| *b == delimiter || matches!(b, b'"' | b'\n' | b'\r');
    if !empty && !text.iter().any(special) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

type Put<'a> = Box<dyn Fn(usize, &mut Vec<u8>) -> bool + 'a>;

/// How the cells of a column are written; the function says whether it wrote, `false` is a null.
fn putter<'a>(array: &'a dyn Array, delimiter: u8) -> Result<Put<'a>, String> {
    macro_rules! number {
        ($t:ty) => {{
            let array = array.as_primitive::<$t>();
            Box::new(move |i, out: &mut Vec<u8>| {
                array.is_valid(i) && write!(out, "{}", array.value(i)).is_ok()
            })
        }};
    }
    macro_rules! text {
        ($array:expr) => {{
            let array = $array;
            Box::new(move |i, out: &mut Vec<u8>| {
                let valid = array.is_valid(i);
                if valid {
                    let text = array.value(i).as_bytes();
                    put_text(text, delimiter, text.is_empty(), out);
                }
                valid
            })
        }};
    }
    Ok(match array.data_type() {
        DataType::Utf8 => text!(array.as_string::<i32>()),
        DataType::LargeUtf8 => text!(array.as_string::<i64>()),
        DataType::Utf8View => text!(array.as_string_view()),
        DataType::Int64 => number!(Int64Type),
        DataType::Int32 => number!(Int32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float64 => float(array.as_primitive::<Float64Type>()),
        DataType::Float32 => float(array.as_primitive::<Float32Type>()),
        DataType::List(_) => list(move |i| array.as_list::<i32>().value(i), array, delimiter),
        DataType::LargeList(_) => list(move |i| array.as_list::<i64>().value(i), array, delimiter),
        DataType::FixedSizeList(..) => list(move |i| array.as_fixed_size_list().value(i), array, delimiter),
        _ => {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(array, &options).map_err(|e| e.to_string())?;
            // The formatter borrows the options, so the texts are made now.
            let texts: Vec<Option<String>> =
                (0..array.len()).map(|i| array.is_valid(i).then(|| shown.value(i).to_string())).collect();
            Box::new(move |i, out: &mut Vec<u8>| match &texts[i] {
                Some(text) => {
                    put_text(text.as_bytes(), delimiter, false, out);
                    true
                }
                None => false,
            })
        }
    })
}

/// Debug notation keeps `.0`, so that a column of whole floats reads back as floats.
fn float<'a, T: ArrowPrimitiveType>(array: &'a arrow_array::PrimitiveArray<T>) -> Put<'a>
where
    T::Native: std::fmt::Debug,
{
    Box::new(move |i, out| array.is_valid(i) && write!(out, "{:?}", array.value(i)).is_ok())
}

/// A list of numbers is written as JSON.
fn list<'a>(
    at: impl Fn(usize) -> arrow_array::ArrayRef + 'a,
    array: &'a dyn Array,
    delimiter: u8,
) -> Put<'a> {
    Box::new(move |i, out| {
        if array.is_null(i) {
            return false;
        }
        let mut text = Vec::new();
        crate::jsonl::write::put_numbers(at(i).as_ref(), &mut text);
        put_text(&text, delimiter, false, out);
        true
    })
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch, &self.path)?;
        let columns: Result<Vec<Put<'_>>, String> =
            batch.columns().iter().map(|c| putter(c.as_ref(), self.delimiter)).collect();
        let columns = columns.map_err(|e| FormatError::write(&self.path, std::io::Error::other(e)))?;
        self.buffer.clear();
        for row in 0..batch.num_rows() {
            for (i, put) in columns.iter().enumerate() {
                if i > 0 {
                    self.buffer.push(self.delimiter);
                }
                put(row, &mut self.buffer);
            }
            self.buffer.push(b'\n');
        }
        self.rows += batch.num_rows() as u64;
        self.file.write_all(&self.buffer).map_err(|e| FormatError::write(&self.path, e))
    }
    fn finish(self: Box<Self>) -> Result<u64> {
        self.file.place()?;
        Ok(self.rows)
    }
}
