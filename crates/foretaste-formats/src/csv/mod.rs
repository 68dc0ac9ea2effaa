//! Delimited text: CSV and TSV.
//!
//! Opening reads the file once, in parallel: it cuts the text into pieces of whole rows, checks every row, and learns
//! the type of every column from all of its cells, so that no later cell can surprise a reader. Reading builds the
//! pieces in parallel, a few ahead, in order. Memory is bounded by pieces in flight, whatever the size of the file.

pub(crate) mod build;
pub(crate) mod cell;
pub(crate) mod dialect;
pub(crate) mod pieces;
pub(crate) mod read;
pub(crate) mod scan;
mod write;

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, Format, Opened, by_extension, extension};
use crate::input::Input;
use crate::options::{Note, NoteKind, OpenOptions};
use cell::Kind;
use read::{CsvData, index};
use scan::Marks;

/// Bytes at the start from which delimiter and header are inferred.
const SAMPLE: usize = 1 << 20;
const QUOTE: u8 = b'"';
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Delimited text; the two statics are its two names.
pub struct Delimited {
    id: &'static str,
    title: &'static str,
    extensions: &'static [&'static str],
    delimiter: u8,
}

/// Comma-separated values, also with other delimiters.
pub static CSV: Delimited =
    Delimited { id: "csv", title: "CSV", extensions: &["csv", "txt", "data"], delimiter: b',' };

/// Tab-separated values.
pub static TSV: Delimited =
    Delimited { id: "tsv", title: "TSV", extensions: &["tsv", "tab"], delimiter: b'\t' };

impl Format for Delimited {
    fn id(&self) -> &'static str {
        self.id
    }
    fn title(&self) -> &'static str {
        self.title
    }
    fn extensions(&self) -> &'static [&'static str] {
        self.extensions
    }
    fn sniff(&self, head: &[u8], path: &Path) -> bool {
        match by_extension(path) {
            Some(named) => named.id() == self.id,
            // Without a telling name it has to look like text, and tabs tell the two apart.
            None => {
                let tabs = dialect::infer_delimiter(head, QUOTE, false) == b'\t';
                looks_like_text(head) && tabs == (self.delimiter == b'\t')
            }
        }
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let file = open_csv(self, input, options)?;
        Ok(Box::new(file))
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        write::writer(path, schema, self.delimiter)
    }
}

fn looks_like_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(8192)];
    let cut = head.len().saturating_sub(3);
    !head.is_empty()
        && memchr::memchr(0, head).is_none()
        && std::str::from_utf8(head).map_or_else(|e| e.valid_up_to() >= cut, |_| true)
}

/// Refuses encodings that are not UTF-8 by their first bytes; says how many bytes to skip.
pub(crate) fn check_start(head: &[u8], input: &Input) -> Result<usize> {
    let at = || Place::file(input.shown());
    if head.starts_with(BOM) {
        return Ok(BOM.len());
    }
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let hidden = head.len() >= 8
        && (head[..8].iter().step_by(2).all(|&b| b == 0) || head[1..8].iter().step_by(2).all(|&b| b == 0));
    if wide || (hidden && head[..8].iter().any(|&b| b != 0)) {
        return Err(FormatError::unsupported("the text is UTF-16, not UTF-8", at())
            .with_hint("convert it: `iconv -f utf-16 -t utf-8`"));
    }
    if head.contains(&b'\r') && !head.contains(&b'\n') && head.len() > 1 && !head.ends_with(b"\r") {
        return Err(FormatError::unsupported("lines end in carriage returns only", at())
            .with_hint("convert it: `tr '\\r' '\\n'`"));
    }
    Ok(0)
}

/// The first bytes of a text file, and whether they are all of it.
pub(crate) fn text_head(input: &Input, options: &OpenOptions, most: usize) -> Result<(Vec<u8>, bool)> {
    let mut head = Vec::new();
    let mut reader = input.reader(&options.limits)?.take(most as u64);
    reader.read_to_end(&mut head).map_err(|e| input.failed(e))?;
    let whole = head.len() < most;
    Ok((head, whole))
}

fn open_csv(format: &Delimited, input: &Input, options: &OpenOptions) -> Result<CsvData> {
    let at = || Place::file(input.shown());
    let (head, whole) = text_head(input, options, SAMPLE)?;
    let bom = check_start(&head, input)?;
    let text = &head[bom..];
    if text.iter().all(u8::is_ascii_whitespace) && whole {
        return Err(FormatError::malformed("the file is empty", at()));
    }
    let mut notes = Vec::new();
    let delimiter = choose_delimiter(format, text, whole, input, options, &mut notes);
    let marks = Marks { delimiter, quote: QUOTE };
    let sample = dialect::sample(text, marks, whole, 200);
    let Some(first) = sample.rows.first() else {
        let what = "the first row has no end: a quote is open, or the row is longer than 1 MiB";
        return Err(FormatError::malformed(what, Place::line(input.shown(), 1)));
    };
    if first.len() > options.limits.columns {
        let what = format!("`{}` columns are more than `{}`", first.len(), options.limits.columns);
        return Err(FormatError::limit(what, at()).with_hint("is this the right delimiter?"));
    }
    let has_header = options.has_header.unwrap_or_else(|| {
        let header = dialect::infer_header(&sample.rows);
        let text = if header { "the first row is taken as names" } else { "no row of names was found" };
        notes.push(Note::new(NoteKind::Inferred, text, input.shown()));
        header
    });
    let data_start = if has_header { bom + sample.ends[0] } else { bom };
    let names = names(first, has_header, input, &mut notes)?;
    let body = Body {
        marks,
        columns: names.len(),
        start: data_start as u64,
        first_line: 1 + pieces::feeds(&head[..data_start]),
    };
    let known = forced(&names, options, input)?;
    let (places, kinds) = index(input, options, body, &known)?;
    let types: Vec<DataType> = kinds
        .iter()
        .zip(&known)
        .map(|(kind, forced)| forced.clone().unwrap_or_else(|| kind.data_type()))
        .collect();
    notes.push(types_note(&names, &types, input));
    let fields: Vec<Field> = names.iter().zip(&types).map(|(n, t)| Field::new(n, t.clone(), true)).collect();
    Ok(CsvData {
        input: input.clone(),
        limits: options.limits,
        body,
        preamble: head[..data_start].to_vec(),
        places: Arc::new(places),
        schema: Arc::new(Schema::new(fields)),
        notes,
    })
}

/// Where the rows are and how they are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    marks: Marks,
    columns: usize,
    start: u64,
    first_line: u64,
}

fn choose_delimiter(
    format: &Delimited,
    text: &[u8],
    whole: bool,
    input: &Input,
    options: &OpenOptions,
    notes: &mut Vec<Note>,
) -> u8 {
    if let Some(delimiter) = options.delimiter {
        return delimiter;
    }
    let named = extension(input.name()).is_some_and(|e| TSV.extensions.contains(&e.as_str()));
    if named || (format.id == "tsv" && options.format.is_some()) {
        return b'\t';
    }
    let delimiter = dialect::infer_delimiter(text, QUOTE, whole);
    let shown = if delimiter == b'\t' { "tab".to_string() } else { char::from(delimiter).to_string() };
    notes.push(Note::new(NoteKind::Inferred, format!("the delimiter is `{shown}`"), input.shown()));
    delimiter
}

fn names(
    first: &[std::borrow::Cow<'_, [u8]>],
    has_header: bool,
    input: &Input,
    notes: &mut Vec<Note>,
) -> Result<Vec<String>> {
    if !has_header {
        return Ok((1..=first.len()).map(|i| format!("column_{i}")).collect());
    }
    let mut names = Vec::with_capacity(first.len());
    for name in first {
        let name = std::str::from_utf8(name).map_err(|_| bad_text(name, Place::line(input.shown(), 1)))?;
        names.push(name.trim().to_string());
    }
    Ok(distinct_names(names, input.shown(), notes))
}

/// Gives names to columns without one, and another name to those whose name stood before.
pub(crate) fn distinct_names(names: Vec<String>, file: &Path, notes: &mut Vec<Note>) -> Vec<String> {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut taken = HashSet::with_capacity(names.len());
    let mut next = std::collections::HashMap::new();
    let mut out = Vec::with_capacity(names.len());
    for (i, name) in names.into_iter().enumerate() {
        let base = if name.is_empty() { format!("column_{}", i + 1) } else { name.clone() };
        let mut new = base.clone();
        let count = next.entry(base.clone()).or_insert(1usize);
        while taken.contains(&new) || (new != name && all.contains(&new)) {
            *count += 1;
            new = format!("{base}_{count}");
        }
        if new != name {
            let why = if name.is_empty() {
                format!("column {} has no name and is called `{new}`", i + 1)
            } else {
                format!("column name `{name}` stands twice, the later one is called `{new}`")
            };
            notes.push(Note::new(NoteKind::Renamed, why, file));
        }
        taken.insert(new.clone());
        out.push(new);
    }
    out
}

fn forced(names: &[String], options: &OpenOptions, input: &Input) -> Result<Vec<Option<DataType>>> {
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let forced = options.types.get(name).cloned();
        if let Some(t) = &forced
            && Kind::of(t).is_none()
        {
            let what = format!("column `{name}` of a text file cannot be read as `{t}`");
            return Err(FormatError::unsupported(what, Place::file(input.shown()))
                .with_hint("types of text files: Utf8, LargeUtf8, Int64, Float64, Boolean"));
        }
        out.push(forced);
    }
    Ok(out)
}

fn types_note(names: &[String], types: &[DataType], input: &Input) -> Note {
    let shown = names.iter().zip(types).take(30).map(|(n, t)| {
        let t = match t {
            DataType::Null => "empty",
            DataType::Boolean => "bool",
            DataType::Int64 => "integer",
            DataType::Float64 => "number",
            _ => "text",
        };
        format!("`{n}` {t}")
    });
    let more = if names.len() > 30 { ", ..." } else { "" };
    let text = format!("types: {}{more}", shown.collect::<Vec<_>>().join(", "));
    Note::new(NoteKind::Inferred, text, input.shown())
}

/// The error for bytes that are not UTF-8, with advice on what they may be.
pub(crate) fn bad_text(around: &[u8], at: Place) -> FormatError {
    let bad = std::str::from_utf8(around).err().map_or(0, |e| e.valid_up_to());
    let start = bad.saturating_sub(12);
    let start = (start..=bad).find(|&i| std::str::from_utf8(&around[i..bad]).is_ok()).unwrap_or(bad);
    let end = (bad + 12).min(around.len());
    let cell: String =
        around[start..end].iter().map(|&b| char::from(b)).flat_map(char::escape_debug).collect();
    // In Latin-1 letters with accents stand alone between ASCII bytes.
    let single = around.get(bad).is_some_and(|b| *b >= 0xc0) && around.get(bad + 1).is_none_or(u8::is_ascii);
    let guess = if single || around.get(bad).is_some_and(|b| (0x80..0xc0).contains(b)) {
        "the text looks like Latin-1 (Windows-1252): convert it with `iconv -f windows-1252 -t utf-8`"
    } else {
        "convert the text to UTF-8 with `iconv`"
    };
    FormatError::malformed(format!("the text is not UTF-8 near `{cell}`"), at).with_hint(guess)
}
