//! NPZ: a zip archive of NPY arrays. Arrays that share their first axis are the columns of one table.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, Format, Opened, Pieces};
use crate::input::{Broken, Cursor, Input, check_ratio, read_up_to};
use crate::npy::{HEADER, MAGIC, Part, check_size, parse_header, rounding_note};
use crate::options::{Note, NoteKind, OpenOptions};
use crate::output::{NewFile, check_batch};
use crate::tensor::{Bytes, Joined, Rows, Tensor, batch_for};

/// Several NumPy arrays in one file.
pub struct Npz;

impl Format for Npz {
    fn id(&self) -> &'static str {
        "npz"
    }
    fn title(&self) -> &'static str {
        "NumPy archive"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["npz"]
    }
    fn sniff(&self, head: &[u8], _path: &Path) -> bool {
        // The first entry of the archive is an array; other zip files (.docx, .zip of images) are not ours.
        let name = || head.get(30..30 + usize::from(*head.get(26)?) + (usize::from(*head.get(27)?) << 8));
        head.starts_with(b"PK\x05\x06") && head.len() == 22
            || head.starts_with(b"PK\x03\x04") && name().is_some_and(|n| n.ends_with(b".npy"))
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let input = input.seekable(&options.limits)?;
        let mut notes = Vec::new();
        let entries = read_entries(&input, options, &mut notes)?;
        let chosen = choose(entries, input.selector(), &input, &mut notes)?;
        if chosen.len() > options.limits.columns {
            let what = format!("`{}` arrays are more than `{}`", chosen.len(), options.limits.columns);
            return Err(FormatError::limit(what, Place::file(input.shown())));
        }
        let mut fields = Vec::new();
        for entry in &chosen {
            let field = entry.tensor.field(&entry.column);
            fields.push(field.map_err(|what| FormatError::unsupported(what, Place::file(input.shown())))?);
            notes.extend(rounding_note(&entry.tensor, &entry.name, &input));
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Box::new(NpzData { input, entries: chosen, schema, notes, batch_rows: options.batch_rows }))
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        let mut parts = Vec::new();
        for field in schema.fields() {
            let values = tempfile::tempfile().map_err(|e| FormatError::write(path, e))?;
            parts.push((Part::new(field, path)?, BufWriter::new(values)));
        }
        Ok(Box::new(Writer {
            file: NewFile::create(path)?,
            parts,
            schema,
            path: path.to_path_buf(),
            rows: 0,
        }))
    }
}

/// One array of the archive.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    column: String,
    tensor: Tensor,
    /// Length of the NPY header before the values.
    header: u64,
    /// Where the packed bytes lie, how many they are, and what they become.
    start: u64,
    packed: u64,
    unpacked: u64,
    crc: u32,
    deflated: bool,
}

fn zip_failed(input: &Input, error: ZipError) -> FormatError {
    let at = Place::file(input.shown());
    match error {
        ZipError::Io(e) if !matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
            FormatError::read(input.shown(), e)
        }
        ZipError::UnsupportedArchive(what) => {
            FormatError::unsupported(format!("the archive is not read: {what}"), at)
        }
        other => FormatError::malformed(format!("broken archive: {other}"), at)
            .with_hint("the file may be cut off: copy or write it again"),
    }
}

fn read_entries(input: &Input, options: &OpenOptions, notes: &mut Vec<Note>) -> Result<Vec<Entry>> {
    let at = || Place::file(input.shown());
    let file = input.file()?;
    if input.bytes() == 0 {
        return Err(FormatError::malformed("the file is empty", at()));
    }
    let shared = Arc::new(input.file()?);
    let size = input.bytes();
    let mut archive = crate::guard::sound(|| ZipArchive::new(BufReader::new(file)))
        .map_err(|words| FormatError::malformed(format!("broken archive: {words}"), at()))?
        .map_err(|e| zip_failed(input, e))?;
    let mut entries = Vec::new();
    for i in 0..archive.len() {
        let member = archive.by_index_raw(i).map_err(|e| zip_failed(input, e))?;
        let Some(name) = member.name().strip_suffix(".npy").map(str::to_string) else {
            let text = format!("`{}` is not an array", crate::error::shown(member.name().as_bytes()));
            notes.push(Note::new(NoteKind::Skipped, text, input.shown()));
            continue;
        };
        let (packed, unpacked) = (member.compressed_size(), member.size());
        check_ratio(unpacked, packed, &options.limits).map_err(|what| {
            FormatError::limit(format!("array `{name}` {what}"), at())
                .with_hint("raise the limit only if the file is trusted")
        })?;
        let deflated = match member.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => {
                return Err(FormatError::unsupported(
                    format!("array `{name}` is packed with `{other}`"),
                    at(),
                ));
            }
        };
        if member.encrypted() {
            return Err(FormatError::unsupported(format!("array `{name}` is encrypted"), at()));
        }
        let start = member.data_start().unwrap_or(u64::MAX);
        if start.checked_add(packed).is_none_or(|end| end > size) || (!deflated && packed != unpacked) {
            let what = format!("array `{name}` reaches beyond the end of the file");
            return Err(FormatError::malformed(what, at()).with_hint("the file was cut off: copy it again"));
        }
        let tensor =
            Tensor { number: crate::tensor::Number::U8, big_endian: false, shape: vec![], fortran: false };
        let crc = member.crc32();
        let column = name.clone();
        let mut entry = Entry { name, column, tensor, header: 0, start, packed, unpacked, crc, deflated };
        drop(member);
        read_npy_header(&mut entry, &shared, input)?;
        entries.push(entry);
    }
    Ok(entries)
}

fn read_npy_header(entry: &mut Entry, file: &Arc<File>, input: &Input) -> Result<()> {
    let at = || Place::file(input.shown());
    let mut head = vec![0u8; HEADER.min(entry.unpacked as usize)];
    let n = read_up_to(&mut entry.unpack(file), &mut head).map_err(|e| input.failed(e))?;
    if !head[..n].starts_with(MAGIC) {
        return Err(FormatError::malformed(format!("entry `{}` is not an array", entry.name), at()));
    }
    let named = |what: String| format!("array `{}`: {what}", entry.name);
    let parsed = parse_header(&head[..n]).map_err(|refused| {
        let error = refused.into_error(at());
        match error {
            FormatError::Malformed { what, at, hint } => {
                FormatError::Malformed { what: named(what), at, hint }
            }
            FormatError::Unsupported { what, at, hint } => {
                FormatError::Unsupported { what: named(what), at, hint }
            }
            other => other,
        }
    })?;
    let (tensor, header) = parsed;
    let what = format!("array `{}`", entry.name);
    let present = entry.unpacked.saturating_sub(header as u64);
    check_size(&tensor, present, &what).map_err(|e| e.into_error(at()))?;
    entry.tensor = tensor;
    entry.header = header as u64;
    Ok(())
}

impl Entry {
    /// The unpacked bytes, checked against length and checksum at their end.
    fn unpack(&self, file: &Arc<File>) -> Checked {
        let raw = Cursor::new(file.clone(), self.start, self.packed);
        let inner: Box<dyn Read + Send> = if self.deflated {
            Box::new(flate2::bufread::DeflateDecoder::new(BufReader::with_capacity(1 << 16, raw)))
        } else {
            Box::new(raw)
        };
        Checked {
            inner,
            left: self.unpacked,
            crc: flate2::Crc::new(),
            expected: self.crc,
            name: self.name.clone(),
        }
    }

    fn rows(&self, file: &Arc<File>, batch: u64, input: &Input) -> Result<Rows> {
        let failed = |e| input.failed(e);
        let random = self.tensor.fortran && self.tensor.shape.len() > 1;
        let bytes = if random && !self.deflated {
            Bytes::At(file.clone(), self.start + self.header)
        } else if random {
            let mut values =
                tempfile::tempfile().map_err(|e| FormatError::write(Path::new("temporary file"), e))?;
            io::copy(&mut self.unpack(file), &mut values).map_err(failed)?;
            Bytes::At(Arc::new(values), self.header)
        } else {
            let mut reader = self.unpack(file);
            let mut skipped = vec![0u8; self.header as usize];
            reader.read_exact(&mut skipped).map_err(failed)?;
            Bytes::Stream(Box::new(reader))
        };
        Ok(Rows::new(self.tensor.clone(), &self.name, bytes, batch, input))
    }
}

struct Checked {
    inner: Box<dyn Read + Send>,
    left: u64,
    crc: flate2::Crc,
    expected: u32,
    name: String,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |what: &str| io::Error::other(Broken(format!("array `{}` {what}", self.name)));
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let n = match self.inner.read(&mut buffer[..want]) {
            Ok(0) => return Err(broken("ends too early")),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            Err(e) => return Err(broken(&format!("cannot be unpacked: {e}"))),
        };
        self.crc.update(&buffer[..n]);
        self.left -= n as u64;
        if self.left == 0 && self.crc.sum() != self.expected {
            return Err(broken("has a wrong checksum"));
        }
        Ok(n)
    }
}

const SPLITS: &[&str] = &["train", "test", "val", "valid", "validation", "dev", "eval"];

fn tokens(name: &str) -> impl Iterator<Item = String> + '_ {
    name.split(['_', '-', '.', '/', ' ']).map(str::to_ascii_lowercase)
}

fn is_label(name: &str) -> bool {
    tokens(name).any(|t| matches!(t.as_str(), "y" | "label" | "labels" | "target" | "targets" | "class"))
}

fn split_of(name: &str) -> Option<String> {
    tokens(name).find(|t| SPLITS.contains(&t.as_str()))
}

/// The name without the word that names the split: `train_x` of one part and `test_x` of another are the same column.
fn without_split(name: &str, split: &str) -> String {
    let parts: Vec<&str> =
        name.split(['_', '-', '.', '/', ' ']).filter(|p| !p.eq_ignore_ascii_case(split)).collect();
    if parts.is_empty() { name.to_string() } else { parts.join("_") }
}

/// Picks the arrays that form the table: those named by the selector, else the training part, else the longest.
fn choose(
    entries: Vec<Entry>,
    selector: Option<&str>,
    input: &Input,
    notes: &mut Vec<Note>,
) -> Result<Vec<Entry>> {
    let at = || Place::file(input.shown());
    let (usable, scalars): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|e| !e.tensor.shape.is_empty());
    let wanted = selector.map(str::to_ascii_lowercase);
    let split = wanted.clone().or_else(|| {
        usable.iter().any(|e| split_of(&e.name).as_deref() == Some("train")).then(|| "train".to_string())
    });
    let of_split =
        |e: &&Entry, split: &str| e.name.eq_ignore_ascii_case(split) || tokens(&e.name).any(|t| t == split);
    let candidates: Vec<&Entry> = match &split {
        Some(split) => usable.iter().filter(|e| of_split(e, split)).collect(),
        None => usable.iter().collect(),
    };
    let Some(rows) = candidates.iter().map(|e| e.tensor.rows()).max() else {
        let names: Vec<String> = usable.iter().map(|e| format!("`{}`", e.name)).collect();
        let what = match selector {
            Some(part) => format!("no array belongs to part `{part}`"),
            None => "the archive holds no arrays with rows".to_string(),
        };
        return Err(FormatError::malformed(what, at()).with_hint(format!("arrays: {}", names.join(", "))));
    };
    let mut chosen = Vec::new();
    for mut entry in usable {
        let belongs = match &split {
            // Arrays that name no split belong to every part of their length.
            Some(split) => {
                of_split(&&entry, split) || (selector.is_none() && split_of(&entry.name).is_none())
            }
            None => true,
        };
        let (kind, why) = if !belongs {
            (NoteKind::Skipped, "belongs to another part")
        } else if entry.tensor.rows() != rows {
            // A list of class names is much shorter than the table; labels or samples that are cut off are not.
            let meant = is_label(&entry.name) || entry.tensor.rows().saturating_mul(10) >= rows;
            (if meant { NoteKind::Unread } else { NoteKind::Skipped }, "has another number of rows")
        } else if let Err(why) = entry.tensor.field(&entry.name) {
            notes.push(Note::new(NoteKind::Unread, format!("array `{}`: {why}", entry.name), input.shown()));
            continue;
        } else {
            if let Some(split) = &split {
                entry.column = without_split(&entry.name, split);
            }
            chosen.push(entry);
            continue;
        };
        let text = format!("array `{}` ({} rows) is not read: it {why}", entry.name, entry.tensor.rows());
        notes.push(Note::new(kind, text, input.shown()));
    }
    for entry in scalars {
        let text = format!("array `{}` is a single value", entry.name);
        notes.push(Note::new(NoteKind::Skipped, text, input.shown()));
    }
    if chosen.is_empty() {
        return Err(FormatError::unsupported("no array of the archive can be read as a column", at()));
    }
    distinct_names(&mut chosen, input, notes);
    Ok(chosen)
}

fn distinct_names(entries: &mut [Entry], input: &Input, notes: &mut Vec<Note>) {
    let columns: Vec<String> = entries.iter().map(|e| e.column.clone()).collect();
    for entry in entries.iter_mut() {
        if columns.iter().filter(|c| **c == entry.column).count() > 1 {
            entry.column = entry.name.clone();
        }
        if entry.column != entry.name {
            let text = format!("array `{}` is column `{}`", entry.name, entry.column);
            notes.push(Note::new(NoteKind::Renamed, text, input.shown()));
        }
    }
}

struct NpzData {
    input: Input,
    entries: Vec<Entry>,
    schema: SchemaRef,
    notes: Vec<Note>,
    batch_rows: usize,
}

impl Opened for NpzData {
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
        let columns: Result<Vec<Rows>> =
            self.entries.iter().map(|e| e.rows(&file, batch, &self.input)).collect();
        Ok(Box::new(Joined::new(columns?, self.schema.clone(), &self.input)))
    }
}

struct Writer {
    file: NewFile,
    /// Values wait in temporary files: an archive takes one entry at a time.
    parts: Vec<(Part, BufWriter<File>)>,
    schema: SchemaRef,
    path: PathBuf,
    rows: u64,
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_batch(&self.schema, batch, &self.path)?;
        self.rows += batch.num_rows() as u64;
        for ((part, values), array) in self.parts.iter_mut().zip(batch.columns()) {
            part.append(array.as_ref(), values)?;
        }
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<u64> {
        let Writer { mut file, parts, schema, path, rows } = *self;
        let failed = |e: io::Error| FormatError::write(&path, e);
        let mut archive = ZipWriter::new(file.file()?);
        for ((part, values), field) in parts.into_iter().zip(schema.fields()) {
            let mut values = values.into_inner().map_err(|e| failed(e.into_error()))?;
            values.seek(SeekFrom::Start(0)).map_err(failed)?;
            let options =
                SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
            let named = archive.start_file(format!("{}.npy", field.name()), options);
            named.map_err(|e| failed(e.into()))?;
            part.header(part.rows, &mut archive).map_err(failed)?;
            io::copy(&mut values, &mut archive).map_err(failed)?;
        }
        archive.finish().map_err(|e| failed(e.into()))?.flush().map_err(failed)?;
        file.place()?;
        Ok(rows)
    }
}
