//! A source: files of one schema that can be read again and again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef};

use crate::align::{Aligned, align};
use crate::apart::{Candidate, one_table};
use crate::error::{FormatError, Place, Result};
use crate::expand::expand;
use crate::format::{Framing, Lines, Opened, Pieces, detect};
use crate::options::{Note, NoteKind, OpenOptions};

/// What is known of one file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The file as named; for a folder of images the folder.
    pub path: PathBuf,
    /// Id of its format.
    pub format: &'static str,
    /// Size on disk.
    pub bytes: u64,
    /// Number of rows, if known without reading.
    pub rows: Option<u64>,
}

/// A batch and where it lies.
#[derive(Debug, Clone)]
pub struct Located {
    /// The rows, in the schema of the source.
    pub batch: RecordBatch,
    /// Index of the file in [`Source::files`].
    pub file: usize,
    /// Number of the first row in that file, from 0.
    pub first_row_in_file: u64,
    /// Physical line of each row, for text formats.
    pub lines: Option<Lines>,
}

struct Member {
    opened: Box<dyn Opened>,
    path: PathBuf,
    /// For every column of the source, the column of the file.
    columns: Vec<Option<usize>>,
}

/// One or several files of one schema. Holding one loads nothing.
#[derive(Clone)]
pub struct Source {
    members: Arc<Vec<Member>>,
    schema: SchemaRef,
    files: Vec<FileInfo>,
    notes: Vec<Note>,
    batch_rows: usize,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("files", &self.files).field("schema", &self.schema).finish()
    }
}

impl Source {
    /// Each file with its rows as bytes, where its format has them.
    pub(crate) fn raw_members(&self) -> impl Iterator<Item = (&Path, Option<&dyn crate::format::RawRows>)> {
        self.members.iter().map(|m| (m.path.as_path(), m.opened.raw()))
    }

    /// Finds the files, their formats and the common schema.
    ///
    /// An input is a path, a pattern (`part-*.csv`), a folder, `-` for standard input, or `file.npz#part`.
    /// Text formats are read once here, because only the whole file says which type a column has; the others
    /// are asked for their header.
    ///
    /// # Errors
    /// Anything that keeps a file from being read, in the kinds of [`FormatError`].
    pub fn open(inputs: &[String], options: &OpenOptions) -> Result<Source> {
        let mut notes = Vec::new();
        let found = expand(inputs, options, &mut notes)?;
        let mut candidates = Vec::with_capacity(found.len());
        for input in &found {
            let format =
                if input.path().is_dir() { &crate::folder::ImageFolder } else { detect(input, options)? };
            candidates.push((input, format, format.open(input, options)?));
        }
        let known: Vec<Candidate> = candidates
            .iter()
            .map(|(input, _, file)| Candidate {
                schema: file.schema(),
                bytes: input.bytes(),
                found: input.found(),
            })
            .collect();
        let mut opened = Vec::with_capacity(found.len());
        let mut files = Vec::with_capacity(found.len());
        for ((input, format, file), read) in candidates.into_iter().zip(one_table(&known)) {
            if !read {
                let text =
                    "another table, with other columns than most of the folder; name the file to read it";
                notes.push(Note::new(NoteKind::Unread, text, input.shown()));
                continue;
            }
            notes.extend(file.notes());
            let rows = file.rows();
            files.push(FileInfo {
                path: input.shown().to_path_buf(),
                format: format.id(),
                bytes: input.bytes(),
                rows,
            });
            opened.push(file);
        }
        let paths: Vec<PathBuf> = files.iter().map(|f| f.path.clone()).collect();
        let schemas: Vec<SchemaRef> = opened.iter().map(|o| o.schema()).collect();
        let Aligned { schema, columns } = align(&schemas, &paths, &mut notes)?;
        let mut members = Vec::with_capacity(opened.len());
        for ((mut opened, path), columns) in opened.into_iter().zip(paths).zip(columns) {
            widen(opened.as_mut(), &schema, &columns);
            members.push(Member { opened, path, columns });
        }
        let batch_rows = options.batch_rows.max(1);
        Ok(Source { members: Arc::new(members), schema, files, notes, batch_rows })
    }

    /// Opens one path with default options.
    pub fn open_path(path: &Path) -> Result<Source> {
        Source::open(&[path.to_string_lossy().into_owned()], &OpenOptions::default())
    }

    /// The common schema.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    /// The files, in reading order.
    pub fn files(&self) -> &[FileInfo] {
        &self.files
    }
    /// What was inferred, renamed, converted or left out.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
    /// Whether rows that are copied keep their bytes: of an array the white space between tokens is lost.
    pub fn keeps_bytes(&self) -> bool {
        self.files.iter().all(|f| f.format != "json")
    }
    /// Number of rows of all files, if every format knows it beforehand.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|f| f.rows).sum()
    }

    /// Reads everything from the start, in the order of the files; the same batches every time.
    pub fn batches(&self) -> Result<Box<dyn Iterator<Item = Result<Located>> + Send>> {
        let first = match self.members.first() {
            Some(member) => Some(member.opened.batches()?),
            None => None,
        };
        Ok(Box::new(Batches { source: self.clone(), file: 0, pieces: first, waiting: None, failed: false }))
    }

    fn convert(&self, member: &Member, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for (field, from) in self.schema.fields().iter().zip(&member.columns) {
            let array = match from {
                None => new_null_array(field.data_type(), rows),
                Some(i) if batch.column(*i).data_type() == field.data_type() => batch.column(*i).clone(),
                Some(i) => cast(batch.column(*i), field.data_type()).map_err(|e| {
                    let what =
                        format!("column `{}` cannot be read as `{}`: {e}", field.name(), field.data_type());
                    FormatError::schema(what, Place::file(&member.path))
                })?,
            };
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(|e| {
            FormatError::malformed(format!("the columns do not fit together: {e}"), Place::file(&member.path))
        })
    }
}

/// Text formats can read a column as the wider type at once, which keeps the spelling of numbers.
fn widen(opened: &mut dyn Opened, schema: &SchemaRef, columns: &[Option<usize>]) {
    let own = opened.schema();
    for (field, from) in schema.fields().iter().zip(columns) {
        if let Some(i) = from
            && own.field(*i).data_type() != field.data_type()
        {
            opened.widen(*i, field.data_type());
        }
    }
}

struct Batches {
    source: Source,
    file: usize,
    pieces: Option<Pieces>,
    /// Rest of a piece that was larger than a batch.
    waiting: Option<Located>,
    failed: bool,
}

impl Batches {
    fn pull(&mut self) -> Result<Option<Located>> {
        loop {
            if let Some(located) = self.waiting.take() {
                return Ok(Some(self.split(located)));
            }
            let Some(pieces) = &mut self.pieces else { return Ok(None) };
            match pieces.next() {
                Some(piece) => {
                    let piece = piece?;
                    let batch = self.source.convert(&self.source.members[self.file], piece.batch)?;
                    if batch.num_rows() > 0 {
                        self.waiting = Some(Located {
                            batch,
                            file: self.file,
                            first_row_in_file: piece.first_row,
                            lines: piece.lines,
                        });
                    }
                }
                None => {
                    self.file += 1;
                    self.pieces = match self.source.members.get(self.file) {
                        Some(member) => Some(member.opened.batches()?),
                        None => None,
                    };
                }
            }
        }
    }

    fn split(&mut self, located: Located) -> Located {
        let most = self.source.batch_rows;
        let rows = located.batch.num_rows();
        if rows <= most {
            return located;
        }
        let cut = |from: usize, len: usize| Located {
            batch: located.batch.slice(from, len),
            file: located.file,
            first_row_in_file: located.first_row_in_file + from as u64,
            lines: located.lines.as_ref().map(|l| l.slice(from, len)),
        };
        self.waiting = Some(cut(most, rows - most));
        cut(0, most)
    }
}

impl Iterator for Batches {
    type Item = Result<Located>;
    fn next(&mut self) -> Option<Result<Located>> {
        if self.failed {
            return None;
        }
        let next = self.pull().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Copies rows of text files byte for byte, so that nothing is reformatted: what `keep` says yes to goes to `kept`,
/// the rest to `quarantined`. Rows are numbered from 0 over all files. The header, where there is one, goes to both.
/// A last row without a line end gets one only where another row follows.
///
/// # Errors
/// `Unsupported` if a file is not delimited text or JSON lines, or if the files start with different headers: write
/// batches with [`writer`](crate::writer) then.
pub fn copy_rows(
    source: &Source,
    keep: &dyn Fn(u64) -> bool,
    kept: &mut dyn Write,
    quarantined: &mut dyn Write,
) -> Result<(u64, u64)> {
    let mut counts = (0, 0);
    let mut kept = Lined::new(kept);
    let mut quarantined = Lined::new(quarantined);
    let mut preamble: Option<Vec<u8>> = None;
    let failed = |e| FormatError::write(Path::new("output"), e);
    for member in source.members.iter() {
        let at = || Place::file(&member.path);
        let Some(raw) = member.opened.raw() else {
            return Err(FormatError::unsupported("rows of this format cannot be copied as bytes", at()));
        };
        let own = raw.preamble()?;
        match &preamble {
            None => {
                kept.start(&own, raw.framing()).map_err(failed)?;
                quarantined.start(&own, raw.framing()).map_err(failed)?;
                preamble = Some(own);
            }
            Some(first) if *first != own => {
                return Err(FormatError::unsupported("the header differs from that of the first file", at()));
            }
            Some(_) => {}
        }
        raw.rows(&mut |row| {
            let yes = keep(counts.0 + counts.1);
            if yes {
                counts.0 += 1;
                kept.put(row).map_err(failed)
            } else {
                counts.1 += 1;
                quarantined.put(row).map_err(failed)
            }
        })?;
    }
    kept.finish().map_err(failed)?;
    quarantined.finish().map_err(failed)?;
    Ok(counts)
}

/// An output of lines, the last of which may still lack its end, or of rows in a frame.
pub(crate) struct Lined<'a> {
    out: &'a mut dyn Write,
    open: bool,
    framing: Framing,
    rows: u64,
}

impl<'a> Lined<'a> {
    /// For an output that has nothing in it yet.
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Lined { out, open: false, framing: Framing::default(), rows: 0 }
    }

    /// Writes what stands before the first row.
    pub(crate) fn start(&mut self, preamble: &[u8], framing: Framing) -> std::io::Result<()> {
        self.framing = framing;
        self.line(preamble)
    }

    /// Writes a row.
    pub(crate) fn put(&mut self, row: &[u8]) -> std::io::Result<()> {
        if self.framing == Framing::default() {
            return self.line(row);
        }
        if self.rows > 0 {
            self.out.write_all(self.framing.between)?;
        }
        self.rows += 1;
        self.out.write_all(row)
    }

    /// Writes what stands behind the last row.
    pub(crate) fn finish(&mut self) -> std::io::Result<()> {
        self.out.write_all(self.framing.end)
    }

    fn line(&mut self, row: &[u8]) -> std::io::Result<()> {
        if row.is_empty() {
            return Ok(());
        }
        if self.open {
            self.out.write_all(b"\n")?;
        }
        // a byte order mark alone is no line
        self.open = !row.ends_with(b"\n") && row != b"\xef\xbb\xbf";
        self.out.write_all(row)
    }
}

/// The plain type that a column is handed out as: dictionaries and views are internals of a file.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
