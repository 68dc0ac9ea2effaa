//! What a format is, and the list of them.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};

use crate::error::{FormatError, Result};
use crate::input::Input;
use crate::options::{Note, OpenOptions};

/// Batches of one file with the row each starts at, in order.
pub type Pieces = Box<dyn Iterator<Item = Result<Piece>> + Send>;

/// Consecutive rows of one file.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The rows.
    pub batch: RecordBatch,
    /// Number of the first of them in the file, from 0.
    pub first_row: u64,
    /// Physical lines, for text formats.
    pub lines: Option<Lines>,
}

/// The physical line at which each row of a batch starts, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lines {
    /// Every row is one line, the first is this one.
    From(u64),
    /// Rows span lines, or blank lines lie between: one number per row.
    Each(Vec<u64>),
}

impl Lines {
    /// The line at which row `row` of the batch starts.
    pub fn line(&self, row: usize) -> Option<u64> {
        match self {
            Lines::From(first) => Some(first + row as u64),
            Lines::Each(lines) => lines.get(row).copied(),
        }
    }
    /// The lines of `len` rows from `offset` on.
    pub(crate) fn slice(&self, offset: usize, len: usize) -> Lines {
        match self {
            Lines::From(first) => Lines::From(first + offset as u64),
            Lines::Each(lines) => Lines::Each(lines.iter().skip(offset).take(len).copied().collect()),
        }
    }
}

/// A file whose schema is known. Holds no data.
pub trait Opened: Send + Sync {
    /// Columns, with roles in the metadata where the format implies them.
    fn schema(&self) -> SchemaRef;
    /// Number of rows, where known without reading the data.
    fn rows(&self) -> Option<u64>;
    /// What was inferred or left out.
    fn notes(&self) -> Vec<Note>;
    /// Reads from the start; may be called again and again.
    fn batches(&self) -> Result<Pieces>;
    /// Reads column `column` as the wider `to` from now on. `false`: this format cannot, cast instead.
    fn widen(&mut self, column: usize, to: &DataType) -> bool {
        let _ = (column, to);
        false
    }
    /// Row-wise raw access, for text formats.
    fn raw(&self) -> Option<&dyn RawRows> {
        None
    }
}

/// Text formats give every row as the bytes that stand in the file, line end included.
pub trait RawRows: Send + Sync {
    /// What stands before the first row: byte order mark, header line.
    fn preamble(&self) -> Result<Vec<u8>>;
    /// What stands between rows and behind the last, if they are not lines.
    fn framing(&self) -> Framing {
        Framing::default()
    }
    /// Calls `each` with every row in order. Bytes between rows (blank lines) belong to the row before them.
    fn rows(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// What holds rows together that are not lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Framing {
    /// Between two rows.
    pub between: &'static [u8],
    /// Behind the last, or behind the preamble if there is none.
    pub end: &'static [u8],
}

/// Takes batches and makes a file of them. Without `finish` no file appears.
pub trait BatchWriter: Send {
    /// Appends rows. The batch must have the writer's schema.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Completes the file and puts it in place. Returns the number of rows.
    fn finish(self: Box<Self>) -> Result<u64>;
}

/// One data format. A new one is one file and one line in [`formats`].
pub trait Format: Sync {
    /// Its name in options: lower case.
    fn id(&self) -> &'static str;
    /// Its name in sentences.
    fn title(&self) -> &'static str;
    /// File name endings without the dot, lower case, without `gz` and `zst`.
    fn extensions(&self) -> &'static [&'static str];
    /// Whether a file that starts with `head` (unpacked) and is called `path` is of this format.
    fn sniff(&self, head: &[u8], path: &Path) -> bool;
    /// Learns the schema of a file.
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>>;
    /// Starts a file at `path`.
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        let _ = schema;
        Err(FormatError::unsupported(
            format!("`{}` can be read, not written", self.id()),
            crate::error::Place::file(path),
        )
        .with_hint(format!("write one of: {}", WRITABLE.join(", "))))
    }
}

const WRITABLE: &[&str] = &["csv", "tsv", "jsonl", "json", "parquet", "arrow", "arrows", "npy", "npz"];

/// Every format, those with unmistakable first bytes before those without.
pub fn formats() -> &'static [&'static dyn Format] {
    ALL
}

static ALL: &[&dyn Format] = &[
    &crate::parquet::Parquet,
    &crate::arrow::ArrowFile,
    &crate::arrow::ArrowStream,
    &crate::npz::Npz,
    &crate::npy::Npy,
    &crate::idx::Idx,
    &crate::safetensors::SafeTensors,
    &crate::folder::ImageFolder,
    &crate::jsonl::JsonArray,
    &crate::jsonl::JsonLines,
    &crate::csv::CSV,
    &crate::csv::TSV,
];

/// The format called `id`, also under its file name endings.
pub fn format_named(id: &str) -> Result<&'static dyn Format> {
    let id = id.to_ascii_lowercase();
    let found = formats().iter().find(|f| f.id() == id);
    let found = found.or_else(|| formats().iter().find(|f| f.extensions().contains(&id.as_str())));
    found.copied().ok_or_else(|| FormatError::UnknownFormat {
        what: format!("there is no format `{id}`"),
        hint: Some(format!("formats: {}", formats().iter().map(|f| f.id()).collect::<Vec<_>>().join(", "))),
    })
}

/// The ending of a name, lower case, without the endings of packings.
pub(crate) fn extension(path: &Path) -> Option<String> {
    Some(crate::input::unpacked_name(path).extension()?.to_str()?.to_ascii_lowercase())
}

/// The format that a file's name says.
pub(crate) fn by_extension(path: &Path) -> Option<&'static dyn Format> {
    let ending = extension(path)?;
    formats().iter().find(|f| f.extensions().contains(&ending.as_str())).copied()
}

/// Finds the format of an input: first bytes, then name, then looks of the text.
pub(crate) fn detect(input: &Input, options: &OpenOptions) -> Result<&'static dyn Format> {
    if let Some(id) = &options.format {
        return format_named(id);
    }
    let head = input.head(&options.limits)?;
    if let Some(found) = formats().iter().find(|f| f.sniff(&head, input.name())) {
        return Ok(*found);
    }
    if let Some(found) = by_extension(input.name()) {
        return Ok(found);
    }
    let start = crate::error::shown(&head[..head.len().min(16)]);
    let what = if head.is_empty() {
        format!("the file is empty: {}", input.shown().display())
    } else {
        format!("unknown format, starts with `{start}`: {}", input.shown().display())
    };
    Err(FormatError::UnknownFormat {
        what,
        hint: Some("name the format, for example `csv`, `jsonl` or `parquet`".into()),
    })
}
