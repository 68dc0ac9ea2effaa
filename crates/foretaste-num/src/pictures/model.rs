//! A model of pictures that sees coarse brightness and the directions of edges.

use super::{Pictures, Place};
use crate::angle::angle;
use crate::lanes::laned;
use crate::softmax::calibrate::{CalibrateOptions, Calibration, calibrate};
use crate::softmax::{FoldOptions, OutOfFold, Rows, out_of_fold};
use rayon::prelude::*;

/// Cells on a side.
const CELLS: usize = 7;
/// Directions of an edge.
const DIRECTIONS: usize = 8;

/// Softmax regressions of the folds over standardised features.
#[derive(Debug)]
pub struct Model {
    fitted: OutOfFold,
    calibration: Calibration,
    classes: usize,
    mean: Vec<f32>,
    scale: Vec<f32>,
    options: FoldOptions,
}

impl Model {
    /// Learns from pictures; `labels`: one per picture, not below `classes` where there is none.
    #[must_use]
    pub fn new(pictures: &Pictures<'_>, labels: &[u32], classes: usize, options: &FoldOptions) -> Self {
        let rows: Vec<Vec<f32>> =
            (0..pictures.len()).into_par_iter().map(|i| features(pictures, pictures.get(i))).collect();
        let dim = rows.first().map_or(0, Vec::len);
        let n = rows.len().max(1) as f64;
        let (mut sum, mut square) = (vec![0f64; dim], vec![0f64; dim]);
        for row in &rows {
            for (k, v) in row.iter().enumerate() {
                sum[k] += f64::from(*v);
                square[k] += f64::from(*v).powi(2);
            }
        }
        let mean: Vec<f32> = sum.iter().map(|s| (s / n) as f32).collect();
        let deviation = |(s, q): (&f64, &f64)| {
            let variance = q / n - (s / n).powi(2);
            if variance > 1e-12 { (1.0 / variance.sqrt()) as f32 } else { 0.0 }
        };
        let scale: Vec<f32> = sum.iter().zip(&square).map(deviation).collect();
        let standard = |row: Vec<f32>| {
            row.into_iter().enumerate().map(|(k, v)| (v - mean[k]) * scale[k]).collect::<Vec<f32>>()
        };
        let data: Vec<f32> = rows.into_iter().flat_map(standard).collect();
        let options = FoldOptions { keep_models: true, ..options.clone() };
        let fitted = out_of_fold(Rows::Dense { data: &data, dim }, labels, classes, None, &options);
        let calibration = calibrate(&[&fitted.probs], labels, classes, &CalibrateOptions::default());
        Self { fitted, calibration, classes, mean, scale, options }
    }

    /// The same model of other pictures in the place of these: the strength of the penalty is not looked for again.
    pub(crate) fn again(&self, pictures: &Pictures<'_>, labels: &[u32]) -> Self {
        let options = FoldOptions { l2: Some(self.fitted.l2), ..self.options.clone() };
        Self::new(pictures, labels, self.classes, &options)
    }

    /// Probabilities of the classes of picture `i` as it is, by the model that has not seen it.
    pub(crate) fn of(&self, i: usize) -> &[f32] {
        &self.calibration.q0[i * self.classes..(i + 1) * self.classes]
    }

    /// Probabilities of the classes of picture `i`, by the model that has not seen it, with a place painted over.
    pub(crate) fn painted_over(&self, pictures: &Pictures<'_>, i: usize, place: Place) -> Vec<f64> {
        let mut image = pictures.get(i).to_vec();
        paint(&mut image, pictures, place);
        self.probabilities(pictures, i, &image)
    }

    /// Probabilities of the classes by the model that has not seen picture `i`, of that picture as `image` shows it.
    pub(crate) fn probabilities(&self, pictures: &Pictures<'_>, i: usize, image: &[u8]) -> Vec<f64> {
        let mut x = features(pictures, image);
        x.iter_mut().zip(self.mean.iter().zip(&self.scale)).for_each(|(x, (m, s))| *x = (*x - m) * s);
        let Some(m) = self.fitted.models.get(self.fitted.fold[i] as usize) else {
            return vec![1.0 / self.classes.max(1) as f64; self.classes];
        };
        let mut z = vec![];
        for (l, b) in m.intercept.iter().enumerate() {
            let w = &m.weights[l * m.cols..(l + 1) * m.cols];
            z.push(f64::from(b + laned(w, &x, |w, x| w * x)));
        }
        self.calibration.of_logits(&mut z);
        z
    }
}

/// Fills a rectangle with what stands left and right of it, in between linearly.
fn paint(image: &mut [u8], pictures: &Pictures<'_>, place: Place) {
    let (w, c) = (pictures.width, pictures.channels);
    for y in place.top..place.top + place.height {
        for k in 0..c {
            let at = |x: usize| (y * w + x) * c + k;
            let left = place.left.checked_sub(1).map(|x| f32::from(image[at(x)]));
            let right =
                (place.left + place.width < w).then(|| f32::from(image[at(place.left + place.width)]));
            let (a, b) = (left.or(right).unwrap_or(0.0), right.or(left).unwrap_or(0.0));
            for x in 0..place.width {
                let t = (x as f32 + 1.0) / (place.width as f32 + 1.0);
                image[at(place.left + x)] = (a + t * (b - a)).round() as u8;
            }
        }
    }
}

/// For each of `CELLS * CELLS` cells: mean of each channel, and strength of edges in each direction, scaled to the picture.
fn features(pictures: &Pictures<'_>, image: &[u8]) -> Vec<f32> {
    let (w, h, c) = (pictures.width, pictures.height, pictures.channels);
    let width = c + DIRECTIONS;
    let mut out = vec![0f32; CELLS * CELLS * width];
    let mut counts = [0f32; CELLS * CELLS];
    let light = |pixel: &[u8]| pixel.iter().map(|v| f32::from(*v)).sum::<f32>() / (255 * c) as f32;
    let grey: Vec<f32> = image.chunks_exact(c.max(1)).map(light).collect();
    let grey = |x: usize, y: usize| grey[y * w + x];
    for y in 0..h {
        for x in 0..w {
            let cell = (y * CELLS / h) * CELLS + x * CELLS / w;
            counts[cell] += 1.0;
            let into = &mut out[cell * width..(cell + 1) * width];
            image[(y * w + x) * c..][..c]
                .iter()
                .zip(into.iter_mut())
                .for_each(|(v, o)| *o += f32::from(*v) / 255.0);
            let dx = grey((x + 1).min(w - 1), y) - grey(x.saturating_sub(1), y);
            let dy = grey(x, (y + 1).min(h - 1)) - grey(x, y.saturating_sub(1));
            let strength = (dx * dx + dy * dy).sqrt();
            if strength > 0.0 {
                let turn = angle(dy, dx) / std::f32::consts::TAU + 0.5;
                into[c + ((turn * DIRECTIONS as f32) as usize).min(DIRECTIONS - 1)] += strength;
            }
        }
    }
    let edges: f32 = out.chunks(width).flat_map(|f| &f[c..]).map(|v| v * v).sum::<f32>().sqrt().max(1e-3);
    for (f, n) in out.chunks_mut(width).zip(counts) {
        f[..c].iter_mut().for_each(|v| *v /= n.max(1.0));
        f[c..].iter_mut().for_each(|v| *v = (*v / edges).sqrt());
    }
    out
}
