//! IDX: the format of MNIST. Images and their labels are two files that are read as one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};

use crate::error::{FormatError, Place, Result};
use crate::format::{Format, Opened, Pieces};
use crate::images;
use crate::input::{Input, read_at};
use crate::npy::{check_size, column_name};
use crate::options::{Note, NoteKind, OpenOptions};
use crate::tensor::{Bytes, Joined, Number, Rows, Tensor, batch_for};

/// MNIST's format: `train-images-idx3-ubyte` with `train-labels-idx1-ubyte` beside it.
pub struct Idx;

/// Reads the header: two zeros, type, number of axes, their sizes (big endian).
pub(crate) fn parse_header(head: &[u8]) -> Result<(Tensor, usize), String> {
    let cut = || "the IDX header is cut off".to_string();
    let [zero, one, kind, axes] = *head.first_chunk::<4>().ok_or_else(cut)?;
    if (zero, one) != (0, 0) {
        return Err(format!("not an IDX file: starts with `{}`", crate::error::shown(&head[..4])));
    }
    let number = match kind {
        0x08 => Number::U8,
        0x09 => Number::I8,
        0x0b => Number::I16,
        0x0c => Number::I32,
        0x0d => Number::F32,
        0x0e => Number::F64,
        other => return Err(format!("IDX type `{other:#04x}` is not known")),
    };
    if axes == 0 || axes > 8 {
        return Err(format!("`{axes}` axes are not possible in an IDX file of data"));
    }
    let end = 4 + 4 * usize::from(axes);
    let sizes = head.get(4..end).ok_or_else(cut)?;
    let shape = sizes.as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b).into()).collect();
    Ok((Tensor { number, big_endian: true, shape, fortran: false }, end))
}

fn renamed(path: &Path, from: &[(&str, &str)]) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    from.iter().find(|(a, _)| name.contains(a)).map(|(a, b)| path.with_file_name(name.replace(a, b)))
}

/// Whether a name is one of MNIST's.
pub(crate) fn is_idx_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    ["-idx1-ubyte", "-idx3-ubyte", ".idx1-ubyte", ".idx3-ubyte"].iter().any(|part| name.contains(part))
}

/// The image file that a label file belongs to, by name; existing or not.
pub(crate) fn images_beside(labels: &Path) -> Option<PathBuf> {
    let pairs = [("-labels-idx1-ubyte", "-images-idx3-ubyte"), ("-labels.idx1-ubyte", "-images.idx3-ubyte")];
    renamed(labels, &pairs)
}

fn labels_beside(images: &Path) -> Option<PathBuf> {
    let pairs = [("-images-idx3-ubyte", "-labels-idx1-ubyte"), ("-images.idx3-ubyte", "-labels.idx1-ubyte")];
    let found = renamed(images, &pairs)?;
    // One of the pair may be packed and the other not.
    let packed = PathBuf::from(format!("{}.gz", found.display()));
    [found.clone(), packed, crate::input::unpacked_name(&found)]
        .into_iter()
        .find(|p| p.is_file() && p != images)
}

struct Part {
    input: Input,
    tensor: Tensor,
    start: u64,
}

fn part(input: &Input, options: &OpenOptions) -> Result<Part> {
    let input = input.seekable(&options.limits)?;
    let at = || Place::file(input.shown());
    let file = input.file()?;
    let mut head = [0u8; 64];
    let n = read_at(&file, 0, &mut head).map_err(|e| FormatError::read(input.shown(), e))?;
    if n == 0 {
        return Err(FormatError::malformed("the file is empty", at()));
    }
    let (tensor, start) = parse_header(&head[..n]).map_err(|what| FormatError::malformed(what, at()))?;
    let present = input.bytes().saturating_sub(start as u64);
    check_size(&tensor, present, "the file").map_err(|e| e.into_error(at()))?;
    Ok(Part { input, tensor, start: start as u64 })
}

impl Format for Idx {
    fn id(&self) -> &'static str {
        "idx"
    }
    fn title(&self) -> &'static str {
        "IDX (MNIST)"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["idx", "idx1-ubyte", "idx3-ubyte", "idx1", "idx3"]
    }
    fn sniff(&self, head: &[u8], _path: &Path) -> bool {
        matches!(head, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=8, ..]) && parse_header(head).is_ok()
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let main = part(input, options)?;
        let at = || Place::file(input.shown());
        let own_name = if main.tensor.shape.len() == 1 && main.tensor.number == Number::U8 {
            "label"
        } else {
            column_name(&main.tensor)
        };
        let field =
            |p: &Part, name: &str| p.tensor.field(name).map_err(|what| FormatError::unsupported(what, at()));
        let mut fields: Vec<Field> = vec![field(&main, own_name)?];
        let mut notes = Vec::new();
        let mut parts = vec![main];
        if let Some(labels) = labels_beside(input.shown()) {
            let labels = part(&Input::new(&labels, None)?, options)?;
            let (ours, theirs) = (parts[0].tensor.rows(), labels.tensor.rows());
            if ours != theirs {
                let what = format!("`{theirs}` labels do not fit `{ours}` images");
                return Err(FormatError::malformed(what, Place::file(labels.input.shown())));
            }
            let text = format!("labels are read from `{}`", labels.input.shown().display());
            notes.push(Note::new(NoteKind::Inferred, text, input.shown()));
            fields.push(field(&labels, "label")?);
            parts.push(labels);
        }
        let last = fields.len() - 1;
        if fields[last].name() == "label" {
            fields[last] = images::with_role(fields[last].clone(), "label");
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Box::new(IdxData { parts, schema, notes, batch_rows: options.batch_rows }))
    }
}

struct IdxData {
    parts: Vec<Part>,
    schema: SchemaRef,
    notes: Vec<Note>,
    batch_rows: usize,
}

impl Opened for IdxData {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> Option<u64> {
        self.parts.first().map(|p| p.tensor.rows())
    }
    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }
    fn batches(&self) -> Result<Pieces> {
        let tensors: Vec<&Tensor> = self.parts.iter().map(|p| &p.tensor).collect();
        let batch = batch_for(&tensors, self.batch_rows);
        let mut columns = Vec::new();
        for (part, field) in self.parts.iter().zip(self.schema.fields()) {
            let bytes = Bytes::At(Arc::new(part.input.file()?), part.start);
            columns.push(Rows::new(part.tensor.clone(), field.name(), bytes, batch, &part.input));
        }
        let input = &self.parts[0].input;
        Ok(Box::new(Joined::new(columns, self.schema.clone(), input)))
    }
}
