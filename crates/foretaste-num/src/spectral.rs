//! Spectral signatures: how far rows lie along the leading direction of their group.

use crate::linalg::principal_components;
use crate::stats::usual;

/// Median of the absolute value of a standard normal number.
pub(crate) const NORMAL_MEDIAN: f64 = 0.674_489_750_196_081_7;

/// One number a row of a row-major matrix: `|<row - mean, v>|`, `v` the leading direction of the centred rows (Tran, Li and
/// Madry 2018, algorithm 1, which squares it: the order is the same), in robust standard deviations of that projection.
///
/// The unit makes numbers of several groups comparable: whatever the group's scale, half of its rows lie below 0.67.
/// Rows that all lie at one place give zeros; non-finite values count as the mean; an incomplete last row is left out.
#[must_use]
pub fn signature(data: &[f32], dim: usize, seed: u64) -> Vec<f32> {
    let rows = data.len().checked_div(dim).unwrap_or(0);
    let principal = principal_components(&data[..rows * dim], rows, dim, 1, seed);
    if principal.rank == 0 {
        return vec![0.0; rows];
    }
    let along: Vec<f64> = principal.projected.iter().map(|p| f64::from(p.abs())).collect();
    let unit = usual(&along, NORMAL_MEDIAN);
    let scaled = |a: &f64| if unit > 0.0 && unit.is_finite() { (a / unit).min(1e30) as f32 } else { 0.0 };
    along.iter().map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::symmetric_eigen;
    use crate::rng::Rng;

    /// Squared projections by the definition, with every eigenvector of the covariance.
    fn naive(data: &[f32], dim: usize) -> Vec<f64> {
        let rows = data.len() / dim;
        let mean: Vec<f64> = (0..dim)
            .map(|c| data[c..].iter().step_by(dim).map(|v| f64::from(*v)).sum::<f64>() / rows as f64)
            .collect();
        let centred: Vec<f64> = data.iter().enumerate().map(|(i, v)| f64::from(*v) - mean[i % dim]).collect();
        let mut covariance = vec![0.0; dim * dim];
        for row in centred.chunks(dim) {
            (0..dim * dim).for_each(|at| covariance[at] += row[at / dim] * row[at % dim]);
        }
        let (_, vectors) = symmetric_eigen(&covariance, dim);
        centred
            .chunks(dim)
            .map(|row| (0..dim).map(|c| row[c] * vectors[c * dim]).sum::<f64>().powi(2))
            .collect()
    }

    /// Rows far from the origin in one direction; the last 40 of them moved in another one.
    fn planted() -> (Vec<f32>, usize) {
        let (mut rng, dim) = (Rng::new(3, "spectral"), 12);
        let row = |i: usize, rng: &mut Rng| {
            (0..dim)
                .map(|c| {
                    let centre = if c == 0 { 30.0 } else { 0.0 } - if c == 1 && i >= 360 { 6.0 } else { 0.0 };
                    (centre + rng.normal() - if c == 0 && i >= 360 { 25.0 } else { 0.0 }) as f32
                })
                .collect::<Vec<f32>>()
        };
        ((0..400).flat_map(|i| row(i, &mut rng)).collect(), dim)
    }

    #[test]
    fn the_same_as_by_the_definition_and_centred() {
        let (data, dim) = planted();
        let (ours, theirs) = (signature(&data, dim, 1), naive(&data, dim));
        let mut order: Vec<usize> = (0..400).collect();
        order.sort_by(|&a, &b| ours[b].total_cmp(&ours[a]));
        // without centring, the direction is that of the mean, and the moved rows come last instead of first
        assert!(order[..40].iter().all(|i| *i >= 360));
        let ratio = theirs[399] / f64::from(ours[399]).powi(2);
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((f64::from(*a).powi(2) * ratio - b).abs() < 1e-3 * theirs[399], "{a} {b}");
        }
        let mut half = ours.clone();
        half.sort_by(f32::total_cmp);
        assert!((half[200] - 0.674).abs() < 0.05);
    }

    #[test]
    fn odd_input_is_finite() {
        assert!(signature(&[], 3, 1).is_empty() && signature(&[1.0], 0, 1).is_empty());
        assert_eq!(signature(&[5.0; 12], 3, 1), [0.0; 4]);
        for odd in [f32::NAN, f32::INFINITY, 3e38] {
            assert!(signature(&[odd, 1.0, 2.0, 1.0, 4.0, odd], 2, 1).iter().all(|v| v.is_finite()));
        }
    }
}
