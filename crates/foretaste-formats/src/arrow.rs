//! Arrow IPC: file (also Feather version 2) and stream.

use std::io::BufReader;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};

use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, Format, Opened, Piece, Pieces};
use crate::input::Input;
use crate::options::{Note, OpenOptions};
use crate::output::{NewFile, check_batch};

const FILE_MAGIC: &[u8] = b"ARROW1";
const FEATHER_1: &[u8] = b"FEA1";

/// The IPC file format, which Feather version 2 is another name of.
pub struct ArrowFile;

/// The IPC stream format: batches one after another, no index.
pub struct ArrowStream;

impl Format for ArrowFile {
    fn id(&self) -> &'static str {
        "arrow"
    }
    fn title(&self) -> &'static str {
        "Arrow IPC file"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["arrow", "feather", "ipc"]
    }
    fn sniff(&self, head: &[u8], _path: &Path) -> bool {
        head.starts_with(FILE_MAGIC) || head.starts_with(FEATHER_1)
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        open(input, options, true)
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        let fail = |e| write_failed(path, e);
        let file = NewFile::create(path)?;
        let writer =
            FileWriter::try_new_with_options(file, &schema, IpcWriteOptions::default()).map_err(fail)?;
        Ok(Box::new(Writer { inner: Inner::File(writer), schema, rows: 0, path: path.to_path_buf() }))
    }
}

impl Format for ArrowStream {
    fn id(&self) -> &'static str {
        "arrows"
    }
    fn title(&self) -> &'static str {
        "Arrow IPC stream"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["arrows"]
    }
    fn sniff(&self, head: &[u8], _path: &Path) -> bool {
        // Continuation marker, length of the metadata, and a flatbuffer whose root offset is small.
        head.len() >= 16
            && head[..4] == [0xff; 4]
            && u32::from_le_bytes([head[4], head[5], head[6], head[7]]) < (64 << 20)
            && u32::from_le_bytes([head[8], head[9], head[10], head[11]]) < 256
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        open(input, options, false)
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        let fail = |e| write_failed(path, e);
        let writer = StreamWriter::try_new(NewFile::create(path)?, &schema).map_err(fail)?;
        Ok(Box::new(Writer { inner: Inner::Stream(writer), schema, rows: 0, path: path.to_path_buf() }))
    }
}

fn write_failed(path: &Path, error: ArrowError) -> FormatError {
    match error {
        ArrowError::IoError(_, source) => FormatError::write(path, source),
        other => FormatError::write(path, std::io::Error::other(other)),
    }
}

fn broken(input: &Input, error: ArrowError) -> FormatError {
    let at = Place::file(input.shown());
    match error {
        ArrowError::IoError(_, source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            FormatError::read(input.shown(), source)
        }
        other => FormatError::malformed(format!("broken Arrow data: {other}"), at)
            .with_hint("the file may be cut off: write or copy it again"),
    }
}

/// Runs a part of the decoder that may panic on damaged bytes.
fn guarded<T>(input: &Input, work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    match crate::guard::sound(work) {
        Ok(done) => done.map_err(|e| broken(input, e)),
        Err(words) => Err(broken(input, ArrowError::ParseError(words))),
    }
}

fn open(input: &Input, options: &OpenOptions, as_file: bool) -> Result<Box<dyn Opened>> {
    let input = input.seekable(&options.limits)?;
    let at = || Place::file(input.shown());
    let head = input.head(&options.limits)?;
    if head.starts_with(FEATHER_1) {
        return Err(FormatError::unsupported("Feather version 1 is not read", at())
            .with_hint("write it again with version 2: `pyarrow.feather.write_feather(table, path)`"));
    }
    if head.is_empty() {
        return Err(FormatError::malformed("the file is empty", at()));
    }
    if as_file && !head.starts_with(FILE_MAGIC) {
        return Err(FormatError::malformed(
            format!("not an Arrow file: starts with `{}`", crate::error::shown(&head[..head.len().min(8)])),
            at(),
        ));
    }
    let file = input.file()?;
    let checked = if as_file {
        crate::lengths::of_file(&file, input.bytes(), &options.limits)
    } else {
        crate::lengths::of_stream(&file, input.bytes(), &options.limits)
    };
    checked.map_err(|what| {
        FormatError::malformed(format!("broken Arrow data: {what}"), at())
            .with_hint("the file may be cut off: write or copy it again")
    })?;
    let (schema, rows) = if as_file {
        let file = BufReader::new(input.file()?);
        let reader = guarded(&input, || FileReader::try_new(file, None))?;
        (reader.schema(), crate::guard::sound(|| count(&input)).ok().flatten())
    } else {
        let file = input.file()?;
        let reader = guarded(&input, || StreamReader::try_new(file, None))?;
        (reader.schema(), None)
    };
    Ok(Box::new(ArrowData { input, schema, rows, as_file }))
}

/// Rows of a file: an empty projection reads the headers of the batches only.
fn count(input: &Input) -> Option<u64> {
    let file = BufReader::new(input.file().ok()?);
    let headers = FileReader::try_new(file, Some(Vec::new())).ok()?;
    let mut rows = 0;
    for batch in headers {
        rows += batch.ok()?.num_rows() as u64;
    }
    Some(rows)
}

struct ArrowData {
    input: Input,
    schema: SchemaRef,
    rows: Option<u64>,
    as_file: bool,
}

impl Opened for ArrowData {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> Option<u64> {
        self.rows
    }
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }
    fn batches(&self) -> Result<Pieces> {
        let file = self.input.file()?;
        let inner: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send> = if self.as_file {
            Box::new(guarded(&self.input, || FileReader::try_new(BufReader::new(file), None))?)
        } else {
            Box::new(guarded(&self.input, || StreamReader::try_new_buffered(file, None))?)
        };
        let input = self.input.clone();
        let mut first_row = 0;
        let mut inner = Some(inner);
        let next = move || match crate::guard::sound(|| inner.as_mut()?.next()) {
            Ok(next) => next,
            Err(words) => {
                inner = None;
                Some(Err(ArrowError::ParseError(words)))
            }
        };
        Ok(Box::new(std::iter::from_fn(next).map(move |batch| {
            let batch = batch.map_err(|e| broken(&input, e))?;
            let piece = Piece { first_row, lines: None, batch };
            first_row += piece.batch.num_rows() as u64;
            Ok(piece)
        })))
    }
}

enum Inner {
    File(FileWriter<NewFile>),
    Stream(StreamWriter<NewFile>),
}

struct Writer {
    inner: Inner,
    schema: SchemaRef,
    rows: u64,
    path: std::path::PathBuf,
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch, &self.path)?;
        self.rows += batch.num_rows() as u64;
        let done = match &mut self.inner {
            Inner::File(w) => w.write(batch),
            Inner::Stream(w) => w.write(batch),
        };
        done.map_err(|e| write_failed(&self.path, e))
    }
    fn finish(self: Box<Self>) -> Result<u64> {
        let Writer { inner, rows, path, .. } = *self;
        let file = match inner {
            Inner::File(w) => w.into_inner(),
            Inner::Stream(w) => w.into_inner(),
        };
        file.map_err(|e| write_failed(&path, e))?.place()?;
        Ok(rows)
    }
}
