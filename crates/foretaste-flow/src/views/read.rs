//! Reads columns of all batches into what the built-in models take.

use crate::columns::count;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ids::list_range;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use foretaste_core::{Matrix, Role, Strings, numbers};
use foretaste_victims::image::Picture;
use foretaste_victims::table::Column;
use rayon::prelude::*;
use std::collections::HashMap;

/// The user's probabilities, columns in the order of our classes.
pub fn given_probs(dataset: &Dataset, notes: &mut Vec<String>) -> Result<Option<Matrix>> {
    let at = dataset.positions(|r| r == Role::Prob);
    let classes = dataset.classes.len();
    if at.is_empty() || classes < 2 {
        return Ok(None);
    }
    let order = class_order(dataset, &at, notes)?;
    let mut out = Vec::with_capacity(dataset.rows as usize * classes);
    for batch in dataset.batches()? {
        let batch = batch?;
        let columns: Vec<ArrayRef> = at.iter().map(|&i| batch.records.column(i).clone()).collect();
        let flat = flat_rows(&columns, batch.rows(), classes);
        for row in flat.chunks_exact(classes) {
            out.extend(order.iter().map(|&k| row[k]));
        }
    }
    Ok(Some(Matrix::new(out, classes)))
}

/// For each of our classes, the position of its probability in the data.
fn class_order(dataset: &Dataset, at: &[usize], notes: &mut Vec<String>) -> Result<Vec<usize>> {
    let classes = &dataset.classes;
    let names: Vec<&str> = at.iter().map(|&i| dataset.schema.field(i).name().as_str()).collect();
    let by_name: Option<Vec<usize>> =
        classes.iter().map(|c| names.iter().position(|n| n.ends_with(&format!("_{c}")))).collect();
    if let (Some(order), true) = (by_name, at.len() == classes.len()) {
        return Ok(order);
    }
    let width: usize = at.iter().map(|&i| dataset.stats[i].list_len.unwrap_or(1)).sum();
    if width != classes.len() {
        return Err(Error::data(
            format!("{width} probabilities a row for {} classes", classes.len()),
            "give one probability per class, or none (--ignore COLUMN)",
        ));
    }
    let mut sorted: Vec<usize> = (0..classes.len()).collect();
    match classes.iter().map(|c| c.parse::<f64>()).collect::<std::result::Result<Vec<_>, _>>() {
        Ok(values) => sorted.sort_by(|a, b| values[*a].total_cmp(&values[*b])),
        Err(_) => sorted.sort_by(|a, b| classes[*a].cmp(&classes[*b])),
    }
    let shown: Vec<&str> = sorted.iter().take(6).map(|&i| classes[i].as_str()).collect();
    notes.push(format!(
        "probabilities are taken in the sorted order of the classes: {}{}",
        shown.join(", "),
        if classes.len() > 6 { ", ..." } else { "" }
    ));
    let mut order = vec![0; classes.len()];
    for (position, class) in sorted.into_iter().enumerate() {
        order[class] = position;
    }
    Ok(order)
}

/// Number and list columns side by side, row-major; short or missing rows are NaN.
fn flat_rows(columns: &[ArrayRef], rows: usize, width: usize) -> Vec<f32> {
    let parts: Vec<(Vec<f64>, Option<&ArrayRef>)> = columns
        .iter()
        .map(|c| match numbers(c) {
            Some(v) => (v, None),
            None => (list_values(c), Some(c)),
        })
        .collect();
    let mut out = Vec::with_capacity(rows * width);
    for row in 0..rows {
        let start = out.len();
        for (values, list) in &parts {
            match list {
                None => out.push(values[row] as f32),
                Some(array) if array.is_valid(row) => {
                    let (from, to) = list_range(array, row);
                    out.extend(values.get(from..to).unwrap_or_default().iter().map(|v| *v as f32));
                }
                Some(_) => {}
            }
        }
        out.resize(start + width, f32::NAN);
    }
    out
}

fn list_values(column: &ArrayRef) -> Vec<f64> {
    let child = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().values().clone(),
        DataType::LargeList(_) => column.as_list::<i64>().values().clone(),
        DataType::FixedSizeList(..) => column.as_fixed_size_list().values().clone(),
        _ => return vec![],
    };
    numbers(&child).unwrap_or_default()
}

/// All embedding columns side by side; missing and non-finite values are 0, with a note that says how many rows these
/// are.
pub fn embeddings(dataset: &Dataset, notes: &mut Vec<String>) -> Result<(Vec<f32>, usize)> {
    let at = dataset.positions(|r| r == Role::Embedding);
    let dim: usize = at.iter().map(|&i| dataset.stats[i].list_len.unwrap_or(1)).sum();
    let mut out = Vec::with_capacity(dataset.rows as usize * dim);
    let (mut absent, mut partly) = (vec![], vec![]);
    for batch in dataset.batches()? {
        let batch = batch?;
        let columns: Vec<ArrayRef> = at.iter().map(|&i| batch.records.column(i).clone()).collect();
        let flat = flat_rows(&columns, batch.rows(), dim);
        for (i, row) in flat.chunks_exact(dim.max(1)).enumerate() {
            match row.iter().filter(|v| !v.is_finite()).count() {
                0 => {}
                n if n == dim => absent.push(batch.first_row + i as u64),
                _ => partly.push(batch.first_row + i as u64),
            }
        }
        out.extend(flat.into_iter().map(|v| if v.is_finite() { v } else { 0.0 }));
    }
    for (rows, what) in [
        (absent, "without an embedding: detectors that compare vectors cannot judge them"),
        (partly, "with missing, NaN or infinite numbers in the embedding: these count as 0"),
    ] {
        if let Some(first) = rows.first() {
            let first = crate::columns::thousands(dataset.place(*first).file_row);
            notes.push(format!("{} {what} (the first is row {first})", count(rows.len() as u64, "row")));
        }
    }
    Ok((out, dim))
}

/// All text columns of a row, joined by a line break.
pub fn texts(dataset: &Dataset) -> Result<Vec<String>> {
    let mut out = Vec::with_capacity(dataset.rows as usize);
    for batch in dataset.batches()? {
        let batch = batch?;
        let columns: Vec<Strings> = batch.columns(Role::is_text).map(|(_, c)| Strings::new(c)).collect();
        out.extend(
            (0..batch.rows()).map(|i| columns.iter().filter_map(|c| c.get(i)).collect::<Vec<_>>().join("\n")),
        );
    }
    Ok(out)
}

/// Feature columns: numbers as they are, strings as codes.
pub fn columns(dataset: &Dataset) -> Result<Vec<Column>> {
    let at = dataset.positions(|r| r == Role::Feature);
    let mut builders: Vec<Builder> =
        at.iter().map(|&i| Builder::new(dataset.schema.field(i).name())).collect();
    for batch in dataset.batches()? {
        let batch = batch?;
        builders.par_iter_mut().zip(&at).for_each(|(b, &i)| b.fold(batch.records.column(i)));
    }
    Ok(builders.into_iter().map(Builder::finish).collect())
}

/// Feature columns of these names over several data sets, one after the other, with the names of their levels. A column that
/// holds numbers in one and strings in another is left out.
pub fn columns_of(datasets: &[&Dataset], names: &[String]) -> Result<Vec<(Column, Vec<String>)>> {
    let mut builders: Vec<Builder> = names.iter().map(|n| Builder::new(n)).collect();
    for dataset in datasets {
        for batch in dataset.batches()? {
            let batch = batch?;
            builders.par_iter_mut().for_each(|b| {
                if let Some(column) = batch.records.column_by_name(&b.name) {
                    b.fold(column);
                }
            });
        }
    }
    let whole = |b: &Builder| !b.is_text || b.numbers.is_empty();
    Ok(builders
        .into_iter()
        .filter(whole)
        .map(|b| (b.level_names(), b.finish()))
        .map(|(l, c)| (c, l))
        .collect())
}

struct Builder {
    name: String,
    numbers: Vec<f64>,
    codes: Vec<u32>,
    levels: HashMap<String, u32>,
    is_text: bool,
}

impl Builder {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), numbers: vec![], codes: vec![], levels: HashMap::new(), is_text: false }
    }

    fn fold(&mut self, column: &ArrayRef) {
        match numbers(column) {
            Some(v) => self.numbers.extend(v.into_iter().map(|v| if v.is_finite() { v } else { f64::NAN })),
            None => {
                self.is_text = true;
                let strings = Strings::new(column);
                for i in 0..strings.len() {
                    let code = match strings.get(i) {
                        None => u32::MAX,
                        Some(s) => match self.levels.get(s) {
                            Some(code) => *code,
                            None => {
                                let code = self.levels.len() as u32;
                                self.levels.insert(s.to_owned(), code);
                                code
                            }
                        },
                    };
                    self.codes.push(code);
                }
            }
        }
    }

    fn level_names(&self) -> Vec<String> {
        let mut out = vec![String::new(); self.levels.len()];
        self.levels.iter().for_each(|(name, code)| out[*code as usize].clone_from(name));
        out
    }

    fn finish(self) -> Column {
        if self.is_text {
            Column::Category { name: self.name, codes: self.codes, levels: self.levels.len() }
        } else {
            Column::Number { name: self.name, values: self.numbers }
        }
    }
}

/// Images of the first image column; broken ones become one black pixel and a note. Also the rows of the broken ones.
pub fn images(dataset: &mut Dataset, notes: &mut Vec<String>) -> Result<(Vec<Picture>, Vec<usize>)> {
    let Some(at) = dataset.positions(|r| r == Role::Image).first().copied() else {
        return Ok((vec![], vec![]));
    };
    let schema = std::sync::Arc::clone(&dataset.schema);
    let field = schema.field(at);
    let (mut out, mut broken) = (vec![], vec![]);
    for batch in dataset.batches()? {
        let batch = batch?;
        let column = batch.records.column(at);
        let decoded: Vec<std::result::Result<Picture, String>> =
            (0..batch.rows()).into_par_iter().map(|row| decode(field, column, row)).collect();
        for (i, picture) in decoded.into_iter().enumerate() {
            out.push(picture.unwrap_or_else(|e| {
                broken.push((batch.first_row + i as u64, e));
                Picture { width: 1, height: 1, channels: 1, bytes: vec![0] }
            }));
        }
    }
    dataset.unreadable = broken.len() as u64;
    if let Some((row, why)) = broken.first() {
        let place = dataset.place(*row);
        let n = count(broken.len() as u64, "image");
        notes.push(format!(
            "{n} could not be read, the first in row {} ({why}); they count as blank",
            place.file_row
        ));
    }
    Ok((out, broken.into_iter().map(|(row, _)| row as usize).collect()))
}

fn decode(
    field: &arrow_schema::Field,
    column: &ArrayRef,
    row: usize,
) -> std::result::Result<Picture, String> {
    match foretaste_formats::decode_image(field, column.as_ref(), row) {
        Ok(Some(d)) => Ok(Picture {
            width: d.width as usize,
            height: d.height as usize,
            channels: usize::from(d.channels),
            bytes: d.pixels,
        }),
        Ok(None) => Err("missing".into()),
        Err(e) => Err(e.to_string()),
    }
}
