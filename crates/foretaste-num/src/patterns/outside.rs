//! How the pictures of one class look to whoever knows only the others.

use crate::lanes::dot;
use crate::linalg::gram;
use crate::linalg::positive::{back, cholesky, forward};

/// Variance added to every value: rounding to whole numbers and a little more, so that what never changes can be divided by.
const RIDGE: f64 = 1.0;

/// Sums over all rows, from which those of one class are taken.
pub(super) struct Whole<'a> {
    /// Centred rows, `dim` values each.
    pub rows: &'a [f32],
    pub dim: usize,
    gram: Vec<f64>,
}

impl<'a> Whole<'a> {
    pub fn new(rows: &'a [f32], dim: usize) -> Self {
        Self { rows, dim, gram: gram(rows, dim) }
    }

    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.rows[i * self.dim..(i + 1) * self.dim]
    }

    /// Mean and covariance of all rows but `own`, the covariance in factors. `None` if it has none.
    pub fn without(&self, own: &[u32]) -> Option<Outside> {
        let d = self.dim;
        let picked: Vec<f32> = own.iter().flat_map(|i| self.row(*i as usize)).copied().collect();
        let n = (self.rows.len() / d.max(1)).checked_sub(own.len()).filter(|n| *n > 0)? as f64;
        let mut mean = vec![0f64; d];
        picked.chunks(d).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, v)| *m -= f64::from(*v) / n));
        let mut factor = gram(&picked, d);
        for i in 0..d {
            for j in 0..=i {
                let at = i * d + j;
                factor[at] = (self.gram[at] - factor[at]) / n - mean[i] * mean[j];
            }
            factor[i * d + i] += RIDGE;
        }
        cholesky(&mut factor, d).then_some(Outside { mean, factor })
    }
}

/// Mean and covariance of the rows outside a class: `factor factor^T` is the covariance, `factor` lower triangular.
pub(super) struct Outside {
    mean: Vec<f64>,
    factor: Vec<f64>,
}

impl Outside {
    /// Rows in coordinates in which the rows outside have mean zero and no correlation, one after another.
    pub fn whiten<'a>(&self, rows: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
        let centred = |row: &'a [f32]| row.iter().zip(&self.mean).map(|(v, m)| f64::from(*v) - m);
        let mut z: Vec<f64> = rows.flat_map(centred).collect();
        forward(&self.factor, self.mean.len(), &mut z);
        z
    }

    /// The filter `f` and the number `c` for which `f . row - c` is a row's whitened coordinate along `direction`.
    pub fn filter(&self, direction: &[f64]) -> (Vec<f64>, f64) {
        let mut f = direction.to_vec();
        back(&self.factor, self.mean.len(), &mut f);
        let shift = dot(&f, &self.mean);
        (f, shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn rows_outside_become_white_and_a_filter_reads_one_coordinate() {
        let (n, d) = (400, 5);
        let mut rng = Rng::new(3, "outside");
        let mut rows = vec![0f32; n * d];
        for row in rows.chunks_mut(d) {
            let common = rng.normal();
            row.iter_mut()
                .enumerate()
                .for_each(|(k, v)| *v = (20.0 * common + 10.0 * rng.normal() * (k + 1) as f64) as f32);
        }
        let own: Vec<u32> = (0..40).collect();
        let outside = Whole::new(&rows, d).without(&own).unwrap();
        let z = outside.whiten((40..n).map(|i| &rows[i * d..(i + 1) * d]));
        for a in 0..d {
            for b in 0..d {
                let c = z.chunks(d).map(|z| z[a] * z[b]).sum::<f64>() / (n - 40) as f64;
                assert!((c - f64::from(u8::from(a == b))).abs() < 0.02, "{a} {b} {c}");
            }
        }
        let direction = [0.5, -0.5, 0.1, 0.7, 0.0];
        let (f, c) = outside.filter(&direction);
        let row = &rows[..d];
        let read = f.iter().zip(row).map(|(f, v)| f * f64::from(*v)).sum::<f64>() - c;
        assert!((read - dot(&outside.whiten(std::iter::once(row)), &direction)).abs() < 1e-9);
    }

    #[test]
    fn no_covariance_no_factor() {
        assert!(!cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2));
        assert!(Whole::new(&[1.0, 2.0], 1).without(&[0, 1]).is_none());
    }
}
