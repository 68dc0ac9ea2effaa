//! Shared state of detectors whose state is the data, and a model that is one number per row seen.

use crate::planted::{by_content, shared};
use foretaste_core::{AtEffort, Batch, Ctx, Effort, Error, MISSING, Matrix, Result, Role, Suspicion};
use foretaste_num::members::by_class;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows collected in pieces, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gathered {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    first_row: u64,
    labels: Vec<u32>,
    values: Vec<f32>,
    cols: usize,
}

/// All rows in order: numbers, labels and a row-major matrix.
#[derive(Debug, Default)]
pub struct Flat {
    pub runs: Vec<(u64, u64)>,
    pub labels: Vec<u32>,
    pub values: Vec<f32>,
    pub cols: usize,
}

impl Gathered {
    /// Takes in the labels of a batch and one matrix of it.
    pub fn push(&mut self, batch: &Batch, matrix: &Matrix) {
        if batch.rows() == 0 {
            return;
        }
        let labels = batch.labels.as_ref().map_or_else(|| vec![MISSING; batch.rows()], |l| l.to_vec());
        let piece = Piece {
            first_row: batch.first_row,
            labels,
            values: matrix.values().to_vec(),
            cols: matrix.cols(),
        };
        self.pieces.push(piece);
    }

    pub fn merge(&mut self, from: Self) {
        self.pieces.extend(from.pieces);
    }

    /// Puts the pieces in order of their rows, so that neither sharding nor order of merging shows.
    pub fn flatten(mut self, entry: &str) -> Result<Flat> {
        self.pieces.sort_by_key(|p| p.first_row);
        let mut flat = Flat { cols: self.pieces.first().map_or(0, |p| p.cols), ..Flat::default() };
        for p in self.pieces {
            if p.cols != flat.cols {
                let reason =
                    format!("vectors of {} and of {} numbers do not fit together", flat.cols, p.cols);
                return Err(Error::State { entry: entry.into(), reason });
            }
            add_run(&mut flat.runs, p.first_row, p.labels.len() as u64);
            flat.labels.extend(p.labels);
            flat.values.extend(p.values);
        }
        Ok(flat)
    }
}

impl Flat {
    /// The numbers of a row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.cols..(at + 1) * self.cols]
    }

    /// The same as bits, to order and compare rows by.
    pub fn bits(&self, at: usize) -> Vec<u32> {
        self.row(at).iter().map(|v| v.to_bits()).collect()
    }

    /// Numbers and labels in another order.
    pub fn in_order(&self, order: &[usize]) -> (Vec<f32>, Vec<u32>) {
        let values = order.iter().flat_map(|at| self.row(*at)).copied().collect();
        (values, order.iter().map(|at| self.labels[*at]).collect())
    }

    /// Scores rows that stand in an order of their content, so that folds and parts drawn by place do not depend on the order
    /// in the file: `score` gets numbers and labels, and gives one number a row.
    pub fn by_content(&self, score: impl Fn(&[f32], &[u32]) -> Vec<f32>) -> Vec<f32> {
        let order = by_content(self.labels.len(), |i| (self.labels[i], self.bits(i)));
        let (values, labels) = self.in_order(&order);
        shared(&order, |a, b| self.same(a, b), &score(&values, &labels))
    }

    /// True for copies with one label.
    pub fn same(&self, a: usize, b: usize) -> bool {
        self.labels[a] == self.labels[b] && self.bits(a) == self.bits(b)
    }

    /// Scores the rows of each class on their own: `score` gets the vectors of one class, row after row, and gives one number
    /// a row. Rows without a label, and those of classes with fewer than `least` rows, get 0.
    pub fn by_class(
        &self,
        classes: usize,
        least: usize,
        score: impl Fn(&[f32]) -> Vec<f32> + Sync,
    ) -> Vec<f32> {
        let members = by_class(&self.labels, classes);
        let cols = self.cols;
        let one = |of: &Vec<usize>| {
            let vectors: Vec<f32> =
                of.iter().flat_map(|row| &self.values[row * cols..(row + 1) * cols]).copied().collect();
            score(&vectors)
        };
        // side by side, so that many small classes use all cores; large ones use them inside
        let scores: Vec<Vec<f32>> = members
            .par_iter()
            .map(|of| if of.len() < least || cols == 0 { vec![] } else { one(of) })
            .collect();
        let mut out = vec![0.0; self.labels.len()];
        for (of, scores) in members.iter().zip(scores) {
            of.iter().zip(scores).for_each(|(row, s)| out[*row] = s);
        }
        out
    }
}

/// What the author of a detector writes whose state is the vectors of all rows; [`of_vectors`] makes it a `Detect`.
pub trait OfVectors {
    /// Catalogue id.
    const ID: &'static str;
    /// Roles it reads, vectors among them.
    const NEEDS: &'static [Role];
    /// Judges all rows.
    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion;
    /// As in `Detect`.
    fn at(&self, _effort: Effort) -> AtEffort {
        AtEffort::Same
    }
}

/// Makes an [`OfVectors`] a detector.
macro_rules! of_vectors {
    ($name:ty) => {
        impl ::foretaste_core::Detect for $name {
            type State = $crate::gather::Gathered;
            type Model = $crate::gather::PerRow;

            fn needs(&self) -> ::foretaste_core::Needs {
                let roles = <Self as $crate::gather::OfVectors>::NEEDS;
                ::foretaste_core::Needs::all(roles).growing(::foretaste_core::Growth::Data)
            }
            fn at(&self, effort: ::foretaste_core::Effort) -> ::foretaste_core::AtEffort {
                $crate::gather::OfVectors::at(self, effort)
            }
            fn start(&self) -> Self::State {
                Self::State::default()
            }
            fn fold(
                &self,
                state: &mut Self::State,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<()> {
                if let Some(vectors) = &batch.vectors {
                    state.push(batch, vectors);
                }
                Ok(())
            }
            fn merge(&self, into: &mut Self::State, from: Self::State) -> ::foretaste_core::Result<()> {
                into.merge(from);
                Ok(())
            }
            fn fit(
                &self,
                state: Self::State,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Step<Self::State, Self::Model>> {
                let flat = state.flatten(<Self as $crate::gather::OfVectors>::ID)?;
                let suspicion = $crate::gather::OfVectors::judge(self, &flat, ctx);
                Ok(::foretaste_core::Step::Ready($crate::gather::PerRow { runs: flat.runs, suspicion }))
            }
            fn score(
                &self,
                model: &Self::Model,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Suspicion> {
                Ok(model.score(batch))
            }
        }
    };
}
pub(crate) use of_vectors;

/// The effort of detectors that no finding is made of: they cost time, and what they give is an order for whoever asks for it.
pub fn deep_only(effort: Effort) -> AtEffort {
    match effort {
        Effort::Quick | Effort::Normal => AtEffort::LeftOut,
        Effort::Deep => AtEffort::Same,
    }
}

/// Appends rows `first..first + n` to a list of runs.
pub fn add_run(runs: &mut Vec<(u64, u64)>, first: u64, n: u64) {
    match runs.last_mut() {
        Some((start, len)) if *start + *len == first => *len += n,
        _ => runs.push((first, n)),
    }
}

/// The row number of position `i` in runs.
pub fn row_at(runs: &[(u64, u64)], mut i: u64) -> u64 {
    for (start, len) in runs {
        if i < *len {
            return start + i;
        }
        i -= len;
    }
    u64::MAX
}

/// One suspicion per row seen. Rows never seen get the lowest score and a p-value of 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerRow {
    pub runs: Vec<(u64, u64)>,
    pub suspicion: Suspicion,
}

impl PerRow {
    pub fn score(&self, batch: &Batch) -> Suspicion {
        let at = positions(&self.runs, batch.first_row, batch.rows());
        let all = &self.suspicion;
        let low = all.score.iter().copied().fold(f32::INFINITY, f32::min).min(0.0);
        Suspicion {
            score: pick(&all.score, &at, low),
            p_value: all.p_value.as_ref().map(|v| pick(v, &at, 1.0)),
            expected: all.expected.as_ref().map(|v| pick(v, &at, MISSING)),
            picked: all.picked.as_ref().map(|v| pick(v, &at, false)),
            probable: all.probable,
        }
    }
}

fn pick<T: Copy>(values: &[T], at: &[usize], absent: T) -> Vec<T> {
    at.iter().map(|&i| values.get(i).copied().unwrap_or(absent)).collect()
}

/// Positions of rows `first..first + n` in runs; `usize::MAX` where unseen.
fn positions(runs: &[(u64, u64)], first: u64, n: usize) -> Vec<usize> {
    let mut starts = Vec::with_capacity(runs.len());
    let mut before = 0usize;
    for (_, len) in runs {
        starts.push(before);
        before += *len as usize;
    }
    (first..first + n as u64)
        .map(|row| {
            let i = runs.partition_point(|(start, _)| *start <= row);
            match i.checked_sub(1).map(|i| (runs[i], starts[i])) {
                Some(((start, len), at)) if row < start + len => at + (row - start) as usize,
                _ => usize::MAX,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_scored_on_their_own() {
        let flat = Flat {
            labels: vec![1, 0, 1, MISSING, 1],
            values: (0..10).map(|v| v as f32).collect(),
            cols: 2,
            ..Flat::default()
        };
        let first = |rows: &[f32]| rows.chunks(2).map(|r| r[0]).collect::<Vec<f32>>();
        assert_eq!(flat.by_class(2, 2, first), [0.0, 0.0, 4.0, 0.0, 8.0]);
    }

    #[test]
    fn copies_share_what_they_get_wherever_they_stand() {
        let flat =
            Flat { labels: vec![1, 0, 1, 1], values: vec![5.0, 2.0, 3.0, 5.0], cols: 1, ..Flat::default() };
        let place = |values: &[f32], labels: &[u32]| {
            assert_eq!((values, labels), (&[2.0, 3.0, 5.0, 5.0][..], &[0, 1, 1, 1][..]));
            vec![0.0, 1.0, 2.0, 3.0]
        };
        assert_eq!(flat.by_content(place), [2.5, 0.0, 1.0, 2.5]);
    }

    #[test]
    fn runs_join_and_are_found() {
        let mut runs = vec![];
        add_run(&mut runs, 0, 3);
        add_run(&mut runs, 3, 2);
        add_run(&mut runs, 10, 1);
        assert_eq!(runs, vec![(0, 5), (10, 1)]);
        assert_eq!(positions(&runs, 4, 3), vec![4, usize::MAX, usize::MAX]);
        assert_eq!(positions(&runs, 10, 1), vec![5]);
        assert_eq!(row_at(&runs, 5), 10);
    }
}
