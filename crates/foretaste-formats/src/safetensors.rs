//! safetensors: named tensors. Those that share their first axis are the columns of one table.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use serde::Deserialize;

use crate::error::{FormatError, Place, Result};
use crate::format::{Format, Opened, Pieces, extension};
use crate::input::{Input, read_at};
use crate::npy::rounding_note;
use crate::options::{Note, NoteKind, OpenOptions};
use crate::tensor::{Bytes, Joined, Number, Rows, Tensor, batch_for};

/// Longest header, as in the reference implementation.
const HEADER: u64 = 100_000_000;

/// Embeddings, and labels beside them.
pub struct SafeTensors;

#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

#[derive(Debug)]
struct Entry {
    name: String,
    tensor: Tensor,
    start: u64,
}

fn number(dtype: &str) -> Option<Number> {
    Some(match dtype {
        "BOOL" => Number::Bool,
        "I8" => Number::I8,
        "I16" => Number::I16,
        "I32" => Number::I32,
        "I64" => Number::I64,
        "U8" => Number::U8,
        "U16" => Number::U16,
        "U32" => Number::U32,
        "U64" => Number::U64,
        "F16" => Number::F16,
        "BF16" => Number::Bf16,
        "F32" => Number::F32,
        "F64" => Number::F64,
        _ => return None,
    })
}

/// Reads the header (without its length) of a file whose values take `present` bytes.
fn parse_header(header: &[u8], present: u64, skipped: &mut Vec<String>) -> Result<Vec<Entry>, String> {
    let all: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|e| format!("the safetensors header is not JSON: {e}"))?;
    let mut entries = Vec::new();
    for (name, value) in all {
        if name == "__metadata__" {
            continue;
        }
        let described: Described = serde_json::from_value(value)
            .map_err(|e| format!("tensor `{name}` is not described well: {e}"))?;
        let Some(number) = number(&described.dtype) else {
            skipped.push(format!("tensor `{name}` has type `{}`, which is not read", described.dtype));
            continue;
        };
        let tensor = Tensor { number, big_endian: false, shape: described.shape, fortran: false };
        let (start, end) = described.data_offsets;
        let fits = end <= present && end.checked_sub(start).is_some_and(|size| tensor.bytes() == Some(size));
        if !fits {
            let shape = crate::tensor::shape_text(&tensor.shape);
            return Err(format!(
                "tensor `{name}` of shape `{shape}` does not fit the bytes `{start}..{end}`"
            ));
        }
        entries.push(Entry { name, tensor, start });
    }
    Ok(entries)
}

impl Format for SafeTensors {
    fn id(&self) -> &'static str {
        "safetensors"
    }
    fn title(&self) -> &'static str {
        "safetensors"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["safetensors"]
    }
    fn sniff(&self, head: &[u8], path: &Path) -> bool {
        let length = head.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
        let named = extension(path).is_some_and(|e| e == "safetensors");
        (2..=HEADER).contains(&length) && head.get(8) == Some(&b'{') && (named || head.get(9) == Some(&b'"'))
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let input = input.seekable(&options.limits)?;
        let at = || Place::file(input.shown());
        let read_failed = |e| FormatError::read(input.shown(), e);
        let file = input.file()?;
        let mut length = [0u8; 8];
        let n = read_at(&file, 0, &mut length).map_err(read_failed)?;
        let length = u64::from_le_bytes(length);
        let size = input.bytes();
        if n < 8 || length > HEADER || length.saturating_add(8) > size {
            return Err(FormatError::malformed("not a safetensors file, or cut off", at()));
        }
        let mut header = vec![0u8; length as usize];
        read_at(&file, 8, &mut header).map_err(read_failed)?;
        let mut skipped = Vec::new();
        let entries = parse_header(&header, size - 8 - length, &mut skipped)
            .map_err(|what| FormatError::malformed(what, at()))?;
        let mut notes: Vec<Note> =
            skipped.into_iter().map(|text| Note::new(NoteKind::Skipped, text, input.shown())).collect();
        let entries = choose(entries, &input, &mut notes)?;
        let mut fields = Vec::new();
        for entry in &entries {
            fields
                .push(entry.tensor.field(&entry.name).map_err(|what| FormatError::unsupported(what, at()))?);
            notes.extend(rounding_note(&entry.tensor, &entry.name, &input));
        }
        let schema = Arc::new(Schema::new(fields));
        let batch_rows = options.batch_rows;
        Ok(Box::new(SafeData { input, entries, start: 8 + length, schema, notes, batch_rows }))
    }
}

/// The tensor named by the selector, else all that share the longest first axis.
fn choose(entries: Vec<Entry>, input: &Input, notes: &mut Vec<Note>) -> Result<Vec<Entry>> {
    let usable = |e: &Entry| e.tensor.field(&e.name).is_ok();
    let wanted =
        |e: &Entry| input.selector().is_none_or(|s| e.name == s || e.name.starts_with(&format!("{s}.")));
    let names: Vec<String> = entries.iter().take(20).map(|e| format!("`{}`", e.name)).collect();
    let rows = entries.iter().filter(|e| usable(e) && wanted(e)).map(|e| e.tensor.rows()).max();
    let Some(rows) = rows else {
        return Err(FormatError::unsupported(
            "no tensor of the file can be read as a column",
            Place::file(input.shown()),
        )
        .with_hint(format!("tensors: {}", names.join(", "))));
    };
    let mut chosen = Vec::new();
    for entry in entries {
        if usable(&entry) && wanted(&entry) && entry.tensor.rows() == rows {
            chosen.push(entry);
        } else {
            let shape = crate::tensor::shape_text(&entry.tensor.shape);
            let text = format!("tensor `{}` of shape `{shape}` is not read: it has other rows", entry.name);
            notes.push(Note::new(NoteKind::Skipped, text, input.shown()));
        }
    }
    Ok(chosen)
}

struct SafeData {
    input: Input,
    entries: Vec<Entry>,
    start: u64,
    schema: SchemaRef,
    notes: Vec<Note>,
    batch_rows: usize,
}

impl Opened for SafeData {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> Option<u64> {
        self.entries.first().map(|e| e.tensor.rows())
    }
    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }
    fn batches(&self) -> Result<Pieces> {
        let file = Arc::new(self.input.file()?);
        let tensors: Vec<&Tensor> = self.entries.iter().map(|e| &e.tensor).collect();
        let batch = batch_for(&tensors, self.batch_rows);
        let column = |e: &Entry| {
            let bytes = Bytes::At(file.clone(), self.start + e.start);
            Rows::new(e.tensor.clone(), &e.name, bytes, batch, &self.input)
        };
        let columns = self.entries.iter().map(column).collect();
        Ok(Box::new(Joined::new(columns, self.schema.clone(), &self.input)))
    }
}
