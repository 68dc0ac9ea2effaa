//! Writes one JSON object a line.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, SchemaRef};

use super::NESTED;
use super::array::FRAME;
use super::node::{parse, put_float, put_text};
use crate::error::{FormatError, Result};
use crate::format::BatchWriter;
use crate::output::{NewFile, check_batch, refuse_column};

struct Writer {
    file: NewFile,
    schema: SchemaRef,
    path: PathBuf,
    buffer: Vec<u8>,
    rows: u64,
    /// One array in place of one object a line.
    is_array: bool,
}

pub(super) fn writer(path: &Path, schema: SchemaRef, is_array: bool) -> Result<Box<dyn BatchWriter>> {
    if let Some(field) = schema.fields().iter().find(|f| !writable(f.data_type())) {
        return Err(refuse_column("JSON", field, path));
    }
    let file = NewFile::create(path)?;
    Ok(Box::new(Writer { file, schema, path: path.to_path_buf(), buffer: Vec::new(), rows: 0, is_array }))
}

fn writable(t: &DataType) -> bool {
    match t {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => writable(f.data_type()),
        DataType::Struct(fields) => fields.iter().all(|f| writable(f.data_type())),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            false
        }
        other => !other.is_nested(),
    }
}

/// A list or object that was read as text, if the cell is still one.
fn nested<'a>(field: &Field, array: &'a dyn Array, row: usize) -> Option<&'a str> {
    if !field.metadata().contains_key(NESTED) || array.is_null(row) || *array.data_type() != DataType::Utf8 {
        return None;
    }
    let text = array.as_string::<i32>().value(row);
    (text.starts_with(['[', '{']) && parse(text.as_bytes()).is_ok()).then_some(text)
}

/// Appends the value of a row as JSON.
fn put(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    macro_rules! whole {
        ($t:ty) => {
            drop(write!(out, "{}", array.as_primitive::<$t>().value(row)))
        };
    }
    match array.data_type() {
        DataType::Boolean => drop(write!(out, "{}", array.as_boolean().value(row))),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            if value.is_finite() { drop(write!(out, "{value:?}")) } else { put_float(value.into(), out) }
        }
        DataType::Float64 => put_float(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Utf8 => put_text(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => put_text(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => put_text(array.as_string_view().value(row), out),
        DataType::List(_) => put_numbers(array.as_list::<i32>().value(row).as_ref(), out),
        DataType::LargeList(_) => put_numbers(array.as_list::<i64>().value(row).as_ref(), out),
        DataType::FixedSizeList(..) => put_numbers(array.as_fixed_size_list().value(row).as_ref(), out),
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            out.push(b'{');
            for (i, field) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                put_text(field.name(), out);
                out.push(b':');
                put(parts.column(i).as_ref(), row, out);
            }
            out.push(b'}');
        }
        _ => {
            let shown = ArrayFormatter::try_new(array, &FormatOptions::default());
            put_text(&shown.map(|f| f.value(row).to_string()).unwrap_or_default(), out);
        }
    }
}

/// Appends all values of an array as a JSON list.
pub(crate) fn put_numbers(array: &dyn Array, out: &mut Vec<u8>) {
    out.push(b'[');
    for i in 0..array.len() {
        if i > 0 {
            out.push(b',');
        }
        put(array, i, out);
    }
    out.push(b']');
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch, &self.path)?;
        let keys: Vec<Vec<u8>> = self
            .schema
            .fields()
            .iter()
            .map(|f| {
                let mut key = Vec::new();
                put_text(f.name(), &mut key);
                key.push(b':');
                key
            })
            .collect();
        let out = &mut self.buffer;
        out.clear();
        let (start, between, _) = FRAME;
        for row in 0..batch.num_rows() {
            if self.is_array {
                out.extend_from_slice(if self.rows == 0 && row == 0 { start } else { between });
            }
            out.push(b'{');
            for (i, (key, column)) in keys.iter().zip(batch.columns()).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key);
                match nested(self.schema.field(i), column.as_ref(), row) {
                    Some(json) => out.extend_from_slice(json.as_bytes()),
                    None => put(column.as_ref(), row, out),
                }
            }
            out.extend_from_slice(if self.is_array { b"}" } else { b"}\n" });
        }
        self.rows += batch.num_rows() as u64;
        self.file.write_all(out).map_err(|e| FormatError::write(&self.path, e))
    }
    fn finish(mut self: Box<Self>) -> Result<u64> {
        if self.is_array {
            let end: &[u8] = if self.rows == 0 { b"[]\n" } else { FRAME.2 };
            self.file.write_all(end).map_err(|e| FormatError::write(&self.path, e))?;
        }
        self.file.place()?;
        Ok(self.rows)
    }
}
