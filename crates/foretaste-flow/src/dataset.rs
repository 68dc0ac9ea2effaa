//! The data set: files that can be opened again and again, what their columns mean, and what was derived for the rows.

mod subset;

use crate::columns::{ColumnStats, thousands};
use crate::error::{Error, Result};
use crate::roles::{Assigned, GivenRoles, PARTIAL, check_label, check_target, infer};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use foldhash::fast::FixedState;
use foretaste_core::{Batch, MISSING, Matrix, Profile, Role, Strings, numbers};
use foretaste_formats::{Chats, FormatError, Located, Note, OpenOptions, Source};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Where some consecutive rows of the data set come from.
#[derive(Clone, Debug)]
pub struct Span {
    /// First row in the data set.
    pub first_row: u64,
    /// Rows.
    pub rows: u64,
    /// Index of the file.
    pub file: u32,
    /// First row in that file, from 0.
    pub first_in_file: u64,
    /// Lines of the rows, for text formats.
    pub lines: Option<foretaste_formats::Lines>,
}

/// The place of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the file.
    pub file: u32,
    /// Row in that file, from 1.
    pub file_row: u64,
    /// Physical line, from 1.
    pub line: Option<u64>,
}

/// Files, roles, classes, and vectors or probabilities made for the rows.
pub struct Dataset {
    source: Source,
    /// Columns of conversations, which are read as one of prompts and one of responses.
    chats: Option<Chats>,
    /// Columns.
    pub schema: SchemaRef,
    /// What each column was taken for.
    pub assigned: Vec<Assigned>,
    /// Statistics of each column.
    pub stats: Vec<ColumnStats>,
    /// Roles alone, shared by all batches.
    pub roles: Arc<[Role]>,
    /// Rows in all.
    pub rows: u64,
    /// Class names, the most frequent first.
    pub classes: Vec<String>,
    /// Rows of each class.
    pub class_counts: Vec<u64>,
    /// Where rows come from.
    pub spans: Vec<Span>,
    /// One vector a row, if made or given.
    pub vectors: Option<Matrix>,
    /// Class probabilities, if made or given.
    pub probs: Option<Matrix>,
    /// Perceptual hashes of the images, one a row.
    pub images: Option<Vec<foretaste_num::phash::ImageHash>>,
    /// Pictures of the first image column, if all have one size.
    pub pixels: Option<foretaste_core::Pixels>,
    /// Images that could not be read.
    pub unreadable: u64,
    /// Why there are no vectors, if there are none.
    pub no_vectors: String,
    /// Why there are no class probabilities, if there are none.
    pub no_probs: String,
    codes: HashMap<String, u32, FixedState>,
    cache: Option<Vec<Kept>>,
}

/// A batch in memory, and the class codes of its rows once somebody asked for them.
#[derive(Clone)]
struct Kept {
    located: Located,
    codes: OnceLock<Option<Arc<[u32]>>>,
}

impl From<Located> for Kept {
    fn from(located: Located) -> Self {
        Self { located, codes: OnceLock::new() }
    }
}

/// Reports progress of a pass: rows done so far.
pub type Tick<'a> = &'a (dyn Fn(u64) + Sync);

impl Dataset {
    /// Opens `inputs` and makes the first pass: counts, statistics, roles, classes. Keeps the batches in memory if they
    /// take less than `cache_bytes`.
    ///
    /// # Errors
    /// If a file cannot be read, has no rows, or has a label that cannot be one.
    pub fn open(
        inputs: &[String],
        options: &OpenOptions,
        given: &GivenRoles,
        cache_bytes: u64,
        tick: Tick<'_>,
    ) -> Result<Self> {
        let source = Source::open(inputs, options)?;
        let mut schema = source.schema();
        let mut chats = None;
        let mut first = FirstPass::new(schema.fields().len());
        let mut cache = Some(vec![]);
        let mut cached = 0;
        for located in source.batches()? {
            let located = located?;
            if first.rows == 0
                && let Some(found) = Chats::find(&schema, &located.batch)
            {
                schema = found.schema();
                first = FirstPass::new(schema.fields().len());
                chats = Some(found);
            }
            let located = told_apart(chats.as_ref(), located)?;
            first.fold(&located);
            tick(first.rows);
            if let Some(kept) = &mut cache {
                cached += located.batch.get_array_memory_size() as u64;
                if cached > cache_bytes { cache = None } else { kept.push(Kept::from(located)) }
            }
        }
        if first.rows == 0 {
            let names: Vec<String> =
                source.files().iter().map(|f| format!("`{}`", f.path.display())).collect();
            return Err(Error::data(
                format!("no rows in {}", names.join(", ")),
                "check that the file holds more than a header",
            ));
        }
        let assigned = infer(&schema, &first.stats, given)?;
        let roles: Arc<[Role]> = assigned.iter().map(|a| a.role).collect();
        let mut dataset = Self {
            source,
            chats,
            schema,
            assigned,
            stats: first.stats,
            roles,
            rows: first.rows,
            classes: vec![],
            class_counts: vec![],
            spans: first.spans,
            vectors: None,
            probs: None,
            images: None,
            pixels: None,
            unreadable: 0,
            no_vectors: String::new(),
            no_probs: String::new(),
            codes: HashMap::default(),
            cache,
        };
        dataset.name_classes()?;
        Ok(dataset)
    }

    fn name_classes(&mut self) -> Result<()> {
        if let Some(i) = self.roles.iter().position(|r| *r == Role::Target) {
            check_target(self.schema.field(i), &self.stats[i])?;
        }
        let Some(i) = self.roles.iter().position(|r| *r == Role::Label) else { return Ok(()) };
        let stats = &self.stats[i];
        check_label(self.schema.field(i).name(), stats)?;
        let mut counted = stats.values.clone();
        counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.codes = counted.iter().enumerate().map(|(code, (v, _))| (v.clone(), code as u32)).collect();
        (self.classes, self.class_counts) = counted.into_iter().unzip();
        Ok(())
    }

    /// Gives these columns these roles and ignores all others: the data are to be read as another data set is.
    ///
    /// # Errors
    /// If the label column cannot be one.
    pub fn take_roles(&mut self, roles: &[(String, Role)]) -> Result<()> {
        let of = |name: &str| roles.iter().find(|(n, _)| n == name).map(|(_, r)| *r);
        for (a, field) in self.assigned.iter_mut().zip(self.schema.fields()) {
            let role = of(field.name()).unwrap_or(Role::Ignored);
            *a = Assigned { role, reason: "as in the data that are compared".into() };
        }
        self.read_roles();
        self.codes.clear();
        (self.classes, self.class_counts) = (vec![], vec![]);
        self.name_classes()
    }

    /// Takes a column out of what models read.
    pub fn leave_out(&mut self, column: usize, reason: &str) {
        if let Some(a) = self.assigned.get_mut(column) {
            *a = Assigned { role: Role::Ignored, reason: reason.into() };
        }
        self.read_roles();
    }

    /// Takes over the roles that were assigned; class codes are made anew.
    fn read_roles(&mut self) {
        self.roles = self.assigned.iter().map(|a| a.role).collect();
        self.cache.iter_mut().flatten().for_each(|kept| kept.codes = OnceLock::new());
    }

    /// What the first pass learned, for algorithms.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile { rows: self.rows, classes: self.classes.clone(), class_counts: self.class_counts.clone() }
    }

    /// Files that are read.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What was inferred or left out while the files were read.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.source.notes().iter().filter(|note| !self.chats.as_ref().is_some_and(|c| c.settles(note)))
    }

    /// Rows of another file with what is said in the conversations in them.
    #[must_use]
    pub fn with_conversations(&self, batch: RecordBatch) -> RecordBatch {
        match &self.chats {
            Some(chats) => chats.read_of(&batch),
            None => batch,
        }
    }

    /// Says no to data with a column of conversations: what is changed in the texts that are read of it would not be written back.
    ///
    /// # Errors
    /// If there is such a column.
    pub fn refuse_conversations(&self, verb: &str) -> Result<()> {
        let Some(name) = self.chats.iter().flat_map(Chats::names).next() else { return Ok(()) };
        Err(Error::data(
            format!("column `{name}` holds conversations, which `{verb}` cannot change"),
            "write what is asked and what is answered into columns of their own, such as `prompt` and `response`",
        ))
    }

    /// True if some column has the role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// True if some column is free text.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.roles.iter().any(|r| r.is_text())
    }

    /// Positions of the columns for which `wanted` holds.
    pub fn positions(&self, wanted: impl Fn(Role) -> bool) -> Vec<usize> {
        (0..self.roles.len()).filter(|&i| wanted(self.roles[i])).collect()
    }

    /// True if the batches are in memory.
    #[must_use]
    pub fn cached(&self) -> bool {
        self.cache.is_some()
    }

    /// All batches in order, with labels coded and the derived vectors and probabilities attached.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn batches(&self) -> Result<Box<dyn Iterator<Item = Result<Batch>> + Send + '_>> {
        let label = self.roles.iter().position(|r| *r == Role::Label);
        let coded =
            move |located: &Located| label.map(|at| Arc::from(self.codes_of(located.batch.column(at))));
        type Read = (Located, Option<Arc<[u32]>>);
        let read: Box<dyn Iterator<Item = std::result::Result<Read, FormatError>> + Send + '_> =
            match &self.cache {
                Some(kept) => Box::new(kept.iter().map(move |k| {
                    Ok((k.located.clone(), k.codes.get_or_init(|| coded(&k.located)).clone()))
                })),
                None => Box::new(self.source.batches()?.map(move |located| {
                    let located = told_apart(self.chats.as_ref(), located?)?;
                    let codes = coded(&located);
                    Ok((located, codes))
                })),
            };
        let mut next = 0;
        Ok(Box::new(read.map(move |read| {
            let (located, codes) = read?;
            let first = next;
            next += located.batch.num_rows() as u64;
            Ok(self.attach(located, codes, first))
        })))
    }

    fn attach(&self, located: Located, labels: Option<Arc<[u32]>>, first_row: u64) -> Batch {
        let rows = located.batch.num_rows();
        let mut batch = Batch::new(located.batch, Arc::clone(&self.roles), first_row);
        batch.labels = labels;
        let part = |m: &Option<Matrix>| m.as_ref().map(|m| m.slice(first_row as usize, rows));
        batch.vectors = part(&self.vectors);
        batch.probs = part(&self.probs);
        let first = first_row as usize;
        batch.pixels = self.pixels.as_ref().map(|p| p.slice(first, rows));
        batch.images = self.images.as_ref().and_then(|h| h.get(first..first + rows)).map(Into::into);
        batch
    }

    /// Class codes of a label column.
    #[must_use]
    pub fn codes_of(&self, column: &ArrayRef) -> Vec<u32> {
        let code = |text: Option<&str>| text.and_then(|t| self.codes.get(t)).copied().unwrap_or(MISSING);
        match numbers(column) {
            Some(values) => {
                let is_bool = column.data_type() == &DataType::Boolean;
                let mut memo: HashMap<u64, u32, FixedState> = HashMap::default();
                values
                    .iter()
                    .map(|v| {
                        if !v.is_finite() {
                            return MISSING;
                        }
                        *memo.entry(v.to_bits()).or_insert_with(|| {
                            let text = if is_bool {
                                if *v == 0.0 { "false".into() } else { "true".into() }
                            } else {
                                format!("{v}")
                            };
                            code(Some(&text))
                        })
                    })
                    .collect()
            }
            None => {
                let strings = Strings::new(column);
                (0..column.len()).map(|i| code(strings.get(i))).collect()
            }
        }
    }

    /// All labels as codes.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn labels(&self) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(self.rows as usize);
        for batch in self.batches()? {
            let batch = batch?;
            match batch.labels {
                Some(l) => out.extend_from_slice(&l),
                None => out.extend(std::iter::repeat_n(MISSING, batch.rows())),
            }
        }
        Ok(out)
    }

    /// The place of a row.
    #[must_use]
    pub fn place(&self, row: u64) -> Place {
        let i = self.spans.partition_point(|s| s.first_row <= row).saturating_sub(1);
        let Some(span) = self.spans.get(i) else { return Place { file: 0, file_row: row + 1, line: None } };
        let within = row - span.first_row;
        Place {
            file: span.file,
            file_row: span.first_in_file + within + 1,
            line: span.lines.as_ref().and_then(|l| l.line(within as usize)),
        }
    }

    /// Notes on odd values: NaN, infinities, empty and constant columns.
    #[must_use]
    pub fn oddities(&self) -> Vec<String> {
        let mut out = vec![];
        for (i, (field, s)) in self.schema.fields().iter().zip(&self.stats).enumerate() {
            let name = field.name();
            if s.nans + s.infinities > 0 {
                let at = s.first_odd.map_or(String::new(), |r| {
                    let p = self.place(r);
                    format!(
                        ", the first in row {}{}",
                        thousands(p.file_row),
                        p.line.map_or(String::new(), |l| format!(" (line {l})"))
                    )
                });
                out.push(format!(
                    "column `{name}` holds {} NaN and {} infinite values{at}; they are read as missing",
                    s.nans, s.infinities
                ));
            }
            out.extend(
                self.assigned
                    .get(i)
                    .filter(|a| a.reason.starts_with(PARTIAL))
                    .map(|a| format!("column `{name}` is not read: {}", a.reason)),
            );
            if s.present() > 0 && s.values.len() == 1 && !s.many && s.rows > 1 && s.nulls == 0 {
                out.push(format!("column `{name}` has one value only"));
            }
        }
        out
    }
}

/// A batch with what is said in its conversations.
fn told_apart(chats: Option<&Chats>, located: Located) -> std::result::Result<Located, FormatError> {
    Ok(match chats {
        Some(chats) => Located { batch: chats.read(&located.batch)?, ..located },
        None => located,
    })
}

struct FirstPass {
    stats: Vec<ColumnStats>,
    spans: Vec<Span>,
    rows: u64,
}

impl FirstPass {
    fn new(columns: usize) -> Self {
        Self { stats: vec![ColumnStats::default(); columns], spans: vec![], rows: 0 }
    }

    fn fold(&mut self, located: &Located) {
        let rows = located.batch.num_rows() as u64;
        self.stats.par_iter_mut().zip(located.batch.columns()).for_each(|(s, c)| s.fold(c));
        self.push_span(Span {
            first_row: self.rows,
            rows,
            file: located.file as u32,
            first_in_file: located.first_row_in_file,
            lines: located.lines.clone(),
        });
        self.rows += rows;
    }

    /// Adjoining spans whose lines go on evenly are one span, so that large files cost nothing.
    fn push_span(&mut self, next: Span) {
        use foretaste_formats::Lines::From;
        if let Some(last) = self.spans.last_mut() {
            let even = match (&last.lines, &next.lines) {
                (None, None) => true,
                (Some(From(a)), Some(From(b))) => *b == a + last.rows,
                _ => false,
            };
            if even && last.file == next.file && next.first_in_file == last.first_in_file + last.rows {
                last.rows += next.rows;
                return;
            }
        }
        self.spans.push(next);
    }
}
