//! Pictures of one size, and what a model sees of them: what the searches for stamps and patterns share.

mod model;

pub use model::Model;
use rayon::prelude::*;

/// Pictures of one size: row by row, channels interleaved.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
    /// `n * height * width * channels` values.
    pub pixels: &'a [u8],
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Values a pixel.
    pub channels: usize,
}

/// The tone of values as they are.
pub(crate) fn plain() -> [f32; 256] {
    std::array::from_fn(|v| v as f32)
}

impl<'a> Pictures<'a> {
    /// Values of one picture.
    #[must_use]
    pub fn size(&self) -> usize {
        self.width * self.height * self.channels
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pixels.len().checked_div(self.size()).unwrap_or(0)
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of picture `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> &'a [u8] {
        &self.pixels[i * self.size()..(i + 1) * self.size()]
    }

    /// Sum of some pictures, value by value.
    pub(crate) fn sum(&self, of: impl Iterator<Item = u32>) -> Vec<f64> {
        let mut sum = vec![0f64; self.size()];
        of.for_each(|i| {
            sum.iter_mut().zip(self.get(i as usize)).for_each(|(s, v)| *s += f64::from(*v));
        });
        sum
    }

    /// Mean picture of a group less that of the pictures that are not of its class. `total`: the sum of all.
    pub(crate) fn difference(&self, group: &[u32], class: &[u32], total: &[f64]) -> Vec<f32> {
        let (own, all) = (self.sum(group.iter().copied()), self.sum(class.iter().copied()));
        let (n, others) = (group.len().max(1) as f64, (self.len() - class.len()).max(1) as f64);
        own.iter().zip(&all).zip(total).map(|((o, a), t)| (o / n - (t - a) / others) as f32).collect()
    }

    /// Share of the values that are the least or the greatest possible: ground that is all black or white.
    pub(crate) fn bounded(&self) -> f64 {
        let at_bound = self.pixels.par_iter().filter(|v| matches!(**v, 0 | u8::MAX)).count();
        at_bound as f64 / self.pixels.len().max(1) as f64
    }

    /// Pictures in cells, each the mean of the `tone` of its pixels, centred: rows of the second number of values, at most `most`;
    /// none if that makes fewer than four cells on a side.
    pub(crate) fn coarse(&self, most: usize, tone: &[f32; 256]) -> (Vec<f32>, usize) {
        let (w, h, c) = (self.width, self.height, self.channels);
        if self.is_empty() {
            return (vec![], 0);
        }
        let most = (most / c) as f64;
        // cells keep the shape of the picture
        let across = ((most * w as f64 / h as f64).sqrt() as usize).clamp(1, w);
        let down = ((most / across as f64) as usize).clamp(1, h);
        if across < 4 || down < 4 {
            return (vec![], 0);
        }
        let dim = across * down * c;
        let mut counts = vec![0f32; across * down];
        let cell = |x: usize, y: usize| (y * down / h) * across + x * across / w;
        (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).for_each(|(x, y)| counts[cell(x, y)] += 1.0);
        let mut rows: Vec<f32> = (0..self.len())
            .into_par_iter()
            .flat_map_iter(|i| {
                let image = self.get(i);
                let mut out = vec![0f32; dim];
                for y in 0..h {
                    for x in 0..w {
                        let at = cell(x, y);
                        let values = &image[(y * w + x) * c..][..c];
                        out[at * c..][..c]
                            .iter_mut()
                            .zip(values)
                            .for_each(|(o, v)| *o += tone[usize::from(*v)] / counts[at]);
                    }
                }
                out
            })
            .collect();
        let mut mean = vec![0f64; dim];
        let n = self.len().max(1) as f64;
        rows.chunks(dim).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v) / n));
        rows.par_chunks_mut(dim).for_each(|row| row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= *m as f32));
        (rows, dim)
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Pixels from the left.
    pub left: usize,
    /// Pixels from the top.
    pub top: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}
