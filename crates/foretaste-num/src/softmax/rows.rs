//! Products of the rows with many weight vectors at once.
//!
//! Weights of all models lie beside each other (`column x width`, the last row being the intercepts), so
//! each entry of the matrix is read once for all of them.

use std::borrow::Cow;

use crate::span::{Span, product};
use rayon::prelude::*;

use crate::ngrams::Csr;

/// Rows handled by one task.
pub(crate) const ROW_CHUNK: usize = 512;
/// Columns handled by one task on the way back.
const COLUMN_CHUNK: usize = 1024;
/// As `COLUMN_CHUNK`, for dense rows; few columns are shared out in smaller parts.
const DENSE_COLUMN_CHUNKS: [usize; 2] = [48, 96];
/// Residuals of one product on the way back: as many as stay in the nearest memory.
const DENSE_RESIDUALS: usize = 8192;
/// Fewest and most dense rows of one.
const DENSE_ROWS: (usize, usize) = (128, 1024);

/// Features of samples, row after row.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Sparse rows.
    Sparse(&'a Csr),
    /// Dense rows of `dim` numbers each.
    Dense {
        /// `rows * dim` numbers; an incomplete last row is left out.
        data: &'a [f32],
        /// Numbers per row.
        dim: usize,
    },
}

impl<'a> From<&'a Csr> for Rows<'a> {
    fn from(csr: &'a Csr) -> Self {
        Self::Sparse(csr)
    }
}

impl Rows<'_> {
    /// Number of rows; zero for dense rows of no numbers.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Sparse(csr) => csr.rows(),
            Self::Dense { data, dim } => data.len().checked_div(*dim).unwrap_or(0),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        match self {
            Self::Sparse(csr) => csr.cols,
            Self::Dense { dim, .. } => *dim,
        }
    }
}

/// Rows with what the passes over them need. Values that are not finite are zero here.
pub(crate) enum Prepared<'a> {
    Sparse { csr: Cow<'a, Csr>, by_column: Csr },
    Dense { data: Cow<'a, [f32]>, dim: usize },
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(rows: Rows<'a>) -> Self {
        match rows {
            Rows::Sparse(csr) => {
                let csr = if csr.values.iter().all(|v| v.is_finite()) {
                    Cow::Borrowed(csr)
                } else {
                    let mut clean = csr.clone();
                    clean.values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
                    Cow::Owned(clean)
                };
                let by_column = csr.transposed();
                Self::Sparse { csr, by_column }
            }
            Rows::Dense { data, dim } => {
                let data = &data[..rows.len() * dim];
                let data = if data.iter().all(|v| v.is_finite()) {
                    Cow::Borrowed(data)
                } else {
                    Cow::Owned(data.iter().map(|&v| if v.is_finite() { v } else { 0.0 }).collect())
                };
                Self::Dense { data, dim }
            }
        }
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Sparse { csr, .. } => csr.rows(),
            Self::Dense { data, dim } => data.len().checked_div(*dim).unwrap_or(0),
        }
    }

    pub(crate) fn cols(&self) -> usize {
        match self {
            Self::Sparse { csr, .. } => csr.cols,
            Self::Dense { dim, .. } => *dim,
        }
    }

    /// The rows named, in that order.
    pub(crate) fn gather(&self, rows: &[u32]) -> Prepared<'static> {
        match self {
            Self::Sparse { csr, .. } => {
                let csr = csr.gather(rows);
                let by_column = csr.transposed();
                Prepared::Sparse { csr: Cow::Owned(csr), by_column }
            }
            Self::Dense { data, dim } => {
                let data = rows.iter().flat_map(|&i| &data[i as usize * dim..][..*dim]).copied().collect();
                Prepared::Dense { data: Cow::Owned(data), dim: *dim }
            }
        }
    }

    /// Sum of squares of each column, over rows weighted by `weight`.
    pub(crate) fn column_squares(&self, weight: &[f32]) -> Vec<f64> {
        let mut out = vec![0f64; self.cols()];
        match self {
            Self::Sparse { by_column, .. } => {
                for (c, sum) in out.iter_mut().enumerate() {
                    let (rows, values) = by_column.row(c);
                    for (&i, &v) in rows.iter().zip(values) {
                        *sum += f64::from(v) * f64::from(v) * f64::from(weight[i as usize]);
                    }
                }
            }
            Self::Dense { data, dim } => {
                if *dim > 0 {
                    for (row, &w) in data.chunks_exact(*dim).zip(weight) {
                        for (sum, &v) in out.iter_mut().zip(row) {
                            *sum += f64::from(v) * f64::from(v) * f64::from(w);
                        }
                    }
                }
            }
        }
        out
    }

    /// `rows x width` logits of weights `w` (`(cols + 1) x width`). `width` is a multiple of eight.
    pub(crate) fn forward(&self, w: &[f32], width: usize) -> Vec<f32> {
        let mut z = vec![0f32; self.rows() * width];
        self.forward_into(w, width, &mut z);
        z
    }

    pub(crate) fn forward_into(&self, w: &[f32], width: usize, z: &mut [f32]) {
        let intercept = &w[self.cols() * width..][..width];
        z.par_chunks_mut(ROW_CHUNK * width).enumerate().for_each(|(chunk, z)| {
            let first = chunk * ROW_CHUNK;
            match self {
                Self::Sparse { csr, .. } => Gather { csr, first, table: w, start: intercept }.run(z),
                Self::Dense { data, dim } => {
                    for z in z.chunks_exact_mut(width) {
                        z.copy_from_slice(intercept);
                    }
                    let rows = z.len() / width;
                    let x = Span::rows(&data[first * dim..][..rows * dim], rows, *dim);
                    product(x, Span::rows(&w[..dim * width], *dim, width), z, true);
                }
            }
        });
    }

    /// `(cols + 1) x width` sums over rows of entry times `r` (`rows x width`), the last row being the
    /// plain sums.
    pub(crate) fn backward_into(&self, r: &[f32], width: usize, g: &mut [f32]) {
        let (weights, intercept) = g.split_at_mut(self.cols() * width);
        match self {
            Self::Sparse { by_column, .. } => {
                let zeros = vec![0f32; width];
                weights.par_chunks_mut(COLUMN_CHUNK * width).enumerate().for_each(|(chunk, g)| {
                    Gather { csr: by_column, first: chunk * COLUMN_CHUNK, table: r, start: &zeros }.run(g);
                });
            }
            Self::Dense { data, dim } => {
                let [few, many] = DENSE_COLUMN_CHUNKS;
                let wide = if *dim < 4 * many { few } else { many };
                let tall = (DENSE_RESIDUALS / width).clamp(DENSE_ROWS.0, DENSE_ROWS.1);
                weights.par_chunks_mut(wide * width).enumerate().for_each(|(chunk, g)| {
                    let columns = g.len() / width;
                    g.fill(0.0);
                    for (first, r) in r.chunks(tall * width).enumerate() {
                        let data = &data[first * tall * dim + chunk * wide..];
                        let rows = r.len() / width;
                        let x = Span { data, rows: columns, cols: rows, down: 1, across: *dim };
                        product(x, Span::rows(r, rows, width), g, true);
                    }
                });
            }
        }
        let parts: Vec<Vec<f64>> = r
            .par_chunks(ROW_CHUNK * width)
            .map(|part| {
                let mut sums = vec![0f64; width];
                for row in part.chunks_exact(width) {
                    sums.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v));
                }
                sums
            })
            .collect();
        for (l, g) in intercept.iter_mut().enumerate() {
            *g = parts.iter().map(|p| p[l]).sum::<f64>() as f32;
        }
    }
}

/// Sums of table rows named by sparse rows: `out[i] = start + sum_e value_e * table[column_e]` over the
/// entries `e` of row `first + i`, each table row as wide as `start`.
struct Gather<'a> {
    csr: &'a Csr,
    first: usize,
    table: &'a [f32],
    start: &'a [f32],
}

impl Gather<'_> {
    fn run(&self, out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the instructions were just found to be there.
            return unsafe { self.run_avx2(out) };
        }
        self.run_plain(out);
    }

    /// The same sums in wider registers; each lane adds in the same order, so the bytes are the same.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(&self, out: &mut [f32]) {
        self.run_plain(out);
    }

    #[inline(always)]
    fn run_plain(&self, out: &mut [f32]) {
        let width = self.start.len();
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            out.copy_from_slice(self.start);
            let mut lane = 0;
            while lane + 32 <= width {
                self.lanes::<32>(self.first + i, lane, out);
                lane += 32;
            }
            while lane + 8 <= width {
                self.lanes::<8>(self.first + i, lane, out);
                lane += 8;
            }
        }
    }

    /// `L` lanes of one row, their sums kept in registers.
    #[inline(always)]
    fn lanes<const L: usize>(&self, row: usize, lane: usize, out: &mut [f32]) {
        let width = self.start.len();
        let (columns, values) = self.csr.row(row);
        let mut sum = [0f32; L];
        for (&c, &v) in columns.iter().zip(values) {
            let from = &self.table[c as usize * width + lane..][..L];
            for l in 0..L {
                sum[l] += v * from[l];
            }
        }
        out[lane..lane + L].iter_mut().zip(sum).for_each(|(o, s)| *o += s);
    }
}
