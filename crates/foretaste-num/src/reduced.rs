//! Rows as linear models see them: of unit length, in few numbers.

use crate::linalg::principal_components;

/// Rows of unit length in at most `most` principal components, and the numbers of a row; where a row has no more than
/// `most`, it keeps them.
pub(crate) fn reduced(data: &[f32], dim: usize, most: usize, seed: u64) -> (Vec<f32>, usize) {
    let data = unit(data, dim);
    if dim <= most {
        return (data, dim);
    }
    let p = principal_components(&data, data.len() / dim, dim, most.max(1), seed);
    (p.projected, p.rank)
}

/// Rows of unit length; what is not finite counts as zero, and rows of zeros stay.
fn unit(data: &[f32], dim: usize) -> Vec<f32> {
    let mut out: Vec<f32> = data.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect();
    for row in out.chunks_exact_mut(dim.max(1)) {
        let length = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let norm = length as f32;
        if norm.is_infinite() {
            // a row of the largest numbers is longer than any
            row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        } else if norm > 0.0 {
            row.iter_mut().for_each(|v| *v /= norm);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_unit_length_and_few_numbers() {
        let (rows, dim) = reduced(&[3.0, 4.0, 0.0, 0.0, f32::NAN, 2.0, 3e38, 3e38], 2, 2, 1);
        assert_eq!((dim, &rows[..6]), (2, &[0.6, 0.8, 0.0, 0.0, 0.0, 1.0][..]));
        assert!((rows[6] - 0.5f32.sqrt()).abs() < 1e-6);
        let (rows, dim) = reduced(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3, 2, 1);
        assert_eq!((rows.len(), dim), (6, 2));
        assert_eq!(reduced(&[], 0, 4, 1), (vec![], 0));
    }
}
