//! Symmetric positive definite matrices.

/// Lower factor of a positive definite matrix, in place (Golub and Van Loan 2013, 4.2); what is above the diagonal is left as
/// it was. False if the matrix is not positive definite.
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> bool {
    for i in 0..n {
        let (done, rest) = a.split_at_mut(i * n);
        let line = &mut rest[..n];
        for j in 0..i {
            let other = &done[j * n..j * n + j + 1];
            line[j] = (line[j] - dot(&line[..j], &other[..j])) / other[j];
        }
        let square = line[i] - dot(&line[..i], &line[..i]);
        if !(square > 0.0 && square.is_finite()) {
            return false;
        }
        line[i] = square.sqrt();
    }
    true
}

/// Sum of products in eight lanes, which the compiler can do side by side.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (mut lanes, n) = ([0f64; 8], a.len().min(b.len()));
    let (a, b) = (&a[..n], &b[..n]);
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for k in 0..8 {
            lanes[k] += a[k] * b[k];
        }
    }
    let tail = n - n % 8;
    lanes.iter().sum::<f64>() + a[tail..].iter().zip(&b[tail..]).map(|(a, b)| a * b).sum::<f64>()
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
