//! Rows in which products of two coordinates leave the range that is usual in their class.

use crate::linalg::principal_components;
use crate::members::by_class;
use crate::stats::median_in_place;
use rayon::prelude::*;

/// Fewest rows of a class that have a usual range.
const LEAST: usize = 20;
/// Median absolute deviations on both sides of the median.
const WIDTH: f64 = 10.0;
/// Rows that one task works on.
const ROWS: usize = 1024;

/// How the range is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GramOptions {
    /// Principal components of all rows.
    pub dims: usize,
    /// Their seed.
    pub seed: u64,
}

/// By how much each row's Gram features lie outside the range of its class, as a share of the bound, averaged over features
/// and orders. 0 for rows within all ranges, for rows whose label is not below `classes`, for classes of fewer than 20 rows,
/// and for all where slices do not fit.
///
/// A feature of order `p` is `|f_a^p f_b^p|^(1/p)` with the sign of `f_a^p f_b^p`, for principal components `a <= b`; its range
/// is ten median absolute deviations on both sides of the median (Ma et al., "The 'Beatrix' Resurrections", NDSS 2023, with
/// the class's own rows in place of trusted ones). A vector has one position to sum over, so that all odd orders are
/// `f_a f_b` and all even ones `|f_a f_b|`: the mean over the two is the mean over orders 1 to 8.
#[must_use]
pub fn deviations(
    data: &[f32],
    dim: usize,
    labels: &[u32],
    classes: usize,
    options: &GramOptions,
) -> Vec<f32> {
    let mut out = vec![0f32; labels.len()];
    if dim == 0 || data.len() != labels.len() * dim {
        return out;
    }
    let principal = principal_components(data, labels.len(), dim, options.dims, options.seed);
    let (k, points) = (principal.rank, &principal.projected);
    let pairs: Vec<(usize, usize)> = (0..k).flat_map(|a| (a..k).map(move |b| (a, b))).collect();
    let members = by_class(labels, classes);
    for of in members.iter().filter(|of| of.len() >= LEAST) {
        let rows: Vec<f32> = of.iter().flat_map(|&i| &points[i * k..(i + 1) * k]).copied().collect();
        // a feature after the other: all of them for all rows would be hundreds of numbers a row
        let ranges: Vec<[Range; 2]> = pairs
            .par_iter()
            .map_init(Vec::new, |values, &(a, b)| {
                let product = |row: &[f32]| f64::from(row[a]) * f64::from(row[b]);
                values.clear();
                values.extend(rows.chunks_exact(k).map(product));
                let odd = Range::of(values);
                values.clear();
                values.extend(rows.chunks_exact(k).map(|row| product(row).abs()));
                [odd, Range::of(values)]
            })
            .collect();
        let score = |row: &[f32]| -> f32 {
            let outside = pairs.iter().zip(&ranges).map(|(&(a, b), [odd, even])| {
                let product = f64::from(row[a]) * f64::from(row[b]);
                odd.outside(product) + even.outside(product.abs())
            });
            let mean = outside.sum::<f64>() / (2 * pairs.len()).max(1) as f64;
            mean.min(1e30) as f32
        };
        let scores: Vec<f32> = rows
            .par_chunks(ROWS * k.max(1))
            .flat_map_iter(|rows| rows.chunks_exact(k).map(score).collect::<Vec<f32>>())
            .collect();
        of.iter().zip(scores).for_each(|(&i, s)| out[i] = s);
    }
    out
}

/// The usual range of one feature.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: f64,
    high: f64,
    /// A bound may pass zero, and a share of nothing is everything: shares are of no less than this.
    least: f64,
}

impl Range {
    /// Reorders and changes the values. Where most of them are equal, the mean deviation stands in for the median one.
    fn of(values: &mut [f64]) -> Self {
        let middle = median_in_place(values);
        values.iter_mut().for_each(|v| *v = (*v - middle).abs());
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let mad = median_in_place(values);
        let away = if mad > 1e-9 * mean { mad } else { mean };
        Self { low: middle - WIDTH * away, high: middle + WIDTH * away, least: away }
    }

    fn outside(&self, value: f64) -> f64 {
        let share = |by: f64, bound: f64| {
            let of = bound.abs().max(self.least);
            if by > 0.0 && of > 0.0 { by / of } else { 0.0 }
        };
        share(value - self.high, self.high) + share(self.low - value, self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::stats::median;

    const OPTIONS: GramOptions = GramOptions { dims: 24, seed: 1 };

    /// Two classes; in the first rows, two coordinates that are independent elsewhere are large together.
    fn draw(rows: usize, bad: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(8, "gram");
        let (mut data, mut labels) = (vec![], vec![]);
        for i in 0..rows {
            let class = i % 2;
            for c in 0..6 {
                let centre = if c == 0 { 3.0 * class as f64 } else { 0.0 };
                data.push((centre + rng.normal() + if i < bad && c > 3 { 3.5 } else { 0.0 }) as f32);
            }
            labels.push(class as u32);
        }
        (data, labels)
    }

    /// All eight orders of every row, by the definition.
    fn naive(data: &[f32], dim: usize, labels: &[u32]) -> Vec<f64> {
        let principal = principal_components(data, labels.len(), dim, 24, 1);
        let k = principal.rank;
        let features = |row: &[f32]| -> Vec<f64> {
            let mut out = vec![];
            for p in 1..=8 {
                let f: Vec<f64> = row.iter().map(|v| f64::from(*v).powi(p)).collect();
                for (a, b) in (0..k).flat_map(|a| (a..k).map(move |b| (a, b))) {
                    let g = f[a] * f[b];
                    out.push(g.signum() * g.abs().powf(1.0 / f64::from(p)));
                }
            }
            out
        };
        let all: Vec<Vec<f64>> = principal.projected.chunks(k).map(features).collect();
        let score = |i: usize| -> f64 {
            let outside = (0..all[i].len()).map(|at| {
                let of: Vec<f64> =
                    (0..all.len()).filter(|j| labels[*j] == labels[i]).map(|j| all[j][at]).collect();
                let middle = median(&of);
                let mad = median(&of.iter().map(|v| (v - middle).abs()).collect::<Vec<f64>>());
                let (low, high) = (middle - 10.0 * mad, middle + 10.0 * mad);
                (all[i][at] - high).max(0.0) / high.abs() + (low - all[i][at]).max(0.0) / low.abs()
            });
            outside.sum::<f64>() / all[i].len() as f64
        };
        (0..all.len()).map(score).collect()
    }

    #[test]
    fn the_same_as_all_orders_by_the_definition() {
        let (data, labels) = draw(200, 6);
        let (ours, theirs) = (deviations(&data, 6, &labels, 2, &OPTIONS), naive(&data, 6, &labels));
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!((f64::from(*a) - b).abs() < 1e-5 * (1.0 + b), "{i}: {a} {b}");
        }
        assert!(theirs.iter().filter(|t| **t > 0.0).count() > 5);
    }

    #[test]
    fn what_is_large_together_leaves_the_range() {
        let (data, labels) = draw(800, 12);
        let score = deviations(&data, 6, &labels, 2, &OPTIONS);
        let mut order: Vec<usize> = (0..800).collect();
        order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
        let hits = order[..12].iter().filter(|i| **i < 12).count();
        assert!(hits >= 9, "{hits} of 12");
    }

    #[test]
    fn equal_values_have_a_range_too() {
        // most are 1, so that the median deviation is 0; the mean deviation is 0.3
        let mut values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0];
        let range = Range::of(&mut values);
        assert!((range.high - 4.0).abs() < 1e-12 && range.outside(4.0) == 0.0);
        assert!((range.outside(8.0) - 1.0).abs() < 1e-12);
        let same = Range::of(&mut [0.0; 8]);
        assert_eq!((same.outside(0.0), same.outside(5.0)), (0.0, 0.0));
        // the lower bound is next to zero
        let range = Range { low: 1e-12, high: 2.0, least: 0.1 };
        assert!((range.outside(-0.05) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn odd_input_is_no_trouble() {
        assert!(deviations(&[], 3, &[], 2, &OPTIONS).is_empty());
        assert_eq!(deviations(&[1.0; 7], 2, &[0, 1, 0], 2, &OPTIONS), [0.0; 3]);
        assert_eq!(deviations(&[1.0; 60], 2, &[0; 30], 1, &OPTIONS), [0.0; 30]);
        for odd in [f32::NAN, f32::INFINITY, 3e38, -1e38] {
            let data: Vec<f32> = (0..120).map(|i| if i % 7 == 0 { odd } else { i as f32 }).collect();
            let labels: Vec<u32> = (0..60).map(|i| if i == 3 { u32::MAX } else { i % 2 }).collect();
            let score = deviations(&data, 2, &labels, 2, &OPTIONS);
            assert!(score.iter().all(|s| s.is_finite()) && score[3] == 0.0);
        }
    }
}
