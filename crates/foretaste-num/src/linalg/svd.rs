//! Truncated singular value decomposition by randomised subspace iteration (Halko, Martinsson and
//! Tropp 2011, "Finding structure with randomness", algorithms 4.4 and 5.1).

use super::{gram, matmul, matmul_transposed, orthonormal, symmetric_eigen};
use crate::rng::Rng;
use rayon::prelude::*;
use std::borrow::Cow;

/// Directions beyond the rank asked for, which make the wanted ones converge (Halko and others, 4.2).
const SPARE: usize = 10;
/// Passes over a dense matrix after the first.
const PASSES: usize = 4;
/// Rows of one task of a sparse product.
const ROWS: usize = 256;

/// The leading principal components of centred rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// The number of components: the rank asked for, or fewer where the matrix has fewer rows or columns.
    pub rank: usize,
    /// Coordinates, `rows` x `rank`.
    pub projected: Vec<f32>,
    /// Orthonormal directions, `cols` x `rank`; zero columns where the data have no further direction.
    pub basis: Vec<f32>,
    /// Singular values of the centred matrix, largest first.
    pub singular: Vec<f32>,
    /// Column means.
    pub centre: Vec<f32>,
}

/// The truncated decomposition of `data` (`rows` x `cols`, row-major): `(U S, V)`, that is the rows'
/// coordinates (`rows` x `r`) and the orthonormal basis (`cols` x `r`), strongest direction first,
/// with `r` the smallest of `rank`, `rows` and `cols`.
///
/// The largest entry of each basis vector is positive. Non-finite values count as zero; a slice that
/// does not fit the shape gives zeros.
#[must_use]
pub fn truncated_svd_dense(
    data: &[f32],
    rows: usize,
    cols: usize,
    rank: usize,
    seed: u64,
) -> (Vec<f32>, Vec<f32>) {
    let p = decompose(data, rows, cols, rank, seed, false);
    (p.projected, p.basis)
}

/// Like [`truncated_svd_dense`] after taking the mean of each column from it; non-finite values count
/// as the mean.
#[must_use]
pub fn principal_components(data: &[f32], rows: usize, cols: usize, rank: usize, seed: u64) -> Principal {
    decompose(data, rows, cols, rank, seed, true)
}

fn decompose(data: &[f32], rows: usize, cols: usize, rank: usize, seed: u64, centred: bool) -> Principal {
    let rank = rank.min(rows).min(cols);
    let mut out = Principal {
        rank,
        projected: vec![0.0; rows * rank],
        basis: vec![0.0; cols * rank],
        singular: vec![0.0; rank],
        centre: vec![0.0; cols],
    };
    if data.len() != rows * cols || rank == 0 {
        return out;
    }
    if centred {
        out.centre = means(data, cols);
    }
    let (a, unit) = tamed(data, cols, if centred { &out.centre } else { &[] });
    let width = (rank + SPARE).min(rows).min(cols);
    let mut rng = Rng::new(seed, "svd");
    let mut q: Vec<f32> = (0..cols * width).map(|_| rng.normal() as f32).collect();
    for _ in 0..PASSES {
        let y = orthonormal(matmul(&a, rows, cols, &q, width), width);
        q = orthonormal(matmul_transposed(&a, rows, cols, &y, width), width);
    }
    let y = matmul(&a, rows, cols, &q, width);
    let (values, mut turn) = leading(&gram(&y, width), width, rank);
    let basis = matmul(&q, cols, width, &turn, rank);
    flip(&basis, rank, &mut turn);
    out.basis = matmul(&q, cols, width, &turn, rank);
    out.projected = matmul(&y, rows, width, &turn, rank);
    out.projected.par_iter_mut().for_each(|v| *v = within(*v * unit));
    out.singular = values.iter().map(|v| within(v.max(0.0).sqrt() as f32 * unit)).collect();
    out
}

/// Column means of the finite values, in double precision and a fixed order.
fn means(data: &[f32], cols: usize) -> Vec<f32> {
    let blocks: Vec<Vec<(f64, f64)>> = data
        .par_chunks(4096 * cols)
        .map(|block| {
            let mut sums = vec![(0f64, 0f64); cols];
            for row in block.chunks_exact(cols) {
                for (s, v) in sums.iter_mut().zip(row).filter(|(_, v)| v.is_finite()) {
                    *s = (s.0 + f64::from(*v), s.1 + 1.0);
                }
            }
            sums
        })
        .collect();
    (0..cols)
        .map(|c| {
            let (sum, count) = blocks.iter().fold((0.0, 0.0), |s, b| (s.0 + b[c].0, s.1 + b[c].1));
            if count > 0.0 { (sum / count) as f32 } else { 0.0 }
        })
        .collect()
}

/// The matrix less its centre, in units of a power of two that keep squares within range; borrowed
/// where nothing has to change.
fn tamed<'a>(data: &'a [f32], cols: usize, centre: &[f32]) -> (Cow<'a, [f32]>, f32) {
    let top = data.par_iter().filter(|v| v.is_finite()).map(|v| v.abs()).reduce(|| 0.0, f32::max);
    let unit = if top > 0.0 && !(1e-9..=1e9).contains(&top) { top.log2().floor().exp2() } else { 1.0 };
    if centre.is_empty() && unit == 1.0 && data.par_iter().all(|v| v.is_finite()) {
        return (Cow::Borrowed(data), 1.0);
    }
    let mut out = vec![0f32; data.len()];
    out.par_chunks_mut(cols).zip(data.par_chunks(cols)).for_each(|(out, row)| {
        for (c, (to, v)) in out.iter_mut().zip(row).enumerate().filter(|(_, (_, v))| v.is_finite()) {
            let centred = f64::from(*v) - f64::from(centre.get(c).copied().unwrap_or(0.0));
            *to = (centred / f64::from(unit)) as f32;
        }
    });
    (Cow::Owned(out), unit)
}

/// Values of the order of the largest number can have longer rows than that.
fn within(v: f32) -> f32 {
    v.clamp(-f32::MAX, f32::MAX)
}

/// The `rank` largest eigenvalues of a Gram matrix, and their vectors as a `n` x `rank` matrix.
fn leading(gram: &[f64], n: usize, rank: usize) -> (Vec<f64>, Vec<f32>) {
    let (mut values, vectors) = symmetric_eigen(gram, n);
    values.truncate(rank);
    (values, vectors.chunks_exact(n.max(1)).flat_map(|row| row[..rank].iter().map(|&v| v as f32)).collect())
}

/// Turns the signs of `turn`'s columns so that the largest entry of each column of `shown` (the
/// first of equals) is positive: a decomposition leaves signs open, and reports must not.
fn flip(shown: &[f32], rank: usize, turn: &mut [f32]) {
    for c in 0..rank {
        let largest =
            shown[c..].iter().step_by(rank).fold(0f32, |m, &v| if v.abs() > m.abs() { v } else { m });
        if largest < 0.0 {
            turn[c..].iter_mut().step_by(rank).for_each(|v| *v = -*v);
        }
    }
}

/// The truncated decomposition of a sparse matrix in compressed rows: `U S`, `rows` x `r` row-major
/// with `r` the smallest of `rank`, rows and columns. As an embedding of documents this is latent
/// semantic analysis (Deerwester and others 1990).
///
/// Row `i` has columns `indices[indptr[i]..indptr[i + 1]]`. `iterations` passes sharpen the
/// directions; two to four are enough for text. Entries outside the matrix are left out and
/// non-finite values count as zero. The largest entry of each result column is positive.
#[must_use]
pub fn truncated_svd_csr(
    indptr: &[usize],
    indices: &[u32],
    values: &[f32],
    cols: usize,
    rank: usize,
    iterations: usize,
    seed: u64,
) -> Vec<f32> {
    let a = Sparse::new(indptr, indices, values, cols);
    let rows = a.len();
    let rank = rank.min(rows).min(cols);
    if rank == 0 {
        return Vec::new();
    }
    let turned = a.transposed(cols);
    let width = (rank + SPARE).min(rows).min(cols);
    let mut rng = Rng::new(seed, "svd");
    let start: Vec<f32> = (0..cols * width).map(|_| rng.normal() as f32).collect();
    let mut q = orthonormal(a.times(&start, width), width);
    for _ in 0..iterations {
        q = orthonormal(a.times(&turned.times(&q, width), width), width);
    }
    // A^T Q has the singular values of Q Q^T A; its right vectors turn Q into U
    let b = turned.times(&q, width);
    let (values, mut turn) = leading(&gram(&b, width), width, rank);
    for row in turn.chunks_exact_mut(rank) {
        row.iter_mut().zip(&values).for_each(|(t, v)| *t *= v.max(0.0).sqrt() as f32);
    }
    let shown = matmul(&q, rows, width, &turn, rank);
    flip(&shown, rank, &mut turn);
    let mut out = matmul(&q, rows, width, &turn, rank);
    out.par_iter_mut().for_each(|v| *v = within(*v * a.unit));
    out
}

/// Compressed rows, checked: every column is inside, every value finite and of moderate size.
struct Sparse {
    start: Vec<usize>,
    entries: Vec<(u32, f32)>,
    /// What the values were divided by.
    unit: f32,
}

impl Sparse {
    fn new(indptr: &[usize], indices: &[u32], values: &[f32], cols: usize) -> Self {
        let top = values.iter().filter(|v| v.is_finite()).fold(0f32, |m, v| m.max(v.abs()));
        let unit = if top > 0.0 && !(1e-9..=1e9).contains(&top) { top.log2().floor().exp2() } else { 1.0 };
        let (mut start, mut entries) = (vec![0], Vec::with_capacity(values.len()));
        for bounds in indptr.windows(2) {
            let row = bounds[0]..bounds[1];
            let (columns, row) = (indices.get(row.clone()), values.get(row));
            for (&c, &v) in columns.unwrap_or_default().iter().zip(row.unwrap_or_default()) {
                if (c as usize) < cols && v.is_finite() {
                    entries.push((c, v / unit));
                }
            }
            start.push(entries.len());
        }
        Self { start, entries, unit }
    }

    fn len(&self) -> usize {
        self.start.len() - 1
    }

    fn transposed(&self, cols: usize) -> Self {
        let mut start = vec![0usize; cols + 1];
        for &(c, _) in &self.entries {
            start[c as usize + 1] += 1;
        }
        (0..cols).for_each(|c| start[c + 1] += start[c]);
        let mut next = start.clone();
        let mut entries = vec![(0, 0.0); self.entries.len()];
        for (r, bounds) in (0u32..).zip(self.start.windows(2)) {
            for &(c, v) in &self.entries[bounds[0]..bounds[1]] {
                entries[next[c as usize]] = (r, v);
                next[c as usize] += 1;
            }
        }
        Self { start, entries, unit: self.unit }
    }

    /// This times a dense row-major matrix of `width` columns.
    fn times(&self, dense: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0f32; self.len() * width];
        out.par_chunks_mut(ROWS * width).zip(self.start.par_windows_of(ROWS)).for_each(|(out, start)| {
            for (to, bounds) in out.chunks_exact_mut(width).zip(start.windows(2)) {
                for &(c, v) in &self.entries[bounds[0]..bounds[1]] {
                    let from = &dense[c as usize * width..][..width];
                    to.iter_mut().zip(from).for_each(|(t, f)| *t += v * f);
                }
            }
        });
        out
    }
}

/// Row starts by block of rows, each with the start that ends it.
trait Blocks {
    fn par_windows_of(&self, rows: usize) -> impl IndexedParallelIterator<Item = &[usize]>;
}

impl Blocks for Vec<usize> {
    fn par_windows_of(&self, rows: usize) -> impl IndexedParallelIterator<Item = &[usize]> {
        let last = self.len() - 1;
        (0..last.div_ceil(rows)).into_par_iter().map(move |b| &self[b * rows..=((b + 1) * rows).min(last)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix with the given singular values and its right vectors (`cols` x `rank`).
    fn known(rows: usize, cols: usize, singular: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut r = Rng::new(5, "known");
        let rank = singular.len();
        let mut draw = |n: usize| orthonormal((0..n * rank).map(|_| r.normal() as f32).collect(), rank);
        let (mut u, v) = (draw(rows), draw(cols));
        for row in u.chunks_exact_mut(rank) {
            row.iter_mut().zip(singular).for_each(|(u, s)| *u *= s);
        }
        let turned: Vec<f32> = (0..rank * cols).map(|at| v[at % cols * rank + at / cols]).collect();
        (matmul(&u, rows, rank, &turned, cols), v)
    }

    fn sparse(a: &[f32], cols: usize) -> (Vec<usize>, Vec<u32>, Vec<f32>) {
        let (mut ptr, mut idx, mut val) = (vec![0], Vec::new(), Vec::new());
        for row in a.chunks_exact(cols) {
            for (c, &v) in (0u32..).zip(row).filter(|(_, v)| **v != 0.0) {
                idx.push(c);
                val.push(v);
            }
            ptr.push(idx.len());
        }
        (ptr, idx, val)
    }

    fn close(a: &[f32], b: &[f32], within: f32) {
        assert_eq!(a.len(), b.len());
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() <= within, "{x} for {y}");
        }
    }

    #[test]
    fn a_low_rank_matrix_comes_back() {
        let singular = [9.0, 5.0, 2.0, 0.5];
        for (rows, cols) in [(400, 30), (30, 400), (9000, 12)] {
            let (a, _) = known(rows, cols, &singular);
            let (us, v) = truncated_svd_dense(&a, rows, cols, 4, 1);
            let turned: Vec<f32> = (0..4 * cols).map(|at| v[at % cols * 4 + at / cols]).collect();
            close(&matmul(&us, rows, 4, &turned, cols), &a, 1e-5);
            for (c, s) in singular.iter().enumerate() {
                let norm = us[c..].iter().step_by(4).map(|v| v * v).sum::<f32>().sqrt();
                assert!((norm - s).abs() < 1e-4 * s, "{norm} for {s}");
            }
            let (ptr, idx, val) = sparse(&a, cols);
            let mut text = truncated_svd_csr(&ptr, &idx, &val, cols, 4, 3, 1);
            for c in 0..4 {
                let along: f32 = (0..rows).map(|r| text[r * 4 + c] * us[r * 4 + c]).sum();
                (0..rows).for_each(|r| text[r * 4 + c] *= along.signum());
            }
            close(&text, &us, 2e-4);
        }
    }

    #[test]
    fn slowly_falling_values_are_found() {
        let singular: Vec<f32> = (0..40).map(|i| 10.0 * 0.9f32.powi(i)).collect();
        let (a, _) = known(600, 80, &singular);
        let (us, _) = truncated_svd_dense(&a, 600, 80, 8, 2);
        for (c, s) in singular.iter().take(8).enumerate() {
            let norm = us[c..].iter().step_by(8).map(|v| v * v).sum::<f32>().sqrt();
            assert!((norm - s).abs() < 1e-2 * s, "{norm} for {s}");
        }
    }

    #[test]
    fn centring_takes_the_mean_out() {
        let (mut a, v) = known(500, 10, &[7.0, 3.0]);
        a.chunks_exact_mut(10).for_each(|r| r.iter_mut().for_each(|x| *x += 100.0));
        let p = principal_components(&a, 500, 10, 2, 3);
        assert_eq!((p.rank, p.basis.len(), p.projected.len()), (2, 20, 1000));
        close(&p.centre, &[100.0; 10], 0.2);
        let along: f32 = (0..10).map(|c| p.basis[c * 2] * v[c * 2]).sum();
        assert!(along.abs() > 0.999, "{along}");
    }

    #[test]
    fn bad_input_gives_finite_output() {
        for data in [vec![], vec![f32::NAN; 12], vec![0.0; 12], vec![3e38; 12], vec![1e-40; 12]] {
            let p = principal_components(&data, data.len() / 3, 3, 5, 1);
            assert!(p.projected.iter().chain(&p.basis).chain(&p.singular).all(|v| v.is_finite()));
            let (us, v) = truncated_svd_dense(&data, data.len() / 3, 3, 2, 1);
            assert!(us.iter().chain(&v).all(|v| v.is_finite()), "{data:?} {us:?} {v:?}");
        }
        assert_eq!(truncated_svd_dense(&[1.0], 2, 2, 1, 0).0, [0.0, 0.0]);
        let out = truncated_svd_csr(&[0, 2, 9, 3], &[0, 7, 1], &[f32::INFINITY, 1.0, 2.0], 2, 3, 2, 1);
        assert!(out.len() == 6 && out.iter().all(|v| v.is_finite()));
        assert!(truncated_svd_csr(&[], &[], &[], 2, 3, 2, 1).is_empty());
    }

    #[test]
    fn threads_change_nothing() {
        let (a, _) = known(9000, 40, &[3.0, 2.0, 1.0]);
        let (ptr, idx, val) = sparse(&a, 40);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                (principal_components(&a, 9000, 40, 5, 1), truncated_svd_csr(&ptr, &idx, &val, 40, 5, 2, 1))
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3));
    }
}
