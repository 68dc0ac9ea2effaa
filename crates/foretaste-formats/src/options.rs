//! How to open: everything has a default, nothing is read from the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow_schema::DataType;

/// Options of [`Source::open`](crate::Source::open).
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Id of the format (`csv`, `parquet`, ...); `None` looks at the bytes and the name.
    pub format: Option<String>,
    /// Rows per batch; the last batch of a file or of a piece of it may be shorter.
    pub batch_rows: usize,
    /// Whether delimited text starts with names; `None` infers it and notes the inference.
    pub has_header: Option<bool>,
    /// The delimiter of delimited text; `None` infers it and notes the inference.
    pub delimiter: Option<u8>,
    /// Types of columns of text formats by name, instead of the inferred ones. A value that does not fit is an error.
    pub types: BTreeMap<String, DataType>,
    /// Bounds on what a file may make this crate allocate.
    pub limits: Limits,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            format: None,
            batch_rows: 8192,
            has_header: None,
            delimiter: None,
            types: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

/// Bounds that keep a hostile file from taking the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one compressed file may become.
    pub decompressed_bytes: u64,
    /// Decompressed over compressed size, checked once a file has become larger than 256 MiB.
    pub ratio: u64,
    /// Bytes of one row of a text format.
    pub row_bytes: usize,
    /// Columns of one file.
    pub columns: usize,
    /// Width and height of an image.
    pub image_side: u32,
    /// Pixels of an image.
    pub image_pixels: u64,
    /// Files of one source.
    pub files: usize,
    /// Bytes of all files behind one address, which are copied into a temporary folder.
    pub remote_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            decompressed_bytes: 256 << 30,
            ratio: 1100,
            row_bytes: 256 << 20,
            columns: 20_000,
            image_side: 16_384,
            image_pixels: 100_000_000,
            files: 2_000_000,
            remote_bytes: 64 << 30,
        }
    }
}

/// What kind of statement a [`Note`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoteKind {
    /// Something the file does not say was inferred: delimiter, header, types.
    Inferred,
    /// A name was changed, for example because it stood twice.
    Renamed,
    /// Something was left out on purpose: an array of another part, a file that holds no samples.
    Skipped,
    /// Something that may hold samples or labels could not be read.
    Unread,
    /// A type became wider, or values were rounded to a narrower one.
    Converted,
    /// A column is missing in one file and reads as null there.
    Missing,
}

/// Something the user should know about how the input was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What kind of statement this is.
    pub kind: NoteKind,
    /// The statement.
    pub text: String,
    /// The file it is about.
    pub file: Option<PathBuf>,
    /// The row it is about, from 0.
    pub row: Option<u64>,
}

impl Note {
    pub(crate) fn new(kind: NoteKind, text: impl Into<String>, file: &std::path::Path) -> Note {
        Note { kind, text: text.into(), file: Some(file.to_path_buf()), row: None }
    }
}
