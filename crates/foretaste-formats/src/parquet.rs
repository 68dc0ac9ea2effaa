//! Parquet. Columns are decoded side by side, a few batches ahead of the reader.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};

use crate::ahead::{Lane, Step};
use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, Format, Opened, Piece, Pieces};
use crate::input::{Cursor, Input, read_at};
use crate::options::{Note, OpenOptions};
use crate::output::{NewFile, check_batch};

const MAGIC: &[u8] = b"PAR1";
/// Rows decoded at once: enough to make the work of a step outweigh its hand-over.
const STEP_ROWS: usize = 16 * 1024;
/// Steps each column may be ahead of the reader.
const DEPTH: usize = 3;

/// Apache Parquet.
pub struct Parquet;

impl Format for Parquet {
    fn id(&self) -> &'static str {
        "parquet"
    }
    fn title(&self) -> &'static str {
        "Parquet"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["parquet", "pq"]
    }
    fn sniff(&self, head: &[u8], _path: &Path) -> bool {
        head.starts_with(MAGIC)
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let input = input.seekable(&options.limits)?;
        let file = input.file()?;
        let bytes = file.metadata().map_err(|e| FormatError::read(input.shown(), e))?.len();
        check_frame(&file, bytes, &input)?;
        let shared = Shared(Arc::new(file), bytes);
        let own = guarded(&input, || ArrowReaderMetadata::load(&shared, ArrowReaderOptions::new()))?;
        let schema = Arc::new(plain_schema(own.schema()));
        // Dictionaries and views are read straight into plain arrays where the reader can.
        let asked = ArrowReaderOptions::new().with_schema(schema.clone());
        let asked = guarded(&input, || ArrowReaderMetadata::try_new(own.metadata().clone(), asked));
        let metadata = asked.unwrap_or(own);
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).ok();
        let schema = Arc::new(mark_images(metadata.schema()));
        Ok(Box::new(ParquetData { input, shared, metadata, schema, rows }))
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(128 * 1024))
            .build();
        let file = NewFile::create(path)?;
        let inner = ArrowWriter::try_new(file, schema.clone(), Some(properties))
            .map_err(|e| write_failed(path, e))?;
        Ok(Box::new(Writer { inner, schema, rows: 0, path: path.to_path_buf() }))
    }
}

fn check_frame(file: &File, bytes: u64, input: &Input) -> Result<()> {
    let at = || Place::file(input.shown());
    if bytes == 0 {
        return Err(FormatError::malformed("the file is empty", at()));
    }
    let (mut head, mut tail) = ([0u8; 4], [0u8; 4]);
    let read = |at: u64, buffer: &mut [u8]| {
        read_at(file, at, buffer).map_err(|e| FormatError::read(input.shown(), e))
    };
    let n = read(0, &mut head)?;
    if head[..n] != *MAGIC {
        return Err(FormatError::malformed(
            format!("not a Parquet file: starts with `{}`, not `PAR1`", crate::error::shown(&head[..n])),
            at(),
        ));
    }
    read(bytes.saturating_sub(4), &mut tail)?;
    if bytes < 12 || tail != MAGIC {
        return Err(FormatError::malformed("the Parquet file is cut off: its footer is missing", at())
            .with_hint("copy or write the file again"));
    }
    Ok(())
}

fn broken(input: &Input, error: ParquetError) -> FormatError {
    let text = error.to_string();
    let text = text.strip_prefix("Parquet error: ").unwrap_or(&text);
    FormatError::malformed(format!("broken Parquet data: {text}"), Place::file(input.shown()))
        .with_hint("the file may be cut off or damaged: copy or write it again")
}

/// Runs a part of the decoder that may panic on damaged bytes.
fn guarded<T>(input: &Input, work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    match crate::guard::sound(work) {
        Ok(done) => done.map_err(|e| broken(input, e)),
        Err(words) => Err(broken(input, ParquetError::General(words))),
    }
}

fn write_failed(path: &Path, error: ParquetError) -> FormatError {
    FormatError::write(path, std::io::Error::other(error))
}

fn plain_schema(schema: &Schema) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|f| f.as_ref().clone().with_data_type(crate::source::plain(f.data_type())))
        .collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// Gives image columns of the Hugging Face kind, `struct<bytes, path>`, their role.
fn mark_images(schema: &Schema) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Struct(parts) if is_image_struct(parts) => {
                crate::images::mark(field.as_ref().clone(), crate::images::ENCODED)
            }
            _ => field.as_ref().clone(),
        })
        .collect();
    Schema::new(fields)
}

fn is_image_struct(parts: &arrow_schema::Fields) -> bool {
    let bytes = |t: &DataType| matches!(t, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    let text = |t: &DataType| {
        matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
    };
    parts.len() == 2
        && parts.iter().any(|f| f.name() == "bytes" && bytes(f.data_type()))
        && parts.iter().any(|f| f.name() == "path" && text(f.data_type()))
}

/// A file that many readers share without a common cursor.
#[derive(Clone)]
struct Shared(Arc<File>, u64);

impl Length for Shared {
    fn len(&self) -> u64 {
        self.1
    }
}

impl ChunkReader for Shared {
    type T = BufReader<Cursor>;
    fn get_read(&self, start: u64) -> parquet::errors::Result<BufReader<Cursor>> {
        Ok(BufReader::new(Cursor::new(self.0.clone(), start, self.1.saturating_sub(start))))
    }
    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // A damaged footer may ask for any length: never allocate beyond the file.
        if start.checked_add(length as u64).is_none_or(|end| end > self.1) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} lie beyond the end of the file"
            )));
        }
        let mut buffer = vec![0; length];
        if read_at(&self.0, start, &mut buffer)? < length {
            return Err(ParquetError::EOF("the file became shorter".into()));
        }
        Ok(buffer.into())
    }
}

struct ParquetData {
    input: Input,
    shared: Shared,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    rows: Option<u64>,
}

impl ParquetData {
    fn reader(&self, columns: &[usize]) -> Result<ParquetRecordBatchReader> {
        guarded(&self.input, || {
            let (shared, metadata) = (self.shared.clone(), self.metadata.clone());
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(shared, metadata);
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder.with_projection(mask).with_batch_size(STEP_ROWS).build()
        })
    }
}

impl Opened for ParquetData {
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
        let mut lanes = Vec::new();
        for column in 0..self.schema.fields().len() {
            lanes.push(Lane::new(Column(Some(self.reader(&[column])?)), DEPTH));
        }
        lanes.iter().for_each(Lane::offer);
        Ok(Box::new(Columns {
            lanes,
            input: self.input.clone(),
            schema: self.schema.clone(),
            row: 0,
            rows: self.rows.unwrap_or(0),
            ended: false,
        }))
    }
}

/// The batches of one column; none after the decoder panicked.
struct Column(Option<ParquetRecordBatchReader>);

impl Step for Column {
    type Item = Result<ArrayRef, ArrowError>;
    fn step(&mut self) -> Option<Self::Item> {
        let reader = self.0.as_mut()?;
        match crate::guard::sound(|| reader.next()) {
            Ok(next) => Some(next?.map(|batch| batch.column(0).clone())),
            Err(words) => {
                self.0 = None;
                Some(Err(ArrowError::ParquetError(words)))
            }
        }
    }
}

struct Columns {
    lanes: Vec<Lane<Column>>,
    input: Input,
    schema: SchemaRef,
    row: u64,
    rows: u64,
    ended: bool,
}

impl Columns {
    fn pull(&mut self) -> Result<Option<Piece>> {
        let mut arrays = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            if let Some(array) = lane.next() {
                arrays.push(array.map_err(|e| self.broken(&e.to_string()))?);
            }
        }
        let rows = match arrays.first() {
            Some(first) => first.len(),
            // A file without columns still has rows.
            None if self.lanes.is_empty() => (self.rows - self.row).min(STEP_ROWS as u64) as usize,
            None => 0,
        };
        if arrays.is_empty() && rows == 0 {
            if self.row != self.rows {
                return Err(self.broken(&format!("`{}` rows are promised, found `{}`", self.rows, self.row)));
            }
            return Ok(None);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| self.broken(&format!("the columns differ in length or type: {e}")))?;
        let piece = Piece { batch, first_row: self.row, lines: None };
        self.row += rows as u64;
        Ok(Some(piece))
    }

    fn broken(&self, text: &str) -> FormatError {
        let text = text.trim_start_matches("Parquet argument error: ").trim_start_matches("Parquet error: ");
        FormatError::malformed(
            format!("broken Parquet data: {text}"),
            Place::row(self.input.shown(), self.row),
        )
        .with_hint("the file may be cut off or damaged: copy or write it again")
    }
}

impl Iterator for Columns {
    type Item = Result<Piece>;
    fn next(&mut self) -> Option<Result<Piece>> {
        if self.ended {
            return None;
        }
        let next = self.pull().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

struct Writer {
    inner: ArrowWriter<NewFile>,
    schema: SchemaRef,
    rows: u64,
    path: PathBuf,
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch, &self.path)?;
        self.rows += batch.num_rows() as u64;
        self.inner.write(batch).map_err(|e| write_failed(&self.path, e))
    }
    fn finish(self: Box<Self>) -> Result<u64> {
        let Writer { inner, rows, path, .. } = *self;
        inner.into_inner().map_err(|e| write_failed(&path, e))?.place()?;
        Ok(rows)
    }
}
