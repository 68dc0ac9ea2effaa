//! Fine patterns that all pictures of a class have in common, whatever they show.
//!
//! The fine part of a picture is four times each inner value less its four neighbours of the same channel. The pattern of a
//! class is the mean fine part of its pictures less that of the other classes. How strongly a picture carries the pattern
//! is its fine part's coordinate along it. Edges of honest pictures are strong in one picture and weak in the next; what
//! was added to every picture is the same in all.

use crate::stats::normal_sf;
use rayon::prelude::*;

/// Fewest pictures of a class that have a pattern.
const LEAST: usize = 20;

/// What pictures of one class have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassPattern {
    /// Pictures of the class.
    pub pictures: u64,
    /// Standard deviation of the strength over its mean; infinite if the mean is not positive.
    pub variation: f64,
    /// Probability of so little variation if it were `natural`: normal approximation on the logarithm, for this class alone.
    pub p_value: f64,
    /// Pictures of the class that carry its pattern more strongly, in standard deviations, than that of any other class.
    pub named: u64,
}

/// Strengths and patterns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patterns {
    /// For each picture the strength of its class's pattern, in standard deviations of what pictures of other classes have
    /// of it, from their mean; 0 without a class.
    pub score: Vec<f32>,
    /// One entry a class.
    pub classes: Vec<ClassPattern>,
}

/// Pictures of one size, row by row, channels interleaved.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Values across.
    pub width: usize,
    /// Values down.
    pub height: usize,
    /// Values a pixel.
    pub channels: usize,
}

impl Shape {
    fn size(self) -> usize {
        self.width * self.height * self.channels
    }

    fn fine_size(self) -> usize {
        self.width.saturating_sub(2) * self.height.saturating_sub(2) * self.channels
    }

    /// The fine part of a picture.
    fn fine(self, picture: &[u8]) -> Vec<f32> {
        let across = self.width * self.channels;
        let mut out = Vec::with_capacity(self.fine_size());
        for y in 1..self.height.saturating_sub(1) {
            for x in self.channels..across.saturating_sub(self.channels) {
                let at = y * across + x;
                let v = |i: usize| f32::from(picture[i]);
                let around = v(at - across) + v(at + across) + v(at - self.channels) + v(at + self.channels);
                out.push(4.0 * v(at) - around);
            }
        }
        out
    }
}

/// Looks for the pattern of each class. A picture is judged by the pattern of the other half, so that it does not vouch for
/// itself: `half` says which of two it is in. `natural`: the variation that honest patterns have at least.
#[must_use]
pub fn class_noise(
    pixels: &[u8],
    shape: Shape,
    labels: &[u32],
    classes: usize,
    half: &[bool],
    natural: f64,
) -> Patterns {
    let n = labels.len();
    let mut out = Patterns {
        score: vec![0.0; n],
        classes: vec![ClassPattern { p_value: 1.0, ..Default::default() }; classes],
    };
    if classes < 2 || shape.fine_size() == 0 || pixels.len() != n * shape.size() || half.len() != n {
        return out;
    }
    let picture = |i: usize| &pixels[i * shape.size()..(i + 1) * shape.size()];
    let sums: Vec<[(f64, Vec<f64>); 2]> = (0..classes as u32)
        .into_par_iter()
        .map(|c| {
            [false, true].map(|h| {
                let mut sum = (0.0, vec![0f64; shape.fine_size()]);
                for i in (0..n).filter(|i| labels[*i] == c && half[*i] == h) {
                    sum.0 += 1.0;
                    sum.1.iter_mut().zip(shape.fine(picture(i))).for_each(|(s, v)| *s += f64::from(v));
                }
                sum
            })
        })
        .collect();
    let patterns: Vec<Vec<Vec<f32>>> = [0, 1].map(|h| directions(&sums, h, shape.fine_size())).into();
    // strength of every class's pattern in every picture
    let strength: Vec<Vec<f32>> = (0..n)
        .into_par_iter()
        .map(|i| {
            let fine = shape.fine(picture(i));
            let along = |d: &Vec<f32>| d.iter().zip(&fine).map(|(a, b)| f64::from(a * b)).sum::<f64>() as f32;
            patterns[usize::from(!half[i])].iter().map(along).collect()
        })
        .collect();
    for c in 0..classes {
        let of = |own: bool| {
            (0..n).filter(move |i| (labels[*i] as usize) < classes && (labels[*i] as usize == c) == own)
        };
        let own = moments(of(true).map(|i| strength[i][c]));
        let other = moments(of(false).map(|i| strength[i][c]));
        if (own.0 as usize) < LEAST || other.0 < 2.0 || other.2 <= 0.0 {
            continue;
        }
        let mean = own.1 - other.1;
        let pattern = &mut out.classes[c];
        pattern.pictures = own.0 as u64;
        pattern.variation = if mean > 0.0 { own.2 / mean } else { f64::INFINITY };
        if mean > 0.0 && own.2 > 0.0 {
            let error = (0.5 / (own.0 - 1.0) + pattern.variation.powi(2) / own.0).sqrt();
            pattern.p_value = normal_sf((natural.ln() - pattern.variation.ln()) / error);
        }
        of(true).for_each(|i| out.score[i] = ((f64::from(strength[i][c]) - other.1) / other.2) as f32);
    }
    let scale: Vec<(f64, f64)> = (0..classes)
        .map(|c| {
            let m = moments((0..n).filter(|i| labels[*i] as usize != c).map(|i| strength[i][c]));
            (m.1, m.2)
        })
        .collect();
    for i in 0..n {
        let c = labels[i] as usize;
        let z = |k: usize| {
            if scale[k].1 > 0.0 { (f64::from(strength[i][k]) - scale[k].0) / scale[k].1 } else { f64::MIN }
        };
        if c < classes && (0..classes).all(|k| k == c || z(k) < z(c)) {
            out.classes[c].named += 1;
        }
    }
    out
}

/// The direction of each class: its mean fine part less the mean of the other classes' means, of unit length.
fn directions(sums: &[[(f64, Vec<f64>); 2]], half: usize, size: usize) -> Vec<Vec<f32>> {
    let present: Vec<usize> = (0..sums.len()).filter(|c| sums[*c][half].0 > 0.0).collect();
    let mean = |c: usize, at: usize| sums[c][half].1[at] / sums[c][half].0;
    let total: Vec<f64> = (0..size).map(|at| present.iter().map(|c| mean(*c, at)).sum()).collect();
    let others = present.len().saturating_sub(1).max(1) as f64;
    (0..sums.len())
        .map(|c| {
            if sums[c][half].0 == 0.0 {
                return vec![0.0; size];
            }
            let d: Vec<f64> = (0..size).map(|at| mean(c, at) - (total[at] - mean(c, at)) / others).collect();
            let norm = d.iter().map(|v| v * v).sum::<f64>().sqrt();
            d.iter().map(|v| if norm > 0.0 { (v / norm) as f32 } else { 0.0 }).collect()
        })
        .collect()
}

/// Number, mean, standard deviation.
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f64, f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n.max(1.0);
    let squares: f64 = values.map(|v| (f64::from(v) - mean).powi(2)).sum();
    (n, mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const SHAPE: Shape = Shape { width: 9, height: 8, channels: 2 };

    /// Pictures of four classes that show bars of changing strength; with `noise`, each class has a pattern of its own added.
    fn pictures(noise: bool) -> (Vec<u8>, Vec<u32>, Vec<bool>) {
        let mut rng = Rng::new(2, "class-noise");
        let patterns: Vec<Vec<f64>> = (0..4)
            .map(|_| (0..SHAPE.size()).map(|_| if rng.unit() < 0.5 { -12.0 } else { 12.0 }).collect())
            .collect();
        let (mut pixels, mut labels, mut half) = (vec![], vec![], vec![]);
        for i in 0..480u32 {
            let class = (i % 4) as usize;
            let bar = 90.0 * rng.unit();
            for at in 0..SHAPE.size() {
                let x = at / SHAPE.channels % SHAPE.width;
                let shown = if x / 2 == class { bar } else { 0.0 } + 6.0 * rng.normal();
                pixels
                    .push((100.0 + shown + if noise { patterns[class][at] } else { 0.0 }).clamp(0.0, 255.0)
                        as u8);
            }
            labels.push(i % 4);
            half.push(rng.unit() < 0.5);
        }
        (pixels, labels, half)
    }

    #[test]
    fn added_patterns_vary_less_than_what_pictures_show() {
        let judge = |noise| {
            let (pixels, labels, half) = pictures(noise);
            class_noise(&pixels, SHAPE, &labels, 4, &half, 0.4)
        };
        let (honest, noisy) = (judge(false), judge(true));
        assert!(honest.classes.iter().all(|c| c.p_value > 0.5), "{:?}", honest.classes);
        assert!(noisy.classes.iter().all(|c| c.p_value < 1e-6 && c.named >= 119), "{:?}", noisy.classes);
    }

    #[test]
    fn the_fine_part_is_what_the_definition_says() {
        let (pixels, ..) = pictures(true);
        let fine = SHAPE.fine(&pixels[..SHAPE.size()]);
        let v = |x: usize, y: usize, c: usize| f32::from(pixels[(y * SHAPE.width + x) * SHAPE.channels + c]);
        let mut at = 0;
        for y in 1..SHAPE.height - 1 {
            for x in 1..SHAPE.width - 1 {
                for c in 0..SHAPE.channels {
                    let naive =
                        4.0 * v(x, y, c) - v(x - 1, y, c) - v(x + 1, y, c) - v(x, y - 1, c) - v(x, y + 1, c);
                    assert_eq!(fine[at], naive);
                    at += 1;
                }
            }
        }
        assert_eq!(at, fine.len());
    }

    #[test]
    fn odd_data_give_numbers() {
        let flat = Shape { width: 2, height: 2, channels: 1 };
        assert_eq!(class_noise(&[0; 8], flat, &[0, 1], 2, &[true, false], 0.4).score, [0.0, 0.0]);
        let same = Shape { width: 3, height: 3, channels: 1 };
        let labels: Vec<u32> = (0..60).map(|i| i % 3).collect();
        let found = class_noise(&[7; 540], same, &labels, 2, &[true; 60], 0.4);
        assert!(found.score.iter().all(|s| s.is_finite()));
        assert!(found.classes.iter().all(|c| c.p_value == 1.0));
    }
}
