//! Rows whose gradients have no neighbours among those of their class.

use crate::knn::{Metric, neighbours, self_neighbours};
use crate::linalg::{matmul, principal_components, truncated_svd_dense};
use crate::members::by_class;
use crate::reduced::reduced;
use crate::rng::mix;
use crate::softmax::{FoldOptions, Rows, out_of_fold};
use crate::stats::usual;
use rayon::prelude::*;

/// Most columns of the residuals that gradients are made of. Those of more classes are reduced to as many, since the gradients
/// of a class have as many numbers as residuals times rows have.
const RESIDUALS: usize = 32;
/// Rows whose gradients are written out at once.
const ROWS: usize = 512;

/// How gradients are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IsolationOptions {
    /// Neighbours whose distances are averaged.
    pub neighbours: usize,
    /// Most principal components of the rows.
    pub dims: usize,
    /// Most principal components of the gradients of a class.
    pub components: usize,
    /// Most rows of a class that neighbours are looked for among; of more, a part drawn by the seed.
    pub most: usize,
    /// Seed of the folds, the part drawn and the components.
    pub seed: u64,
}

/// Mean distance of each row's gradient from the nearest ones of its class, in units of the class's median of the same. 0 for
/// rows whose label is not below `classes`, and for all where slices do not fit.
///
/// The gradient is that of the loss by the weights of a softmax regression that did not learn from the row, `(p - e_y) x^T`.
/// That such rows are isolated before a model has learned them is from Yang, Liu, Mirzasoleiman, "Not All Poisons are
/// Created Equal", ICML 2022, who take rows that are alone in their cluster of medoids.
#[must_use]
pub fn isolation(
    data: &[f32],
    dim: usize,
    labels: &[u32],
    classes: usize,
    options: &IsolationOptions,
) -> Vec<f32> {
    let mut out = vec![0f32; labels.len()];
    if dim == 0 || data.len() != labels.len() * dim || classes < 2 {
        return out;
    }
    let (x, dim) = reduced(data, dim, options.dims, options.seed);
    let folds = FoldOptions { folds: 3, seed: options.seed, ..FoldOptions::default() };
    let probs = out_of_fold(Rows::Dense { data: &x, dim }, labels, classes, None, &folds).probs;
    let members = by_class(labels, classes);
    // side by side, so that many small classes use all cores; large ones use them inside
    let scores: Vec<Vec<f32>> = members
        .par_iter()
        .enumerate()
        .map(|(class, of)| {
            let rows = |all: &[f32], width: usize| -> Vec<f32> {
                of.iter().flat_map(|&i| &all[i * width..(i + 1) * width]).copied().collect()
            };
            let mut r = rows(&probs, classes);
            r.chunks_exact_mut(classes).for_each(|r| r[class] -= 1.0);
            let width = classes.min(RESIDUALS).min(of.len());
            if width < classes {
                r = truncated_svd_dense(&r, of.len(), classes, width, options.seed).0;
            }
            alone(&Gradients { r, width, x: rows(&x, dim), dim }, options)
        })
        .collect();
    for (of, scores) in members.iter().zip(scores) {
        of.iter().zip(scores).for_each(|(&i, s)| out[i] = s);
    }
    out
}

/// Gradients `r x^T` of rows, as their factors.
struct Gradients {
    r: Vec<f32>,
    width: usize,
    x: Vec<f32>,
    dim: usize,
}

impl Gradients {
    fn len(&self) -> usize {
        self.r.len().checked_div(self.width).unwrap_or(0)
    }

    fn cols(&self) -> usize {
        self.width * self.dim
    }

    fn written_out(&self, rows: &[usize]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() * self.cols());
        for &i in rows {
            let x = &self.x[i * self.dim..(i + 1) * self.dim];
            self.r[i * self.width..(i + 1) * self.width]
                .iter()
                .for_each(|r| out.extend(x.iter().map(|x| r * x)));
        }
        out
    }
}

/// Mean distance of each gradient from the nearest others, over the median of that.
fn alone(gradients: &Gradients, options: &IsolationOptions) -> Vec<f32> {
    let (n, k) = (gradients.len(), options.neighbours.max(1));
    let all: Vec<usize> = (0..n).collect();
    let mut part = all.clone();
    if n > options.most {
        part.sort_by_key(|&i| (mix(options.seed ^ mix(i as u64)), i));
        part.truncate(options.most.max(2));
        part.sort_unstable();
    }
    let basis = principal_components(
        &gradients.written_out(&part),
        part.len(),
        gradients.cols(),
        options.components.max(1),
        options.seed,
    );
    // distances do not mind that the mean is not taken out
    let points: Vec<f32> = all
        .chunks(ROWS)
        .flat_map(|rows| {
            let written = gradients.written_out(rows);
            matmul(&written, rows.len(), gradients.cols(), &basis.basis, basis.rank)
        })
        .collect();
    let dim = basis.rank;
    let of = |rows: &[usize]| -> Vec<f32> {
        rows.iter().flat_map(|&i| &points[i * dim..(i + 1) * dim]).copied().collect()
    };
    let base = of(&part);
    let mut mean = vec![0f64; n];
    let mut fill = |rows: &[usize], distance: &[f32]| {
        for (&i, near) in rows.iter().zip(distance.chunks_exact(k)) {
            let near: Vec<f64> = near.iter().filter(|d| d.is_finite()).map(|d| f64::from(*d)).collect();
            mean[i] = near.iter().sum::<f64>() / near.len().max(1) as f64;
        }
    };
    fill(&part, &self_neighbours(&base, dim, k, Metric::Euclidean).distance);
    if part.len() < n {
        let mut drawn = vec![false; n];
        part.iter().for_each(|&i| drawn[i] = true);
        let others: Vec<usize> = (0..n).filter(|&i| !drawn[i]).collect();
        fill(&others, &neighbours(&base, &of(&others), dim, k, Metric::Euclidean).distance);
    }
    let unit = usual(&mean, 1.0);
    mean.iter().map(|m| if unit > 0.0 { (m / unit).min(1e30) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const OPTIONS: IsolationOptions =
        IsolationOptions { neighbours: 5, dims: 64, components: 32, most: 8192, seed: 1 };

    /// Three overlapping classes; the first rows have the label of another one and lie far out.
    fn draw(rows: usize, bad: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(4, "isolation");
        let (mut data, mut labels) = (vec![], vec![]);
        for i in 0..rows {
            for c in 0..4 {
                let centre = if c == i % 3 { 2.0 } else { 0.0 };
                data.push((centre + if i < bad { 3.0 } else { 0.5 } * rng.normal()) as f32);
            }
            labels.push(((i + usize::from(i < bad)) % 3) as u32);
        }
        (data, labels)
    }

    /// Gradients written out, all pairs compared, in double precision.
    fn naive(data: &[f32], dim: usize, labels: &[u32], classes: usize, part: Option<&[usize]>) -> Vec<f64> {
        let (x, dim) = reduced(data, dim, 64, 1);
        let folds = FoldOptions { folds: 3, seed: 1, ..FoldOptions::default() };
        let p = out_of_fold(Rows::Dense { data: &x, dim }, labels, classes, None, &folds).probs;
        let gradient = |i: usize| -> Vec<f64> {
            (0..classes * dim)
                .map(|at| {
                    let (c, d) = (at / dim, at % dim);
                    let wanted = if labels[i] as usize == c { 1.0 } else { 0.0 };
                    (f64::from(p[i * classes + c]) - wanted) * f64::from(x[i * dim + d])
                })
                .collect()
        };
        let all: Vec<Vec<f64>> = (0..labels.len()).map(gradient).collect();
        let mean = |i: usize| -> f64 {
            let others = (0..all.len()).filter(|&j| j != i && labels[j] == labels[i]);
            let mut away: Vec<f64> = others
                .filter(|j| part.is_none_or(|part| part.contains(j)))
                .map(|j| all[i].iter().zip(&all[j]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt())
                .collect();
            away.sort_by(f64::total_cmp);
            away[..5].iter().sum::<f64>() / 5.0
        };
        let means: Vec<f64> = (0..all.len()).map(mean).collect();
        let median = |y: u32| {
            let of: Vec<f64> = (0..all.len()).filter(|i| labels[*i] == y).map(|i| means[i]).collect();
            crate::stats::median(&of)
        };
        (0..all.len()).map(|i| means[i] / median(labels[i])).collect()
    }

    fn near(ours: &[f32], theirs: &[f64]) {
        for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
            assert!((f64::from(*a) - b).abs() < 2e-3 * (1.0 + b), "{i}: {a} {b}");
        }
    }

    #[test]
    fn the_same_as_all_pairs() {
        let (data, labels) = draw(300, 9);
        near(&isolation(&data, 4, &labels, 3, &OPTIONS), &naive(&data, 4, &labels, 3, None));
    }

    #[test]
    fn of_a_large_class_a_part_is_searched() {
        let (data, labels) = draw(300, 0);
        let options = IsolationOptions { most: 40, ..OPTIONS };
        let part: Vec<usize> = (0..3u32)
            .flat_map(|class| {
                let of: Vec<usize> = (0..300).filter(|i| labels[*i] == class).collect();
                let mut places: Vec<usize> = (0..of.len()).collect();
                places.sort_by_key(|&i| mix(1 ^ mix(i as u64)));
                places[..40].iter().map(|i| of[*i]).collect::<Vec<usize>>()
            })
            .collect();
        near(&isolation(&data, 4, &labels, 3, &options), &naive(&data, 4, &labels, 3, Some(&part)));
    }

    #[test]
    fn rows_far_from_what_their_class_does_are_alone() {
        let (data, labels) = draw(600, 12);
        let score = isolation(&data, 4, &labels, 3, &OPTIONS);
        let mut order: Vec<usize> = (0..600).collect();
        order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
        let hits = order[..12].iter().filter(|i| **i < 12).count();
        assert!(hits >= 7, "{hits} of 12");
    }

    #[test]
    fn more_classes_than_residuals_change_little() {
        let mut rng = Rng::new(6, "isolation-many");
        let labels: Vec<u32> = (0..800).map(|i| i % 40).collect();
        let data: Vec<f32> = (0..800 * 8)
            .map(|at| (f64::from((labels[at / 8] >> (at % 8)) & 1) + 0.3 * rng.normal()) as f32)
            .collect();
        let (ours, theirs) = (isolation(&data, 8, &labels, 40, &OPTIONS), naive(&data, 8, &labels, 40, None));
        let apart = |i: usize| (f64::from(ours[i]) - theirs[i]).abs() / (1.0 + theirs[i]);
        assert!((0..800).map(apart).sum::<f64>() / 800.0 < 0.02);
    }

    #[test]
    fn odd_input_is_no_trouble() {
        assert!(isolation(&[], 3, &[], 2, &OPTIONS).is_empty());
        assert_eq!(isolation(&[1.0; 7], 2, &[0, 1, 0], 2, &OPTIONS), [0.0; 3]);
        assert_eq!(isolation(&[1.0; 6], 2, &[0, 0, 0], 1, &OPTIONS), [0.0; 3]);
        assert_eq!(isolation(&[1.0; 6], 2, &[0, u32::MAX, 1], 2, &OPTIONS), [0.0; 3]);
        for odd in [f32::NAN, f32::INFINITY, 3e38, -1e38] {
            let data: Vec<f32> = (0..40).map(|i| if i % 7 == 0 { odd } else { i as f32 }).collect();
            let labels: Vec<u32> = (0..20).map(|i| if i == 3 { u32::MAX } else { i % 2 }).collect();
            let score = isolation(&data, 2, &labels, 2, &IsolationOptions { most: 3, ..OPTIONS });
            assert!(score.iter().all(|s| s.is_finite()) && score[3] == 0.0);
        }
    }
}
