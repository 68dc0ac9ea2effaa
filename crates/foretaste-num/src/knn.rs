//! Exact nearest neighbours.
//!
//! All pairs of rows are compared by their products, which a processor computes near its peak; of a
//! set with itself only one half of them, since they are symmetric. A tile of products is tested
//! against the bounds of its rows and its columns while it is in registers, so the matrix of
//! products is never stored: memory is one packed copy of the rows and a short list for each.
//!
//! Products in single precision cancel where rows are near, so they only choose candidates, with a
//! bound on their error that loses no true neighbour; distances are then computed from the
//! definition in double precision. Neighbours are ordered by (distance in single precision, index)
//! and depend on nothing else: not on threads, nor on the processor.

mod coarse;
mod exact;
mod lists;
mod points;
#[cfg(test)]
mod tests;
mod tile;

use coarse::Coarse;
use lists::{Lists, Pairing};
use points::{Frame, Groups, Packed, Points, Rows};
use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tile::{Course, Edge, Hit, Isa, Sweep};

/// How far apart two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Length of the difference.
    Euclidean,
    /// One minus the cosine of the angle. A zero row is at distance one of every row.
    Cosine,
}

/// The nearest rows of each row, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Neighbours per row.
    pub k: usize,
    /// `n * k` row numbers; [`u32::MAX`] where there are fewer than `k`.
    pub index: Vec<u32>,
    /// `n * k` distances (Euclidean, not squared, or one minus the cosine), ascending within a row;
    /// infinite where there are fewer than `k`.
    pub distance: Vec<f32>,
}

/// Columns that share one packing of a row block.
const STRIP: usize = 4096;
/// Hits after which the bounds are tightened before going on.
const ENOUGH: usize = 8192;

/// The `k` nearest other rows of each row of `data` (row-major, rows of length `dim`; a last
/// incomplete row is ignored).
///
/// Rows with NaN or infinity have no neighbours and are nobody's neighbour. Equal distances go to
/// the smaller index.
#[must_use]
pub fn self_neighbours(data: &[f32], dim: usize, k: usize, metric: Metric) -> Neighbours {
    let n = data.len().checked_div(dim).unwrap_or(0);
    let mut out = Neighbours::empty(n, k);
    if n < 2 || k == 0 {
        return out;
    }
    let rows = Rows { data: &data[..n * dim], dim };
    let finite = rows.finite();
    let groups = Groups::of(rows, &finite);
    let near = among_themselves(rows, &groups, k, metric, Isa::detect());
    let mut group_of = vec![u32::MAX; n];
    for g in 0..groups.first.len() {
        for &i in groups.members(g) {
            group_of[i as usize] = g as u32;
        }
    }
    out.fill(|i, chosen| {
        let g = group_of[i as usize];
        if g != u32::MAX {
            let zero = metric == Metric::Cosine && rows.row(i).iter().all(|&v| v == 0.0);
            let same = if zero { 1.0 } else { 0.0 };
            groups.spread(
                [(same, g)].into_iter().chain(near[g as usize].iter().copied()),
                Some(i),
                k,
                chosen,
            );
        }
    });
    out
}

/// The `k` nearest rows of `base` for each row of `queries` (both row-major, rows of length `dim`).
///
/// Rows with NaN or infinity are as in [`self_neighbours`].
#[must_use]
pub fn neighbours(base: &[f32], queries: &[f32], dim: usize, k: usize, metric: Metric) -> Neighbours {
    let (n, q) = (base.len().checked_div(dim).unwrap_or(0), queries.len().checked_div(dim).unwrap_or(0));
    let mut out = Neighbours::empty(q, k);
    if n == 0 || q == 0 || k == 0 {
        return out;
    }
    let rows = Rows { data: &base[..n * dim], dim };
    let groups = Groups::of(rows, &rows.finite());
    let seekers = Rows { data: &queries[..q * dim], dim };
    let finite = seekers.finite();
    let near = of_others(rows, &groups, seekers, &finite, k, metric, Isa::detect());
    let mut place = vec![u32::MAX; q];
    for (p, &i) in (0u32..).zip(&finite) {
        place[i as usize] = p;
    }
    out.fill(|i, chosen| {
        if let Some(near) = near.get(place[i as usize] as usize) {
            groups.spread(near.iter().copied(), None, k, chosen);
        }
    });
    out
}

type Near = Vec<(f32, u32)>;

/// Nearest groups of each group, over the upper half of all pairs of blocks.
fn among_themselves(rows: Rows, groups: &Groups, k: usize, metric: Metric, isa: Isa) -> Vec<Near> {
    let frame = Frame::new(metric, isa, (rows, &groups.first), None);
    let coarse = Coarse::new(&frame, rows, &groups.first);
    let points = Points::new(&frame, &coarse, rows, &groups.first);
    let n = points.len();
    if n < 2 {
        return vec![Vec::new(); n];
    }
    let k = k.min(n - 1);
    let pairing = Pairing { frame: &frame, seekers: &points, base: &points, k };
    let block = frame.block();
    let lists: Vec<Mutex<Lists>> =
        (0..n).step_by(block).map(|from| Mutex::new(Lists::new(from, block.min(n - from), k))).collect();
    strips(lists.len(), STRIP / block).into_par_iter().with_max_len(1).for_each_init(
        Scratch::default,
        |scratch, (i, js)| {
            scratch.load(pairing, i * block, (i * block + block).min(n));
            for j in js {
                let from = j * block;
                scratch.cols.clear();
                scratch.cols.extend_from_slice(locked(&lists[j]).bounds());
                scratch.sweep(pairing, (from, (from + block).min(n)), i == j, |hits, rows, cols| {
                    let mut of_rows = locked(&lists[i]);
                    for h in hits {
                        of_rows.offer(pairing, h.row as usize, from + h.col as usize, h.lower);
                    }
                    rows[..of_rows.len()].copy_from_slice(of_rows.bounds());
                    drop(of_rows);
                    let mut of_cols = locked(&lists[j]);
                    for h in hits {
                        of_cols.offer(pairing, h.col as usize, i * block + h.row as usize, h.lower);
                    }
                    cols[..of_cols.len()].copy_from_slice(of_cols.bounds());
                });
            }
        },
    );
    let mut near: Vec<Vec<Near>> = Vec::new();
    lists
        .into_par_iter()
        .map(|l| {
            let mut l = l.into_inner().unwrap_or_else(PoisonError::into_inner);
            (0..l.len()).map(|r| l.finish(pairing, r)).collect()
        })
        .collect_into_vec(&mut near);
    in_place(near.into_iter().flatten(), &points.place)
}

/// Nearest groups of each query.
fn of_others(
    rows: Rows,
    groups: &Groups,
    seekers: Rows,
    finite: &[u32],
    k: usize,
    metric: Metric,
    isa: Isa,
) -> Vec<Near> {
    let frame = Frame::new(metric, isa, (rows, &groups.first), Some((seekers, finite)));
    let coarse = Coarse::new(&frame, rows, &groups.first);
    let base = Points::new(&frame, &coarse, rows, &groups.first);
    let seekers = Points::new(&frame, &coarse, seekers, finite);
    let (n, q) = (base.len(), seekers.len());
    if n == 0 || q == 0 {
        return vec![Vec::new(); q];
    }
    let k = k.min(n);
    let pairing = Pairing { frame: &frame, seekers: &seekers, base: &base, k };
    let block = frame.block();
    let near: Vec<Vec<Near>> = (0..q)
        .into_par_iter()
        .step_by(block)
        .with_max_len(1)
        .map_init(Scratch::default, |scratch, from| {
            let to = (from + block).min(q);
            let mut lists = Lists::new(from, to - from, k);
            scratch.load(pairing, from, to);
            for col in (0..n).step_by(block) {
                let cols = (col, (col + block).min(n));
                scratch.cols.clear();
                scratch.cols.resize(cols.1 - cols.0, -points::OPEN);
                scratch.sweep(pairing, cols, false, |hits, rows, _| {
                    for h in hits {
                        lists.offer(pairing, h.row as usize, col + h.col as usize, h.lower);
                    }
                    rows[..lists.len()].copy_from_slice(lists.bounds());
                });
            }
            (0..lists.len()).map(|r| lists.finish(pairing, r)).collect()
        })
        .collect();
    in_place(near.into_iter().flatten(), &seekers.place)
}

/// Pairs of blocks `(i, j)` with `i <= j`, by row block and run of `length` column blocks; runs near
/// the diagonal first, so that every row has a bound early.
fn strips(blocks: usize, length: usize) -> Vec<(usize, std::ops::Range<usize>)> {
    let length = length.max(1);
    (0..blocks)
        .step_by(length)
        .flat_map(|s| (0..blocks - s).map(move |i| (i, i + s..(i + s + length).min(blocks))))
        .collect()
}

/// Undoes the order of the points.
fn in_place(near: impl Iterator<Item = Near>, place: &[u32]) -> Vec<Near> {
    let mut out = vec![Vec::new(); place.len()];
    for (near, &p) in near.zip(place) {
        out[p as usize] = near;
    }
    out
}

fn locked(lists: &Mutex<Lists>) -> MutexGuard<'_, Lists> {
    lists.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a thread uses again and again.
#[derive(Default)]
struct Scratch {
    full: Packed,
    coarse: Packed,
    /// Bounds of the rows, and of the columns.
    rows: Vec<f32>,
    cols: Vec<f32>,
    hits: Vec<Hit>,
    course: Course,
}

impl Scratch {
    /// Packs seekers `from..to` as the rows of the sweeps that follow.
    fn load(&mut self, pairing: Pairing, from: usize, to: usize) {
        let height = pairing.frame.isa.shape().0;
        pairing.seekers.full.pack_rows(from, to, height, &mut self.full);
        pairing.seekers.coarse.pack_rows(from, to, height, &mut self.coarse);
        self.rows.clear();
        self.rows.resize(to - from, points::OPEN);
        self.rows.resize(self.full.half.len(), -points::OPEN);
    }

    /// Sweeps the loaded rows over base points `cols.0..cols.1`; `apply` takes the hits and brings
    /// the bounds of rows and columns up to date.
    fn sweep(
        &mut self,
        pairing: Pairing,
        cols: (usize, usize),
        diagonal: bool,
        mut apply: impl FnMut(&[Hit], &mut [f32], &mut [f32]),
    ) {
        let (full, coarse) =
            (pairing.base.full.columns(cols.0, cols.1), pairing.base.coarse.columns(cols.0, cols.1));
        self.cols.resize(full.half.len(), -points::OPEN);
        let (isa, height) = (pairing.frame.isa, pairing.frame.isa.shape().0);
        let (rows, padded) = (self.full.all(), self.rows.len());
        self.course.next = 0;
        while self.course.next < padded / height {
            let rows = Edge { full: rows, coarse: self.coarse.all(), bound: &self.rows };
            let edge = Edge { full, coarse, bound: &self.cols };
            self.hits.clear();
            Sweep { rows, cols: edge, diagonal }.run(isa, &mut self.course, ENOUGH, &mut self.hits);
            apply(&self.hits, &mut self.rows, &mut self.cols);
        }
    }
}

impl Groups {
    /// Replaces groups (nearest first) by their rows, without row `except`, until there are `k`;
    /// rows at the same distance by index, whatever their group.
    fn spread(
        &self,
        near: impl Iterator<Item = (f32, u32)>,
        except: Option<u32>,
        k: usize,
        chosen: &mut Vec<(f32, u32)>,
    ) {
        let mut run = 0;
        for (d, g) in near {
            if chosen.last().is_some_and(|l| l.0 < d) {
                if chosen.len() >= k {
                    break;
                }
                run = chosen.len();
            }
            let members = self.members(g as usize).iter().copied().filter(|&i| Some(i) != except);
            chosen.extend(members.take(k).map(|i| (d, i)));
            chosen[run..].sort_unstable_by_key(|c| c.1);
            chosen.truncate(k);
        }
    }
}

impl Neighbours {
    fn empty(n: usize, k: usize) -> Self {
        Self { k, index: vec![u32::MAX; n * k], distance: vec![f32::INFINITY; n * k] }
    }

    /// Writes each row's neighbours as `of` gives them.
    fn fill(&mut self, of: impl Fn(u32, &mut Vec<(f32, u32)>) + Sync) {
        let k = self.k;
        let rows = self.index.par_chunks_mut(k).zip(self.distance.par_chunks_mut(k)).enumerate();
        rows.for_each_init(Vec::new, |chosen, (i, (index, distance))| {
            chosen.clear();
            of(i as u32, chosen);
            for ((to_i, to_d), (d, j)) in index.iter_mut().zip(distance).zip(chosen.iter()) {
                (*to_i, *to_d) = (*j, *d);
            }
        });
    }
}
