//! Symmetric positive definite matrices.

use crate::lanes::dot;
use crate::span::{Span, product};
use std::ops::Range;

/// Columns that are done together, and parts of these that are: what lies left of them is a product of matrices.
const BLOCK: usize = 64;
const PART: usize = 16;

/// Lower factor of a positive definite matrix, in place (Golub and Van Loan 2013, 4.2); what is above the diagonal is undefined
/// afterwards. False if the matrix is not positive definite.
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> bool {
    let mut left = vec![];
    // what the columns `done` hold of the columns `of`, in the rows from there on
    let mut take_off = |a: &mut [f64], of: Range<usize>, done: Range<usize>| {
        if done.is_empty() {
            return;
        }
        let rows = n - of.start;
        left.resize(rows * of.len(), 0.0);
        let data = &a[of.start * n + done.start..];
        let known = Span { data, rows, cols: done.len(), down: n, across: 1 };
        product(known, Span { rows: of.len(), ..known }.turned(), &mut left, false);
        for (line, left) in a[of.start * n..].chunks_exact_mut(n).zip(left.chunks_exact(of.len())) {
            line[of.clone()].iter_mut().zip(left).for_each(|(v, k)| *v -= k);
        }
    };
    for block in ranges(0..n, BLOCK) {
        take_off(a, block.clone(), 0..block.start);
        for part in ranges(block.clone(), PART) {
            take_off(a, part.clone(), block.start..part.start);
            if !eliminate(a, n, part) {
                return false;
            }
        }
    }
    true
}

/// A few columns of the factor, once nothing left of them counts.
fn eliminate(a: &mut [f64], n: usize, Range { start: from, end: to }: Range<usize>) -> bool {
    for i in from..n {
        let (before, rest) = a.split_at_mut(i * n);
        let line = &mut rest[from..to];
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
    true
}

/// A range in parts of `size`, the last shorter.
fn ranges(whole: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    whole.clone().step_by(size).map(move |from| from..(from + size).min(whole.end))
}

/// Solves `factor x = row` for every row of `n` values, in place; `factor` is lower triangular.
pub(crate) fn forward(factor: &[f64], n: usize, rows: &mut [f64]) {
    let count = rows.len().checked_div(n).unwrap_or(0);
    let mut left = vec![];
    let mut take_off = |rows: &mut [f64], of: Range<usize>, done: Range<usize>| {
        if done.is_empty() {
            return;
        }
        left.resize(count * of.len(), 0.0);
        let known = Span { data: &rows[done.start..], rows: count, cols: done.len(), down: n, across: 1 };
        let lines = Span { data: &factor[of.start * n + done.start..], rows: of.len(), ..known };
        product(known, lines.turned(), &mut left, false);
        for (row, left) in rows.chunks_exact_mut(n).zip(left.chunks_exact(of.len())) {
            row[of.clone()].iter_mut().zip(left).for_each(|(v, k)| *v -= k);
        }
    };
    if count == 0 {
        return;
    }
    for block in ranges(0..n, BLOCK) {
        take_off(rows, block.clone(), 0..block.start);
        for part in ranges(block.clone(), PART) {
            take_off(rows, part.clone(), block.start..part.start);
            for row in rows.chunks_exact_mut(n) {
                let values = &mut row[part.clone()];
                for (at, j) in part.clone().enumerate() {
                    let line = &factor[j * n + part.start..=j * n + j];
                    values[at] = (values[at] - dot(&values[..at], line)) / line[at];
                }
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
    back(&factor, n, &mut x);
    Some(x)
}

/// Solves `factor^T x = right` for one `right` of `n` values, in place; `factor` is lower triangular.
pub(crate) fn back(factor: &[f64], n: usize, x: &mut [f64]) {
    for i in (0..n).rev() {
        x[i] /= factor[i * n + i];
        let at = x[i];
        x[..i].iter_mut().zip(&factor[i * n..]).for_each(|(v, l)| *v -= l * at);
    }
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
        for n in [1, 15, 16, 17, 63, 64, 65, 150] {
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
