//! Embeddings, each number standardised.

use rayon::prelude::*;

use crate::Features;

/// Rows handled by one task.
const CHUNK: usize = 1024;

/// Centres each column and scales it to unit variance; constant columns become zero, values that are not
/// finite count as the column's mean. `data` holds rows of `dim` numbers.
#[must_use]
pub fn features(data: &[f32], dim: usize) -> Features {
    Features::Dense { data: standardised(data, dim), dim }
}

/// As [`features`], the numbers only.
#[must_use]
pub fn standardised(data: &[f32], dim: usize) -> Vec<f32> {
    if dim == 0 {
        return Vec::new();
    }
    let data = &data[..data.len() / dim * dim];
    let parts: Vec<Vec<[f64; 3]>> = data.par_chunks(CHUNK * dim).map(|part| moments(part, dim)).collect();
    let mut totals = vec![[0f64; 3]; dim];
    for part in &parts {
        for (t, p) in totals.iter_mut().zip(part) {
            (0..3).for_each(|i| t[i] += p[i]);
        }
    }
    let scale: Vec<(f64, f64)> = totals
        .iter()
        .map(|&[count, sum, squares]| {
            let mean = sum / count.max(1.0);
            let variance = (squares / count.max(1.0) - mean * mean).max(0.0);
            // what is left after cancellation of a constant column is no variance
            let usable = variance > 1e-12 * (mean * mean).max(1e-30);
            (mean, if usable { 1.0 / variance.sqrt() } else { 0.0 })
        })
        .collect();
    let mut out = vec![0f32; data.len()];
    out.par_chunks_mut(CHUNK * dim).zip(data.par_chunks(CHUNK * dim)).for_each(|(out, data)| {
        for (out, row) in out.chunks_exact_mut(dim).zip(data.chunks_exact(dim)) {
            for ((o, &v), &(mean, factor)) in out.iter_mut().zip(row).zip(&scale) {
                *o = if v.is_finite() { ((f64::from(v) - mean) * factor) as f32 } else { 0.0 };
            }
        }
    });
    out
}

/// Count, sum and sum of squares of the finite values of each column.
fn moments(part: &[f32], dim: usize) -> Vec<[f64; 3]> {
    let mut out = vec![[0f64; 3]; dim];
    for row in part.chunks_exact(dim) {
        for (o, &v) in out.iter_mut().zip(row) {
            if v.is_finite() {
                let v = f64::from(v);
                *o = [o[0] + 1.0, o[1] + v, o[2] + v * v];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_mean_zero_and_variance_one() {
        let data: Vec<f32> =
            (0..5000).flat_map(|i| [i as f32, 7.5, if i == 3 { f32::NAN } else { (i % 2) as f32 }]).collect();
        let out = standardised(&data, 3);
        for c in 0..3 {
            let column: Vec<f64> = out.iter().skip(c).step_by(3).map(|&v| f64::from(v)).collect();
            let mean = column.iter().sum::<f64>() / 5000.0;
            let variance = column.iter().map(|v| v * v).sum::<f64>() / 5000.0;
            assert!(mean.abs() < 1e-5);
            assert!((variance - if c == 1 { 0.0 } else { 1.0 }).abs() < 1e-3);
        }
        assert!(standardised(&[], 0).is_empty() && standardised(&[], 4).is_empty());
        assert!(standardised(&[f32::INFINITY; 4], 2).iter().all(|&v| v == 0.0));
    }
}
