//! NPY: one NumPy array. The header is read by hand, so that it cannot make us allocate or run anything.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{FormatError, Place, Result, shown};
use crate::format::{BatchWriter, Format, Opened, Pieces};
use crate::input::{Input, read_at};
use crate::options::{Note, NoteKind, OpenOptions};
use crate::output::{NewFile, check_batch, refuse_column};
use crate::tensor::{Bytes, Joined, Number, Rows, Tensor, batch_for, shape_text};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header: NumPy's own limit is 10,000 characters.
pub(crate) const HEADER: usize = 64 * 1024;

/// One NumPy array: `value`, `embedding` or `image`, depending on its axes.
pub struct Npy;

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    Broken(String),
    Unsupported(String, &'static str),
}

impl Refused {
    pub(crate) fn into_error(self, at: Place) -> FormatError {
        match self {
            Refused::Broken(what) => FormatError::malformed(what, at),
            Refused::Unsupported(what, hint) => FormatError::unsupported(what, at).with_hint(hint),
        }
    }
}

/// Reads the header at the start of `head`: the array, and where its values begin.
pub(crate) fn parse_header(head: &[u8]) -> Result<(Tensor, usize), Refused> {
    let broken = |text: &str| Refused::Broken(text.to_string());
    if !head.starts_with(MAGIC) {
        return Err(Refused::Broken(format!(
            "not an NPY file: starts with `{}`",
            shown(&head[..head.len().min(6)])
        )));
    }
    let cut = || broken("the NPY header is cut off");
    let major = *head.get(6).ok_or_else(cut)?;
    let (length, start) = match major {
        1 => {
            (u16::from_le_bytes([*head.get(8).ok_or_else(cut)?, *head.get(9).ok_or_else(cut)?]) as usize, 10)
        }
        2 | 3 => {
            let b = head.get(8..12).ok_or_else(cut)?;
            (u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize, 12)
        }
        other => return Err(Refused::Broken(format!("NPY version `{other}` is not known"))),
    };
    if length > HEADER - 16 {
        return Err(Refused::Broken(format!("the NPY header claims `{length}` bytes")));
    }
    let text = head.get(start..start + length).ok_or_else(cut)?;
    let text = std::str::from_utf8(text).map_err(|_| broken("the NPY header is not text"))?;
    Ok((dictionary(text)?, start + length))
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
fn dictionary(text: &str) -> Result<Tensor, Refused> {
    let broken =
        || Refused::Broken(format!("the NPY header is not understood: `{}`", shown(text.as_bytes())));
    let mut rest = text.trim().strip_prefix('{').ok_or_else(broken)?.trim_start();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.starts_with('}') {
        let (key, after) = quoted(rest).ok_or_else(broken)?;
        rest = after.trim_start().strip_prefix(':').ok_or_else(broken)?.trim_start();
        match key {
            "descr" if rest.starts_with('[') => {
                return Err(Refused::Unsupported(
                    "NPY arrays of records are not read".into(),
                    "save each field as an array of its own, in one NPZ",
                ));
            }
            "descr" => {
                let (value, after) = quoted(rest).ok_or_else(broken)?;
                descr = Some(value);
                rest = after;
            }
            "fortran_order" => {
                let (value, after) = word(rest);
                fortran = Some(match value {
                    "True" => true,
                    "False" => false,
                    _ => return Err(broken()),
                });
                rest = after;
            }
            "shape" => {
                let (inner, after) =
                    rest.strip_prefix('(').and_then(|r| r.split_once(')')).ok_or_else(broken)?;
                let sizes = inner.split(',').map(str::trim).filter(|s| !s.is_empty());
                // Python 2 wrote long integers as `3L`.
                let sizes: Result<Vec<u64>, _> = sizes.map(|s| s.trim_end_matches('L').parse()).collect();
                shape = Some(sizes.map_err(|_| broken())?);
                rest = after;
            }
            _ => return Err(broken()),
        }
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    match (descr, fortran, shape) {
        (Some(descr), Some(fortran), Some(shape)) if shape.len() <= 32 => {
            let (number, big_endian) = number(descr)?;
            Ok(Tensor { number, big_endian, shape, fortran })
        }
        _ => Err(broken()),
    }
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len()))
}

fn number(descr: &str) -> Result<(Number, bool), Refused> {
    let unknown = || {
        Refused::Unsupported(
            format!("NPY arrays of type `{}` are not read", shown(descr.as_bytes())),
            "convert it: `array.astype('float32')`",
        )
    };
    let (order, rest) = match descr.as_bytes().first() {
        Some(b'<' | b'=' | b'|') => (false, &descr[1..]),
        Some(b'>') => (true, &descr[1..]),
        _ => (false, descr),
    };
    if rest.starts_with('O') {
        return Err(Refused::Unsupported(
            "NPY arrays of Python objects (type `O`) are refused: reading them runs code from the file"
                .into(),
            "save numbers or strings: `array.astype(str)` or `array.astype('float32')`",
        ));
    }
    let number = match rest {
        "b1" | "?" => Number::Bool,
        "i1" => Number::I8,
        "i2" => Number::I16,
        "i4" => Number::I32,
        "i8" => Number::I64,
        "u1" => Number::U8,
        "u2" => Number::U16,
        "u4" => Number::U32,
        "u8" => Number::U64,
        "f2" => Number::F16,
        "f4" => Number::F32,
        "f8" => Number::F64,
        _ => {
            let size: u64 =
                rest.get(1..).and_then(|n| n.parse().ok()).filter(|&n| n <= 1 << 20).ok_or_else(unknown)?;
            match rest.as_bytes().first() {
                Some(b'S') => Number::Bytes(size),
                Some(b'U') => Number::Text(size),
                _ => return Err(unknown()),
            }
        }
    };
    Ok((number, order))
}

/// Checks that a header and the size of the file agree.
pub(crate) fn check_size(tensor: &Tensor, present: u64, what: &str) -> Result<(), Refused> {
    let shape = shape_text(&tensor.shape);
    let Some(needed) = tensor.bytes() else {
        return Err(Refused::Broken(format!("the shape `{shape}` of {what} is impossible")));
    };
    if needed == present {
        return Ok(());
    }
    let than = if needed > present { "fewer" } else { "more" };
    Err(Refused::Broken(format!(
        "{what} holds `{present}` bytes of values, {than} than its shape `{shape}` needs"
    )))
}

/// The name of the only column, by what the array holds.
pub(crate) fn column_name(tensor: &Tensor) -> &'static str {
    match tensor.field("") {
        Ok(field) if field.metadata().contains_key(crate::images::IMAGE) => "image",
        Ok(field) if matches!(field.data_type(), DataType::FixedSizeList(..)) => "embedding",
        _ => "value",
    }
}

impl Format for Npy {
    fn id(&self) -> &'static str {
        "npy"
    }
    fn title(&self) -> &'static str {
        "NumPy array"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["npy"]
    }
    fn sniff(&self, head: &[u8], _path: &Path) -> bool {
        head.starts_with(MAGIC)
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let input = input.seekable(&options.limits)?;
        let at = || Place::file(input.shown());
        let file = input.file()?;
        let mut head = vec![0u8; HEADER];
        let n = read_at(&file, 0, &mut head).map_err(|e| FormatError::read(input.shown(), e))?;
        if n == 0 {
            return Err(FormatError::malformed("the file is empty", at()));
        }
        let (tensor, start) = parse_header(&head[..n]).map_err(|e| e.into_error(at()))?;
        let present = input.bytes().saturating_sub(start as u64);
        check_size(&tensor, present, "the array").map_err(|e| e.into_error(at()))?;
        let name = column_name(&tensor);
        let field = tensor.field(name).map_err(|what| FormatError::unsupported(what, at()))?;
        let schema = Arc::new(Schema::new(vec![field]));
        Ok(Box::new(NpyData { input, tensor, start: start as u64, schema, batch_rows: options.batch_rows }))
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        let [field] = schema.fields().iter().as_slice() else {
            let what = format!("an NPY file holds one column, not `{}`", schema.fields().len());
            return Err(FormatError::unsupported(what, Place::file(path)).with_hint("write NPZ or Parquet"));
        };
        let part = Part::new(field, path)?;
        let mut file = NewFile::create(path)?;
        part.header(0, &mut file).map_err(|e| FormatError::write(path, e))?;
        Ok(Box::new(Writer { file, part, schema, path: path.to_path_buf() }))
    }
}

struct NpyData {
    input: Input,
    tensor: Tensor,
    start: u64,
    schema: SchemaRef,
    batch_rows: usize,
}

impl Opened for NpyData {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> Option<u64> {
        Some(self.tensor.rows())
    }
    fn notes(&self) -> Vec<Note> {
        rounding_note(&self.tensor, self.schema.field(0).name(), &self.input).into_iter().collect()
    }
    fn batches(&self) -> Result<Pieces> {
        let bytes = Bytes::At(Arc::new(self.input.file()?), self.start);
        let batch = batch_for(&[&self.tensor], self.batch_rows);
        let rows = Rows::new(self.tensor.clone(), self.schema.field(0).name(), bytes, batch, &self.input);
        Ok(Box::new(Joined::new(vec![rows], self.schema.clone(), &self.input)))
    }
}

pub(crate) fn rounding_note(tensor: &Tensor, name: &str, input: &Input) -> Option<Note> {
    let text = || format!("array `{name}` is read as 32-bit floats");
    tensor.rounds().then(|| Note::new(NoteKind::Converted, text(), input.shown()))
}

/// One array being written: rows are counted, the header is written again at the end.
pub(crate) struct Part {
    descr: &'static str,
    inner: Vec<usize>,
    pub(crate) rows: u64,
    name: String,
    path: PathBuf,
}

/// Bytes of every header we write: long enough for any count of rows.
const OWN_HEADER: usize = 192;

impl Part {
    pub(crate) fn new(field: &Field, path: &Path) -> Result<Part> {
        let refuse = || refuse_column("NPY", field, path);
        let simple = |t: &DataType| match t {
            DataType::Boolean => Some("|b1"),
            DataType::Int8 => Some("|i1"),
            DataType::Int16 => Some("<i2"),
            DataType::Int32 => Some("<i4"),
            DataType::Int64 => Some("<i8"),
            DataType::UInt8 => Some("|u1"),
            DataType::UInt16 => Some("<u2"),
            DataType::UInt32 => Some("<u4"),
            DataType::UInt64 => Some("<u8"),
            DataType::Float32 => Some("<f4"),
            DataType::Float64 => Some("<f8"),
            _ => None,
        };
        let (descr, inner) = match field.data_type() {
            DataType::FixedSizeList(item, n) if *item.data_type() != DataType::Boolean => {
                let shape = crate::images::raw_shape(field).filter(|_| *item.data_type() == DataType::UInt8);
                let inner = shape.map_or(vec![*n as usize], pixels);
                (simple(item.data_type()).ok_or_else(refuse)?, inner)
            }
            DataType::FixedSizeBinary(_) => {
                ("|u1", pixels(crate::images::raw_shape(field).ok_or_else(refuse)?))
            }
            other => (simple(other).ok_or_else(refuse)?, vec![]),
        };
        Ok(Part { descr, inner, rows: 0, name: field.name().clone(), path: path.to_path_buf() })
    }

    pub(crate) fn header(&self, rows: u64, out: &mut dyn Write) -> std::io::Result<()> {
        let inner: String = self.inner.iter().map(|n| format!(", {n}")).collect();
        let comma = if self.inner.is_empty() { "," } else { "" };
        let text = format!(
            "{{'descr': '{}', 'fortran_order': False, 'shape': ({rows}{comma}{inner}), }}",
            self.descr
        );
        out.write_all(b"\x93NUMPY\x01\x00")?;
        out.write_all(&((OWN_HEADER - 10) as u16).to_le_bytes())?;
        writeln!(out, "{text:<width$}", width = OWN_HEADER - 11)
    }

    /// Appends the values of a column in C order, little endian.
    pub(crate) fn append(&mut self, array: &dyn Array, out: &mut dyn Write) -> Result<()> {
        let nulls = match array.as_fixed_size_list_opt() {
            Some(list) => list.null_count() + list.values().null_count(),
            None => array.null_count(),
        };
        if nulls > 0 {
            let what = format!("NPY cannot hold the nulls of column `{}`", self.name);
            return Err(FormatError::unsupported(what, Place::file(&self.path)).with_hint("write Parquet"));
        }
        self.rows += array.len() as u64;
        values(array, out).map_err(|e| FormatError::write(&self.path, e))
    }
}

fn pixels((height, width, channels): (u32, u32, u8)) -> Vec<usize> {
    let mut shape = vec![height as usize, width as usize];
    if channels != 1 {
        shape.push(channels.into());
    }
    shape
}

fn values(array: &dyn Array, out: &mut dyn Write) -> std::io::Result<()> {
    macro_rules! plain {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
        }};
    }
    match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().values().iter().try_for_each(|b| out.write_all(&[u8::from(b)]))
        }
        DataType::Int8 => plain!(Int8Type),
        DataType::Int16 => plain!(Int16Type),
        DataType::Int32 => plain!(Int32Type),
        DataType::Int64 => plain!(Int64Type),
        DataType::UInt8 => out.write_all(array.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => plain!(UInt16Type),
        DataType::UInt32 => plain!(UInt32Type),
        DataType::UInt64 => plain!(UInt64Type),
        DataType::Float32 => plain!(Float32Type),
        DataType::Float64 => plain!(Float64Type),
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            (0..array.len()).try_for_each(|i| out.write_all(array.value(i)))
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let n = list.value_length() as usize;
            values(&list.values().slice(list.offset() * n, list.len() * n), out)
        }
        _ => Err(std::io::ErrorKind::Unsupported.into()),
    }
}

struct Writer {
    file: NewFile,
    part: Part,
    schema: SchemaRef,
    path: PathBuf,
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch, &self.path)?;
        self.part.append(batch.column(0).as_ref(), &mut self.file)
    }
    fn finish(self: Box<Self>) -> Result<u64> {
        use std::io::{Seek, SeekFrom};
        let Writer { mut file, part, path, .. } = *self;
        let inner = file.file()?;
        let seek = inner.seek(SeekFrom::Start(0)).and_then(|_| part.header(part.rows, inner));
        seek.map_err(|e| FormatError::write(&path, e))?;
        file.place()?;
        Ok(part.rows)
    }
}
