//! Symmetric positive definite matrices.

use crate::lanes::dot;
use crate::span::{Span, product};

/// Columns that are done together: what lies left of them is one product of matrices.
const BLOCK: usize = 64;

/// Lower factor of a positive definite matrix, in place (Golub and Van Loan 2013, 4.2); what is above the diagonal is undefined
/// afterwards. False if the matrix is not positive definite.
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> bool {
    let mut left = vec![];
    for from in (0..n).step_by(BLOCK) {
        let to = (from + BLOCK).min(n);
        let wide = to - from;
        // what the columns done so far hold of the rows from here on
        left.resize((n - from) * wide, 0.0);
        let done = Span { data: &a[from * n..], rows: n - from, cols: from, down: n, across: 1 };
        product(done, Span { rows: wide, ..done }.turned(), &mut left, false);
        for (i, known) in (from..n).zip(left.chunks_exact(wide)) {
            a[i * n + from..i * n + to].iter_mut().zip(known).for_each(|(v, k)| *v -= k);
        }
        for i in from..n {
            let (before, rest) = a.split_at_mut(i * n);
            let line = &mut rest[from..to.min(n)];
            for j in from..to.min(i) {
                let other = &before[j * n + from..=j * n + j];
                let at = j - from;
                line[at] = (line[at] - dot(&line[..at], other)) / other[at];
            }
            if i < to {
                let at = i - from;
                let square = line[at] - dot(&line[..at], &line[..at]);
                if !(square > 0.0 && square.is_finite()) {
                    return false;
                }
                line[at] = square.sqrt();
            }
        }
    }
    true
}

/// Solves `factor x = row` for every row of `n` values, in place; `factor` is lower triangular.
pub(crate) fn forward(factor: &[f64], n: usize, rows: &mut [f64]) {
    let count = rows.len().checked_div(n).unwrap_or(0);
    let mut left = vec![];
    for from in (0..n).step_by(BLOCK) {
        let to = (from + BLOCK).min(n);
        left.resize(count * (to - from), 0.0);
        let done = Span { data: &*rows, rows: count, cols: from, down: n, across: 1 };
        let lines = Span { data: &factor[from * n..], rows: to - from, cols: from, down: n, across: 1 };
        product(done, lines.turned(), &mut left, false);
        for (row, known) in rows.chunks_exact_mut(n).zip(left.chunks_exact(to - from)) {
            let part = &mut row[from..to];
            part.iter_mut().zip(known).for_each(|(v, k)| *v -= k);
            for j in from..to {
                let (line, at) = (&factor[j * n + from..=j * n + j], j - from);
                part[at] = (part[at] - dot(&part[..at], line)) / line[at];
            }
        }
    }
}

/// The `x` with `matrix x = right`, `matrix` (row-major) symmetric positive definite, of which the lower triangle is read; `None` if
/// it is not positive definite or its size does not fit.
#[must_use]
pub fn solve(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    let mut factor = matrix.to_vec();
    if factor.len() != n * n || !cholesky(&mut factor, n) {
        return None;
    }
    let mut x = right.to_vec();
    for i in 0..n {
        x[i] = (x[i] - dot(&factor[i * n..i * n + i], &x[..i])) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        x[i] /= factor[i * n + i];
        let at = x[i];
        x[..i].iter_mut().zip(&factor[i * n..]).for_each(|(v, l)| *v -= l * at);
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// A positive definite matrix, larger than a block.
    fn matrix(n: usize) -> Vec<f64> {
        let mut rng = Rng::new(9, "positive");
        let b: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
        let at = |i: usize, j: usize| dot(&b[i * n..(i + 1) * n], &b[j * n..(j + 1) * n]);
        (0..n * n).map(|k| at(k / n, k % n) + f64::from(u8::from(k / n == k % n))).collect()
    }

    #[test]
    fn blocks_change_nothing() {
        for n in [1, 63, 64, 65, 150] {
            let whole = matrix(n);
            let mut factor = whole.clone();
            assert!(cholesky(&mut factor, n));
            for i in 0..n {
                for j in 0..=i {
                    let back = dot(&factor[i * n..=i * n + j], &factor[j * n..=j * n + j]);
                    assert!((back - whole[i * n + j]).abs() < 1e-8 * n as f64, "{n}: {i}, {j}");
                }
            }
            let mut rows: Vec<f64> = (0..3 * n).map(|k| (k as f64).sin()).collect();
            let right = rows.clone();
            forward(&factor, n, &mut rows);
            for (x, want) in rows.chunks(n).zip(right.chunks(n)) {
                for i in 0..n {
                    let back = dot(&factor[i * n..=i * n + i], &x[..=i]);
                    assert!((back - want[i]).abs() < 1e-8 * n as f64);
                }
            }
            let mut broken = whole;
            broken[n * n - 1] = -1.0;
            assert!(!cholesky(&mut broken, n));
        }
    }

    #[test]
    fn solves_what_is_positive_and_refuses_the_rest() {
        let m = [4.0, 1.0, 0.5, 1.0, 3.0, -1.0, 0.5, -1.0, 2.0];
        let x = solve(&m, &[1.0, 2.0, 3.0]).unwrap();
        for (row, want) in m.chunks(3).zip([1.0, 2.0, 3.0]) {
            assert!((dot(row, &x) - want).abs() < 1e-12);
        }
        assert!(solve(&[1.0, 2.0, 2.0, 1.0], &[1.0, 1.0]).is_none());
        assert!(solve(&[1.0], &[1.0, 1.0]).is_none());
    }
}
