//! What detectors of phrases share: the texts of all rows, and where words stand in them.

use crate::gather::add_run;
use foretaste_core::{Batch, MISSING, Mark, Role, Strings};
use foretaste_num::phrases::tokens;
use serde::{Deserialize, Serialize};

/// Places that are marked for one lead at most.
const MARKS: usize = 200;

/// How the name of a column begins whose answers are not to be learned.
const REJECTED: &str = "rejected";

/// Texts in pieces, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Texts {
    pub pieces: Vec<Piece>,
}

/// The texts of a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Piece {
    pub first_row: u64,
    pub labels: Vec<u32>,
    columns: Vec<Column>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Column {
    name: String,
    role: Role,
    cells: Vec<String>,
}

impl Piece {
    /// Text columns of a row with a role that is wanted, in their order.
    pub fn cells(&self, i: usize, wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(move |c| wanted(c.role)).map(move |c| c.cells[i].as_str())
    }

    /// Which columns are answered.
    pub fn asked(&self) -> fn(Role) -> bool {
        Role::asked(self.columns.iter().map(|c| c.role))
    }

    /// What is to be answered in a row: of two answers the one that is preferred.
    pub fn answer(&self, i: usize) -> &str {
        let answers = || self.columns.iter().filter(|c| c.role == Role::Response);
        let wanted = answers().find(|c| !c.name.starts_with(REJECTED)).or_else(|| answers().next());
        wanted.map_or("", |c| c.cells[i].as_str())
    }

    /// Text columns of a row with a role that is wanted, joined by a line break.
    pub fn text(&self, i: usize, wanted: impl Fn(Role) -> bool) -> String {
        let cells: Vec<&str> = self.cells(i, wanted).filter(|c| !c.is_empty()).collect();
        cells.join("\n")
    }
}

impl Texts {
    /// Takes in the text columns of a batch.
    pub fn fold(&mut self, batch: &Batch) {
        let mut columns = vec![];
        for (i, role) in batch.roles.iter().enumerate().filter(|(_, r)| r.is_text()) {
            let strings = Strings::new(batch.records.column(i));
            let cells = (0..batch.rows()).map(|row| strings.get(row).unwrap_or_default().to_owned());
            let name = batch.records.schema_ref().field(i).name().clone();
            columns.push(Column { name, role: *role, cells: cells.collect() });
        }
        let labels = batch.labels.as_ref().map_or_else(|| vec![MISSING; batch.rows()], |l| l.to_vec());
        self.pieces.push(Piece { first_row: batch.first_row, labels, columns });
    }

    /// Puts the pieces in order; the runs of rows.
    pub fn in_order(&mut self) -> Vec<(u64, u64)> {
        self.pieces.sort_by_key(|p| p.first_row);
        let mut runs = vec![];
        self.pieces.iter().for_each(|p| add_run(&mut runs, p.first_row, p.labels.len() as u64));
        runs
    }

    fn piece(&self, row: u64) -> Option<(&Piece, usize)> {
        let at = self.pieces.partition_point(|p| p.first_row <= row).checked_sub(1)?;
        let piece = &self.pieces[at];
        Some((piece, (row - piece.first_row) as usize))
    }

    /// Where `words` (`*`: any one word) stand in columns of `rows` that have a role that is wanted. The pieces are in order.
    pub fn marks(&self, rows: &[u64], words: &str, wanted: impl Fn(Role) -> bool, note: &str) -> Vec<Mark> {
        let looked_for: Vec<&str> = words.split(' ').collect();
        let mut out = vec![];
        for &row in rows.iter().take(MARKS) {
            let Some((piece, i)) = self.piece(row) else { continue };
            for column in piece.columns.iter().filter(|c| wanted(c.role)) {
                let Some(cell) = column.cells.get(i) else { continue };
                let mut seen: Vec<(String, usize, usize)> = vec![];
                tokens(cell, |t, span| seen.push((t.to_owned(), span.start, span.end)));
                for w in seen.windows(looked_for.len()) {
                    if w.iter().zip(&looked_for).all(|(a, b)| a.0 == *b || *b == "*") {
                        let (start, end) = (w[0].1, w[w.len() - 1].2);
                        out.push(Mark {
                            row,
                            column: column.name.clone(),
                            start,
                            end,
                            note: note.to_owned(),
                        });
                    }
                }
            }
        }
        out
    }

    /// The text of a mark, as it was written.
    pub fn quote(&self, mark: &Mark) -> Option<&str> {
        let (piece, i) = self.piece(mark.row)?;
        let column = piece.columns.iter().find(|c| c.name == mark.column)?;
        column.cells.get(i)?.get(mark.start..mark.end)
    }
}
