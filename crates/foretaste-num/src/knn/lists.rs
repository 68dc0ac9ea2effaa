//! The candidates of a block of rows.
//!
//! A product in single precision only bounds a distance. A row keeps every candidate whose lower
//! bound is not above the `k`-th smallest upper bound, so the true neighbours are always among them,
//! whatever the order in which pairs come. At the end (or when a crowd of ties fills the list)
//! distances are computed from the definition, and those alone decide.

use super::exact;
use super::points::{Frame, OPEN, Points};

/// What a list needs to know to compute a distance.
#[derive(Clone, Copy)]
pub struct Pairing<'a> {
    pub frame: &'a Frame,
    /// Points whose neighbours are sought.
    pub seekers: &'a Points<'a>,
    /// Points they are sought among.
    pub base: &'a Points<'a>,
    /// Neighbours per seeker, at least one.
    pub k: usize,
}

/// Candidates of seekers `from..from + len`.
pub struct Lists {
    from: usize,
    capacity: usize,
    /// `capacity` slots a row: lower bound (bits) and point, as one number that sorts like the pair.
    slots: Vec<u64>,
    filled: Vec<u32>,
    /// Half an upper bound of the scaled squared distance of the `k`-th neighbour.
    bound: Vec<f32>,
}

fn slot(lower: f32, point: u32) -> u64 {
    // bits of floats from zero up sort like the floats
    u64::from(lower.to_bits()) << 32 | u64::from(point)
}

fn lower_of(slot: u64) -> f32 {
    f32::from_bits((slot >> 32) as u32)
}

impl Lists {
    pub fn new(from: usize, len: usize, k: usize) -> Self {
        // room for as many newcomers as neighbours: fewer newcomers mean more tidying, more of them a
        // stale bound
        let capacity = k + k.max(12);
        Self { from, capacity, slots: vec![0; len * capacity], filled: vec![0; len], bound: vec![OPEN; len] }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.filled.len()
    }

    /// Bounds of the rows (see [`super::tile::Edge`]).
    pub fn bounds(&self) -> &[f32] {
        &self.bound
    }

    /// Offers point `point` of the base to row `row` of this block.
    pub fn offer(&mut self, pairing: Pairing, row: usize, point: usize, lower: f32) {
        if 0.5 * lower > self.bound[row] {
            return;
        }
        let at = self.filled[row] as usize;
        self.slots[row * self.capacity + at] = slot(lower, point as u32);
        self.filled[row] += 1;
        if at + 1 == self.capacity {
            self.tidy(pairing, row);
            if self.filled[row] as usize > pairing.k + (self.capacity - pairing.k) / 2 {
                self.settle(pairing, row);
            }
        }
    }

    /// Drops candidates that cannot be among the `k` nearest.
    fn tidy(&mut self, pairing: Pairing, row: usize) {
        let k = pairing.k;
        let slots = &mut self.slots[row * self.capacity..][..self.filled[row] as usize];
        if slots.len() <= k {
            return;
        }
        slots.select_nth_unstable(k - 1);
        let slack = pairing.frame.slack;
        let own = pairing.seekers.full.half[self.from + row];
        // the halves are shrunk by (1 - slack); the widening undoes it twice and rounds up
        let widen = 4.0 * slack / (1.0 - slack) * 1.01;
        let upper = slots[..k]
            .iter()
            .map(|&s| lower_of(s) + widen * (own + pairing.base.full.half[(s & 0xFFFF_FFFF) as usize]))
            .fold(0f32, f32::max);
        let bound = self.tighten(row, upper);
        let slots = &mut self.slots[row * self.capacity..][..self.filled[row] as usize];
        let mut kept = k;
        for i in k..slots.len() {
            if 0.5 * lower_of(slots[i]) <= bound {
                slots[kept] = slots[i];
                kept += 1;
            }
        }
        self.filled[row] = kept as u32;
    }

    fn tighten(&mut self, row: usize, upper: f32) -> f32 {
        // the smallest normal number: products below it are lost, which no relative slack covers
        let bound = self.bound[row].min(0.5 * upper * (1.0 + 4.0 * f32::EPSILON) + f32::MIN_POSITIVE);
        self.bound[row] = bound;
        bound
    }

    /// Keeps the `k` nearest by true distance: what remains of a crowd of ties.
    fn settle(&mut self, pairing: Pairing, row: usize) {
        let mut best = self.ranked(pairing, row);
        best.truncate(pairing.k);
        let Some(&(_, _, last)) = best.last() else { return };
        for (i, &(_, point, measure)) in best.iter().enumerate() {
            let lower = (scaled(pairing, measure) * (1.0 - 1e-6)) as f32;
            self.slots[row * self.capacity + i] = slot(lower, point);
        }
        self.filled[row] = best.len() as u32;
        self.tighten(row, scaled(pairing, last) as f32);
    }

    /// Candidates of a row with their reported distance and their measure, nearest first; of equals the
    /// one whose row comes first.
    fn ranked(&self, pairing: Pairing, row: usize) -> Vec<(f32, u32, f64)> {
        let metric = pairing.frame.metric;
        let mut all: Vec<(f32, u32, f64)> = self.slots[row * self.capacity..][..self.filled[row] as usize]
            .iter()
            .map(|&s| {
                let point = (s & 0xFFFF_FFFF) as u32;
                let of = (pairing.seekers, self.from + row);
                let m = exact::measure(metric, pairing.frame.isa, of, (pairing.base, point as usize));
                (exact::reported(metric, m), point, m)
            })
            .collect();
        let rows = &pairing.base.rows;
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(rows[a.1 as usize].cmp(&rows[b.1 as usize])));
        all
    }

    /// The nearest points of a row, by their place in the list of rows given, nearest first.
    pub fn finish(&mut self, pairing: Pairing, row: usize) -> Vec<(f32, u32)> {
        self.tidy(pairing, row);
        let ranked = self.ranked(pairing, row).into_iter().take(pairing.k);
        ranked.map(|(d, p, _)| (d, pairing.base.place[p as usize])).collect()
    }
}

/// A measure in the units of the inner loop.
fn scaled(pairing: Pairing, measure: f64) -> f64 {
    match pairing.frame.metric {
        super::Metric::Euclidean => measure * pairing.frame.scale * pairing.frame.scale,
        super::Metric::Cosine => 2.0 * measure,
    }
}
