//! Robust mean and covariance, and the quantum entropy score of rows whitened with them.

use crate::linalg::{principal_components, symmetric_eigen};
use crate::span::{Span, product};
use crate::stats::{chi2_sf, mad, median_in_place};
use rayon::prelude::*;

/// Rows that one task works on.
const ROWS: usize = 1024;
/// Concentration steps, at most.
const STEPS: usize = 10;
/// Rows for each dimension of a covariance.
const ROWS_A_DIMENSION: usize = 10;
/// Smallest eigenvalue of a covariance beside its largest: a direction in which most rows are alike does not count for
/// infinitely much.
const FLAT: f64 = 1e-6;

/// How scores are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueOptions {
    /// Most principal components.
    pub most: usize,
    /// Share of the rows that the robust covariance leaves out, 0 to 0.5.
    pub trim: f64,
    /// 0: length of the whitened row; large: its part along the direction of most spread; 4 as published.
    pub alpha: f64,
    /// Seed of the principal components.
    pub seed: u64,
}

/// One number a row of a row-major matrix: the square root of its quantum entropy score (Hayase, Kong, Somani and Oh 2021,
/// algorithm 2), after whitening with a robust mean and covariance of the leading `k` principal components.
///
/// `k` goes over the squares 1, 4, 9, ... up to `most` and a tenth of the rows; the one with the largest mean score counts
/// (the same, section 4). The covariance is scaled so that the median squared length of whitened rows is that of normal
/// ones: 1 is what rows of a normal group score, whatever the group. Fewer than 20 rows give zeros.
#[must_use]
pub fn que(data: &[f32], dim: usize, options: &QueOptions) -> Vec<f32> {
    let rows = data.len().checked_div(dim).unwrap_or(0);
    let most = options.most.min(dim).min(rows / ROWS_A_DIMENSION);
    if rows < 2 * ROWS_A_DIMENSION || most == 0 {
        return vec![0.0; rows];
    }
    let principal = principal_components(&data[..rows * dim], rows, dim, most, options.seed);
    let mut best = (0.0, vec![0.0; rows]);
    for k in (1..).map(|root| root * root).take_while(|k| *k <= principal.rank) {
        let points: Vec<f64> = principal
            .projected
            .chunks_exact(principal.rank)
            .flat_map(|row| row[..k].iter().map(|v| f64::from(*v)))
            .collect();
        let white = whitened(&points, k, options.trim);
        let scores = entropy_scores(&white, k, options.alpha);
        let mean = scores.iter().sum::<f64>() / rows as f64;
        if mean > best.0 {
            best = (mean, scores);
        }
    }
    best.1.iter().map(|s| s.sqrt().min(1e30) as f32).collect()
}

/// Rows less a robust mean, in a basis in which their robust covariance is the identity.
fn whitened(points: &[f64], dim: usize, trim: f64) -> Vec<f64> {
    let rows = points.len() / dim;
    let keep = (((1.0 - trim.clamp(0.0, 0.5)) * rows as f64).ceil() as usize).clamp(1, rows);
    let mut kept = nearest(&first_distances(points, dim), keep);
    let mut white = vec![];
    for _ in 0..STEPS {
        let (mean, covariance) = moments(points, dim, Some(&kept));
        white = project(points, dim, &mean, &inverse_root(&covariance, dim));
        let next = nearest(&lengths(&white, dim), keep);
        if next == kept {
            break;
        }
        kept = next;
    }
    // a covariance of the middle half is too small; the median length says by how much
    let factor = median_in_place(&mut lengths(&white, dim)) / normal_median(dim);
    if factor > 0.0 && factor.is_finite() {
        white.iter_mut().for_each(|v| *v /= factor.sqrt());
    }
    white
}

/// `h' Q h / tr Q` with `Q = exp(alpha (C - I) / (|C| - 1))`, `C` the covariance of the rows `h`.
fn entropy_scores(white: &[f64], dim: usize, alpha: f64) -> Vec<f64> {
    let (_, covariance) = moments(white, dim, None);
    let (values, mut vectors) = symmetric_eigen(&covariance, dim);
    let top = values.first().copied().unwrap_or(0.0) - 1.0;
    // less the largest exponent, which the trace takes out again
    let weight = |v: &f64| if top > 1e-9 { (alpha * ((v - 1.0) / top - 1.0)).exp() } else { 1.0 };
    let weights: Vec<f64> = values.iter().map(weight).collect();
    let trace: f64 = weights.iter().sum();
    for row in vectors.chunks_exact_mut(dim) {
        row.iter_mut().zip(&weights).for_each(|(v, w)| *v *= (w / trace).sqrt());
    }
    lengths(&project(white, dim, &vec![0.0; dim], &vectors), dim)
}

/// Squared distances from the median of each column in units of its median deviation.
fn first_distances(points: &[f64], dim: usize) -> Vec<f64> {
    let column = |c: usize| points[c..].iter().step_by(dim).copied().collect::<Vec<f64>>();
    let scale: Vec<(f64, f64)> = (0..dim)
        .into_par_iter()
        .map(|c| {
            let mut values = column(c);
            let spread = mad(&values);
            (median_in_place(&mut values), if spread > 0.0 { spread.recip() } else { 0.0 })
        })
        .collect();
    points
        .par_chunks_exact(dim)
        .map(|row| row.iter().zip(&scale).map(|(v, (centre, unit))| ((v - centre) * unit).powi(2)).sum())
        .collect()
}

/// True for the `keep` rows of the smallest distance, the first of equals.
fn nearest(distance: &[f64], keep: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..distance.len()).collect();
    if keep < order.len() {
        order.select_nth_unstable_by(keep, |&a, &b| distance[a].total_cmp(&distance[b]).then(a.cmp(&b)));
    }
    let mut kept = vec![false; distance.len()];
    order[..keep].iter().for_each(|&i| kept[i] = true);
    kept
}

/// Mean and covariance of the rows kept.
fn moments(points: &[f64], dim: usize, kept: Option<&[bool]>) -> (Vec<f64>, Vec<f64>) {
    let wanted = |row: usize| kept.is_none_or(|k| k[row]);
    let parts: Vec<(usize, Vec<f64>)> = points
        .par_chunks(ROWS * dim)
        .enumerate()
        .map(|(chunk, part)| {
            let (mut n, mut sum) = (0, vec![0f64; dim]);
            for (_, row) in part.chunks_exact(dim).enumerate().filter(|(i, _)| wanted(chunk * ROWS + i)) {
                sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                n += 1;
            }
            (n, sum)
        })
        .collect();
    let n = parts.iter().map(|p| p.0).sum::<usize>().max(1) as f64;
    let mut mean = vec![0f64; dim];
    parts.iter().for_each(|(_, sum)| mean.iter_mut().zip(sum).for_each(|(m, s)| *m += s));
    mean.iter_mut().for_each(|m| *m /= n);
    let squares: Vec<Vec<f64>> = points
        .par_chunks(ROWS * dim)
        .enumerate()
        .map(|(chunk, part)| {
            let rows = part.chunks_exact(dim).enumerate().filter(|(i, _)| wanted(chunk * ROWS + i));
            let centred: Vec<f64> =
                rows.flat_map(|(_, row)| row.iter().zip(&mean).map(|(v, m)| v - m)).collect();
            let mut out = vec![0f64; dim * dim];
            let span = Span::rows(&centred, centred.len() / dim, dim);
            product(span.turned(), span, &mut out, false);
            out
        })
        .collect();
    let mut covariance = vec![0f64; dim * dim];
    squares.iter().for_each(|part| covariance.iter_mut().zip(part).for_each(|(c, p)| *c += p / n));
    (mean, covariance)
}

/// `w` with `w w' = covariance^-1`, flat directions bounded.
fn inverse_root(covariance: &[f64], dim: usize) -> Vec<f64> {
    let (values, mut vectors) = symmetric_eigen(covariance, dim);
    let floor = values.first().copied().unwrap_or(0.0) * FLAT;
    for row in vectors.chunks_exact_mut(dim) {
        for (v, value) in row.iter_mut().zip(&values) {
            let value = value.max(floor);
            *v *= if value > 0.0 { value.sqrt().recip() } else { 0.0 };
        }
    }
    vectors
}

/// `(points - mean) w`.
fn project(points: &[f64], dim: usize, mean: &[f64], w: &[f64]) -> Vec<f64> {
    let mut out = vec![0f64; points.len()];
    out.par_chunks_mut(ROWS * dim).zip(points.par_chunks(ROWS * dim)).for_each(|(out, part)| {
        let centred: Vec<f64> =
            part.chunks_exact(dim).flat_map(|row| row.iter().zip(mean).map(|(v, m)| v - m)).collect();
        product(Span::rows(&centred, centred.len() / dim, dim), Span::rows(w, dim, dim), out, false);
    });
    out
}

fn lengths(points: &[f64], dim: usize) -> Vec<f64> {
    points.par_chunks_exact(dim).map(|row| row.iter().map(|v| v * v).sum()).collect()
}

/// Median of the squared length of a standard normal vector.
fn normal_median(dim: usize) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * dim as f64 + 2.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if chi2_sf(middle, dim as f64) > 0.5 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const OPTIONS: QueOptions = QueOptions { most: 64, trim: 0.5, alpha: 4.0, seed: 1 };

    /// Wide directions, and `share` of the rows moved along a narrow one.
    fn planted(rows: usize, dim: usize, share: f64, by: f64) -> Vec<f32> {
        let mut rng = Rng::new(6, "robust");
        let cut = rows - (share * rows as f64) as usize;
        let mut out = vec![];
        for i in 0..rows {
            for c in 0..dim {
                let moved = if i >= cut && c == dim - 1 { by } else { 0.0 };
                out.push(((rng.normal()) * 10.0 / (1 + c) as f64 + moved + 3.0) as f32);
            }
        }
        out
    }

    /// `exp` of a symmetric matrix by its series.
    fn exp(a: &[f64], n: usize) -> Vec<f64> {
        let times = |x: &[f64], y: &[f64]| -> Vec<f64> {
            (0..n * n).map(|at| (0..n).map(|l| x[at / n * n + l] * y[l * n + at % n]).sum()).collect()
        };
        let identity: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
        let (mut sum, mut term) = (identity.clone(), identity);
        for i in 1..80 {
            term = times(&term, a).iter().map(|v| v / f64::from(i)).collect();
            sum.iter_mut().zip(&term).for_each(|(s, t)| *s += t);
        }
        sum
    }

    #[test]
    fn the_score_is_that_of_the_definition() {
        let (dim, rows) = (5, 300);
        let mut rng = Rng::new(2, "white");
        let h: Vec<f64> =
            (0..rows * dim).map(|at| rng.normal() * if at % dim == 2 { 2.0 } else { 1.0 }).collect();
        let mean: Vec<f64> =
            (0..dim).map(|c| h[c..].iter().step_by(dim).sum::<f64>() / rows as f64).collect();
        let mut covariance = vec![0.0; dim * dim];
        for row in h.chunks(dim) {
            (0..dim * dim).for_each(|at| {
                covariance[at] +=
                    (row[at / dim] - mean[at / dim]) * (row[at % dim] - mean[at % dim]) / rows as f64;
            });
        }
        let norm = symmetric_eigen(&covariance, dim).0[0];
        let inside: Vec<f64> = (0..dim * dim)
            .map(|at| 4.0 * (covariance[at] - f64::from(u8::from(at / dim == at % dim))) / (norm - 1.0))
            .collect();
        let q = exp(&inside, dim);
        let trace: f64 = (0..dim).map(|i| q[i * dim + i]).sum();
        for (row, ours) in h.chunks(dim).zip(entropy_scores(&h, dim, 4.0)) {
            let want: f64 =
                (0..dim * dim).map(|at| row[at / dim] * q[at] * row[at % dim]).sum::<f64>() / trace;
            assert!((ours - want).abs() < 1e-9 * want.max(1.0), "{ours} for {want}");
        }
    }

    #[test]
    fn half_of_the_rows_decide_the_covariance() {
        let (rows, dim) = (4000, 4);
        let points: Vec<f64> = planted(rows, dim, 0.3, 40.0).iter().map(|v| f64::from(*v)).collect();
        let white = whitened(&points, dim, 0.5);
        // the honest rows are normal in the whitened basis, although three in ten are far away
        let honest = &white[..2800 * dim];
        let (mean, covariance) = moments(honest, dim, None);
        assert!(mean.iter().all(|m| m.abs() < 0.15), "{mean:?}");
        let (values, _) = symmetric_eigen(&covariance, dim);
        assert!(values.iter().all(|v| (0.4..1.6).contains(v)), "{values:?}");
    }

    #[test]
    fn poison_along_a_narrow_direction_comes_first() {
        let scores = que(&planted(1000, 16, 0.05, 5.0), 16, &OPTIONS);
        let mut order: Vec<usize> = (0..1000).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let found = order[..50].iter().filter(|i| **i >= 950).count();
        assert!(found >= 48, "{found} of 50");
        let clean = que(&planted(1000, 16, 0.0, 0.0), 16, &OPTIONS);
        let mean = clean.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 1000.0;
        assert!((0.7..1.5).contains(&mean), "honest rows score one: {mean}");
        assert!(scores[960] > 3.0 * clean.iter().sum::<f32>() / 1000.0);
    }

    #[test]
    fn medians_of_squared_lengths_are_known() {
        for (dim, want) in [(1, 0.454_94), (2, 1.386_29), (10, 9.341_82), (64, 63.334)] {
            assert!((normal_median(dim) - want).abs() < 1e-3, "{dim}");
        }
    }

    #[test]
    fn odd_input_is_finite() {
        assert!(que(&[], 3, &OPTIONS).is_empty() && que(&[1.0], 0, &OPTIONS).is_empty());
        assert_eq!(que(&[2.0; 90], 3, &OPTIONS), [0.0; 30]);
        for odd in [f32::NAN, f32::INFINITY, 3e38] {
            let mut data = planted(60, 3, 0.0, 0.0);
            data.iter_mut().step_by(7).for_each(|v| *v = odd);
            assert!(que(&data, 3, &OPTIONS).iter().all(|v| v.is_finite()));
        }
    }
}
