//! Arrays of numbers in files (NPY, NPZ, IDX, safetensors) as columns: one row per entry of the first axis.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
    UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, SchemaRef};

use crate::ahead::{Lane, Step};
use crate::error::{FormatError, Place, Result};
use crate::format::Piece;
use crate::images;
use crate::input::{Input, read_at, read_up_to};

/// Type of one number (or string) of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    Bf16,
    F32,
    F64,
    /// Byte strings of a fixed length, filled up with zeros.
    Bytes(u64),
    /// Text of a fixed number of characters, 4 bytes each, filled up with zeros.
    Text(u64),
}

impl Number {
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Number::Bool | Number::I8 | Number::U8 => 1,
            Number::I16 | Number::U16 | Number::F16 | Number::Bf16 => 2,
            Number::I32 | Number::U32 | Number::F32 => 4,
            Number::I64 | Number::U64 | Number::F64 => 8,
            Number::Bytes(n) => n,
            Number::Text(n) => n.saturating_mul(4),
        }
    }

    fn is_number(self) -> bool {
        !matches!(self, Number::Bytes(_) | Number::Text(_))
    }

    fn scalar_type(self) -> DataType {
        match self {
            Number::Bool => DataType::Boolean,
            Number::I8 => DataType::Int8,
            Number::I16 => DataType::Int16,
            Number::I32 => DataType::Int32,
            Number::I64 => DataType::Int64,
            Number::U8 => DataType::UInt8,
            Number::U16 => DataType::UInt16,
            Number::U32 => DataType::UInt32,
            Number::U64 => DataType::UInt64,
            Number::F16 | Number::Bf16 | Number::F32 => DataType::Float32,
            Number::F64 => DataType::Float64,
            Number::Bytes(_) => DataType::Binary,
            Number::Text(_) => DataType::Utf8,
        }
    }
}

/// What stands in a file: type, byte order, shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) number: Number,
    pub(crate) big_endian: bool,
    pub(crate) shape: Vec<u64>,
    /// The first axis varies fastest.
    pub(crate) fortran: bool,
}

/// Most values in one row: more is a mistaken axis, and would not fit the lists of a batch.
const MOST_VALUES: u64 = 1 << 26;

/// How the rows of a tensor become a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    Vector(i32),
    Pixels(i32),
}

impl Tensor {
    pub(crate) fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Values in one row, `None` if that overflows.
    fn values(&self) -> Option<u64> {
        self.shape.iter().skip(1).try_fold(1u64, |all, &n| all.checked_mul(n))
    }

    /// Bytes of the whole array, `None` if that overflows.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.values()?.checked_mul(self.number.bytes())?.checked_mul(self.rows())
    }

    fn row_bytes(&self) -> u64 {
        self.values().unwrap_or(0) * self.number.bytes()
    }

    fn kind(&self) -> Result<Kind, String> {
        if self.shape.is_empty() {
            return Err("the array is a single value, it has no rows".into());
        }
        let values = self.values().filter(|&n| n <= MOST_VALUES);
        let Some(values) = values else {
            return Err(format!("the rows of an array of shape `{}` are too long", shape_text(&self.shape)));
        };
        if self.shape.len() == 1 || (self.shape.len() == 2 && values == 1) {
            return Ok(Kind::Scalar);
        }
        if values == 0 {
            return Err(format!("the rows of an array of shape `{}` are empty", shape_text(&self.shape)));
        }
        if !self.number.is_number() {
            return Err("strings with more than one axis are not read".into());
        }
        let pixels = self.number == Number::U8
            && (self.shape.len() == 3 || (self.shape.len() == 4 && (1..=4).contains(&self.shape[3])));
        Ok(if pixels { Kind::Pixels(values as i32) } else { Kind::Vector(values as i32) })
    }

    /// The field of the column, or why the array cannot be one.
    pub(crate) fn field(&self, name: &str) -> Result<Field, String> {
        let field = |t| Field::new(name, t, false);
        Ok(match self.kind()? {
            Kind::Scalar => field(self.number.scalar_type()),
            Kind::Vector(n) => images::with_role(field(DataType::FixedSizeList(item(), n)), "embedding"),
            Kind::Pixels(n) => {
                let channels = self.shape.get(3).copied().unwrap_or(1);
                let how = images::raw(self.shape[1] as usize, self.shape[2] as usize, channels as usize);
                images::mark(field(DataType::FixedSizeBinary(n)), &how)
            }
        })
    }

    /// Whether values change when they are read as 32-bit floats.
    pub(crate) fn rounds(&self) -> bool {
        matches!(self.kind(), Ok(Kind::Vector(_)))
            && matches!(self.number, Number::I32 | Number::I64 | Number::U32 | Number::U64 | Number::F64)
    }

    /// Rows as an array. `bytes` holds whole rows in C order; byte order is corrected in place.
    fn decode(&self, bytes: &mut [u8]) -> Result<ArrayRef, String> {
        let width = self.number.bytes() as usize;
        if self.big_endian && width > 1 {
            let unit = if matches!(self.number, Number::Text(_)) { 4 } else { width };
            if !matches!(self.number, Number::Bytes(_)) {
                bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
            }
        }
        match self.kind()? {
            Kind::Scalar => self.scalars(bytes),
            Kind::Pixels(n) => {
                let data = Buffer::from(&*bytes);
                let made = FixedSizeBinaryArray::try_new(n, data, None).map_err(|e| e.to_string())?;
                Ok(Arc::new(made))
            }
            Kind::Vector(n) => {
                let values: PrimitiveArray<Float32Type> = self.floats(bytes).into();
                let made = FixedSizeListArray::try_new(item(), n, Arc::new(values), None)
                    .map_err(|e| e.to_string())?;
                Ok(Arc::new(made))
            }
        }
    }

    fn scalars(&self, bytes: &[u8]) -> Result<ArrayRef, String> {
        macro_rules! plain {
            ($array:ty, $t:ty) => {
                Arc::new(<$array>::from_iter_values(numbers(bytes, <$t>::from_le_bytes)))
            };
        }
        Ok(match self.number {
            Number::Bool => Arc::new(BooleanArray::from_iter(bytes.iter().map(|&b| Some(b != 0)))),
            Number::I8 => plain!(Int8Array, i8),
            Number::I16 => plain!(Int16Array, i16),
            Number::I32 => plain!(Int32Array, i32),
            Number::I64 => plain!(Int64Array, i64),
            Number::U8 => plain!(UInt8Array, u8),
            Number::U16 => plain!(UInt16Array, u16),
            Number::U32 => plain!(UInt32Array, u32),
            Number::U64 => plain!(UInt64Array, u64),
            Number::F16 | Number::Bf16 => Arc::new(Float32Array::from(self.floats(bytes))),
            Number::F32 => plain!(Float32Array, f32),
            Number::F64 => plain!(Float64Array, f64),
            Number::Bytes(n) => strings(bytes, n as usize, |row| Ok(trim(row)))
                .map(|rows| Arc::new(BinaryArray::from_iter_values(rows)) as ArrayRef)?,
            Number::Text(n) => strings(bytes, n as usize * 4, text)
                .map(|rows| Arc::new(StringArray::from_iter_values(rows)) as ArrayRef)?,
        })
    }

    fn floats(&self, bytes: &[u8]) -> Vec<f32> {
        macro_rules! cast {
            ($t:ty) => {
                numbers(bytes, <$t>::from_le_bytes).map(|v| v as f32).collect()
            };
        }
        match self.number {
            Number::Bool => bytes.iter().map(|&b| f32::from(b != 0)).collect(),
            Number::I8 => cast!(i8),
            Number::I16 => cast!(i16),
            Number::I32 => cast!(i32),
            Number::I64 => cast!(i64),
            Number::U8 => cast!(u8),
            Number::U16 => cast!(u16),
            Number::U32 => cast!(u32),
            Number::U64 => cast!(u64),
            Number::F16 => numbers(bytes, u16::from_le_bytes).map(half).collect(),
            Number::Bf16 => {
                numbers(bytes, u16::from_le_bytes).map(|b| f32::from_bits(u32::from(b) << 16)).collect()
            }
            Number::F32 => cast!(f32),
            Number::F64 => cast!(f64),
            Number::Bytes(_) | Number::Text(_) => Vec::new(),
        }
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float32, false))
}

/// A shape as it is written in Python.
pub(crate) fn shape_text(shape: &[u64]) -> String {
    let inner: Vec<String> = shape.iter().map(u64::to_string).collect();
    format!("({})", inner.join(", "))
}

fn numbers<T, const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |b| from(*b))
}

/// IEEE 754 half precision; exact, every half is a float.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

fn strings<'a, T>(
    bytes: &'a [u8],
    width: usize,
    read: impl Fn(&'a [u8]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    if width == 0 {
        return Err("strings of length 0 are not read".into());
    }
    bytes.chunks_exact(width).map(read).collect()
}

fn trim(row: &[u8]) -> &[u8] {
    let end = row.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
    &row[..end]
}

fn text(row: &[u8]) -> Result<String, String> {
    let mut out = String::new();
    for c in numbers(row, u32::from_le_bytes) {
        out.push(char::from_u32(c).ok_or_else(|| format!("`{c:#x}` is not a character"))?);
    }
    out.truncate(out.trim_end_matches('\0').len());
    Ok(out)
}

/// Where the bytes of a tensor come from.
pub(crate) enum Bytes {
    /// One after another, C order.
    Stream(Box<dyn Read + Send>),
    /// From a position in a file: needed for Fortran order.
    At(Arc<File>, u64),
}

/// Reads rows of one tensor, `batch` at a time.
pub(crate) struct Rows {
    tensor: Tensor,
    bytes: Bytes,
    batch: u64,
    row: u64,
    failed: bool,
    input: Input,
    name: String,
}

/// Rows per step for rows of several tensors together: a few MiB.
pub(crate) fn batch_for(tensors: &[&Tensor], most: usize) -> u64 {
    let row: u64 = tensors.iter().map(|t| t.row_bytes()).sum();
    ((4 << 20) / row.max(1)).clamp(1, most as u64)
}

impl Rows {
    pub(crate) fn new(tensor: Tensor, name: &str, bytes: Bytes, batch: u64, input: &Input) -> Rows {
        Rows { tensor, bytes, batch, row: 0, failed: false, input: input.clone(), name: name.into() }
    }

    fn load(&mut self, rows: u64) -> Result<ArrayRef> {
        let at = Place::row(self.input.shown(), self.row);
        let size = usize::try_from(rows * self.tensor.row_bytes())
            .map_err(|_| FormatError::limit("the rows are too long", at.clone()))?;
        let mut buffer = vec![0u8; size];
        let filled = match &mut self.bytes {
            Bytes::Stream(reader) => read_up_to(reader, &mut buffer).map_err(|e| self.input.failed(e))?,
            Bytes::At(file, start) if self.tensor.fortran && self.tensor.shape.len() > 1 => {
                gather(&self.tensor, file, *start, self.row, rows, &mut buffer)
                    .map_err(|e| FormatError::read(self.input.shown(), e))?
            }
            Bytes::At(file, start) => read_at(file, *start + self.row * self.tensor.row_bytes(), &mut buffer)
                .map_err(|e| FormatError::read(self.input.shown(), e))?,
        };
        if filled < size {
            let what = format!("array `{}` ends before its last row", self.name);
            return Err(
                FormatError::malformed(what, at).with_hint("the file was cut off, or its header is wrong")
            );
        }
        self.tensor.decode(&mut buffer).map_err(|what| FormatError::malformed(what, at))
    }
}

/// Rows of an array whose first axis varies fastest: one read per value of the other axes.
fn gather(
    tensor: &Tensor,
    file: &File,
    start: u64,
    row: u64,
    rows: u64,
    out: &mut [u8],
) -> std::io::Result<usize> {
    let width = tensor.number.bytes() as usize;
    let inner = &tensor.shape[1..];
    let values = inner.iter().product::<u64>();
    let mut strip = vec![0u8; rows as usize * width];
    for value in 0..values {
        // Index of the value in C order, taken apart and put together with the first inner axis fastest.
        let (mut rest, mut stored, mut stride) = (value, 0u64, values);
        for &n in inner.iter().rev() {
            stride /= n;
            stored += rest % n * stride;
            rest /= n;
        }
        let at = start + (stored * tensor.rows() + row) * width as u64;
        let n = read_at(file, at, &mut strip)?;
        if n < strip.len() {
            return Ok(n);
        }
        for (i, number) in strip.chunks_exact(width).enumerate() {
            let to = (i * values as usize + value as usize) * width;
            out[to..to + width].copy_from_slice(number);
        }
    }
    Ok(out.len())
}

impl Step for Rows {
    type Item = Result<ArrayRef>;
    fn step(&mut self) -> Option<Result<ArrayRef>> {
        let rows = (self.tensor.rows() - self.row).min(self.batch);
        if rows == 0 || self.failed {
            return None;
        }
        let array = self.load(rows);
        self.failed = array.is_err();
        self.row += rows;
        Some(array)
    }
}

/// Joins columns that are read ahead into batches.
pub(crate) struct Joined {
    lanes: Vec<Lane<Rows>>,
    schema: SchemaRef,
    input: Input,
    row: u64,
    failed: bool,
}

impl Joined {
    pub(crate) fn new(columns: Vec<Rows>, schema: SchemaRef, input: &Input) -> Joined {
        let lanes: Vec<Lane<Rows>> = columns.into_iter().map(|c| Lane::new(c, 2)).collect();
        lanes.iter().for_each(Lane::offer);
        Joined { lanes, schema, input: input.clone(), row: 0, failed: false }
    }
}

impl Iterator for Joined {
    type Item = Result<Piece>;
    fn next(&mut self) -> Option<Result<Piece>> {
        if self.failed {
            return None;
        }
        let arrays: Option<Result<Vec<ArrayRef>>> = self.lanes.iter().map(Lane::next).collect();
        let made = arrays?.and_then(|arrays| {
            RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| {
                let at = Place::row(self.input.shown(), self.row);
                FormatError::malformed(format!("the columns do not fit together: {e}"), at)
            })
        });
        self.failed = made.is_err();
        Some(made.map(|batch| {
            let piece = Piece { first_row: self.row, lines: None, batch };
            self.row += piece.batch.num_rows() as u64;
            piece
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0)] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
    }
}
