//! The inputs to explain, in the columns of the training data.

use super::{TraceOptions, place};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::simulate::{pick, take_rows};
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, Schema};
use foretaste_core::{Picked, Role};
use foretaste_formats::{OpenOptions, Source};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Inputs, and which of them are rows of the training data.
pub struct Questions {
    /// The inputs.
    pub samples: Picked,
    /// Where each is.
    pub places: Vec<String>,
    /// Rows of the training data among them.
    pub own_rows: Vec<u64>,
}

/// Most inputs that are explained together.
const MOST: usize = 1000;

/// Reads the files, and takes the rows of the training data that were named.
///
/// # Errors
/// If a file cannot be read, lacks a column that the model reads, or a row does not exist.
pub fn read(dataset: &Dataset, options: &TraceOptions) -> Result<Questions> {
    let (mut pieces, mut places) = (vec![], vec![]);
    for file in &options.questions {
        let File { batches, word } = open(file, dataset, &options.open)?;
        let mut number = 0;
        for batch in batches {
            places.extend((1..=batch.num_rows()).map(|i| format!("{file} {word} {}", number + i)));
            number += batch.num_rows();
            pieces.push(fitted(dataset, &dataset.with_conversations(batch), file)?);
        }
    }
    let mut own_rows = vec![];
    for &row in &options.rows {
        if row == 0 || row > dataset.rows {
            let rows = crate::columns::count(dataset.rows, "row");
            return Err(Error::data(
                format!("there is no row `{row}`"),
                format!("the training data have {rows}, counted from 1"),
            ));
        }
        own_rows.push(row - 1);
        places.push(place(dataset, row - 1));
    }
    if !own_rows.is_empty() {
        pieces.push(take_rows(dataset, &own_rows)?);
    }
    let records = arrow_select::concat::concat_batches(&dataset.schema, &pieces)?;
    if records.num_rows() == 0 || records.num_rows() > MOST {
        let hint = format!("give 1 to {MOST} inputs that a model answers alike");
        return Err(Error::data(
            format!("{} to explain", crate::columns::count(records.num_rows() as u64, "input")),
            hint,
        ));
    }
    let asked = dataset.of_rows(&records)?;
    let all: Vec<u64> = (0..asked.rows).collect();
    Ok(Questions { samples: pick(&asked, &all)?, places, own_rows })
}

/// What a file holds, and what its samples are called.
struct File {
    batches: Vec<RecordBatch>,
    word: &'static str,
}

/// Reads a file. A JSON object over many lines, or a list of objects, is read as the objects that it holds.
fn open(file: &str, dataset: &Dataset, options: &OpenOptions) -> Result<File> {
    // what is a text in the training data is a text here, whatever it looks like
    let is_text = |f: &&Arc<Field>| matches!(f.data_type(), DataType::Utf8 | DataType::LargeUtf8);
    let texts = dataset.schema.fields().iter().filter(is_text);
    let types = texts.map(|f| (f.name().clone(), f.data_type().clone())).collect();
    let options = OpenOptions { format: None, types, ..options.clone() };
    let is_json = Path::new(file).extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let text = if is_json { std::fs::read_to_string(file).ok() } else { None };
    let Some(value) = text.and_then(|t| serde_json::from_str::<Value>(&t).ok()) else {
        let source = Source::open(&[file.to_owned()], &options)?;
        let word = if source.files().first().is_some_and(|f| f.format == "jsonl") { "object" } else { "row" };
        return Ok(File { batches: read_all(&source)?, word });
    };
    let objects = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let told = |e: std::io::Error| Error::file(file, e, "");
    let mut lines = tempfile::Builder::new().suffix(".jsonl").tempfile().map_err(told)?;
    for object in &objects {
        if !object.is_object() {
            let hint = "one object an input, with the columns of the training data";
            return Err(Error::file(file, "it holds something that is no JSON object", hint));
        }
        writeln!(lines, "{object}").map_err(told)?;
    }
    lines.flush().map_err(told)?;
    let source = Source::open(&[lines.path().display().to_string()], &options)?;
    Ok(File { batches: read_all(&source)?, word: "object" })
}

fn read_all(source: &Source) -> Result<Vec<RecordBatch>> {
    let mut out = vec![];
    let mut rows = 0;
    for located in source.batches()? {
        let batch = located?.batch;
        rows += batch.num_rows();
        out.push(batch);
        if rows > MOST {
            break;
        }
    }
    Ok(out)
}

/// The batch in the columns of the training data. What no model reads may be missing.
fn fitted(dataset: &Dataset, batch: &RecordBatch, file: &str) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = vec![];
    let mut missing = vec![];
    for (field, role) in dataset.schema.fields().iter().zip(dataset.roles.iter()) {
        let is_read = role.is_text() || matches!(role, Role::Feature | Role::Image | Role::Embedding);
        let nothing = || new_null_array(field.data_type(), batch.num_rows());
        match batch.column_by_name(field.name()) {
            Some(column) => columns.push(match arrow_cast::cast(column, field.data_type()) {
                Ok(column) => column,
                Err(_) if !is_read => nothing(),
                Err(e) => {
                    let problem =
                        format!("column `{}` cannot be read as in the training data: {e}", field.name());
                    let hint = "give the input in the columns of the training data";
                    return Err(Error::file(file, problem, hint));
                }
            }),
            None => {
                if is_read {
                    missing.push(format!("`{}`", field.name()));
                }
                columns.push(nothing());
            }
        }
    }
    if !missing.is_empty() {
        let hint =
            "give the input in the columns of the training data; take out what no model reads with --ignore";
        return Err(Error::file(file, format!("no column {}", missing.join(", ")), hint));
    }
    let schema = Arc::clone(&dataset.schema);
    // a column that is never empty in the training data may be so here
    let nullable: Vec<Field> =
        schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let free = RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns)?;
    Ok(free.with_schema(schema).unwrap_or_else(|_| RecordBatch::new_empty(Arc::clone(&dataset.schema))))
}
