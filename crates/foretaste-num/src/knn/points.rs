//! Points made ready: which rows take part, where the centre is, and the panels of the inner loop.

use super::Metric;
use super::coarse::Coarse;
use super::tile::{DEPTH, Isa, Panels};
use crate::rng::mix;
use rayon::prelude::*;

/// Half norm of a padding row: so large that it is never near anything.
const FAR: f32 = 1e35;
/// Bound of a row of which nothing is known yet. Far below [`FAR`], so that padding stays out, and
/// finite, so that no difference is NaN.
pub const OPEN: f32 = 1e30;

/// Rows of a matrix, none of them copied.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Row-major values.
    pub data: &'a [f32],
    /// Length of a row, at least one.
    pub dim: usize,
}

impl<'a> Rows<'a> {
    pub fn row(self, i: u32) -> &'a [f32] {
        &self.data[i as usize * self.dim..][..self.dim]
    }

    /// Rows without NaN or infinity.
    pub fn finite(self) -> Vec<u32> {
        let ok: Vec<bool> =
            self.data.par_chunks_exact(self.dim).map(|r| r.iter().all(|v| v.is_finite())).collect();
        (0u32..).zip(ok).filter(|(_, ok)| *ok).map(|(i, _)| i).collect()
    }
}

/// Rows with the same values, told apart by number only.
pub struct Groups {
    /// The first row of each group, ascending.
    pub first: Vec<u32>,
    /// Where each group's rows begin in `rows`; one more at the end.
    pub start: Vec<usize>,
    /// Rows by group, ascending within it.
    pub rows: Vec<u32>,
}

impl Groups {
    /// Groups the given rows (ascending). Equal rows would otherwise crowd every list of candidates.
    pub fn of(points: Rows, rows: &[u32]) -> Self {
        let mut order: Vec<(u64, u32)> = rows.par_iter().map(|&i| (hash(points.row(i)), i)).collect();
        order.par_sort_unstable();
        // (first row of the group, row): equal hashes are compared by value, so a collision is harmless.
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(order.len());
        for run in order.chunk_by(|a, b| a.0 == b.0) {
            let mut heads: Vec<u32> = Vec::new();
            for &(_, i) in run {
                let head = heads.iter().copied().find(|&h| points.row(h) == points.row(i));
                if head.is_none() {
                    heads.push(i);
                }
                pairs.push((head.unwrap_or(i), i));
            }
        }
        pairs.par_sort_unstable();
        let (mut first, mut start) = (Vec::new(), Vec::new());
        for (at, &(head, i)) in pairs.iter().enumerate() {
            if head == i {
                first.push(head);
                start.push(at);
            }
        }
        start.push(pairs.len());
        Self { first, start, rows: pairs.into_iter().map(|p| p.1).collect() }
    }

    /// Rows of group `g`.
    pub fn members(&self, g: usize) -> &[u32] {
        &self.rows[self.start[g]..self.start[g + 1]]
    }
}

fn hash(row: &[f32]) -> u64 {
    // adding zero makes the two zeros one
    row.chunks(2).fold(row.len() as u64, |h, pair| {
        let lo = u64::from((pair[0] + 0.0).to_bits());
        let hi = pair.get(1).map_or(0, |v| u64::from((v + 0.0).to_bits()));
        mix(h ^ (lo | hi << 32))
    })
}

/// How values become the small numbers that the inner loop multiplies: `(x - centre) * scale`.
pub struct Frame {
    pub metric: Metric,
    pub isa: Isa,
    pub dim: usize,
    centre: Vec<f64>,
    pub scale: f64,
    /// Relative error of a product of two rows, norms included (see [`Frame::new`]).
    pub slack: f32,
}

impl Frame {
    /// A frame for the given rows of `base` (and `queries`, if others).
    ///
    /// The centre is the median of up to 255 rows, not the mean: with a few huge rows the mean is far
    /// from everybody, and the cancellation in `|a|^2 + |b|^2 - 2ab` would eat the small distances.
    /// The scale is a power of two that brings the largest value near one, so nothing overflows.
    ///
    /// The slack is the textbook bound of a sum of products, `terms * 2^-24` (Higham 2002, section
    /// 3.1), with room for the rounding of centring, norms, limits and the distance itself.
    pub fn new(metric: Metric, isa: Isa, base: (Rows, &[u32]), queries: Option<(Rows, &[u32])>) -> Self {
        let dim = base.0.dim;
        let terms = dim.min(DEPTH) + dim / DEPTH + 64;
        let slack = terms as f32 / (1u32 << 24) as f32;
        let mut frame = Self { metric, isa, dim, centre: vec![0.0; dim], scale: 1.0, slack };
        if metric == Metric::Euclidean {
            frame.centre = medians(base.0, base.1);
            let mut top = frame.largest(base.0, base.1);
            if let Some((points, rows)) = queries {
                top = top.max(frame.largest(points, rows));
            }
            if top > 0.0 {
                frame.scale = (-top.log2().ceil()).exp2();
            }
        }
        frame
    }

    fn largest(&self, points: Rows, rows: &[u32]) -> f64 {
        let of = |i: &u32| {
            points.row(*i).iter().zip(&self.centre).fold(0f64, |m, (v, c)| m.max((f64::from(*v) - c).abs()))
        };
        rows.par_iter().map(of).reduce(|| 0.0, f64::max)
    }

    /// Writes a row in this frame, and returns its squared norm.
    pub fn write(&self, row: &[f32], to: &mut [f32]) -> f64 {
        let scale = if self.metric == Metric::Cosine { inverse_length(row) } else { self.scale };
        let mut norm = 0f64;
        for ((to, v), c) in to.iter_mut().zip(row).zip(&self.centre) {
            *to = ((f64::from(*v) - c) * scale) as f32;
            norm += f64::from(*to) * f64::from(*to);
        }
        // for cosine every norm is one, a zero row's too: it is then at distance one of all
        if self.metric == Metric::Cosine { 1.0 } else { norm }
    }

    /// Rows of a block: a block of columns fills about half of a small second-level cache.
    pub fn block(&self) -> usize {
        (65536 / self.dim.min(DEPTH)).clamp(64, 512).next_multiple_of(32)
    }
}

fn medians(points: Rows, rows: &[u32]) -> Vec<f64> {
    let step = rows.len().div_ceil(255).max(1);
    let sample: Vec<u32> = rows.iter().copied().step_by(step).collect();
    let mid = sample.len() / 2;
    (0..points.dim)
        .into_par_iter()
        .map(|c| {
            let mut column: Vec<f32> = sample.iter().map(|&i| points.row(i)[c]).collect();
            if column.is_empty() {
                0.0
            } else {
                f64::from(*column.select_nth_unstable_by(mid, f32::total_cmp).1)
            }
        })
        .collect()
}

/// Rows that take part, packed for the inner loop.
pub struct Points<'a> {
    pub source: Rows<'a>,
    /// Row of `source` for each point.
    pub rows: Vec<u32>,
    /// Place of each point in the list of rows given.
    pub place: Vec<u32>,
    /// One over the length, for cosine only; zero for a zero row.
    pub inverse: Vec<f64>,
    pub full: Packed,
    pub coarse: Packed,
}

impl<'a> Points<'a> {
    pub fn new(frame: &Frame, coarse: &Coarse, source: Rows<'a>, given: &[u32]) -> Self {
        let coordinates = coarse.of(frame, source, given);
        let place = coarse.order(&coordinates, given.len());
        let rows: Vec<u32> = place.iter().map(|&p| given[p as usize]).collect();
        let width = frame.isa.shape().1;
        let mut full = Packed::new(frame.dim, width, rows.len());
        full.fill(rows.len(), |p, to| {
            let norm = frame.write(source.row(rows[p]), to);
            0.5 * norm * (1.0 - f64::from(frame.slack))
        });
        let mut few = Packed::new(coarse.dim, width, rows.len());
        few.fill(rows.len(), |p, to| {
            let from = &coordinates[place[p] as usize * coarse.dim..][..coarse.dim];
            to.copy_from_slice(from);
            let own = from.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
            0.5 * (own - coarse.slack * 2.0 * f64::from(full.half[p]) * 1.001)
        });
        let inverse = match frame.metric {
            Metric::Cosine => rows.par_iter().map(|&i| inverse_length(source.row(i))).collect(),
            Metric::Euclidean => Vec::new(),
        };
        Self { source, rows, place, inverse, full, coarse: few }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// One over the length of a row; zero for a zero row.
fn inverse_length(row: &[f32]) -> f64 {
    let norm = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    if norm > 0.0 { norm.sqrt().recip() } else { 0.0 }
}

/// Points side by side in panels of `width`: value `k` of point `p` is at
/// `(p / width * dim + k) * width + p % width`.
#[derive(Default)]
pub struct Packed {
    dim: usize,
    width: usize,
    values: Vec<f32>,
    /// Half norms, shrunk by the possible error, padded to whole panels.
    pub half: Vec<f32>,
}

impl Packed {
    fn new(dim: usize, width: usize, len: usize) -> Self {
        let padded = len.next_multiple_of(width);
        Self { dim, width, values: vec![0.0; padded * dim], half: vec![FAR; padded] }
    }

    /// Writes every point: `write` puts point `p`'s values into the slice and returns its half norm.
    fn fill(&mut self, len: usize, write: impl Fn(usize, &mut [f32]) -> f64 + Sync) {
        let (dim, width) = (self.dim, self.width);
        if dim == 0 {
            return;
        }
        let panels = self.values.par_chunks_mut(dim * width).zip(self.half.par_chunks_mut(width));
        panels.enumerate().for_each_init(
            || vec![0f32; dim],
            |row, (q, (panel, half))| {
                for (lane, half) in half.iter_mut().enumerate().take(len - q * width) {
                    *half = write(q * width + lane, row) as f32;
                    for (to, from) in panel[lane..].iter_mut().step_by(width).zip(row.iter()) {
                        *to = *from;
                    }
                }
            },
        );
    }

    /// Points `from..to`; `from` is a multiple of the panel width.
    pub fn columns(&self, from: usize, to: usize) -> Panels<'_> {
        let to = to.next_multiple_of(self.width);
        Panels {
            dim: self.dim,
            values: &self.values[from * self.dim..to * self.dim],
            half: &self.half[from..to],
        }
    }

    /// All points.
    pub fn all(&self) -> Panels<'_> {
        Panels { dim: self.dim, values: &self.values, half: &self.half }
    }

    /// Packs points `from..to` again in panels of `height`.
    pub fn pack_rows(&self, from: usize, to: usize, height: usize, into: &mut Self) {
        let (dim, width) = (self.dim, self.width);
        let padded = (to - from).next_multiple_of(height);
        (into.dim, into.width) = (dim, height);
        into.values.clear();
        into.values.resize(padded * dim, 0.0);
        into.half.clear();
        into.half.extend_from_slice(&self.half[from..to]);
        into.half.resize(padded, FAR);
        if dim == 0 {
            return;
        }
        for p in from..to {
            let local = p - from;
            let to = into.values[local / height * dim * height + local % height..].iter_mut().step_by(height);
            let from = self.values[p / width * dim * width + p % width..].iter().step_by(width);
            to.zip(from).take(dim).for_each(|(to, from)| *to = *from);
        }
    }
}
