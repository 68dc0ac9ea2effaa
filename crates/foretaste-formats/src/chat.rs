//! Conversations in one column, told apart by who speaks.
//!
//! Data that chatbots are tuned on come as lists of turns (`messages`, `conversations`; nested columns or JSON text) or as one
//! text with the marks of a template (`[INST]`, `### Response:`, `<|im_start|>`). Beside such a column stand, in what is read
//! from here, a column of what the model is asked, one of what it answers, and one of the system's words where there are any.

mod marks;
#[cfg(test)]
mod tests;
mod turns;

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use crate::error::{FormatError, Place, Result};
use crate::images::ROLE;
use crate::options::Note;
use marks::Template;
pub(crate) use turns::are_turns;
use turns::{Turns, read_json};

/// Key in the metadata of a field: why it has its role.
pub const REASON: &str = "foretaste.reason";

/// Rows that one task reads.
const ROWS: usize = 256;
/// Rows of the first batch that say what a column is.
const LOOKED: usize = 1000;
/// Share of those that have to be conversations.
const MOST: f64 = 0.95;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Speaker {
    /// Whoever asks; tools and everybody else whom the model listens to.
    User,
    /// The model.
    Assistant,
    /// Whoever says how the model is to behave.
    System,
}

impl Speaker {
    const ALL: [Speaker; 3] = [Speaker::System, Speaker::User, Speaker::Assistant];

    /// From the words that formats have for it.
    pub(crate) fn named(word: &str) -> Option<Speaker> {
        Some(match word.to_ascii_lowercase().as_str() {
            "user" | "human" | "prompter" | "customer" => Speaker::User,
            "assistant" | "gpt" | "model" | "bot" | "chatbot" | "chatgpt" | "ai" | "agent" => {
                Speaker::Assistant
            }
            "system" | "developer" => Speaker::System,
            "tool" | "function" | "ipython" | "observation" | "environment" => Speaker::User,
            _ => return None,
        })
    }

    fn suffix(self) -> &'static str {
        match self {
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
            Speaker::System => "system",
        }
    }

    fn role(self) -> &'static str {
        match self {
            Speaker::Assistant => "response",
            _ => "prompt",
        }
    }
}

/// What is said, in order.
type Said = Vec<(Speaker, String)>;

/// How the turns stand in a cell.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A list of objects, as JSON text.
    Json,
    /// A list of structures.
    Nested,
    /// Text with the marks of a template.
    Marked(&'static Template),
}

/// A column of conversations.
#[derive(Clone, Debug)]
struct Chat {
    at: usize,
    shape: Shape,
    /// Whether the system's words have a column of their own; else they go to what the model is asked.
    has_system: bool,
}

/// Which columns hold conversations, and what is read in their place.
#[derive(Clone, Debug)]
pub struct Chats {
    chats: Vec<Chat>,
    schema: SchemaRef,
}

impl Chats {
    /// Looks for columns of conversations. `first`: the first rows, in `schema`, by which it is decided. `None` if there is none.
    #[must_use]
    pub fn find(schema: &SchemaRef, first: &RecordBatch) -> Option<Chats> {
        let first = first.slice(0, first.num_rows().min(LOOKED));
        let chats: Vec<Chat> = schema
            .fields()
            .iter()
            .enumerate()
            .filter_map(|(at, field)| chat(at, field, first.column(at)))
            .filter(|chat| {
                let name = schema.field(chat.at).name();
                let taken = |s: &Speaker| schema.field_with_name(&named(name, *s)).is_ok();
                !Speaker::ALL.iter().any(taken)
            })
            .collect();
        if chats.is_empty() {
            return None;
        }
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().map(Arc::clone).collect();
        for chat in &chats {
            let field = fields[chat.at].as_ref().clone();
            let kind = match chat.shape {
                Shape::Json | Shape::Nested => "a conversation".to_owned(),
                Shape::Marked(template) => format!("a conversation with `{}`", template.shown()),
            };
            let speakers =
                chat.speakers().map(|s| format!("`{}`", named(field.name(), s))).collect::<Vec<_>>();
            let why = format!("{kind}, read as {}", speakers.join(", "));
            fields[chat.at] = Arc::new(told(field.clone(), "ignored", &why));
            fields.extend(chat.speakers().map(|s| {
                let new = Field::new(named(field.name(), s), DataType::LargeUtf8, true);
                let who = match s {
                    Speaker::User => "what is asked",
                    Speaker::Assistant => "what is answered",
                    Speaker::System => "what the system is told",
                };
                Arc::new(told(new, s.role(), &format!("{who} in `{}`", field.name())))
            }));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        Some(Chats { chats, schema })
    }

    /// The columns as they are read: those of the files, then those made of conversations.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// A batch of the files with what is said in it.
    ///
    /// # Errors
    /// If the batch is not of the schema that was looked at.
    pub fn read(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        let mut before: Vec<(Speaker, ArrayRef)> = vec![];
        for chat in &self.chats {
            for (speaker, text) in chat.speakers().zip(chat.read(batch.column(chat.at))) {
                // two answers to one prompt: it is asked once
                let again = before.iter().filter(|b| b.0 == speaker && speaker != Speaker::Assistant);
                let text = again.fold(text, |text, (_, earlier)| new_in(&text, earlier));
                columns.push(Arc::clone(&text));
                before.push((speaker, text));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema(), columns, &options).map_err(|e| {
            let names: Vec<&str> = self.names().collect();
            let place = Place::file(Path::new(&names.join(", ")));
            FormatError::schema(format!("conversations cannot be read: {e}"), place)
        })
    }

    /// Rows of another file with what is said in its columns of the same names, where it lacks that: a turn of one speaker may
    /// be all there is.
    #[must_use]
    pub fn read_of(&self, batch: &RecordBatch) -> RecordBatch {
        let own = batch.schema();
        let mut fields: Vec<Arc<Field>> = own.fields().iter().map(Arc::clone).collect();
        let mut columns = batch.columns().to_vec();
        for chat in &self.chats {
            let name = self.schema.field(chat.at).name();
            let Some(column) = batch.column_by_name(name) else { continue };
            let shape = match (column.data_type(), chat.shape) {
                (DataType::List(_) | DataType::LargeList(_), _) => Shape::Nested,
                (_, Shape::Nested) => Shape::Json,
                (_, shape) => shape,
            };
            let said = Chat { shape, ..chat.clone() }.read(column);
            for (speaker, text) in chat.speakers().zip(said) {
                let name = named(name, speaker);
                if own.field_with_name(&name).is_err() {
                    fields.push(Arc::new(Field::new(name, DataType::LargeUtf8, true)));
                    columns.push(text);
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .unwrap_or_else(|_| batch.clone())
    }

    /// Whether a note says of a column of conversations that it is read as plain JSON text.
    #[must_use]
    pub fn settles(&self, note: &Note) -> bool {
        self.names().any(|name| note.text == crate::jsonl::as_text(name))
    }

    /// Names of the columns that hold conversations.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.chats.iter().map(|c| self.schema.field(c.at).name().as_str())
    }
}

/// The texts that are not those of `earlier`, row by row.
fn new_in(texts: &ArrayRef, earlier: &ArrayRef) -> ArrayRef {
    let of = |row| (turns::text(texts, row), turns::text(earlier, row));
    let differs = |row| match of(row) {
        (Some(text), Some(earlier)) if text == earlier => None,
        (text, _) => text,
    };
    Arc::new((0..texts.len()).map(differs).collect::<LargeStringArray>())
}

fn named(column: &str, speaker: Speaker) -> String {
    format!("{column}.{}", speaker.suffix())
}

fn told(field: Field, role: &str, why: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(ROLE.into(), role.into());
    metadata.insert(REASON.into(), why.into());
    field.with_metadata(metadata)
}

/// The column as one of conversations, if it is one.
fn chat(at: usize, field: &Field, column: &ArrayRef) -> Option<Chat> {
    if field.metadata().contains_key(ROLE) {
        return None;
    }
    let known = |shape| {
        let cells = Cells::of(column, shape)?;
        let rows: Vec<usize> = (0..column.len()).filter(|i| column.is_valid(*i)).collect();
        let said: Vec<Said> = rows.iter().filter_map(|i| cells.said(*i)).collect();
        // a template that waits for its answer is a prompt
        let both = |said: &&Said| {
            let has = |who| said.iter().any(|s| s.0 == who && !s.1.trim().is_empty());
            has(Speaker::User) && has(Speaker::Assistant)
        };
        let whole = said.iter().filter(both).count();
        let enough = whole > 0 && whole as f64 >= MOST * rows.len() as f64;
        let has_system = said.iter().flatten().any(|s| s.0 == Speaker::System && !s.1.trim().is_empty());
        enough.then_some(Chat { at, shape, has_system })
    };
    match field.data_type() {
        DataType::List(_) | DataType::LargeList(_) => known(Shape::Nested),
        t if is_text(t) => {
            known(Shape::Json).or_else(|| marks::ALL.iter().find_map(|t| known(Shape::Marked(t))))
        }
        _ => None,
    }
}

fn is_text(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A column opened for reading turns.
enum Cells {
    Json(ArrayRef),
    Nested(Box<Turns>),
    Marked(ArrayRef, &'static Template),
}

impl Cells {
    fn of(column: &ArrayRef, shape: Shape) -> Option<Cells> {
        let text = || arrow_cast::cast(column, &DataType::LargeUtf8).ok();
        Some(match shape {
            Shape::Json => Cells::Json(text()?),
            Shape::Nested => Cells::Nested(Box::new(Turns::of(column)?)),
            Shape::Marked(template) => Cells::Marked(text()?, template),
        })
    }

    /// What is said in a row; `None` if it is no conversation.
    fn said(&self, row: usize) -> Option<Said> {
        match self {
            Cells::Json(text) => read_json(turns::text(text, row)?),
            Cells::Nested(turns) => turns.said(row),
            Cells::Marked(text, template) => template.said(turns::text(text, row)?),
        }
    }

    /// The cell as it stands, for rows that are no conversation.
    fn plain(&self, row: usize) -> Option<&str> {
        match self {
            Cells::Json(text) | Cells::Marked(text, _) => turns::text(text, row),
            Cells::Nested(_) => None,
        }
    }
}

impl Chat {
    fn speakers(&self) -> impl Iterator<Item = Speaker> {
        let has_system = self.has_system;
        Speaker::ALL.into_iter().filter(move |s| has_system || *s != Speaker::System)
    }

    /// The texts of each speaker, in the order of [`Chat::speakers`]: turns by lines, null where nothing is said. What is no
    /// conversation counts as asked, so that all of it is read.
    fn read(&self, column: &ArrayRef) -> Vec<ArrayRef> {
        let rows = column.len();
        let cells = Cells::of(column, self.shape);
        let texts = |row: usize| -> Vec<Option<String>> {
            let said = match &cells {
                Some(cells) => cells
                    .said(row)
                    .filter(|said| said.iter().any(|s| !s.1.is_empty()))
                    .or_else(|| cells.plain(row).map(|t| vec![(Speaker::User, t.to_owned())]))
                    .unwrap_or_default(),
                None => vec![],
            };
            self.speakers().map(|s| self.joined(&said, s)).collect()
        };
        let parts: Vec<Vec<Vec<Option<String>>>> = (0..rows.div_ceil(ROWS))
            .into_par_iter()
            .map(|part| (part * ROWS..((part + 1) * ROWS).min(rows)).map(texts).collect())
            .collect();
        let mut out: Vec<LargeStringBuilder> = self.speakers().map(|_| LargeStringBuilder::new()).collect();
        for text in parts.into_iter().flatten() {
            out.iter_mut().zip(text).for_each(|(builder, text)| builder.append_option(text));
        }
        out.into_iter().map(|mut b| Arc::new(b.finish()) as ArrayRef).collect()
    }

    fn joined(&self, said: &Said, speaker: Speaker) -> Option<String> {
        let is = |who: Speaker| {
            who == speaker || (!self.has_system && who == Speaker::System && speaker == Speaker::User)
        };
        let texts: Vec<&str> = said.iter().filter(|s| is(s.0)).map(|s| s.1.as_str()).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }
}
