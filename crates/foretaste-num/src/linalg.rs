//! Dense products, small symmetric eigenproblems, and truncated singular value decompositions.
//!
//! Work is split into fixed blocks of rows, each multiplied by one thread, and sums are merged in
//! order: the number of threads changes no bit of any result.

pub(crate) mod positive;
mod svd;

pub use positive::solve as solve_positive;
pub use svd::{Principal, principal_components, truncated_svd_csr, truncated_svd_dense};

use crate::span::{Number, Span, product};
use rayon::prelude::*;

/// Rows that one task multiplies.
const ROWS: usize = 256;
/// Fewest and most rows of one partial sum of a product over rows.
const SUMMED: (usize, usize) = (1024, 8192);

/// Rows of one partial sum: enough parts for all cores, and not so many that their results fill the memory. It depends on
/// the number of rows only, as sums must.
fn summed_rows(rows: usize) -> usize {
    (rows / 16).clamp(SUMMED.0, SUMMED.1)
}

/// The product of `a` (`a_rows` x `a_cols`) and `b` (`a_cols` x `b_cols`), all row-major.
///
/// A slice that does not fit its shape gives a result of NaN, which no caller can mistake for one.
#[must_use]
pub fn matmul(a: &[f32], a_rows: usize, a_cols: usize, b: &[f32], b_cols: usize) -> Vec<f32> {
    let mut out = vec![0f32; a_rows * b_cols];
    if a.len() != a_rows * a_cols || b.len() != a_cols * b_cols {
        out.fill(f32::NAN);
        return out;
    }
    if out.is_empty() || a_cols == 0 {
        return out;
    }
    out.par_chunks_mut(ROWS * b_cols).zip(a.par_chunks(ROWS * a_cols)).for_each(|(out, a)| {
        let a = Span::rows(a, a.len() / a_cols, a_cols);
        product(a, Span::rows(b, a_cols, b_cols), out, false);
    });
    out
}

/// The product of the transpose of `a` (`rows` x `a_cols`) and `b` (`rows` x `b_cols`), row-major:
/// `a_cols` x `b_cols`. NaN where a slice does not fit its shape.
#[must_use]
pub fn matmul_transposed(a: &[f32], rows: usize, a_cols: usize, b: &[f32], b_cols: usize) -> Vec<f32> {
    if a.len() != rows * a_cols || b.len() != rows * b_cols {
        return vec![f32::NAN; a_cols * b_cols];
    }
    summed(a, a_cols, b, b_cols)
}

/// `a^T b` over blocks of rows.
fn summed<T: Number>(a: &[T], a_cols: usize, b: &[T], b_cols: usize) -> Vec<T> {
    let mut sum = vec![T::default(); a_cols * b_cols];
    if sum.is_empty() {
        return sum;
    }
    let rows = summed_rows(b.len() / b_cols);
    let blocks: Vec<Vec<T>> = a
        .par_chunks(rows * a_cols)
        .zip(b.par_chunks(rows * b_cols))
        .map(|(a, b)| {
            let mut out = vec![T::default(); a_cols * b_cols];
            let rows = b.len() / b_cols;
            product(Span::rows(a, rows, a_cols).turned(), Span::rows(b, rows, b_cols), &mut out, false);
            out
        })
        .collect();
    for block in blocks {
        for (s, v) in sum.iter_mut().zip(block) {
            *s += v;
        }
    }
    sum
}

/// `a^T a` of a row-major matrix of `cols` columns, added in double precision.
pub(crate) fn gram(a: &[f32], cols: usize) -> Vec<f64> {
    let mut sum = vec![0f64; cols * cols];
    if sum.is_empty() {
        return sum;
    }
    let blocks: Vec<Vec<f64>> = a
        .par_chunks(summed_rows(a.len() / cols) * cols)
        .map(|block| {
            let wide: Vec<f64> = block.iter().map(|&v| f64::from(v)).collect();
            let all = Span::rows(&wide, wide.len() / cols, cols);
            let mut out = vec![0f64; cols * cols];
            product(all.turned(), all, &mut out, false);
            out
        })
        .collect();
    for block in blocks {
        for (s, v) in sum.iter_mut().zip(block) {
            *s += v;
        }
    }
    sum
}

/// Orthonormal columns with the span of `a`'s (row-major, `cols` columns); columns that depend on
/// earlier ones become zero.
///
/// Cholesky factor of the Gram matrix, twice ("CholeskyQR2", Yamamoto and others 2015): the second
/// pass removes what the squared condition number left over.
pub(crate) fn orthonormal(mut a: Vec<f32>, cols: usize) -> Vec<f32> {
    for _ in 0..2 {
        let inverse = inverse_factor(&gram(&a, cols), cols);
        let narrow: Vec<f32> = inverse.iter().map(|&v| v as f32).collect();
        a = matmul(&a, a.len().checked_div(cols).unwrap_or(0), cols, &narrow, cols);
    }
    a
}

/// The upper triangular `w` with `w^T g w` the identity, for a Gram matrix `g` (`n` x `n`); columns
/// of `g` that depend on earlier ones get a zero column.
fn inverse_factor(g: &[f64], n: usize) -> Vec<f64> {
    // Gram-Schmidt with `g` as inner product: column j of `w` is e_j less its part along the earlier
    let mut w: Vec<Vec<f64>> = Vec::with_capacity(n);
    let mut images: Vec<Vec<f64>> = Vec::with_capacity(n);
    for j in 0..n {
        let mut column = vec![0f64; n];
        column[j] = 1.0;
        let mut image = g[j * n..][..n].to_vec();
        for (earlier, of) in w.iter().zip(&images) {
            let along: f64 = of.iter().zip(&column).map(|(a, b)| a * b).sum();
            column.iter_mut().zip(earlier).for_each(|(c, e)| *c -= along * e);
            image.iter_mut().zip(of).for_each(|(c, e)| *c -= along * e);
        }
        let norm: f64 = column.iter().zip(&image).map(|(a, b)| a * b).sum();
        // what single precision leaves of a dependent column
        let scale = if norm > 1e-12 * g[j * n + j] { norm.sqrt().recip() } else { 0.0 };
        column.iter_mut().chain(&mut image).for_each(|v| *v *= scale);
        w.push(column);
        images.push(image);
    }
    let mut out = vec![0f64; n * n];
    for (j, column) in w.iter().enumerate() {
        for (i, v) in column.iter().enumerate() {
            out[i * n + j] = *v;
        }
    }
    out
}

/// Eigenvalues, largest first, and eigenvectors (column `i` of a row-major `n` x `n` matrix belongs
/// to value `i`) of a symmetric `n` x `n` matrix, by cyclic Jacobi rotations (Golub and Van Loan
/// 2013, section 8.5). For small `n`: the cost is some ten times `n^3`.
///
/// A matrix of another size, or with NaN or infinity, gives zeros.
#[must_use]
pub fn symmetric_eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    if matrix.len() != n * n || matrix.iter().any(|v| !v.is_finite()) {
        return (vec![0.0; n], vec![0.0; n * n]);
    }
    let mut a = matrix.to_vec();
    // eigenvectors as rows while rotating
    let mut v = vec![0f64; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..40 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off <= 1e-28 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]).then(i.cmp(&j)));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let mut vectors = vec![0f64; n * n];
    for (to, &from) in order.iter().enumerate() {
        for r in 0..n {
            vectors[r * n + to] = v[from * n + r];
        }
    }
    (values, vectors)
}

/// Makes element `(p, q)` of `a` zero by a rotation, which `v` collects.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) {
    let off = a[p * n + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = t.hypot(1.0).recip();
    let s = t * c;
    turn(a, n, p, q, c, s);
    for r in 0..n {
        let (x, y) = (a[r * n + p], a[r * n + q]);
        a[r * n + p] = c * x - s * y;
        a[r * n + q] = s * x + c * y;
    }
    turn(v, n, p, q, c, s);
}

/// Rotates rows `p < q`.
fn turn(m: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    let (head, tail) = m.split_at_mut(q * n);
    for (x, y) in head[p * n..][..n].iter_mut().zip(&mut tail[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn products_equal_the_definition() {
        let mut r = Rng::new(1, "matmul");
        for (m, k, n) in [(1, 1, 1), (300, 7, 5), (9, 300, 11), (0, 3, 2), (3, 0, 2)] {
            let a: Vec<f32> = (0..m * k).map(|_| r.below(9) as f32 - 4.0).collect();
            let b: Vec<f32> = (0..k * n).map(|_| r.below(9) as f32 - 4.0).collect();
            let want: Vec<f32> =
                (0..m * n).map(|at| (0..k).map(|l| a[at / n * k + l] * b[l * n + at % n]).sum()).collect();
            assert_eq!(matmul(&a, m, k, &b, n), want);
            let mut turned = vec![0f32; k * m];
            (0..m * k).for_each(|at| turned[at % k * m + at / k] = a[at]);
            assert_eq!(matmul_transposed(&turned, k, m, &b, n), want);
        }
        assert!(matmul(&[1.0], 2, 2, &[1.0; 4], 2).iter().all(|v| v.is_nan()));
    }

    #[test]
    fn eigen_of_a_known_matrix() {
        let (values, vectors) = symmetric_eigen(&[2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 5.0], 3);
        for (v, w) in values.iter().zip([5.0, 3.0, 1.0]) {
            assert!((v - w).abs() < 1e-12);
        }
        assert!((vectors[6].abs() - 1.0).abs() < 1e-12);
        assert!((vectors[1] - vectors[4]).abs() < 1e-12, "(1, 1) belongs to 3");
        assert_eq!(symmetric_eigen(&[f64::NAN], 1).0, [0.0]);
        assert!(symmetric_eigen(&[], 0).0.is_empty());
    }

    #[test]
    fn columns_become_orthonormal() {
        let mut r = Rng::new(2, "qr");
        let (rows, cols) = (500, 6);
        let mut a: Vec<f32> = (0..rows * cols).map(|_| r.normal() as f32).collect();
        for row in a.chunks_exact_mut(cols) {
            row[1] = row[0] + 1e-3 * row[1];
            row[4] = 2.0 * row[0] - row[3];
        }
        let g = gram(&orthonormal(a, cols), cols);
        for (i, j) in (0..cols).flat_map(|i| (0..cols).map(move |j| (i, j))) {
            let want = if i == j && i != 4 { 1.0 } else { 0.0 };
            assert!((g[i * cols + j] - want).abs() < 1e-5, "{i} {j}: {}", g[i * cols + j]);
        }
    }
}
