//! Sums of gradients, curvatures and counts for each bin, in whole numbers.
//!
//! Gradients are fixed-point: sums are then exact, the same in any order, and the histogram of a child is exactly that
//! of its parent less its sibling's. One cell is two words, so that a sample costs two additions a feature.

use super::bins::GROUP;

/// Sums of one bin: the gradient, then the count above the curvature.
pub(super) type Cell = [u64; 2];

/// A row of the training data with its gradient and curvature.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) row: u32,
    gradient: i32,
    curvature: u32,
}

/// What a unit of each sum is worth. Depends on the number of rows alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Bits of a cell's second word that hold the curvature.
    shift: u32,
    /// Units of curvature in one.
    curvature: f32,
}

/// Units of gradient in one: gradients of the losses here are within -1 to 1.
const GRADIENT: f32 = (1u32 << 30) as f32;

/// Gradient, curvature and count of some samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) gradient: f64,
    pub(super) curvature: f64,
    pub(super) count: u64,
}

impl Scale {
    /// For `rows` rows. The curvature gets what the count leaves: 31 bits a row up to 2^16 rows, 24 at a million.
    pub(super) fn new(rows: usize) -> Self {
        let bits = u64::BITS - (rows as u64).leading_zeros();
        let shift = u64::BITS - bits.clamp(1, 32);
        let each = (shift - bits.clamp(1, 31)).clamp(1, 31);
        // curvatures are at most a quarter
        Self { shift, curvature: (1u64 << (each + 1)) as f32 }
    }

    /// A sample; `gradient` within -1 to 1, `curvature` within 0 to a quarter.
    #[inline(always)]
    pub(super) fn sample(self, row: u32, gradient: f32, curvature: f32) -> Sample {
        let g = gradient * GRADIENT;
        Sample {
            row,
            gradient: (g + 0.5f32.copysign(g)) as i32,
            // never nothing: a leaf of certain samples still divides by something
            curvature: ((curvature * self.curvature + 0.5) as u32).max(1),
        }
    }

    pub(super) fn sums(self, cell: Cell) -> Sums {
        Sums {
            gradient: cell[0] as i64 as f64 / f64::from(GRADIENT),
            curvature: (cell[1] & ((1 << self.shift) - 1)) as f64 / f64::from(self.curvature),
            count: cell[1] >> self.shift,
        }
    }

    /// The samples' sum.
    pub(super) fn total(self, samples: &[Sample]) -> Cell {
        samples.iter().fold([0; 2], |sum, s| add(sum, self.cell(s)))
    }

    #[inline(always)]
    fn cell(self, s: &Sample) -> Cell {
        [i64::from(s.gradient) as u64, u64::from(s.curvature) + (1 << self.shift)]
    }

    /// Adds the samples to the histograms of a group of features.
    pub(super) fn fold(self, bins: &[[u8; GROUP]], samples: &[Sample], out: &mut [[Cell; 256]; GROUP]) {
        let [a, b, c, d] = out;
        for s in samples {
            let Some(bins) = bins.get(s.row as usize) else { continue };
            let [gradient, rest] = self.cell(s);
            for (histogram, bin) in
                [(&mut *a, bins[0]), (&mut *b, bins[1]), (&mut *c, bins[2]), (&mut *d, bins[3])]
            {
                let cell = &mut histogram[usize::from(bin)];
                cell[0] = cell[0].wrapping_add(gradient);
                cell[1] = cell[1].wrapping_add(rest);
            }
        }
    }
}

/// Sum of two cells. Gradients are signed and wrap as they should.
#[inline(always)]
pub(super) fn add(a: Cell, b: Cell) -> Cell {
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1])]
}

/// Difference of two cells.
#[inline(always)]
pub(super) fn subtract(a: Cell, b: Cell) -> Cell {
    [a[0].wrapping_sub(b[0]), a[1].wrapping_sub(b[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_floats_and_do_not_overflow() {
        for rows in [1usize, 3, 1000, 65_536, 1 << 20, 1 << 24] {
            let scale = Scale::new(rows);
            let one = scale.sample(0, -1.0, 0.25);
            let all = scale.cell(&one).map(|w| w.wrapping_mul(rows as u64));
            let sums = scale.sums(all);
            assert_eq!(sums.count, rows as u64);
            assert_eq!(sums.gradient, -(rows as f64));
            assert!((sums.curvature / (0.25 * rows as f64) - 1.0).abs() < 1e-3, "{rows}: {}", sums.curvature);
            let small = scale.sums(scale.cell(&scale.sample(0, 1e-6, 1e-6)));
            assert!((small.gradient / 1e-6 - 1.0).abs() < 1e-3 && small.curvature > 0.0);
        }
    }

    #[test]
    fn difference_undoes_the_sum() {
        let scale = Scale::new(10);
        let (a, b) = (scale.cell(&scale.sample(0, 0.7, 0.2)), scale.cell(&scale.sample(1, -0.9, 0.1)));
        assert_eq!(subtract(add(a, b), b), a);
        assert!((scale.sums(add(a, b)).gradient + 0.2).abs() < 1e-7);
    }
}
