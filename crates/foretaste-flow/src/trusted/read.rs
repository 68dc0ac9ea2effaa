//! New and trusted rows side by side, the new ones first, in the columns that both have.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ids::content_hashes;
use crate::views::{join, read};
use arrow_schema::DataType;
use foretaste_core::{Batch, MISSING, Role, Strings};
use foretaste_victims::table::{Column, TableOptions};
use foretaste_victims::{Features, embedding, image, table, text};
use std::collections::{BTreeSet, HashMap};

/// New rows, then trusted ones.
pub struct Both {
    /// Number of new rows.
    pub new: usize,
    /// Feature columns with the names of their levels.
    pub columns: Vec<(Column, Vec<String>)>,
    /// Texts, if there are some.
    pub texts: Vec<String>,
    /// What models read, by the kind of content.
    pub features: Vec<(&'static str, Features)>,
    /// Class of each row; [`MISSING`] where there is none. Empty if a side has no labels.
    pub labels: Vec<u32>,
    /// Class names, those of the new data first.
    pub classes: Vec<String>,
    /// Classes that the trusted data have.
    pub known: Vec<bool>,
    /// Columns that cannot be compared, in words.
    pub differ: Vec<String>,
    /// See [`super::Drift::whole_content`].
    pub whole_content: bool,
    hashes: Vec<u128>,
}

impl Both {
    /// Reads both data sets in the roles of the new one.
    ///
    /// # Errors
    /// If a file cannot be read, or no column can be compared.
    pub fn read(new: &mut Dataset, old: &mut Dataset, notes: &mut Vec<String>) -> Result<Self> {
        let (common, differ) = common_columns(new, old);
        let of = |wanted: &dyn Fn(Role) -> bool| -> Vec<String> {
            common.iter().filter(|(_, r)| wanted(*r)).map(|(n, _)| n.clone()).collect()
        };
        let content = |r: Role| r == Role::Feature || r == Role::Image || r == Role::Embedding || r.is_text();
        if of(&content).is_empty() {
            return Err(Error::data(
                format!(
                    "the trusted data share no column with the data that a model reads{}",
                    in_words(&differ)
                ),
                "give data of the same kind and columns to --trusted, or name the columns alike",
            ));
        }
        old.take_roles(&common)?;
        let (labels, classes, known) = labels(new, old, !of(&|r| r == Role::Label).is_empty())?;
        let mut both = Self {
            new: new.rows as usize,
            columns: read::columns_of(&[new, old], &of(&|r| r == Role::Feature))?,
            texts: vec![],
            features: vec![],
            labels,
            classes,
            known,
            differ,
            whole_content: !of(&|r| content(r) && r != Role::Feature).is_empty(),
            hashes: hashes(new, &of(&content))?,
        };
        both.hashes.extend(hashes(old, &of(&content))?);
        both.read_vectors(new, old, &of(&|r| r == Role::Embedding), notes)?;
        if !of(&|r| r == Role::Image).is_empty() {
            let (mut pictures, _) = read::images(new, &mut vec![])?;
            let mut told = vec![];
            pictures.extend(read::images(old, &mut told)?.0);
            notes.extend(told.into_iter().map(|t| format!("trusted data: {t}")));
            both.features.push(("pictures", image::features(&pictures)));
        }
        let (mut blocks, mut names) = (vec![], vec![]);
        let texts = of(&Role::is_text);
        if !texts.is_empty() {
            both.texts = texts_of(new, &texts)?;
            both.texts.extend(texts_of(old, &texts)?);
            let lines: Vec<&str> = both.texts.iter().map(String::as_str).collect();
            blocks.push(text::features(&lines, &text::default_options()).1);
            names.push("texts");
        }
        if !both.columns.is_empty() {
            let columns: Vec<Column> = both.columns.iter().map(|(c, _)| c.clone()).collect();
            blocks.push(table::features(&columns, &TableOptions::default()));
            names.push("columns");
        }
        let name = if names.len() == 2 { "texts and columns" } else { names.first().copied().unwrap_or("") };
        both.features.extend(join::sparse(blocks).into_iter().map(|f| (name, f)));
        Ok(both)
    }

    fn read_vectors(
        &mut self,
        new: &Dataset,
        old: &Dataset,
        names: &[String],
        notes: &mut Vec<String>,
    ) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let (mut data, dim) = read::embeddings(new, &mut vec![])?;
        let mut told = vec![];
        let (more, other) = read::embeddings(old, &mut told)?;
        notes.extend(told.into_iter().map(|t| format!("trusted data: {t}")));
        if dim == other && dim > 0 {
            data.extend(more);
            self.features.push(("vectors", embedding::features(&data, dim)));
        } else {
            self.differ.push(format!("vectors have {dim} numbers, and {other} in the trusted data"));
        }
        Ok(())
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.hashes.len()
    }

    /// Number of trusted rows.
    pub fn old(&self) -> usize {
        self.rows() - self.new
    }

    /// Classes of the new data that the trusted do not have, with their rows.
    pub fn unknown(&self) -> Vec<(String, Vec<u64>)> {
        let of = |c: usize| (0..self.new as u64).filter(|&i| self.labels[i as usize] as usize == c).collect();
        let not = (0..self.classes.len()).filter(|&c| !self.known[c]);
        not.map(|c| (self.classes[c].clone(), of(c))).collect()
    }

    /// New rows whose content is among the trusted: how many, and those under a label that it never has there.
    pub fn copies(&self) -> (u64, Vec<u64>) {
        let mut seen: HashMap<u128, BTreeSet<u32>> = HashMap::new();
        let label = |i: usize| self.labels.get(i).copied().unwrap_or(MISSING);
        for i in self.new..self.rows() {
            seen.entry(self.hashes[i]).or_default().insert(label(i));
        }
        let (mut copies, mut other) = (0, vec![]);
        for i in 0..self.new {
            let Some(labels) = seen.get(&self.hashes[i]) else { continue };
            copies += 1;
            if label(i) != MISSING && !labels.contains(&MISSING) && !labels.contains(&label(i)) {
                other.push(i as u64);
            }
        }
        (copies, other)
    }
}

/// Columns that a model reads or learns and that both have in one kind, in the roles of the new data; and the others, in words.
fn common_columns(new: &Dataset, old: &Dataset) -> (Vec<(String, Role)>, Vec<String>) {
    let read = |r: Role| {
        matches!(r, Role::Feature | Role::Target | Role::Image | Role::Embedding | Role::Label) || r.is_text()
    };
    let (mut common, mut differ) = (vec![], vec![]);
    for (i, field) in new.schema.fields().iter().enumerate().filter(|(i, _)| read(new.roles[*i])) {
        let name = field.name();
        match old.schema.index_of(name) {
            Err(_) => differ.push(format!("column `{name}` is missing in the trusted data")),
            Ok(j) => {
                let (a, b) = (kind(field.data_type()), kind(old.schema.field(j).data_type()));
                let (empty, blank) = (new.stats[i].present() == 0, old.stats[j].present() == 0);
                if empty != blank {
                    let side = if empty { "in the new data" } else { "in the trusted data" };
                    differ.push(format!("column `{name}` has no value {side}"));
                } else if a != b && !(new.roles[i] == Role::Label && a != "lists" && b != "lists") {
                    differ.push(format!("column `{name}` holds {a}, and {b} in the trusted data"));
                } else if !empty {
                    common.push((name.clone(), new.roles[i]));
                }
            }
        }
    }
    for (j, field) in old.schema.fields().iter().enumerate() {
        if new.schema.index_of(field.name()).is_err() && read(old.roles[j]) {
            differ.push(format!("column `{}` is in the trusted data only", field.name()));
        }
    }
    (common, differ)
}

fn kind(t: &DataType) -> &'static str {
    match t {
        t if t.is_numeric() || *t == DataType::Boolean => "numbers",
        t if t.is_temporal() => "times",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "lists",
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Dictionary(..)
        | DataType::Null => "text",
        _ => "bytes",
    }
}

fn in_words(differ: &[String]) -> String {
    differ.first().map_or(String::new(), |first| format!(": {first}"))
}

/// Labels of both in one list of classes, and which of these the trusted data have.
fn labels(new: &Dataset, old: &Dataset, both: bool) -> Result<(Vec<u32>, Vec<String>, Vec<bool>)> {
    if !both {
        return Ok((vec![], vec![], vec![]));
    }
    let mut classes = new.classes.clone();
    let codes: Vec<u32> = old
        .classes
        .iter()
        .map(|name| match classes.iter().position(|c| c == name) {
            Some(at) => at as u32,
            None => {
                classes.push(name.clone());
                classes.len() as u32 - 1
            }
        })
        .collect();
    let mut labels = new.labels()?;
    labels.extend(old.labels()?.into_iter().map(|l| codes.get(l as usize).copied().unwrap_or(MISSING)));
    let mut known = vec![false; classes.len()];
    codes.iter().for_each(|&c| known[c as usize] = true);
    Ok((labels, classes, known))
}

/// Text columns of these names, joined as the surrogate reads them.
fn texts_of(dataset: &Dataset, names: &[String]) -> Result<Vec<String>> {
    let mut out = Vec::with_capacity(dataset.rows as usize);
    for batch in dataset.batches()? {
        let batch = batch?;
        let found = names.iter().filter_map(|n| batch.records.column_by_name(n));
        let columns: Vec<Strings> = found.map(Strings::new).collect();
        out.extend(
            (0..batch.rows()).map(|i| columns.iter().filter_map(|c| c.get(i)).collect::<Vec<_>>().join("\n")),
        );
    }
    Ok(out)
}

/// Hashes of the content of all rows.
fn hashes(dataset: &Dataset, names: &[String]) -> Result<Vec<u128>> {
    let at: Vec<usize> = names.iter().filter_map(|n| dataset.schema.index_of(n).ok()).collect();
    let mut out = Vec::with_capacity(dataset.rows as usize);
    for batch in dataset.batches()? {
        let records = batch?.records.project(&at)?;
        let roles = vec![Role::Feature; at.len()].into();
        out.extend(content_hashes(&Batch::new(records, roles, 0)));
    }
    Ok(out)
}
