//! How much fine noise pictures carry beyond what their content explains.
//!
//! A picture is described by how strongly it bends at three scales (quantiles of the mask of Immerkaer, "Fast Noise Variance
//! Estimation", 1996, equation 6). What noise does to that description is learned from the data themselves: every picture is
//! described once as it is and once with noise put over it, and the linear discriminant (Fisher, 1936) between the two is
//! the filter. So pictures with coarse weave are not taken for noisy ones: the filter looks away from how honest pictures differ.

use crate::linalg::positive::solve;
use crate::pictures::Pictures;
use crate::rng::{Rng, mix};

/// Scales, each half as fine as the one before.
const SCALES: usize = 3;
/// Quantiles of the bending.
const QUANTILES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
/// The same for colour, at two scales.
const COLOUR_SCALES: usize = 2;
const COLOUR_QUANTILES: [f64; 3] = [0.25, 0.5, 0.9];
/// Whole numbers below this are counted, not sorted.
const COUNTED: usize = 1 << 14;
/// Largest change of a value by the noise that is put over pictures, of 255.
const AMPLITUDE: f64 = 32.0;
/// Smallest side that bends at two scales.
pub const LEAST_SIDE: usize = 3 << 1;

/// Numbers that describe one picture.
#[must_use]
pub fn width(channels: usize) -> usize {
    let light = SCALES * (QUANTILES.len() + 1) + 4;
    if channels >= 3 { light + COLOUR_SCALES * COLOUR_QUANTILES.len() } else { light }
}

/// Describes picture `i` twice, [`width`] numbers each: as it is, and with noise put over it.
///
/// The noise is drawn from what the picture shows, so that it does not depend on where the picture stands.
#[must_use]
pub fn describe_twice(pictures: &Pictures<'_>, i: usize) -> Vec<f32> {
    let plain: Vec<f32> = pictures.get(i).iter().map(|v| f32::from(*v)).collect();
    let key = pictures.get(i).iter().fold(0, |h, v| mix(h ^ u64::from(*v)));
    let mut rng = Rng::new(key, "fine-noise");
    let amplitude = AMPLITUDE * (0.25 + 0.75 * rng.unit());
    let noisy: Vec<f32> = plain
        .iter()
        .map(|v| (f64::from(*v) + amplitude * (2.0 * rng.unit() - 1.0)).round().clamp(0.0, 255.0) as f32)
        .collect();
    let mut out = describe(plain, pictures);
    out.extend(describe(noisy, pictures));
    out
}

fn describe(values: Vec<f32>, shape: &Pictures<'_>) -> Vec<f32> {
    let (channels, n) = (shape.channels.max(1), values.len().max(1) as f32);
    let colours = if channels >= 3 { 3 } else { 1 };
    let mut out = Vec::with_capacity(width(channels));
    let mean = values.iter().sum::<f32>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
    let share = |of: f32| values.iter().filter(|v| **v == of).count() as f32 / n;
    let rest = [(mean + 1.0).ln(), (variance.sqrt() + 1.0).ln(), share(0.0), share(255.0)];
    // planes of light, and of what each colour differs from grey
    let plane = |c: usize| -> Vec<f32> { values.iter().skip(c).step_by(channels).copied().collect() };
    let mut light: Vec<Vec<f32>> = (0..colours).map(plane).collect();
    let mut colour = if colours == 3 {
        // three times the difference, which is a whole number
        let grey: Vec<f32> = (0..light[0].len()).map(|at| light.iter().map(|p| p[at]).sum()).collect();
        light.iter().map(|p| p.iter().zip(&grey).map(|(v, g)| 3.0 * v - g).collect()).collect()
    } else {
        vec![]
    };
    let (mut w, mut h) = (shape.width, shape.height);
    for scale in 0..SCALES {
        let bends = bending(&light, w, h);
        let mean = bends.iter().sum::<f32>() / bends.len().max(1) as f32;
        quantiles(&bends, 1.0, &QUANTILES, &mut out);
        out.push((mean + 0.5).ln());
        if scale < COLOUR_SCALES && colours == 3 {
            quantiles(&bending(&colour, w, h), 3.0, &COLOUR_QUANTILES, &mut out);
            colour = colour.iter().map(|p| halved(p, w, h)).collect();
        }
        light = light.iter().map(|p| halved(p, w, h)).collect();
        (w, h) = (w / 2, h / 2);
    }
    out.extend(rest);
    out
}

/// Size of the second difference in both directions at once, of all inner pixels of all planes.
fn bending(planes: &[Vec<f32>], w: usize, h: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(planes.len() * w * h);
    for p in planes {
        for y in 1..h.saturating_sub(1) {
            // three rows, each with its neighbours
            let [above, here, below] = [y - 1, y, y + 1].map(|y| p[y * w..][..w].windows(3));
            let row = |v: &[f32]| v[0] - 2.0 * v[1] + v[2];
            let around = above.zip(here).zip(below);
            out.extend(around.map(|((a, b), c)| (row(a) - 2.0 * row(b) + row(c)).abs()));
        }
    }
    out
}

/// Means of two by two pixels.
fn halved(p: &[f32], w: usize, h: usize) -> Vec<f32> {
    let at = |x: usize, y: usize| p[2 * y * w + 2 * x] + p[2 * y * w + 2 * x + 1];
    let of =
        |x: usize, y: usize| (at(x, y) + p[(2 * y + 1) * w + 2 * x] + p[(2 * y + 1) * w + 2 * x + 1]) / 4.0;
    (0..h / 2).flat_map(|y| (0..w / 2).map(move |x| (x, y))).map(|(x, y)| of(x, y)).collect()
}

/// Logs of ascending quantiles of values that are not negative, as of values and a half; zeros if there are none. The values are
/// those meant times `scale`.
fn quantiles(values: &[f32], scale: f32, at: &[f64], out: &mut Vec<f32>) {
    let last = values.len().saturating_sub(1) as f64;
    let places = at.iter().map(|q| (last * q).round() as usize);
    let mut push = |v: Option<f32>| out.push(v.map_or(0.0, |v| (v / scale + 0.5).ln()));
    // whole numbers are counted
    let top = values.iter().copied().fold(0.0, f32::max) as usize;
    if top < values.len().max(COUNTED) && values.iter().all(|v| *v == (*v as u16).into()) {
        let mut counts = vec![0u32; top + 1];
        values.iter().for_each(|v| counts[*v as usize] += 1);
        let (mut value, mut below) = (0, 0);
        for place in places {
            while value < top && below + counts[value] as usize <= place {
                below += counts[value] as usize;
                value += 1;
            }
            push((!values.is_empty()).then_some(value as f32));
        }
        return;
    }
    // numbers that are not negative stand in the order of their bits
    let mut bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
    let mut done = 0;
    for place in places {
        // what lies below the last quantile stays there
        let rest = &mut bits[done..];
        push((!rest.is_empty()).then(|| f32::from_bits(*rest.select_nth_unstable(place - done).1)));
        done = place;
    }
}

/// What sees fine noise in the pictures of each class: learned from the pictures of all other classes, since pictures of the class
/// may be what is looked for, and half of them noisy.
#[derive(Clone, Debug)]
pub struct Filters {
    width: usize,
    /// For each class, and last for what has none: the mean description, and the weights that give standard deviations of
    /// the pictures that it was learned from. Weights are nothing where there are too few pictures.
    parts: Vec<(Vec<f64>, Vec<f64>)>,
}

impl Filters {
    /// `twice`: rows of [`describe_twice`], of `2 * width` numbers. `labels`: one a row, not below `classes` where there is none.
    #[must_use]
    pub fn new(twice: &[f32], width: usize, labels: &[u32], classes: usize) -> Self {
        let mut own = vec![Sums::new(width); classes + 1];
        let centre = centre(twice, width);
        for (row, y) in twice.chunks_exact((2 * width).max(1)).zip(labels) {
            own[(*y as usize).min(classes)].add(row, &centre);
        }
        let mut all = Sums::new(width);
        own.iter().for_each(|s| all.join(s, 1.0));
        let filter = |class: usize| {
            let mut others = all.clone();
            if class < classes {
                others.join(&own[class], -1.0);
            }
            others.filter(&centre)
        };
        Self { width, parts: (0..=classes).map(filter).collect() }
    }

    /// How much fine noise each row of `twice` carries, as the filter of a class sees it: standard deviations of the pictures
    /// that it was learned from. All 0 if these are too few.
    #[must_use]
    pub fn scores(&self, twice: &[f32], class: u32) -> Vec<f32> {
        twice.chunks_exact((2 * self.width).max(1)).map(|row| self.score(row, class)).collect()
    }

    /// The same of one row.
    #[must_use]
    pub fn score(&self, row: &[f32], class: u32) -> f32 {
        let last = self.parts.len() - 1;
        let (mean, weights) = &self.parts[(class as usize).min(last)];
        let of = |((v, m), w): ((&f32, &f64), &f64)| (f64::from(*v) - m) * w;
        row.iter().zip(mean).zip(weights).map(of).sum::<f64>() as f32
    }
}

/// Mean description of the pictures as they are: sums of what is left of it lose nothing.
fn centre(twice: &[f32], width: usize) -> Vec<f64> {
    let rows = twice.chunks_exact((2 * width).max(1));
    let n = rows.len().max(1) as f64;
    let mut mean = vec![0f64; width];
    rows.for_each(|r| mean.iter_mut().zip(r).for_each(|(m, v)| *m += f64::from(*v) / n));
    mean
}

/// Sums of some descriptions and of their products, of pictures as they are and with noise.
#[derive(Clone)]
struct Sums {
    rows: f64,
    first: [Vec<f64>; 2],
    second: [Vec<f64>; 2],
}

impl Sums {
    fn new(width: usize) -> Self {
        let zeros = |n: usize| [vec![0f64; n], vec![0f64; n]];
        Self { rows: 0.0, first: zeros(width), second: zeros(width * width) }
    }

    fn add(&mut self, row: &[f32], centre: &[f64]) {
        let width = centre.len();
        self.rows += 1.0;
        for (part, values) in row.chunks_exact(width.max(1)).take(2).enumerate() {
            let off: Vec<f64> = values.iter().zip(centre).map(|(v, c)| f64::from(*v) - c).collect();
            self.first[part].iter_mut().zip(&off).for_each(|(s, v)| *s += v);
            for (j, a) in off.iter().enumerate() {
                self.second[part][j * width..][..width].iter_mut().zip(&off).for_each(|(s, b)| *s += a * b);
            }
        }
    }

    fn join(&mut self, other: &Self, times: f64) {
        self.rows += times * other.rows;
        for part in 0..2 {
            let pairs = self.first[part].iter_mut().zip(&other.first[part]);
            pairs
                .chain(self.second[part].iter_mut().zip(&other.second[part]))
                .for_each(|(a, b)| *a += times * b);
        }
    }

    /// Mean description, and the discriminant between pictures as they are and with noise.
    fn filter(&self, centre: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let width = centre.len();
        if self.rows < (2 * width) as f64 || width == 0 {
            return (centre.to_vec(), vec![0.0; width]);
        }
        let [plain, noisy] =
            [0, 1].map(|part| self.first[part].iter().map(|s| s / self.rows).collect::<Vec<f64>>());
        let covariance = |part: usize, mean: &[f64]| -> Vec<f64> {
            let at = |j: usize| self.second[part][j] / self.rows - mean[j / width] * mean[j % width];
            (0..width * width).map(at).collect()
        };
        let own = covariance(0, &plain);
        let mut pooled: Vec<f64> = own.iter().zip(covariance(1, &noisy)).map(|(a, b)| a + b).collect();
        // a description that never varies must not decide
        let ridge = 1e-3 * (0..width).map(|j| pooled[j * width + j]).sum::<f64>() / width as f64;
        (0..width).for_each(|j| pooled[j * width + j] += ridge.max(1e-9));
        let shift: Vec<f64> = noisy.iter().zip(&plain).map(|(b, a)| b - a).collect();
        let mean = plain.iter().zip(centre).map(|(m, c)| m + c).collect();
        let Some(mut weights) = solve(&pooled, &shift) else { return (mean, vec![0.0; width]) };
        let product = |j: usize| weights[j / width] * weights[j % width] * own[j];
        let sd = (0..width * width).map(product).sum::<f64>().max(0.0).sqrt().max(1e-12);
        weights.iter_mut().for_each(|w| *w /= sd);
        (mean, weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Soft pictures, of which those of `noisy` got noise.
    fn pictures(n: usize, side: usize, channels: usize, noisy: std::ops::Range<usize>) -> Vec<u8> {
        let mut out = Vec::with_capacity(n * side * side * channels);
        for i in 0..n {
            let mut rng = Rng::new(i as u64, "pictures");
            // light, waves and a little grain, different from picture to picture
            let (a, b, grain) = (rng.unit() * 6.0, rng.unit() * 0.9, 6.0 * rng.unit());
            for y in 0..side {
                for x in 0..side {
                    for c in 0..channels {
                        let base =
                            120.0 + 60.0 * ((x as f64 * b + a).sin() + (y as f64 * 0.3 + c as f64).cos());
                        let more = if noisy.contains(&i) { 14.0 } else { 0.0 };
                        let v = base + grain * (rng.unit() - 0.5) + more * (2.0 * rng.unit() - 1.0);
                        out.push(v.round().clamp(0.0, 255.0) as u8);
                    }
                }
            }
        }
        out
    }

    #[test]
    fn noise_is_told_from_what_the_pictures_show() {
        for channels in [1, 3] {
            let (n, side) = (300, 16);
            let pixels = pictures(n, side, channels, 280..300);
            let all = Pictures { pixels: &pixels, width: side, height: side, channels };
            let twice: Vec<f32> = (0..n).flat_map(|i| describe_twice(&all, i)).collect();
            assert_eq!(twice.len(), n * 2 * width(channels));
            let filters = Filters::new(&twice, width(channels), &vec![0; n], 0);
            let score = filters.scores(&twice, 0);
            let worst = score[280..].iter().copied().fold(f32::INFINITY, f32::min);
            let above = score[..280].iter().filter(|s| **s >= worst).count();
            assert!(above <= 3, "{above} honest pictures look noisier ({channels} channels)");
        }
    }

    #[test]
    fn half_of_a_class_does_not_teach_the_filter_of_its_class() {
        let (n, side) = (400, 16);
        let pixels = pictures(n, side, 1, 350..400);
        let all = Pictures { pixels: &pixels, width: side, height: side, channels: 1 };
        let twice: Vec<f32> = (0..n).flat_map(|i| describe_twice(&all, i)).collect();
        let labels: Vec<u32> = (0..n as u32).map(|i| u32::from(i >= 300)).collect();
        let filters = Filters::new(&twice, width(1), &labels, 2);
        // that of the class sees more than one that was learned from its pictures, too
        let least = |score: &[f32]| score[350..].iter().copied().fold(f32::INFINITY, f32::min);
        let (left_out, taught) = (filters.scores(&twice, 1), filters.scores(&twice, u32::MAX));
        assert!(least(&left_out) > 2.0 * least(&taught), "{} {}", least(&left_out), least(&taught));
        assert!(left_out[..350].iter().filter(|s| **s >= least(&left_out)).count() <= 3);
        // what is left of the sums is what the others alone give
        let alone = Filters::new(&twice[..300 * 2 * width(1)], width(1), &[0; 300], 0);
        let same = alone
            .scores(&twice, 0)
            .iter()
            .zip(&left_out)
            .all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + a.abs()));
        assert!(same);
    }

    #[test]
    fn counted_and_sorted_are_the_same() {
        let mut rng = Rng::new(4, "quantiles");
        for n in [0, 1, 2, 7, 900] {
            let whole: Vec<f32> = (0..n).map(|_| (40.0 * rng.unit()).floor() as f32).collect();
            let mut sorted = whole.clone();
            sorted.sort_by(f32::total_cmp);
            let at = |q: f64| sorted.get((f64::from(n.max(1) - 1) * q).round() as usize);
            let want: Vec<f32> =
                QUANTILES.iter().map(|q| at(*q).map_or(0.0, |v| (v / 3.0 + 0.5).ln())).collect();
            let (mut counted, mut halves) = (vec![], vec![]);
            quantiles(&whole, 3.0, &QUANTILES, &mut counted);
            assert_eq!(counted, want);
            // half numbers are not counted
            quantiles(&whole.iter().map(|v| v / 2.0).collect::<Vec<_>>(), 1.5, &QUANTILES, &mut halves);
            assert_eq!(halves, want);
        }
    }

    #[test]
    fn what_is_too_small_or_too_few_says_nothing() {
        let pixels = [7u8; 4 * 4 * 10];
        let all = Pictures { pixels: &pixels, width: 4, height: 4, channels: 1 };
        let twice: Vec<f32> = (0..10).flat_map(|i| describe_twice(&all, i)).collect();
        assert!(Filters::new(&twice, width(1), &[0; 10], 1).scores(&twice, 0).iter().all(|s| *s == 0.0));
        assert!(Filters::new(&[], 0, &[], 0).scores(&[], 7).is_empty());
    }
}
