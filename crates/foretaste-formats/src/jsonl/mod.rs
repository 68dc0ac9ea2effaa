//! JSON lines: one object a line, and arrays of objects (`array`). Objects in objects become columns with dots in their names,
//! lists of numbers become lists of 32-bit floats, everything else that is nested stays JSON text.

mod array;
mod build;
pub(crate) mod node;
mod plan;
pub(crate) mod write;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::ahead::{Ordered, in_flight};
use crate::csv::cell::Kind;
use crate::csv::pieces::{Cutter, Ends, Place as PiecePlace, feeds};
use crate::csv::read::{Reading, changed, check_text, cut_failed, lines, lost, raw_rows, reader_at};
use crate::csv::{check_start, distinct_names, text_head};
use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, Format, Framing, Lines, Opened, Piece, Pieces, RawRows, by_extension};
use crate::input::Input;
use crate::options::{Limits, Note, NoteKind, OpenOptions};
pub use array::JsonArray;
use build::{Builders, Misfit};
use node::Node;
use plan::{Leaf, Plan, Seen};

/// JSON lines, also called NDJSON.
pub struct JsonLines;

impl Format for JsonLines {
    fn id(&self) -> &'static str {
        "jsonl"
    }
    fn title(&self) -> &'static str {
        "JSON lines"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["jsonl", "ndjson"]
    }
    fn sniff(&self, head: &[u8], path: &Path) -> bool {
        let starts_so = || {
            let mut signs = head.iter().filter(|b| !b.is_ascii_whitespace());
            matches!((signs.next(), signs.next()), (Some(b'{'), Some(b'"' | b'}')))
        };
        match by_extension(path) {
            // lines are often called `.json`
            Some(named) => named.id() == self.id() || (named.id() == "json" && starts_so()),
            None => starts_so(),
        }
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        open(input, options, None)
    }
    fn writer(&self, path: &Path, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
        write::writer(path, schema, false)
    }
}

/// Opens a file of one object a line. `elsewhere`: for each row the line at which it stands in what the user named.
fn open(input: &Input, options: &OpenOptions, elsewhere: Elsewhere) -> Result<Box<dyn Opened>> {
    let (head, whole) = text_head(input, options, 1 << 16)?;
    let start = check_start(&head, input)? as u64;
    let text = &head[start as usize..];
    if whole && text.trim_ascii().is_empty() {
        let what = if elsewhere.is_some() { "the array is empty" } else { "the file is empty" };
        return Err(FormatError::malformed(what, Place::file(input.shown())));
    }
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(FormatError::unsupported(
            "the file is one JSON array, not one object a line",
            Place::file(input.shown()),
        )
        .with_hint("name the format `json`, or none"));
    }
    let (places, seen) = index(input, options, start, &elsewhere)?;
    if elsewhere.is_none() && places.iter().map(|p| p.rows).sum::<usize>() == 1 {
        refuse_wrapped(input, options, start)?;
    }
    let (plan, columns) = seen.plan();
    if columns.len() > options.limits.columns {
        let what = format!("`{}` columns are more than `{}`", columns.len(), options.limits.columns);
        return Err(FormatError::limit(what, Place::file(input.shown())));
    }
    let mut notes = Vec::new();
    let names = distinct_names(columns.iter().map(|c| c.0.clone()).collect(), input.shown(), &mut notes);
    let mut fields = Vec::new();
    for (name, (path, leaf)) in names.iter().zip(&columns) {
        if *leaf == Leaf::Json {
            notes.push(Note::new(NoteKind::Inferred, as_text(path), input.shown()));
        }
        let forced = options.types.get(name).filter(|t| Kind::of(t).is_some()).cloned();
        let field = Field::new(name, forced.unwrap_or_else(|| leaf.data_type()), true);
        let nested = (*leaf == Leaf::Json).then(|| (NESTED.to_owned(), "json".to_owned()));
        fields.push(field.with_metadata(nested.into_iter().collect()));
    }
    Ok(Box::new(JsonData {
        input: input.clone(),
        limits: options.limits,
        start,
        head: head[..start as usize].to_vec(),
        places: Arc::new(places),
        plan: Arc::new(plan),
        schema: Arc::new(Schema::new(fields)),
        notes,
        elsewhere,
    }))
}

/// The note on a column that stays JSON text.
pub(crate) fn as_text(column: &str) -> String {
    format!("`{column}` holds nested or mixed values and is read as JSON text")
}

/// Key in the metadata of a field of strings that are JSON.
const NESTED: &str = "foretaste.nested";

/// Objects of a list from which on a file of one object is taken for a wrapping of that list.
const WRAPPED: usize = 10;

/// Says no to one object that holds the rows as a list: read as one row, nothing would be looked at.
fn refuse_wrapped(input: &Input, options: &OpenOptions, start: u64) -> Result<()> {
    let mut bytes = vec![];
    reader_at(input, &options.limits, start)?.read_to_end(&mut bytes).map_err(|e| input.failed(e))?;
    let Ok(Node::Map(entries)) = node::parse(bytes.trim_ascii()) else { return Ok(()) };
    let is_rows = |value: &Node<'_>| match value {
        Node::List(items) => {
            items.len() >= WRAPPED
                && items.iter().all(|item| matches!(item, Node::Map(_)))
                && !crate::chat::are_turns(items)
        }
        _ => false,
    };
    let Some((key, _)) = entries.iter().find(|(_, value)| is_rows(value)) else { return Ok(()) };
    let what = format!("the file is one object, and its rows seem to stand under `{key}`");
    let hint = format!("give these alone: `jq '.{key}'`");
    Err(FormatError::unsupported(what, Place::file(input.shown())).with_hint(hint))
}

/// Lines of the rows in the file that the user named, if what is read is a copy with one row a line.
type Elsewhere = Option<Arc<Vec<u64>>>;

/// The line to tell for one of the file that is read, both from 1.
fn told(elsewhere: &Elsewhere, line: u64) -> u64 {
    let found = elsewhere.as_ref().and_then(|lines| lines.get(line.saturating_sub(1) as usize));
    found.copied().unwrap_or(line)
}

/// Lines that are not blank, with their start.
fn rows(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let rest = text.get(start..).filter(|r| !r.is_empty())?;
        let end = memchr::memchr(b'\n', rest).map_or(text.len(), |i| start + i + 1);
        at = end;
        Some((start, text[start..end].trim_ascii()))
    })
    .filter(|(_, line)| !line.is_empty())
}

const ONE_A_LINE: &str =
    "every line must be one whole JSON object, as `jq -c .` writes it; repair the line or take it out";

type Wrong = (u64, Box<dyn FnOnce(Place) -> FormatError + Send>);

fn learn(text: &[u8]) -> Result<(usize, u64, Seen), Wrong> {
    check_text(text).map_err(|bad| (bad.lines_before, bad.error))?;
    let mut seen = Seen::default();
    let mut count = 0;
    for (start, line) in rows(text) {
        let wrong = |what: String| -> Wrong {
            (
                feeds(&text[..start]),
                Box::new(move |place| FormatError::malformed(what, place).with_hint(ONE_A_LINE)),
            )
        };
        let node = node::parse(line).map_err(wrong)?;
        if !matches!(node, Node::Map(_)) {
            let what = format!("the line is not an object: `{}`", crate::error::shown(line));
            return Err(wrong(what));
        }
        seen.add(&node, 0);
        count += 1;
    }
    Ok((count, feeds(text), seen))
}

fn index(
    input: &Input,
    options: &OpenOptions,
    start: u64,
    elsewhere: &Elsewhere,
) -> Result<(Vec<PiecePlace>, Seen)> {
    let mut cutter =
        Cutter::new(reader_at(input, &options.limits, start)?, start, Ends::Lines, options.limits.row_bytes);
    let mut jobs = Ordered::new();
    let (mut places, mut all) = (Vec::new(), Seen::default());
    let (mut first_row, mut first_line) = (0, 1);
    let (mut cutting, mut trouble) = (true, None);
    loop {
        while cutting && jobs.len() < in_flight() {
            match cutter.next() {
                Ok(Some(cut)) => jobs.push(move || (cut.offset, cut.bytes.len(), learn(&cut.bytes))),
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
        let Some((offset, bytes, learned)) = jobs.pop() else { return Err(lost(input)) };
        let place = |line| Place::line(input.shown(), told(elsewhere, line));
        let (rows, lines, seen) = learned.map_err(|(before, error)| error(place(first_line + before)))?;
        places.push(PiecePlace { offset, bytes, first_row, rows, first_line, lines });
        first_row += rows as u64;
        first_line += lines;
        all.merge(seen);
    }
    match trouble {
        Some(error) => Err(cut_failed(error, input, told(elsewhere, first_line))),
        None => Ok((places, all)),
    }
}

struct JsonData {
    input: Input,
    limits: Limits,
    start: u64,
    head: Vec<u8>,
    places: Arc<Vec<PiecePlace>>,
    plan: Arc<Plan>,
    schema: SchemaRef,
    notes: Vec<Note>,
    elsewhere: Elsewhere,
}

impl Opened for JsonData {
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
        let (input, plan, schema) = (self.input.clone(), self.plan.clone(), self.schema.clone());
        let elsewhere = self.elsewhere.clone();
        let job =
            move |place: PiecePlace, bytes: &[u8]| build(&input, &plan, &schema, &elsewhere, place, bytes);
        Ok(Box::new(Reading::new(&self.input, &self.limits, self.start, self.places.clone(), job)?))
    }
    fn widen(&mut self, column: usize, to: &DataType) -> bool {
        let field = self.schema.field(column);
        let widened = match (Kind::of(field.data_type()), Kind::of(to)) {
            (Some(own), Some(kind)) => kind == Kind::Text || kind.join(own) == kind,
            // Without values any column of lists will do.
            (Some(Kind::Empty), None) => {
                matches!(to, DataType::List(f) | DataType::FixedSizeList(f, _) if *f.data_type() == DataType::Float32)
            }
            _ => false,
        };
        if widened {
            let mut fields: Vec<Field> = self.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
            fields[column].set_data_type(to.clone());
            self.schema = Arc::new(Schema::new(fields));
        }
        widened
    }
    fn raw(&self) -> Option<&dyn RawRows> {
        Some(self)
    }
}

fn build(
    input: &Input,
    plan: &Plan,
    schema: &SchemaRef,
    elsewhere: &Elsewhere,
    place: PiecePlace,
    bytes: &[u8],
) -> Result<Piece> {
    let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
    let mut builders = Builders::new(&types);
    let mut starts = Vec::with_capacity(place.rows);
    for (start, line) in rows(bytes) {
        let at = || Place::line(input.shown(), told(elsewhere, place.first_line + feeds(&bytes[..start])));
        let node =
            node::parse(line).map_err(|what| FormatError::malformed(what, at()).with_hint(ONE_A_LINE))?;
        builders.row(plan, &node).map_err(|Misfit { column, value }| {
            let field = schema.field(column);
            let what = format!("`{value}` in `{}` is not of type `{}`", field.name(), field.data_type());
            FormatError::malformed(what, at()).with_hint(
                "the file changed while it was read, or the type given for the column is too narrow",
            )
        })?;
        starts.push(start);
    }
    if starts.len() != place.rows {
        return Err(changed(input, place.first_line));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(place.rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), builders.finish(), &options)
        .map_err(|_| changed(input, place.first_line))?;
    let lines = match elsewhere {
        Some(all) => {
            let of_these = all.iter().skip(place.first_row as usize).take(place.rows);
            Some(Lines::Each(of_these.copied().collect()))
        }
        None => Some(lines(place, bytes, starts.into_iter())),
    };
    Ok(Piece { batch, first_row: place.first_row, lines })
}

impl RawRows for JsonData {
    fn preamble(&self) -> Result<Vec<u8>> {
        Ok(if self.elsewhere.is_some() { array::FRAME.0.to_vec() } else { self.head.clone() })
    }
    fn framing(&self) -> Framing {
        let (_, between, end) = array::FRAME;
        if self.elsewhere.is_some() { Framing { between, end } } else { Framing::default() }
    }
    fn rows(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let starts =
            |bytes: &[u8], _: &mut crate::csv::scan::Fields| Some(rows(bytes).map(|r| r.0).collect());
        let is_array = self.elsewhere.is_some();
        let mut each = |row: &[u8]| each(if is_array { row.trim_ascii_end() } else { row });
        raw_rows(&self.input, &self.limits, self.start, &self.places, starts, &mut each)
    }
}
