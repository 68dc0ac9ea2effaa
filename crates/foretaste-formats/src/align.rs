//! One schema for several files: columns by name, missing ones null, types widened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{FormatError, Place, Result};
use crate::options::{Note, NoteKind};
use crate::source::plain;

/// The common schema, and for every file which of its columns each column comes from.
pub(crate) struct Aligned {
    pub(crate) schema: SchemaRef,
    pub(crate) columns: Vec<Vec<Option<usize>>>,
}

/// Merges schemas. Columns keep the order in which they first appear.
pub(crate) fn align(schemas: &[SchemaRef], paths: &[PathBuf], notes: &mut Vec<Note>) -> Result<Aligned> {
    let mut fields: Vec<Field> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (schema, path) in schemas.iter().zip(paths) {
        for field in schema.fields() {
            let own = field.as_ref().clone().with_data_type(plain(field.data_type()));
            match places.get(field.name()) {
                None => {
                    places.insert(field.name().clone(), fields.len());
                    fields.push(own);
                }
                Some(&i) => merge(&mut fields[i], &own, path, notes)?,
            }
        }
    }
    let mut columns = Vec::with_capacity(schemas.len());
    for (schema, path) in schemas.iter().zip(paths) {
        let own: HashMap<&str, usize> =
            schema.fields().iter().enumerate().map(|(i, f)| (f.name().as_str(), i)).collect();
        let mut from = Vec::with_capacity(fields.len());
        for field in &mut fields {
            let column = own.get(field.name().as_str()).copied();
            if column.is_none() {
                let text = format!("column `{}` is missing and reads as null", field.name());
                notes.push(Note::new(NoteKind::Missing, text, path));
                field.set_nullable(true);
            }
            from.push(column);
        }
        columns.push(from);
    }
    // A column without any value has no type of its own; text is what most readers expect of an empty cell.
    for field in fields.iter_mut().filter(|f| *f.data_type() == DataType::Null) {
        field.set_data_type(DataType::Utf8);
    }
    Ok(Aligned { schema: Arc::new(Schema::new(fields)), columns })
}

fn merge(into: &mut Field, other: &Field, path: &Path, notes: &mut Vec<Note>) -> Result<()> {
    into.set_nullable(into.is_nullable() || other.is_nullable());
    let (a, b) = (into.data_type(), other.data_type());
    if a == b {
        let roles = |f: &Field| f.metadata().get(crate::images::IMAGE).cloned();
        if roles(into) != roles(other) {
            let what =
                format!("column `{}` holds images of another shape than in the first file", other.name());
            return Err(FormatError::schema(what, Place::file(path)));
        }
        return Ok(());
    }
    let Some(wide) = wider(a, b) else {
        let what = format!("column `{}` is `{b}` here and `{a}` in the files before", other.name());
        return Err(FormatError::schema(what, Place::file(path))
            .with_hint("open the files apart, or convert the column"));
    };
    if *a != DataType::Null && *b != DataType::Null {
        let text = format!(
            "column `{}` is `{b}` here and `{a}` in the files before: read as `{wide}`",
            other.name()
        );
        notes.push(Note::new(NoteKind::Converted, text, path));
    }
    into.set_data_type(wide);
    Ok(())
}

/// The narrowest type that holds the values of both without loss, or else text; `None` if there is none.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    if a == b {
        return Some(a.clone());
    }
    if *a == Null || *b == Null {
        return Some(if *a == Null { b.clone() } else { a.clone() });
    }
    let text = |t: &DataType| matches!(t, Utf8 | LargeUtf8);
    let bytes = |t: &DataType| matches!(t, Binary | LargeBinary | FixedSizeBinary(_));
    if text(a) && text(b) {
        return Some(LargeUtf8);
    }
    if bytes(a) && bytes(b) {
        return Some(if matches!((a, b), (LargeBinary, _) | (_, LargeBinary)) {
            LargeBinary
        } else {
            Binary
        });
    }
    let whole = |t: &DataType| t.is_integer();
    let number = |t: &DataType| t.is_integer() || t.is_floating();
    if whole(a) && whole(b) {
        let unsigned = a.is_unsigned_integer() && b.is_unsigned_integer();
        return Some(match (unsigned, *a == UInt64 || *b == UInt64) {
            (true, _) => UInt64,
            (false, false) => Int64,
            (false, true) => Utf8,
        });
    }
    if number(a) && number(b) {
        return Some(if matches!((a, b), (Float16 | Float32, Float16 | Float32)) {
            Float32
        } else {
            Float64
        });
    }
    let simple = |t: &DataType| number(t) || text(t) || *t == Boolean || t.is_temporal();
    if simple(a) && simple(b) {
        return Some(if matches!((a, b), (LargeUtf8, _) | (_, LargeUtf8)) { LargeUtf8 } else { Utf8 });
    }
    match (a, b) {
        (FixedSizeList(x, _), FixedSizeList(y, _))
        | (FixedSizeList(x, _), List(y))
        | (List(x), FixedSizeList(y, _))
            if x.data_type() == y.data_type() =>
        {
            Some(List(x.clone()))
        }
        (List(x), List(y)) if x.data_type() == y.data_type() => Some(List(x.clone())),
        (LargeList(x), List(y) | FixedSizeList(y, _)) | (List(y) | FixedSizeList(y, _), LargeList(x))
            if x.data_type() == y.data_type() =>
        {
            Some(LargeList(x.clone()))
        }
        _ => None,
    }
}
