//! Which class a row is nearer to than its own, by class centres and one covariance that wrong labels cannot pull far.

use crate::linalg::{principal_components, symmetric_eigen};
use crate::members::by_class;
use rayon::prelude::*;

/// Rows that one task works on.
const ROWS: usize = 1024;
/// Rounds of choosing rows and fitting again.
const ROUNDS: usize = 4;
/// Smallest eigenvalue of the covariance beside its largest.
const FLAT: f64 = 1e-6;

/// How margins are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarginOptions {
    /// Principal components.
    pub dims: usize,
    /// Share of each class that its centre and the covariance are made of, above 0 to 1.
    pub keep: f64,
    /// Seed of the principal components.
    pub seed: u64,
}

/// Squared distance of each row from the centre of its class, less that from the nearest other centre: above zero, another
/// class is nearer. 0 for rows whose label is not below `classes`, and for all if fewer than two classes have rows.
///
/// Distances are Mahalanobis in the leading principal components, with one covariance for all classes. Centres start at the
/// median of each coordinate; then, four times, each class keeps the share `keep` of its rows that are nearest to its
/// centre, and centres and covariance are made of these (robust inference by generative classifiers: Lee et al., "Robust
/// Inference via Generative Classifiers for Handling Noisy Labels", ICML 2019; concentration steps: Rousseeuw and Van
/// Driessen 1999).
#[must_use]
pub fn margins(
    data: &[f32],
    dim: usize,
    labels: &[u32],
    classes: usize,
    options: &MarginOptions,
) -> Vec<f32> {
    let rows = labels.len();
    let most = options.dims.min(dim).min(rows / 10);
    let finite = data.iter().all(|v| v.is_finite());
    if dim == 0 || data.len() != rows * dim || most == 0 || !finite {
        return vec![0.0; rows];
    }
    let principal = principal_components(data, rows, dim, most, options.seed);
    let k = principal.rank;
    if k == 0 || principal.projected.len() != rows * k {
        return vec![0.0; rows];
    }
    let points: Vec<f64> = principal.projected.iter().map(|v| f64::from(*v)).collect();
    let members = by_class(labels, classes);
    if members.iter().filter(|m| !m.is_empty()).count() < 2 {
        return vec![0.0; rows];
    }
    let mut fit = Fit::new(&points, k, &members);
    for _ in 0..ROUNDS {
        let kept = fit.nearest(&points, &members, options.keep);
        fit = fit.again(&points, &kept);
    }
    let mut out = vec![0f32; rows];
    out.par_chunks_mut(ROWS).enumerate().for_each(|(chunk, out)| {
        for (at, out) in out.iter_mut().enumerate() {
            let i = chunk * ROWS + at;
            *out = fit.margin(&points[i * k..(i + 1) * k], labels[i] as usize);
        }
    });
    out
}

/// Centres of the classes that have rows, and the inverse root of the covariance.
struct Fit {
    dim: usize,
    centres: Vec<Option<Vec<f64>>>,
    root: Vec<f64>,
}

impl Fit {
    fn new(points: &[f64], dim: usize, members: &[Vec<usize>]) -> Self {
        let middle = |of: &Vec<usize>| -> Option<Vec<f64>> {
            (!of.is_empty()).then(|| {
                let column = |c: usize| of.iter().map(|i| points[i * dim + c]).collect::<Vec<f64>>();
                (0..dim).map(|c| crate::stats::median_in_place(&mut column(c))).collect()
            })
        };
        let centres: Vec<Option<Vec<f64>>> = members.par_iter().map(middle).collect();
        let root = root(points, dim, members, &centres);
        Self { dim, centres, root }
    }

    /// Mean of the rows kept; a class that keeps none has the centre that it had.
    fn again(self, points: &[f64], kept: &[Vec<usize>]) -> Self {
        let dim = self.dim;
        let mean = |(of, before): (&Vec<usize>, &Option<Vec<f64>>)| -> Option<Vec<f64>> {
            if of.is_empty() {
                return before.clone();
            }
            let mut sum = vec![0.0; dim];
            for i in of {
                sum.iter_mut().zip(&points[i * dim..]).for_each(|(s, v)| *s += v);
            }
            sum.iter_mut().for_each(|s| *s /= of.len() as f64);
            Some(sum)
        };
        let centres: Vec<Option<Vec<f64>>> = kept.par_iter().zip(&self.centres).map(mean).collect();
        let root = root(points, dim, kept, &centres);
        Self { dim, centres, root }
    }

    fn nearest(&self, points: &[f64], members: &[Vec<usize>], keep: f64) -> Vec<Vec<usize>> {
        let one = |(class, of): (usize, &Vec<usize>)| {
            let mut order: Vec<(f64, usize)> = of
                .iter()
                .map(|&i| (self.distance(&points[i * self.dim..(i + 1) * self.dim], class), i))
                .collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            order.truncate((keep.clamp(0.0, 1.0) * of.len() as f64).ceil() as usize);
            order.into_iter().map(|(_, i)| i).collect()
        };
        members.par_iter().enumerate().map(one).collect()
    }

    /// Squared; infinite from a class without rows.
    fn distance(&self, point: &[f64], class: usize) -> f64 {
        let Some(Some(centre)) = self.centres.get(class) else { return f64::INFINITY };
        let centred: Vec<f64> = point.iter().zip(centre).map(|(v, c)| v - c).collect();
        (0..self.dim)
            .map(|c| (0..self.dim).map(|r| centred[r] * self.root[r * self.dim + c]).sum::<f64>().powi(2))
            .sum()
    }

    fn margin(&self, point: &[f64], class: usize) -> f32 {
        let own = self.distance(point, class);
        let other = (0..self.centres.len()).filter(|c| *c != class).map(|c| self.distance(point, c));
        let margin = own - other.fold(f64::INFINITY, f64::min);
        if margin.is_finite() { margin.clamp(-1e30, 1e30) as f32 } else { 0.0 }
    }
}

/// `w` with `w w' = covariance^-1` of the rows about the centres of their classes; flat directions are bounded.
fn root(points: &[f64], dim: usize, members: &[Vec<usize>], centres: &[Option<Vec<f64>>]) -> Vec<f64> {
    let of = |(rows, centre): (&Vec<usize>, &Option<Vec<f64>>)| {
        let mut out = vec![0.0; dim * dim];
        let Some(centre) = centre else { return out };
        for i in rows {
            let row: Vec<f64> =
                points[i * dim..(i + 1) * dim].iter().zip(centre).map(|(v, c)| v - c).collect();
            for (out, a) in out.chunks_exact_mut(dim).zip(&row) {
                out.iter_mut().zip(&row).for_each(|(o, b)| *o += a * b);
            }
        }
        out
    };
    let parts: Vec<Vec<f64>> = members.par_iter().zip(centres).map(of).collect();
    let n = members.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let mut covariance = vec![0.0; dim * dim];
    parts.iter().for_each(|part| covariance.iter_mut().zip(part).for_each(|(c, p)| *c += p / n));
    let (values, mut vectors) = symmetric_eigen(&covariance, dim);
    let least = values.first().copied().unwrap_or(0.0) * FLAT;
    for row in vectors.chunks_exact_mut(dim) {
        for (v, value) in row.iter_mut().zip(&values) {
            let value = value.max(least);
            *v *= if value > 0.0 { value.sqrt().recip() } else { 0.0 };
        }
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const OPTIONS: MarginOptions = MarginOptions { dims: 6, keep: 0.6, seed: 1 };

    /// Two clouds of unequal spread; the first `flips` rows of class 0, all in one corner, are labelled 1.
    fn draw(flips: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(3, "robust-margin");
        let (mut data, mut labels) = (vec![], vec![]);
        for i in 0..1_000 {
            let class = i % 2;
            let corner = class == 0 && i / 2 < flips;
            for c in 0..6 {
                let centre = if c == 0 { 6.0 * class as f64 } else { 0.0 };
                let there = if corner && c == 1 { 8.0 } else { 0.0 };
                data.push(
                    (centre + there + rng.normal() * (1.0 + c as f64) * if corner { 0.2 } else { 1.0 })
                        as f32,
                );
            }
            labels.push(if corner { 1 } else { class as u32 });
        }
        (data, labels)
    }

    #[test]
    fn a_flipped_corner_is_nearer_to_its_old_class() {
        let (data, labels) = draw(60);
        let margin = margins(&data, 6, &labels, 2, &OPTIONS);
        let (flipped, honest): (Vec<usize>, Vec<usize>) = (0..1_000).partition(|i| i % 2 == 0 && i / 2 < 60);
        let above = |rows: &[usize]| rows.iter().filter(|i| margin[**i] > 0.0).count();
        assert!(above(&flipped) >= 57, "{} of 60", above(&flipped));
        assert!(above(&honest) <= 10, "{} of 940", above(&honest));
    }

    #[test]
    fn without_trimming_it_is_the_distance_of_linear_discriminants() {
        // one dimension: centres are means, the covariance the pooled variance
        let data: Vec<f32> =
            (0..40).map(|i| if i < 20 { i as f32 * 0.1 } else { 5.0 + (i - 20) as f32 * 0.2 }).collect();
        let labels: Vec<u32> = (0..40).map(|i| u32::from(i >= 20)).collect();
        let got = margins(&data, 1, &labels, 2, &MarginOptions { dims: 1, keep: 1.0, seed: 1 });
        let mean = |rows: &[f32]| rows.iter().map(|v| f64::from(*v)).sum::<f64>() / rows.len() as f64;
        let (a, b) = (mean(&data[..20]), mean(&data[20..]));
        let square = |rows: &[f32], m: f64| rows.iter().map(|v| (f64::from(*v) - m).powi(2)).sum::<f64>();
        let variance = (square(&data[..20], a) + square(&data[20..], b)) / 40.0;
        for (i, got) in got.iter().enumerate() {
            let d = |m: f64| (f64::from(data[i]) - m).powi(2) / variance;
            let want = if i < 20 { d(a) - d(b) } else { d(b) - d(a) };
            assert!((f64::from(*got) - want).abs() < 1e-3 * want.abs().max(1.0), "{got} {want}");
        }
    }

    #[test]
    fn nothing_to_compare_is_zero() {
        assert_eq!(margins(&[], 3, &[], 2, &OPTIONS), Vec::<f32>::new());
        assert_eq!(margins(&[1.0; 60], 2, &[0; 30], 2, &OPTIONS), vec![0.0; 30]);
        assert_eq!(margins(&[f32::NAN; 60], 2, &[1; 30], 2, &OPTIONS), vec![0.0; 30]);
        let labels: Vec<u32> = (0..30).map(|i| if i < 5 { u32::MAX } else { i % 2 }).collect();
        let margin = margins(&[1.0; 60], 2, &labels, 2, &OPTIONS);
        assert!(margin.iter().all(|m| *m == 0.0), "{margin:?}");
    }
}
