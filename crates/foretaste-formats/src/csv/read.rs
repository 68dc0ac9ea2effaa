//! The two passes over delimited text: learn, then build.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::build::{self, Misfit, Text};
use super::cell::Kind;
use super::pieces::{CutError, Cutter, Ends, Place as PiecePlace, feeds};
use super::scan::{Fields, Stop, Wrong, scan};
use super::{Body, bad_text};
use crate::ahead::{Ordered, in_flight};
use crate::error::{FormatError, Place, Result};
use crate::format::{Lines, Opened, Piece, Pieces, RawRows};
use crate::input::{Input, Packing, read_at};
use crate::options::{Limits, Note, OpenOptions};

thread_local! {
    /// Bytes and fields of the piece a thread works on: allocated once for many pieces.
    static SCRATCH: RefCell<(Vec<u8>, Fields)> = RefCell::default();
}
/// Larger scratch space is given back.
const KEEP: usize = 16 << 20;

fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>, &mut Fields) -> T) -> T {
    let (mut bytes, mut fields) = SCRATCH.with(RefCell::take);
    let made = work(&mut bytes, &mut fields);
    if bytes.capacity() <= KEEP && fields.ends.capacity() <= KEEP {
        SCRATCH.replace((bytes, fields));
    }
    made
}

/// What one piece says.
struct Facts {
    rows: usize,
    lines: u64,
    kinds: Vec<Kind>,
}

/// What is wrong in a piece: the byte where, and an error that still needs the line.
pub(crate) struct Bad {
    pub(crate) lines_before: u64,
    pub(crate) error: Box<dyn FnOnce(Place) -> FormatError + Send>,
}

impl Bad {
    fn new(text: &[u8], at: usize, error: impl FnOnce(Place) -> FormatError + Send + 'static) -> Bad {
        Bad { lines_before: feeds(&text[..at.min(text.len())]), error: Box::new(error) }
    }
}

/// Refuses bytes that no text holds. Shared with the line formats.
pub(crate) fn check_text(text: &[u8]) -> Result<(), Bad> {
    if let Some(at) = memchr::memchr(0, text) {
        return Err(Bad::new(text, at, |place| {
            FormatError::malformed("a NUL byte stands in the text", place)
                .with_hint("the file is damaged, or binary: name its format")
        }));
    }
    if let Err(e) = std::str::from_utf8(text) {
        let at = e.valid_up_to();
        let around = text[at.saturating_sub(16)..(at + 16).min(text.len())].to_vec();
        let skip = around.iter().take_while(|b| (0x80..0xc0).contains(*b)).count().min(at.min(3));
        return Err(Bad::new(text, at, move |place| bad_text(&around[skip..], place)));
    }
    Ok(())
}

fn stopped(text: &[u8], stop: Stop, columns: usize) -> Bad {
    let shown = crate::error::shown(&text[stop.at..(stop.at + 40).min(text.len())]);
    Bad::new(text, stop.at, move |place| match stop.why {
        Wrong::Ragged { found } => {
            FormatError::malformed(format!("expected `{columns}` fields, found `{found}`"), place)
                .with_hint("a field that holds the delimiter or a line end must stand in quotes")
        }
        Wrong::Unterminated => FormatError::malformed(format!("the quote is never closed: `{shown}`"), place)
            .with_hint("close the quote, or double it if it is part of the text"),
        Wrong::AfterQuote => {
            FormatError::malformed(format!("text follows a closing quote: `{shown}`"), place)
                .with_hint("a quote inside a quoted field must be doubled: `\"\"`")
        }
    })
}

fn learn(text: &[u8], body: Body, known: &[AtomicBool]) -> Result<Facts, Bad> {
    check_text(text)?;
    with_scratch(|_, fields| {
        scan(text, body.marks, body.columns, fields).map_err(|stop| stopped(text, stop, body.columns))?;
        let view = Text { bytes: text, fields, columns: body.columns, quote: body.marks.quote };
        let kinds = build::kinds(&view, known);
        Ok(Facts { rows: fields.rows.len(), lines: feeds(text), kinds })
    })
}

/// Reads the whole file: where its pieces are, and the kind of every column. `forced` types are not judged.
pub(super) fn index(
    input: &Input,
    options: &OpenOptions,
    body: Body,
    forced: &[Option<DataType>],
) -> Result<(Vec<PiecePlace>, Vec<Kind>)> {
    let known: Arc<Vec<AtomicBool>> = Arc::new(forced.iter().map(|f| AtomicBool::new(f.is_some())).collect());
    let mut kinds = vec![Kind::Empty; body.columns];
    let mut places: Vec<PiecePlace> = Vec::new();
    let (mut row, mut line) = (0u64, body.first_line);
    let reader = reader_at(input, &options.limits, body.start)?;
    let mut cutter = Cutter::new(reader, body.start, Ends::Quoted(body.marks), options.limits.row_bytes);
    let mut jobs: Ordered<(u64, usize, Result<Facts, Bad>)> = Ordered::new();
    let mut cutting = true;
    let mut trouble = None;
    loop {
        while cutting && jobs.len() < in_flight() {
            match cutter.next() {
                Ok(Some(cut)) => {
                    let known = known.clone();
                    jobs.push(move || (cut.offset, cut.bytes.len(), learn(&cut.bytes, body, &known)));
                }
                Ok(None) => cutting = false,
                Err(error) => {
                    cutting = false;
                    trouble = Some(error);
                }
            }
        }
        if jobs.len() == 0 {
            break;
        }
        let Some((offset, bytes, facts)) = jobs.pop() else { return Err(lost(input)) };
        let facts = facts.map_err(|bad| (bad.error)(Place::line(input.shown(), line + bad.lines_before)))?;
        places.push(PiecePlace {
            offset,
            bytes,
            first_row: row,
            rows: facts.rows,
            first_line: line,
            lines: facts.lines,
        });
        kinds.iter_mut().zip(&facts.kinds).for_each(|(kind, more)| *kind = kind.join(*more));
        row += facts.rows as u64;
        line += facts.lines;
    }
    match trouble {
        Some(error) => Err(cut_failed(error, input, line)),
        None => Ok((places, kinds)),
    }
}

/// A worker ended without a result, which only a defect of this program can cause.
pub(crate) fn lost(input: &Input) -> FormatError {
    FormatError::read(input.shown(), io::Error::other("a reading task ended without a result"))
}

pub(crate) fn cut_failed(error: CutError, input: &Input, line: u64) -> FormatError {
    match error {
        CutError::Io(error) => input.failed(error),
        CutError::TooLong { bytes } => FormatError::limit(
            format!("a row is longer than `{bytes}` bytes"),
            Place::line(input.shown(), line),
        )
        .with_hint("a quote may be open: close it, or double it if it is part of the text"),
    }
}

/// A reader that has skipped the first bytes.
pub(crate) fn reader_at(input: &Input, limits: &Limits, start: u64) -> Result<Box<dyn Read + Send>> {
    let mut reader = input.reader(limits)?;
    io::copy(&mut (&mut reader).take(start), &mut io::sink()).map_err(|e| input.failed(e))?;
    Ok(reader)
}

/// A delimited file whose pieces and types are known.
pub(super) struct CsvData {
    pub(super) input: Input,
    pub(super) limits: Limits,
    pub(super) body: Body,
    pub(super) preamble: Vec<u8>,
    pub(super) places: Arc<Vec<PiecePlace>>,
    pub(super) schema: SchemaRef,
    pub(super) notes: Vec<Note>,
}

impl Opened for CsvData {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> Option<u64> {
        Some(self.places.iter().map(|p| p.rows as u64).sum())
    }
    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }
    fn batches(&self) -> Result<Pieces> {
        let task = Task { input: self.input.clone(), body: self.body, schema: self.schema.clone() };
        let job = move |place: PiecePlace, bytes: &[u8]| task.build(place, bytes);
        Ok(Box::new(Reading::new(&self.input, &self.limits, self.body.start, self.places.clone(), job)?))
    }
    fn widen(&mut self, column: usize, to: &DataType) -> bool {
        let Some(kind) = Kind::of(to) else { return false };
        let field = self.schema.field(column);
        let own = Kind::of(field.data_type()).unwrap_or(Kind::Text);
        if kind != Kind::Text && kind.join(own) != kind {
            return false;
        }
        let mut fields: Vec<Field> = self.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        fields[column].set_data_type(to.clone());
        self.schema = Arc::new(Schema::new(fields));
        true
    }
    fn raw(&self) -> Option<&dyn RawRows> {
        Some(self)
    }
}

#[derive(Clone)]
struct Task {
    input: Input,
    body: Body,
    schema: SchemaRef,
}

impl Task {
    fn build(&self, place: PiecePlace, bytes: &[u8]) -> Result<Piece> {
        let changed = || changed(&self.input, place.first_line);
        with_scratch(|_, fields| {
            scan(bytes, self.body.marks, self.body.columns, fields).map_err(|_| changed())?;
            if fields.rows.len() != place.rows {
                return Err(changed());
            }
            let text = Text { bytes, fields, columns: self.body.columns, quote: self.body.marks.quote };
            let types: Vec<DataType> = self.schema.fields().iter().map(|f| f.data_type().clone()).collect();
            let arrays = build::build(&text, &types).map_err(|misfit| self.misfit(misfit, place, &text))?;
            let options = RecordBatchOptions::new().with_row_count(Some(place.rows));
            let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
                .map_err(|_| changed())?;
            let starts = (0..fields.rows.len()).map(|row| fields.row_start(row));
            Ok(Piece { batch, first_row: place.first_row, lines: Some(lines(place, bytes, starts)) })
        })
    }

    fn misfit(&self, misfit: Misfit, place: PiecePlace, text: &Text<'_>) -> FormatError {
        let before = &text.bytes[..text.fields.row_start(misfit.row)];
        let field = self.schema.field(misfit.column);
        let what =
            format!("`{}` in column `{}` is not of type `{}`", misfit.cell, field.name(), field.data_type());
        FormatError::malformed(what, Place::line(self.input.shown(), place.first_line + feeds(before)))
            .with_hint("the file changed while it was read, or the type given for the column is too narrow")
    }
}

pub(crate) fn changed(input: &Input, line: u64) -> FormatError {
    FormatError::malformed("the file changed while it was read", Place::line(input.shown(), line))
}

/// The line at which each row starts. Every row is a line where there are as many lines as rows.
pub(crate) fn lines(place: PiecePlace, bytes: &[u8], starts: impl Iterator<Item = usize>) -> Lines {
    let unfinished = u64::from(!bytes.ends_with(b"\n"));
    if place.lines + unfinished == place.rows as u64 {
        return Lines::From(place.first_line);
    }
    let (mut at, mut line) = (0, place.first_line);
    Lines::Each(
        starts
            .map(|start| {
                line += feeds(&bytes[at..start]);
                at = start;
                line
            })
            .collect(),
    )
}

enum From {
    /// Workers read their pieces themselves.
    Anywhere(Arc<File>),
    /// Unpacking has one order.
    InOrder(Box<dyn Read + Send>),
}

/// Reads known pieces a few ahead and hands them on in order.
pub(crate) struct Reading<J> {
    input: Input,
    from: From,
    places: Arc<Vec<PiecePlace>>,
    next: usize,
    jobs: Ordered<Result<Piece>>,
    job: Arc<J>,
}

impl<J: Fn(PiecePlace, &[u8]) -> Result<Piece> + Send + Sync + 'static> Reading<J> {
    pub(crate) fn new(
        input: &Input,
        limits: &Limits,
        start: u64,
        places: Arc<Vec<PiecePlace>>,
        job: J,
    ) -> Result<Reading<J>> {
        let from = match input.packing() {
            Packing::Plain => From::Anywhere(Arc::new(input.file()?)),
            _ => From::InOrder(reader_at(input, limits, start)?),
        };
        Ok(Reading { input: input.clone(), from, places, next: 0, jobs: Ordered::new(), job: Arc::new(job) })
    }

    fn give(&mut self, place: PiecePlace) -> Result<()> {
        let job = self.job.clone();
        match &mut self.from {
            From::InOrder(reader) => {
                let mut bytes = vec![0; place.bytes];
                reader.read_exact(&mut bytes).map_err(|e| self.input.failed(e))?;
                self.jobs.push(move || job(place, &bytes));
            }
            From::Anywhere(file) => {
                let (file, input) = (file.clone(), self.input.clone());
                self.jobs.push(move || {
                    let mut bytes = with_scratch(|bytes, _| std::mem::take(bytes));
                    bytes.resize(place.bytes, 0);
                    let read = read_at(&file, place.offset, &mut bytes);
                    let made = match read {
                        Ok(n) if n == place.bytes => job(place, &bytes),
                        Ok(_) => Err(changed(&input, place.first_line)),
                        Err(e) => Err(FormatError::read(input.shown(), e)),
                    };
                    with_scratch(|kept, _| *kept = bytes);
                    made
                });
            }
        }
        Ok(())
    }
}

impl<J: Fn(PiecePlace, &[u8]) -> Result<Piece> + Send + Sync + 'static> Iterator for Reading<J> {
    type Item = Result<Piece>;
    fn next(&mut self) -> Option<Result<Piece>> {
        while self.jobs.len() < in_flight() {
            let Some(&place) = self.places.get(self.next) else { break };
            self.next += 1;
            if let Err(e) = self.give(place) {
                return Some(Err(e));
            }
        }
        if self.jobs.len() == 0 {
            return None;
        }
        Some(self.jobs.pop().unwrap_or_else(|| Err(lost(&self.input))))
    }
}

impl RawRows for CsvData {
    fn preamble(&self) -> Result<Vec<u8>> {
        Ok(self.preamble.clone())
    }
    fn rows(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let body = self.body;
        let starts = |bytes: &[u8], fields: &mut Fields| -> Option<Vec<usize>> {
            scan(bytes, body.marks, body.columns, fields).ok()?;
            Some((0..fields.rows.len()).map(|row| fields.row_start(row)).collect())
        };
        raw_rows(&self.input, &self.limits, body.start, &self.places, starts, each)
    }
}

/// Hands out rows as bytes. What stands between two rows goes with the first, what stands before the first with it.
pub(crate) fn raw_rows(
    input: &Input,
    limits: &Limits,
    start: u64,
    places: &[PiecePlace],
    starts: impl Fn(&[u8], &mut Fields) -> Option<Vec<usize>>,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut reader = reader_at(input, limits, start)?;
    let mut fields = Fields::default();
    let (mut held, mut bytes) = (Vec::new(), Vec::new());
    let mut holds_row = false;
    for place in places {
        bytes.resize(place.bytes, 0);
        reader.read_exact(&mut bytes).map_err(|e| input.failed(e))?;
        let starts = starts(&bytes, &mut fields).filter(|s| s.len() == place.rows);
        let starts = starts.ok_or_else(|| changed(input, place.first_line))?;
        let Some((&first, _)) = starts.split_first() else {
            held.extend_from_slice(&bytes);
            continue;
        };
        held.extend_from_slice(&bytes[..first]);
        if holds_row {
            each(&held)?;
            held.clear();
        }
        for (i, &start) in starts.iter().enumerate() {
            match starts.get(i + 1) {
                Some(&end) if held.is_empty() => each(&bytes[start..end])?,
                Some(&end) => {
                    held.extend_from_slice(&bytes[start..end]);
                    each(&held)?;
                    held.clear();
                }
                None => held.extend_from_slice(&bytes[start..]),
            }
        }
        holds_row = true;
    }
    if holds_row { each(&held) } else { Ok(()) }
}
