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

/// How much fine noise each picture carries, in standard deviations of the data as they are. `twice` holds rows of
/// [`describe_twice`], of `2 * width` numbers. All 0 if there are too few pictures to learn from.
#[must_use]
pub fn excess(twice: &[f32], width: usize) -> Vec<f32> {
    let rows = twice.len() / (2 * width).max(1);
    if rows < 2 * width || width == 0 {
        return vec![0.0; rows];
    }
    let (mean, mut pooled) = spread(twice, width, 0);
    let (noisy, more) = spread(twice, width, width);
    pooled.iter_mut().zip(more).for_each(|(a, b)| *a += b);
    // a description that never varies must not decide
    let ridge = 1e-3 * (0..width).map(|j| pooled[j * width + j]).sum::<f64>() / width as f64;
    (0..width).for_each(|j| pooled[j * width + j] += ridge.max(1e-9));
    let shift: Vec<f64> = noisy.iter().zip(&mean).map(|(b, a)| b - a).collect();
    let Some(weights) = solve(&pooled, &shift) else { return vec![0.0; rows] };
    let project = |row: &[f32]| -> f64 {
        row[..width].iter().zip(&mean).zip(&weights).map(|((v, m), w)| (f64::from(*v) - m) * w).sum()
    };
    let raw: Vec<f64> = twice.chunks_exact(2 * width).map(project).collect();
    let sd = (raw.iter().map(|v| v * v).sum::<f64>() / rows as f64).sqrt().max(1e-12);
    raw.into_iter().map(|v| (v / sd) as f32).collect()
}

/// Mean and covariance of the descriptions that begin at `from` in each row.
fn spread(twice: &[f32], width: usize, from: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = || twice.chunks_exact(2 * width).map(|r| &r[from..from + width]);
    let n = rows().len().max(1) as f64;
    let mut mean = vec![0f64; width];
    rows().for_each(|r| mean.iter_mut().zip(r).for_each(|(m, v)| *m += f64::from(*v) / n));
    let mut out = vec![0f64; width * width];
    let mut off = vec![0f64; width];
    for r in rows() {
        off.iter_mut().zip(r).zip(&mean).for_each(|((o, v), m)| *o = f64::from(*v) - m);
        for (j, a) in off.iter().enumerate() {
            out[j * width..(j + 1) * width].iter_mut().zip(&off).for_each(|(o, b)| *o += a * b / n);
        }
    }
    (mean, out)
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
            let score = excess(&twice, width(channels));
            let worst = score[280..].iter().copied().fold(f32::INFINITY, f32::min);
            let above = score[..280].iter().filter(|s| **s >= worst).count();
            assert!(above <= 3, "{above} honest pictures look noisier ({channels} channels)");
        }
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
        assert!(excess(&twice, width(1)).iter().all(|s| *s == 0.0));
        assert!(excess(&[], 0).is_empty());
    }
}
