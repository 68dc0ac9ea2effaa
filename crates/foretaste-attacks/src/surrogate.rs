//! What attacks on pictures share that know a network like the victim: the network, and pictures that are moved along its
//! gradients.

use foretaste_core::{Ctx, Edited, Error, Image, MISSING, Picked, Pool, Result};
use foretaste_num::cnn::{Cnn, Shape, TrainOptions, train};
use foretaste_num::scale::{Pixels, square_gradient, taps};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Pictures of a sample, at most.
const ROWS: usize = 3000;
/// Networks where one is not enough.
const SOME: u64 = 4;
/// What a surrogate is, and how long it learns.
struct Recipe {
    /// Pictures that it learns from, at most.
    rows: usize,
    channels: usize,
    hidden: usize,
    epochs: usize,
}
/// Half as wide as the victim `small-cnn`.
const QUICK: Recipe = Recipe { rows: ROWS, channels: 8, hidden: 64, epochs: 8 };
/// As the victim `small-cnn`.
const LIKE_VICTIM: Recipe = Recipe { rows: 10_000, channels: 16, hidden: 128, epochs: 10 };
/// Largest side that pictures are scaled to.
const SIDE: usize = 32;

/// Labelled samples drawn from the data by the seed, [`ROWS`] at most.
pub fn sample(entry: &str, data: &dyn Pool, ctx: &Ctx) -> Result<Picked> {
    drawn(entry, ROWS, data, ctx)
}

fn drawn(entry: &str, most: usize, data: &dyn Pool, ctx: &Ctx) -> Result<Picked> {
    let labels = data.labels()?;
    let key = format!("{entry}/surrogate");
    let mut rows: Vec<(u64, u64)> = (0u64..)
        .zip(&labels)
        .filter(|(_, l)| **l != MISSING)
        .map(|(row, _)| (ctx.rng_at(&key, row).next_u64(), row))
        .collect();
    rows.sort_unstable();
    rows.truncate(most);
    let mut rows: Vec<u64> = rows.into_iter().map(|r| r.1).collect();
    rows.sort_unstable();
    data.pick(&rows)
}

/// A trained network as bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Surrogate {
    side: usize,
    colours: usize,
    channels: usize,
    hidden: usize,
    classes: usize,
    mean: Vec<f32>,
    scale: Vec<f32>,
    parameters: Vec<f32>,
}

impl Surrogate {
    /// Trains a small one on pictures drawn from the data by the seed, clean as they are.
    pub fn train(entry: &str, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        Lesson::new(entry, &QUICK, data, ctx)?.learn(&QUICK, &format!("{entry}/network"), ctx)
    }

    /// Trains some that are as large as the victim `small-cnn`, alike in all but what is random.
    pub fn train_some(entry: &str, data: &dyn Pool, ctx: &Ctx) -> Result<Vec<Self>> {
        let lesson = Lesson::new(entry, &LIKE_VICTIM, data, ctx)?;
        (0..SOME).map(|k| lesson.learn(&LIKE_VICTIM, &format!("{entry}/network-{k}"), ctx)).collect()
    }

    /// A network as bytes.
    pub fn of(cnn: &Cnn) -> Self {
        let Shape { side, colours, channels, hidden, classes } = cnn.shape();
        let (mean, scale, parameters) =
            (cnn.mean().to_vec(), cnn.scale().to_vec(), cnn.parameters().to_vec());
        Self { side, colours, channels, hidden, classes, mean, scale, parameters }
    }

    /// The network again.
    pub fn network(&self) -> Result<Cnn> {
        let Self { side, colours, channels, hidden, classes, .. } = *self;
        let shape = Shape { side, colours, channels, hidden, classes };
        let cnn = Cnn::from_parameters(shape, &self.mean, &self.scale, self.parameters.clone());
        let reason = || "the surrogate's sizes and number of parameters do not fit".to_owned();
        cnn.ok_or_else(|| Error::State { entry: "surrogate".into(), reason: reason() })
    }
}

/// What surrogates learn from.
struct Lesson<'a> {
    entry: &'a str,
    side: usize,
    colours: usize,
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

impl<'a> Lesson<'a> {
    fn new(entry: &'a str, recipe: &Recipe, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        let picked = drawn(entry, recipe.rows, data, ctx)?;
        let (images, labels): (Vec<&Image>, Vec<u32>) = (0..picked.len())
            .filter_map(|i| Some((picked.images.get(i)?.as_ref()?, picked.label(i))))
            .filter(|(image, _)| !image.pixels.is_empty())
            .unzip();
        let largest = images.iter().map(|i| i.width.max(i.height) as usize).max();
        let side = largest.ok_or_else(|| unfit(entry))?.clamp(8, SIDE).next_multiple_of(4);
        let colours = if images.iter().any(|i| i.colours() >= 3) { 3 } else { 1 };
        let inputs: Vec<Vec<f32>> = images.par_iter().map(|image| scaled(image, side, colours)).collect();
        Ok(Self { entry, side, colours, inputs: inputs.concat(), labels })
    }

    fn learn(&self, recipe: &Recipe, key: &str, ctx: &Ctx) -> Result<Surrogate> {
        let &Recipe { channels, hidden, epochs, .. } = recipe;
        let classes = ctx.profile().classes.len();
        let shape = Shape { side: self.side, colours: self.colours, channels, hidden, classes };
        let options = TrainOptions { epochs, seed: ctx.rng(key).next_u64(), ..TrainOptions::default() };
        let cnn = train(shape, &self.inputs, &self.labels, &options).ok_or_else(|| unfit(self.entry))?;
        Ok(Surrogate::of(&cnn))
    }
}

fn unfit(entry: &str) -> Error {
    let reason = "no sample has both a picture and a label; give the column with pictures the role `image`";
    Error::Unfit { entry: entry.into(), reason: reason.into() }
}

fn scaled(image: &Image, side: usize, colours: usize) -> Vec<f32> {
    let (width, height) = (image.width as usize, image.height as usize);
    Pixels { bytes: &image.pixels, width, height, channels: usize::from(image.channels) }
        .square(side, colours)
}

/// Pictures on their way from what they were to what they shall be. Values of light are from 0 to 1.
pub struct Canvas<'a> {
    image: &'a Image,
    /// What it was, plus the watermark if there is one: `height x width x colours`.
    pub base: Vec<f32>,
    /// What it is.
    pub now: Vec<f32>,
}

impl<'a> Canvas<'a> {
    /// A picture as it is.
    pub fn new(image: &'a Image) -> Self {
        let (channels, own) = (usize::from(image.channels).max(1), image.colours());
        let base: Vec<f32> = image
            .pixels
            .chunks_exact(channels)
            .flat_map(|p| p[..own].iter().map(|v| f32::from(*v) / 255.0))
            .collect();
        Self { image, now: base.clone(), base }
    }

    /// As it will be written: whole steps of light.
    fn whole(&self) -> Self {
        let now = self.now.iter().map(|v| (v * 255.0).round() / 255.0).collect();
        Self { image: self.image, base: self.base.clone(), now }
    }

    /// Whether the picture has colours.
    pub fn coloured(&self) -> bool {
        self.image.colours() >= 3
    }

    /// Mixes `opacity` of a target (`side x side x colours`) into what the picture was.
    pub fn watermark(&mut self, target: &[f32], side: usize, colours: usize, opacity: f32) {
        let (w, h, own) = (self.image.width as usize, self.image.height as usize, self.image.colours());
        let (across, down) = (taps(side, w), taps(side, h));
        for (i, v) in self.base.iter_mut().enumerate() {
            let (x, y, c) = (i / own % w, i / own / w, i % own);
            let pixel = |x: usize, y: usize| {
                let pixel = &target[(y * side + x) * colours..][..colours];
                if own == colours { pixel[c] } else { pixel.iter().sum::<f32>() / colours as f32 }
            };
            let mark: f32 = down[y]
                .iter()
                .flat_map(|&(v, b)| across[x].iter().map(move |&(u, a)| (u, v, a * b)))
                .map(|(u, v, weight)| weight * pixel(u, v))
                .sum();
            *v += opacity * (mark - *v);
        }
        self.now.clone_from(&self.base);
    }

    /// Scaled to `side x side x colours`.
    pub fn seen(&self, side: usize, colours: usize) -> Vec<f32> {
        let (w, h, own) = (self.image.width as usize, self.image.height as usize, self.image.colours());
        let light = |x: usize, y: usize, c: usize| {
            let pixel = &self.now[(y * w + x) * own..][..own];
            match (own, colours) {
                (1, _) => pixel[0],
                (_, 1) => pixel.iter().zip(BRIGHTNESS).map(|(v, b)| v * b).sum(),
                _ => pixel[c],
            }
        };
        let (across, down) = (taps(w, side), taps(h, side));
        let mut wide = vec![0f32; h * side * colours];
        for (i, out) in wide.iter_mut().enumerate() {
            let (c, x, y) = (i % colours, i / colours % side, i / colours / side);
            *out = across[x].iter().map(|&(from, weight)| weight * light(from, y, c)).sum();
        }
        let row = side * colours;
        (0..side * row)
            .map(|i| down[i / row].iter().map(|&(y, weight)| weight * wide[y * row + i % row]).sum())
            .collect()
    }

    /// From a gradient of what [`Canvas::seen`] gives to that of [`Canvas::now`].
    pub fn back(&self, d: &[f32], side: usize, colours: usize) -> Vec<f32> {
        let (w, h, own) = (self.image.width as usize, self.image.height as usize, self.image.colours());
        let seen = square_gradient(d, side, colours, w, h);
        match (own, colours) {
            (1, n) => seen.chunks_exact(n).map(|p| p.iter().sum()).collect(),
            (_, 1) => seen.iter().flat_map(|d| BRIGHTNESS.map(|b| b * d)).collect(),
            _ => seen,
        }
    }

    /// No value further than `epsilon` from what it was, and all from 0 to 1.
    pub fn project(&mut self, epsilon: f32) {
        for (v, b) in self.now.iter_mut().zip(&self.base) {
            *v = v.clamp(b - epsilon, b + epsilon).clamp(0.0, 1.0);
        }
    }

    /// The picture in whole steps of light. A picture that rounding brings back to what it was gets one step in one value:
    /// what is listed as poison differs from what it was made from.
    fn image(&self) -> Image {
        let mut out = self.image.clone();
        let (channels, own) = (usize::from(out.channels).max(1), out.colours());
        for (pixel, now) in out.pixels.chunks_exact_mut(channels).zip(self.now.chunks_exact(own)) {
            pixel.iter_mut().zip(now).for_each(|(p, v)| *p = (v * 255.0).round().clamp(0.0, 255.0) as u8);
        }
        if out.pixels == self.image.pixels
            && let Some(first) = out.pixels.first_mut()
        {
            *first = if *first == 255 { 254 } else { *first + 1 };
        }
        out
    }
}

/// Weights of red, green and blue in brightness (ITU-R BT.601), as the scaling of pictures has them.
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// The picked pictures as canvases; places of missing pictures stay out.
pub fn canvases(picked: &Picked) -> (Vec<usize>, Vec<Canvas<'_>>) {
    let seen = picked.images.iter().enumerate().filter_map(|(i, image)| Some((i, image.as_ref()?)));
    let seen = seen.filter(|(_, image)| image.width > 0 && image.height > 0 && !image.pixels.is_empty());
    seen.map(|(i, image)| (i, Canvas::new(image))).unzip()
}

/// The pictures as they are now, in the places they came from.
pub fn edited(picked: &Picked, places: &[usize], canvases: &[Canvas<'_>]) -> Edited {
    let mut images = picked.images.clone();
    let made: Vec<Image> = canvases.par_iter().map(Canvas::image).collect();
    for (place, image) in places.iter().zip(made) {
        images[*place] = Some(image);
    }
    Edited { images: Some(images), ..Edited::default() }
}

/// Canvases scaled to `side x side x colours`, one after another.
pub fn inputs(canvases: &[Canvas<'_>], side: usize, colours: usize) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = canvases.par_iter().map(|canvas| canvas.seen(side, colours)).collect();
    rows.concat()
}

/// The gradients of the canvases' values, from those of what [`inputs`] gives.
pub fn back(canvases: &[Canvas<'_>], d: &[f32], side: usize, colours: usize) -> Vec<Vec<f32>> {
    let each = canvases.par_iter().zip(d.par_chunks_exact((side * side * colours).max(1)));
    each.map(|(canvas, d)| canvas.back(d, side, colours)).collect()
}

/// Moves every value at random by up to `reach` from what it was. `rows` key what is random.
pub fn scatter(canvases: &mut [Canvas<'_>], rows: &[u64], reach: f32, key: &str, ctx: &Ctx) {
    for (canvas, row) in canvases.iter_mut().zip(rows) {
        let mut rng = ctx.rng_at(key, *row);
        for (v, b) in canvas.now.iter_mut().zip(&canvas.base) {
            *v = b + reach * (2.0 * rng.unit() as f32 - 1.0);
        }
        canvas.project(reach);
    }
}

/// Walks against `gradient(canvases)` by the sign of each value's mean gradient of late, with steps that fall along half a cosine
/// and can cross the ball of `epsilon` (Madry and others 2018; Dong and others 2018, equation 6). Gradients are taken at whole
/// steps of light, since a picture is written so, and faint edges are lost then.
pub fn descend(
    canvases: &mut [Canvas<'_>],
    epsilon: f32,
    steps: usize,
    mut gradient: impl FnMut(&[Canvas<'_>]) -> Vec<Vec<f32>>,
) {
    let mut late: Vec<Vec<f32>> = canvases.iter().map(|canvas| vec![0.0; canvas.now.len()]).collect();
    for step in 0..steps {
        let seen: Vec<Canvas<'_>> = canvases.par_iter().map(Canvas::whole).collect();
        let d = gradient(&seen);
        let falling = 0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());
        let length = epsilon * falling * (5.0 / steps as f32).clamp(0.02, 0.5);
        canvases.par_iter_mut().zip(&mut late).zip(d).for_each(|((canvas, late), d)| {
            let size = d.iter().map(|d| d.abs()).sum::<f32>() / d.len().max(1) as f32;
            let share = if size > 0.0 && size.is_finite() { size.recip() } else { 0.0 };
            for ((v, late), d) in canvas.now.iter_mut().zip(late).zip(d) {
                *late = KEPT * *late + share * d;
                if *late != 0.0 {
                    *v -= length * late.signum();
                }
            }
            canvas.project(epsilon);
        });
    }
}

/// Share of the gradients so far that counts beside the next.
const KEPT: f32 = 0.9;

/// Squared length of the difference.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small untrained network.
    pub fn network(colours: usize, seed: u64) -> Surrogate {
        let shape = Shape { side: 8, colours, channels: 3, hidden: 6, classes: 3 };
        Surrogate::of(&Cnn::new(shape, &vec![0.5; colours], &vec![2.0; colours], seed).unwrap())
    }

    /// A picture of these sizes.
    pub fn picture(width: u32, height: u32, channels: u8, seed: u32) -> Image {
        let n = width * height * u32::from(channels);
        let pixels = (0..n).map(|i| ((i * 37 + seed * 91) % 251) as u8).collect();
        Image { width, height, channels, pixels }
    }

    #[test]
    fn a_canvas_scales_as_pictures_are_scaled_and_back_is_its_transpose() {
        for (channels, colours) in [(1, 1), (1, 3), (3, 1), (3, 3), (4, 3), (2, 1)] {
            let image = picture(11, 6, channels, 1);
            let canvas = Canvas::new(&image);
            let (one, other) = (canvas.seen(8, colours), scaled(&image, 8, colours));
            assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-5), "{channels} {colours}");
            let d: Vec<f32> = (0..one.len()).map(|i| (i % 7) as f32 - 3.0).collect();
            let left: f32 = one.iter().zip(&d).map(|(a, b)| a * b).sum();
            let right: f32 = canvas.back(&d, 8, colours).iter().zip(&canvas.now).map(|(a, b)| a * b).sum();
            assert!((left - right).abs() < 1e-2, "{channels} {colours}: {left} {right}");
        }
    }

    #[test]
    fn rounding_stays_in_the_ball_and_poison_differs() {
        let image = picture(9, 9, 4, 2);
        let mut canvas = Canvas::new(&image);
        assert_ne!(canvas.image().pixels, image.pixels);
        canvas.now.iter_mut().enumerate().for_each(|(i, v)| *v += if i % 2 == 0 { 1.0 } else { -1.0 });
        canvas.project(8.0 / 255.0);
        let made = canvas.image();
        let furthest = made.pixels.iter().zip(&image.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(furthest, Some(8));
        assert!(made.pixels.iter().zip(&image.pixels).skip(3).step_by(4).all(|(a, b)| a == b));
    }
}
