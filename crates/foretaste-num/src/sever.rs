//! Rows whose gradients lie far along the direction in which the gradients of a softmax regression spread most.

use crate::linalg::{gram, matmul, matmul_transposed, orthonormal, symmetric_eigen};
use crate::reduced::reduced;
use crate::rng::Rng;
use crate::softmax::{FitOptions, Rows, Softmax, fit_from};
use crate::spectral::NORMAL_MEDIAN;
use crate::stats::usual;
use crate::trimmed::PENALTY;
use rayon::prelude::*;

/// Directions that are iterated together, so that the first converges.
const WIDTH: usize = 6;
/// Most passes over the gradients for one direction, and the relative growth of its variance that ends them.
const PASSES: usize = 60;
const GROWTH: f64 = 1e-7;
/// Numbers in one work array.
const CELLS: usize = 1 << 22;

/// How gradients are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeverOptions {
    /// How often a model is fitted.
    pub rounds: usize,
    /// Share of the rows that each round takes out.
    pub share: f64,
    /// Most principal components; rows of fewer numbers are taken as they are.
    pub dims: usize,
    /// Seed of the components and of the first directions.
    pub seed: u64,
}

/// How far each row's gradient lies along the leading direction of all gradients, in robust standard deviations: the largest
/// over the rounds. 0 for rows whose label is not below `classes`, and for all where slices do not fit.
///
/// Each round fits a softmax regression to the rows kept, centres their gradients `(p - e_y) (x, 1)^T`, takes the top right
/// singular vector `v` and takes out the rows with the largest `|<g - mean, v>|` (Diakonikolas et al., "Sever: A Robust
/// Meta-Algorithm for Stochastic Optimization", ICML 2019, algorithms 1 and 2, where a random threshold stands in place of
/// the share). Rows that were taken out are measured by later rounds, too, whose models they do not pull.
#[must_use]
pub fn sever(data: &[f32], dim: usize, labels: &[u32], classes: usize, options: &SeverOptions) -> Vec<f32> {
    let mut out = vec![0f32; labels.len()];
    let known: Vec<usize> = (0..labels.len()).filter(|&i| (labels[i] as usize) < classes).collect();
    if dim == 0 || data.len() != labels.len() * dim || classes < 2 || known.len() < 2 {
        return out;
    }
    let (data, dim) = reduced(data, dim, options.dims, options.seed);
    let rows = Labelled {
        x: known.iter().flat_map(|&i| &data[i * dim..(i + 1) * dim]).copied().collect(),
        dim,
        labels: known.iter().map(|&i| labels[i]).collect(),
        classes,
    };
    let out_each = (options.share.clamp(0.0, 1.0) * known.len() as f64).round() as usize;
    let mut kept = vec![true; known.len()];
    let mut model: Option<Softmax> = None;
    for _ in 0..options.rounds {
        let fitted = rows.learn(&kept, model.as_ref());
        let along = Gradients::new(&rows, &fitted, &kept).along(options.seed);
        let of_kept: Vec<f64> = along.iter().zip(&kept).filter(|(_, k)| **k).map(|(a, _)| *a).collect();
        let unit = usual(&of_kept, NORMAL_MEDIAN);
        if !(unit > 0.0 && unit.is_finite()) {
            break;
        }
        for (&i, a) in known.iter().zip(&along) {
            out[i] = out[i].max((a / unit).min(1e30) as f32);
        }
        let mut order: Vec<usize> = (0..known.len()).filter(|&i| kept[i] && along[i] > 0.0).collect();
        order.sort_by(|&a, &b| along[b].total_cmp(&along[a]).then(a.cmp(&b)));
        order.iter().take(out_each).for_each(|&i| kept[i] = false);
        if kept.iter().filter(|k| **k).count() < 2 {
            break;
        }
        model = Some(fitted);
    }
    out
}

/// Rows that have a label.
struct Labelled {
    x: Vec<f32>,
    dim: usize,
    labels: Vec<u32>,
    classes: usize,
}

impl Labelled {
    fn rows(&self) -> Rows<'_> {
        Rows::Dense { data: &self.x, dim: self.dim }
    }

    fn learn(&self, kept: &[bool], start: Option<&Softmax>) -> Softmax {
        let weights: Vec<f32> = kept.iter().map(|k| f32::from(u8::from(*k))).collect();
        let count = kept.iter().filter(|k| **k).count();
        let options = FitOptions { l2: PENALTY * count as f64, max_iterations: 60, tolerance: 1e-6 };
        fit_from(self.rows(), &self.labels, Some(&weights), self.classes, &options, start)
    }
}

/// Gradients of each row's loss by the weights, `r (x, 1)^T` with `r = p - e_y`. They are never written out: a matrix of
/// directions is `cols * classes` x [`WIDTH`], that is also `cols` x `classes * WIDTH`, and a row's gradient times it is
/// `r` times the row times that.
struct Gradients<'a> {
    /// Rows with a 1 at their end.
    x: Vec<f32>,
    cols: usize,
    r: Vec<f32>,
    classes: usize,
    kept: &'a [bool],
    /// Mean gradient of the rows kept.
    mean: Vec<f32>,
}

impl<'a> Gradients<'a> {
    fn new(rows: &Labelled, model: &Softmax, kept: &'a [bool]) -> Self {
        let (dim, classes) = (rows.dim, rows.classes);
        let mut r = model.predict_proba(rows.rows());
        r.chunks_exact_mut(classes).zip(&rows.labels).for_each(|(r, y)| r[*y as usize] -= 1.0);
        let x: Vec<f32> = rows.x.chunks_exact(dim).flat_map(|row| row.iter().copied().chain([1.0])).collect();
        let mut of_kept = r.clone();
        of_kept.chunks_exact_mut(classes).zip(kept).filter(|(_, k)| !**k).for_each(|(r, _)| r.fill(0.0));
        let count = kept.iter().filter(|k| **k).count().max(1) as f32;
        let mut mean = matmul_transposed(&x, kept.len(), dim + 1, &of_kept, classes);
        mean.iter_mut().for_each(|m| *m /= count);
        Self { x, cols: dim + 1, r, classes, kept, mean }
    }

    /// Distance of every row from the mean along the direction in which the rows kept spread most.
    fn along(&self, seed: u64) -> Vec<f64> {
        let mut rng = Rng::new(seed, "sever");
        let first: Vec<f32> = (0..self.cols * self.classes * WIDTH).map(|_| rng.normal() as f32).collect();
        let mut directions = orthonormal(first, WIDTH);
        let mut before = 0.0;
        for _ in 0..PASSES {
            let (places, next) = self.pass(&directions);
            let (values, _) = self.spread(&places);
            directions = orthonormal(next, WIDTH);
            if values[0] <= before * (1.0 + GROWTH) {
                break;
            }
            before = values[0];
        }
        let (places, _) = self.pass(&directions);
        let (_, turn) = self.spread(&places);
        let place =
            |a: &[f32]| a.iter().enumerate().map(|(j, a)| f64::from(*a) * turn[j * WIDTH]).sum::<f64>();
        places.chunks_exact(WIDTH).map(|a| place(a).abs()).collect()
    }

    /// Variances (times their number) and axes of the rows kept, in the coordinates of all directions.
    fn spread(&self, places: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let of_kept = places.chunks_exact(WIDTH).zip(self.kept).filter(|(_, k)| **k);
        let of_kept: Vec<f32> = of_kept.flat_map(|(place, _)| place).copied().collect();
        symmetric_eigen(&gram(&of_kept, WIDTH), WIDTH)
    }

    /// Centred gradients times directions, for all rows; and the transpose of the kept ones times that.
    fn pass(&self, directions: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (cols, wide) = (self.cols, self.classes * WIDTH);
        let mut middle = [0f64; WIDTH];
        for (mean, row) in self.mean.iter().zip(directions.chunks_exact(WIDTH)) {
            middle.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*mean) * f64::from(*v));
        }
        let mut places = vec![0f32; self.kept.len() * WIDTH];
        let mut next = vec![0f64; cols * wide];
        let block = (CELLS / wide).clamp(256, 1 << 14);
        for (at, places) in places.chunks_mut(block * WIDTH).enumerate() {
            let from = at * block;
            let to = from + places.len() / WIDTH;
            let x = &self.x[from * cols..to * cols];
            let r = &self.r[from * self.classes..to * self.classes];
            let mut work = matmul(x, to - from, cols, directions, wide);
            work.par_chunks_mut(wide)
                .zip(places.par_chunks_mut(WIDTH))
                .zip(r.par_chunks(self.classes))
                .zip(&self.kept[from..to])
                .for_each(|(((work, place), r), kept)| {
                    let mut sums = middle.map(|m| -m);
                    for (work, r) in work.chunks_exact(WIDTH).zip(r) {
                        sums.iter_mut().zip(work).for_each(|(s, w)| *s += f64::from(*r) * f64::from(*w));
                    }
                    place.iter_mut().zip(&sums).for_each(|(p, s)| *p = *s as f32);
                    let share = f32::from(u8::from(*kept));
                    for (work, r) in work.chunks_exact_mut(WIDTH).zip(r) {
                        work.iter_mut().zip(&*place).for_each(|(w, p)| *w = share * r * p);
                    }
                });
            let part = matmul_transposed(x, to - from, cols, &work, wide);
            next.iter_mut().zip(part).for_each(|(n, p)| *n += f64::from(p));
        }
        (places, next.into_iter().map(|v| v as f32).collect())
    }
}

#[cfg(test)]
mod tests;
