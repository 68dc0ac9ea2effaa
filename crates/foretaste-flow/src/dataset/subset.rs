//! Data sets in memory, made from the rows of another: what a trial trains on and asks about.

use super::{Dataset, Kept};
use crate::columns::ColumnStats;
use crate::error::Result;
use crate::roles::Assigned;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use foretaste_core::{MISSING, Role};
use foretaste_formats::Located;
use std::sync::Arc;

/// Rows of a batch in memory.
const ROWS: usize = 8192;

impl Dataset {
    /// The same data set in memory, without what was derived for its rows: something else may be derived.
    #[must_use]
    pub fn again(&self) -> Dataset {
        Dataset { spans: self.spans.clone(), cache: self.cache.clone(), ..self.without_rows() }
    }

    /// Everything but the rows themselves and what was derived for them.
    fn without_rows(&self) -> Dataset {
        Dataset {
            source: self.source.clone(),
            chats: self.chats.clone(),
            schema: Arc::clone(&self.schema),
            assigned: self.assigned.clone(),
            stats: self.stats.clone(),
            roles: Arc::clone(&self.roles),
            rows: self.rows,
            classes: self.classes.clone(),
            class_counts: self.class_counts.clone(),
            spans: vec![],
            vectors: None,
            probs: None,
            images: None,
            pixels: None,
            unreadable: 0,
            no_vectors: String::new(),
            no_probs: String::new(),
            codes: self.codes.clone(),
            cache: None,
        }
    }

    /// A data set of these rows in which a model is to learn what `yes` says of each: the columns with the role that is wanted,
    /// and a label of two classes, `names`, of which the first is the one of `yes`.
    ///
    /// # Errors
    /// If the columns do not fit together.
    pub fn judged(
        &self,
        records: &RecordBatch,
        wanted: impl Fn(Role) -> bool,
        yes: &[bool],
        names: [&str; 2],
    ) -> Result<Dataset> {
        let kept = self.positions(wanted);
        let read = records.project(&kept)?;
        let mut fields = read.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("judged", DataType::Utf8, false)));
        let mut columns = read.columns().to_vec();
        columns.push(Arc::new(yes.iter().map(|y| Some(names[usize::from(!y)])).collect::<StringArray>()));
        let mut assigned: Vec<Assigned> = kept.iter().map(|i| self.assigned[*i].clone()).collect();
        assigned.push(Assigned { role: Role::Label, reason: "judged".into() });
        let schema = Arc::new(Schema::new(fields));
        let empty = Dataset {
            schema: Arc::clone(&schema),
            roles: assigned.iter().map(|a| a.role).collect(),
            assigned,
            stats: vec![],
            classes: names.map(str::to_owned).to_vec(),
            class_counts: vec![],
            codes: names.iter().zip(0..).map(|(name, code)| ((*name).to_owned(), code)).collect(),
            ..self.without_rows()
        };
        empty.of_rows(&RecordBatch::try_new(schema, columns)?)
    }

    /// A data set of these rows, with the columns, roles and classes of this one. What was derived for rows is not taken over,
    /// but vectors of an embedding column are read again.
    ///
    /// # Errors
    /// If vectors cannot be read.
    pub fn of_rows(&self, records: &RecordBatch) -> Result<Dataset> {
        let rows = records.num_rows();
        let pieces = (0..rows.max(1)).step_by(ROWS).map(|from| Located {
            batch: records.slice(from.min(rows), ROWS.min(rows - from.min(rows))),
            file: 0,
            first_row_in_file: from as u64,
            lines: None,
        });
        let cache: Vec<Kept> = pieces.map(Kept::from).collect();
        let mut stats = vec![ColumnStats::default(); self.schema.fields().len()];
        for piece in &cache {
            stats.iter_mut().zip(piece.located.batch.columns()).for_each(|(s, c)| s.fold(c));
        }
        let mut out = Dataset {
            stats,
            rows: rows as u64,
            class_counts: vec![0; self.classes.len()],
            spans: vec![],
            cache: Some(cache),
            ..self.without_rows()
        };
        for label in out.labels()?.into_iter().filter(|l| *l != MISSING) {
            if let Some(n) = out.class_counts.get_mut(label as usize) {
                *n += 1;
            }
        }
        if out.has(Role::Embedding) {
            out.vectors = crate::views::embedding_vectors(&out)?;
        }
        Ok(out)
    }
}
