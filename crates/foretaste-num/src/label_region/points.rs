//! Rows packed for distances from many centres at once.

use super::counts::Scratch;
use crate::span::{Span, product};

/// Rows, packed.
pub struct Points {
    pub values: Vec<f32>,
    squares: Vec<f32>,
    pub labels: Vec<u32>,
    /// Row of each.
    pub rows: Vec<usize>,
}

impl Points {
    pub fn of(data: &[f32], dim: usize, labels: &[u32], rows: Vec<usize>, mean: &[f32]) -> Self {
        let values = centred(data, dim, &rows, mean);
        let squares = values.chunks_exact(dim).map(square).collect();
        let labels = rows.iter().map(|i| labels[*i]).collect();
        Self { values, squares, labels, rows }
    }

    /// Fills the keys with the squared distances of these points from each centre, itself left out, and calls `each` with the
    /// centre and the square of its length.
    pub fn distances(
        &self,
        data: &[f32],
        centres: &[usize],
        mean: &[f32],
        scratch: &mut Scratch,
        mut each: impl FnMut(usize, f32, &mut Scratch),
    ) {
        let (dim, n) = (mean.len(), self.rows.len());
        let at = centred(data, dim, centres, mean);
        let mut products = vec![0f32; centres.len() * n];
        product(
            Span::rows(&at, centres.len(), dim),
            Span::rows(&self.values, n, dim).turned(),
            &mut products,
            false,
        );
        for ((row, x), products) in centres.iter().zip(at.chunks_exact(dim)).zip(products.chunks_exact(n)) {
            let own = square(x);
            scratch.keys.clear();
            // the sum with zero makes negative zeros positive
            let distance = |(p, s): (&f32, &f32)| (own + s - 2.0 * p).max(0.0) + 0.0;
            let bits = products.iter().zip(&self.squares).map(distance).map(f32::to_bits);
            scratch.keys.extend((0..).zip(bits).map(|(j, bits): (u64, u32)| u64::from(bits) << 32 | j));
            if let Ok(itself) = self.rows.binary_search(row) {
                scratch.keys.swap_remove(itself);
            }
            each(*row, own, scratch);
        }
    }
}

/// Rows with the mean taken off.
fn centred(data: &[f32], dim: usize, rows: &[usize], mean: &[f32]) -> Vec<f32> {
    rows.iter().flat_map(|i| data[i * dim..(i + 1) * dim].iter().zip(mean).map(|(v, m)| v - m)).collect()
}

fn square(row: &[f32]) -> f32 {
    row.iter().map(|v| v * v).sum()
}
