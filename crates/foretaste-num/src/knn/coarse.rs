//! A few coordinates that tell most pairs apart without the rest.
//!
//! Real data lie near a subspace. The distance of two points along a few orthonormal directions is
//! never larger than their distance, so a pair that is too far apart there need not be multiplied in
//! full. Directions are the leading principal components of a sample; any other orthonormal ones
//! would be as right and slower. Points are also put in an order in which neighbours in these
//! coordinates are mostly near each other, so that whole tiles are told apart.

use super::points::{Frame, Rows};
use crate::linalg::{matmul, matmul_transposed, principal_components};
use rayon::prelude::*;

/// Coarse coordinates: an eighth of all, within these.
const FEW: std::ops::RangeInclusive<usize> = 32..=64;
/// Rows shorter than this are multiplied in full at once.
const SHORT: usize = 64;
/// Rows of the sample.
const SAMPLE: usize = 1024;
/// Points fewer than this are not worth the preparation.
const LOW: usize = 2048;
/// Points that are left in any order.
const LEAF: usize = 16;

/// The directions, or none.
pub struct Coarse {
    pub dim: usize,
    /// Orthonormal columns, `frame.dim` x `dim`.
    basis: Vec<f32>,
    /// What coarse squared distances can be too large by, relative to the sum of both squared norms.
    pub slack: f64,
}

impl Coarse {
    /// Directions for the given rows.
    ///
    /// The slack: a coordinate is a sum of `dim` products, off by at most `dim * 2^-24` of the row's
    /// length (Higham 2002, section 3.1), the vector of them by the root of their number times that,
    /// and a squared difference by four times as much of both squared norms; a basis that is not quite
    /// orthonormal stretches by its own defect; the product of the coordinates is rounded too.
    pub fn new(frame: &Frame, source: Rows, rows: &[u32]) -> Self {
        let none = Self { dim: 0, basis: Vec::new(), slack: 0.0 };
        if frame.dim < SHORT || rows.len() < LOW {
            return none;
        }
        let step = rows.len().div_ceil(SAMPLE);
        let sample: Vec<u32> = rows.iter().copied().step_by(step).collect();
        let few = (frame.dim / 8).clamp(*FEW.start(), *FEW.end());
        let placed = placed(frame, source, &sample);
        let found = principal_components(&placed, sample.len(), frame.dim, few, 0);
        let gram = matmul_transposed(&found.basis, frame.dim, found.rank, &found.basis, found.rank);
        let defect = gram
            .iter()
            .enumerate()
            .map(|(at, &v)| {
                // a zero column is as harmless as a unit one
                let unit = at % (found.rank + 1) == 0 && v > 0.5;
                (f64::from(v) - if unit { 1.0 } else { 0.0 }).powi(2)
            })
            .sum::<f64>()
            .sqrt();
        let unit = f64::from(f32::EPSILON) / 2.0;
        let off = (found.rank as f64).sqrt() * (frame.dim + 8) as f64 * unit;
        let slack =
            4.0 * off + 2.0 * (defect + (frame.dim + 8) as f64 * unit) + (found.rank + 64) as f64 * unit;
        if !slack.is_finite() || slack > 0.1 {
            return none;
        }
        Self { dim: found.rank, basis: found.basis, slack }
    }

    /// Coordinates of the given rows, row-major.
    pub fn of(&self, frame: &Frame, source: Rows, rows: &[u32]) -> Vec<f32> {
        if self.dim == 0 {
            return Vec::new();
        }
        let blocks: Vec<Vec<f32>> = rows
            .par_chunks(256)
            .map(|rows| matmul(&placed(frame, source, rows), rows.len(), frame.dim, &self.basis, self.dim))
            .collect();
        blocks.concat()
    }

    /// An order of the points in which near ones are mostly together: halves by the median of the
    /// widest coordinate, again and again.
    pub fn order(&self, coordinates: &[f32], len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        if self.dim > 0 {
            halve(coordinates, self.dim, &mut order);
        }
        order
    }
}

fn placed(frame: &Frame, source: Rows, rows: &[u32]) -> Vec<f32> {
    let mut out = vec![0f32; rows.len() * frame.dim];
    for (to, &i) in out.chunks_exact_mut(frame.dim).zip(rows) {
        frame.write(source.row(i), to);
    }
    out
}

fn halve(coordinates: &[f32], dim: usize, points: &mut [u32]) {
    if points.len() <= LEAF {
        return;
    }
    let mut range = vec![(f32::INFINITY, f32::NEG_INFINITY); dim];
    for &p in points.iter() {
        for (r, &v) in range.iter_mut().zip(&coordinates[p as usize * dim..]) {
            *r = (r.0.min(v), r.1.max(v));
        }
    }
    let widest =
        (0..dim).fold(0, |w, c| if range[c].1 - range[c].0 > range[w].1 - range[w].0 { c } else { w });
    // halves of whole leaves, so that leaves are full
    let middle = (points.len() / 2).next_multiple_of(LEAF).min(points.len() - 1);
    let key = |p: &u32| coordinates[*p as usize * dim + widest];
    points.select_nth_unstable_by(middle, |a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
    let (low, high) = points.split_at_mut(middle);
    rayon::join(|| halve(coordinates, dim, low), || halve(coordinates, dim, high));
}
