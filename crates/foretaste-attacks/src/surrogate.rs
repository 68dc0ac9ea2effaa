//! What attacks on pictures share that know a network like the victim: the network, pictures that are moved along its
//! gradients, and the target of a targeted attack.

use crate::classes;
use foretaste_core::{Batch, Ctx, Edited, Error, Image, MISSING, Picked, Pool, Probe, Result, Use};
use foretaste_num::cnn::{Cnn, Shape, TrainOptions, train};
use foretaste_num::scale::{Pixels, square_gradient, taps};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Pictures that the surrogate learns from, at most.
const ROWS: usize = 3000;
/// Sizes of the surrogate: half as wide as the victim `small-cnn`.
const CHANNELS: usize = 8;
const HIDDEN: usize = 64;
const EPOCHS: usize = 8;
/// Largest side that pictures are scaled to.
const SIDE: usize = 32;

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
    /// Trains on pictures drawn from the data by the seed, clean as they are.
    pub fn train(entry: &str, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        let labels = data.labels()?;
        let key = format!("{entry}/surrogate");
        let mut rows: Vec<(u64, u64)> = (0u64..)
            .zip(&labels)
            .filter(|(_, l)| **l != MISSING)
            .map(|(row, _)| (ctx.rng_at(&key, row).next_u64(), row))
            .collect();
        rows.sort_unstable();
        rows.truncate(ROWS);
        let mut rows: Vec<u64> = rows.into_iter().map(|r| r.1).collect();
        rows.sort_unstable();
        let picked = data.pick(&rows)?;
        let (images, labels): (Vec<&Image>, Vec<u32>) = (0..picked.len())
            .filter_map(|i| Some((picked.images.get(i)?.as_ref()?, picked.label(i))))
            .filter(|(image, _)| !image.pixels.is_empty())
            .unzip();
        let unfit = || {
            let reason =
                "no sample has both a picture and a label; give the column with pictures the role `image`";
            Error::Unfit { entry: entry.into(), reason: reason.into() }
        };
        let largest = images.iter().map(|i| i.width.max(i.height) as usize).max().ok_or_else(unfit)?;
        let side = largest.clamp(8, SIDE).next_multiple_of(4);
        let colours = if images.iter().any(|i| i.colours() >= 3) { 3 } else { 1 };
        let shape =
            Shape { side, colours, channels: CHANNELS, hidden: HIDDEN, classes: ctx.profile().classes.len() };
        let inputs: Vec<Vec<f32>> = images.par_iter().map(|image| scaled(image, side, colours)).collect();
        let options = TrainOptions {
            epochs: EPOCHS,
            seed: ctx.rng(&format!("{entry}/network")).next_u64(),
            ..TrainOptions::default()
        };
        let cnn = train(shape, &inputs.concat(), &labels, &options).ok_or_else(unfit)?;
        Ok(Self::of(&cnn))
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

    /// Pictures as the network wants them, one after another.
    fn inputs(&self, images: &[&Image]) -> Vec<f32> {
        let rows: Vec<Vec<f32>> =
            images.par_iter().map(|image| scaled(image, self.side, self.colours)).collect();
        rows.concat()
    }
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
    side: usize,
    /// Colours of the network.
    colours: usize,
}

impl<'a> Canvas<'a> {
    fn new(image: &'a Image, surrogate: &Surrogate) -> Self {
        let (channels, own) = (usize::from(image.channels).max(1), image.colours());
        let base: Vec<f32> = image
            .pixels
            .chunks_exact(channels)
            .flat_map(|p| p[..own].iter().map(|v| f32::from(*v) / 255.0))
            .collect();
        Self { image, now: base.clone(), base, side: surrogate.side, colours: surrogate.colours }
    }

    /// Mixes `opacity` of a target (`side x side x colours` as the network sees it) into what the picture was.
    pub fn watermark(&mut self, target: &[f32], opacity: f32) {
        let (w, h, own) = (self.image.width as usize, self.image.height as usize, self.image.colours());
        let (across, down) = (taps(self.side, w), taps(self.side, h));
        for (i, v) in self.base.iter_mut().enumerate() {
            let (x, y, c) = (i / own % w, i / own / w, i % own);
            let pixel = |x: usize, y: usize| {
                let pixel = &target[(y * self.side + x) * self.colours..][..self.colours];
                if own == self.colours { pixel[c] } else { pixel.iter().sum::<f32>() / self.colours as f32 }
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

    /// As the network sees it.
    fn input(&self) -> Vec<f32> {
        let (w, h, own) = (self.image.width as usize, self.image.height as usize, self.image.colours());
        let light = |x: usize, y: usize, c: usize| {
            let pixel = &self.now[(y * w + x) * own..][..own];
            match (own, self.colours) {
                (1, _) => pixel[0],
                (_, 1) => pixel.iter().zip(BRIGHTNESS).map(|(v, b)| v * b).sum(),
                _ => pixel[c],
            }
        };
        let (across, down) = (taps(w, self.side), taps(h, self.side));
        let mut wide = vec![0f32; h * self.side * self.colours];
        for (i, out) in wide.iter_mut().enumerate() {
            let (c, x, y) = (i % self.colours, i / self.colours % self.side, i / self.colours / self.side);
            *out = across[x].iter().map(|&(from, weight)| weight * light(from, y, c)).sum();
        }
        let row = self.side * self.colours;
        (0..self.side * row)
            .map(|i| down[i / row].iter().map(|&(y, weight)| weight * wide[y * row + i % row]).sum())
            .collect()
    }

    /// From a gradient of what the network sees to that of [`Canvas::now`].
    fn back(&self, d: &[f32]) -> Vec<f32> {
        let (w, h, own) = (self.image.width as usize, self.image.height as usize, self.image.colours());
        let seen = square_gradient(d, self.side, self.colours, w, h);
        match (own, self.colours) {
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
pub fn canvases<'a>(picked: &'a Picked, surrogate: &Surrogate) -> (Vec<usize>, Vec<Canvas<'a>>) {
    let seen = picked.images.iter().enumerate().filter_map(|(i, image)| Some((i, image.as_ref()?)));
    let seen = seen.filter(|(_, image)| image.width > 0 && image.height > 0 && !image.pixels.is_empty());
    seen.map(|(i, image)| (i, Canvas::new(image, surrogate))).unzip()
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

/// What the network sees of canvases, one after another.
pub fn inputs(canvases: &[Canvas<'_>]) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = canvases.par_iter().map(Canvas::input).collect();
    rows.concat()
}

/// The gradients of the canvases' values, from those of what the network sees.
pub fn back(canvases: &[Canvas<'_>], d: &[f32]) -> Vec<Vec<f32>> {
    let size = d.len().checked_div(canvases.len()).unwrap_or(0).max(1);
    canvases.par_iter().zip(d.par_chunks_exact(size)).map(|(canvas, d)| canvas.back(d)).collect()
}

/// Walks against `gradient(inputs)` by the sign of each value, with steps that fall along half a cosine and can cross the
/// ball of `epsilon` (Madry and others 2018, projected gradient descent).
pub fn descend(
    canvases: &mut [Canvas<'_>],
    epsilon: f32,
    steps: usize,
    mut gradient: impl FnMut(&[f32]) -> Vec<f32>,
) {
    for step in 0..steps {
        let d = back(canvases, &gradient(&inputs(canvases)));
        let falling = 0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());
        let length = epsilon * falling * (5.0 / steps as f32).clamp(0.02, 0.5);
        canvases.par_iter_mut().zip(d).for_each(|(canvas, d)| {
            for (v, d) in canvas.now.iter_mut().zip(d) {
                if d != 0.0 {
                    *v -= length * d.signum();
                }
            }
            canvas.project(epsilon);
        });
    }
}

/// What the author of an attack on one target writes; `targeted!(Name)` makes it an [`foretaste_core::Attack`].
pub trait Targeted: Send + Sync + 'static {
    /// Catalogue id.
    const ID: &'static str;
    /// Name of the wanted class, empty: chosen and told; and row of the target from 1, 0: drawn.
    fn target(&self) -> (&str, u64);
    /// Moves canvases of pictures of the wanted class, so that a model that learns from them misreads the target. `rows` are
    /// the rows of the pictures, to key what is random.
    fn shift(&self, aim: &Aim, cnn: &Cnn, canvases: &mut [Canvas], rows: &[u64], ctx: &Ctx);
}

/// Makes a [`Targeted`] an attack.
macro_rules! targeted {
    ($name:ty) => {
        impl ::foretaste_core::Attack for $name {
            type Plan = $crate::surrogate::Aim;

            fn threat(&self) -> ::foretaste_core::Threat {
                let goal = ::foretaste_core::Goal::Targeted;
                ::foretaste_core::Threat::content(goal, true, ::foretaste_core::Knowledge::Surrogate)
            }
            fn needs(&self) -> ::foretaste_core::Needs {
                $crate::pictures::needs().growing(::foretaste_core::Growth::Data)
            }
            fn plan(
                &self,
                data: &dyn ::foretaste_core::Pool,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Self::Plan> {
                let (class, row) = $crate::surrogate::Targeted::target(self);
                $crate::surrogate::Aim::new(Self::ID, class, row, data, ctx)
            }
            fn usable(
                &self,
                plan: &Self::Plan,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Vec<::foretaste_core::Use>> {
                Ok(plan.usable(batch))
            }
            fn craft(
                &self,
                plan: &Self::Plan,
                picked: &::foretaste_core::Picked,
                _n: u64,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Edited> {
                let (places, mut canvases) = $crate::surrogate::canvases(picked, &plan.surrogate);
                let rows: Vec<u64> = places.iter().map(|i| picked.rows[*i]).collect();
                self.shift(plan, &plan.surrogate.network()?, &mut canvases, &rows, ctx);
                Ok($crate::surrogate::edited(picked, &places, &canvases))
            }
            fn probe(
                &self,
                plan: &Self::Plan,
                held_out: &::foretaste_core::Picked,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Option<::foretaste_core::Probe>> {
                plan.probe(held_out)
            }
            fn describe(
                &self,
                plan: &Self::Plan,
                ctx: &::foretaste_core::Ctx,
            ) -> ::serde_json::Map<String, ::serde_json::Value> {
                plan.describe(ctx)
            }
        }
    };
}
pub(crate) use targeted;

/// The input that is to be misread, and the network that poison is made on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Aim {
    /// The class that the attacker wants for it.
    pub wanted: u32,
    /// Its own class.
    pub own: u32,
    /// Its row.
    row: u64,
    /// It, as the network sees it.
    pub target: Vec<f32>,
    /// The network.
    pub surrogate: Surrogate,
}

impl Aim {
    /// Trains the surrogate and draws the target. `row` counts from 1; 0 draws.
    pub fn new(entry: &str, class: &str, row: u64, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        classes::at_least_two(entry, ctx)?;
        let wanted = classes::target(class, entry, ctx)?;
        let unfit = |reason: &str| Error::Unfit { entry: entry.into(), reason: reason.into() };
        let labels = data.labels()?;
        let row = classes::target_row(entry, &format!("{entry}/target"), row, &labels, wanted, ctx)?;
        let own = labels[row as usize];
        if own == MISSING {
            return Err(unfit("the target row has no label; name another with target-row"));
        }
        let surrogate = Surrogate::train(entry, data, ctx)?;
        let picked = data.pick(&[row])?;
        let image = picked.images.first().and_then(Option::as_ref);
        let image = image.ok_or_else(|| unfit("the target has no picture; name another with target-row"))?;
        Ok(Self { wanted, own, row, target: surrogate.inputs(&[image]), surrogate })
    }

    /// Samples of the wanted class may be poisoned. The target has another one.
    pub fn usable(&self, batch: &Batch) -> Vec<Use> {
        let usage = |l: u32| if l == self.wanted { Use::Poison } else { Use::No };
        classes::labels(batch).into_iter().map(usage).collect()
    }

    /// The held-out sample of the target's class whose features are nearest to the target's.
    pub fn probe(&self, held_out: &Picked) -> Result<Option<Probe>> {
        let (places, images): (Vec<usize>, Vec<&Image>) = (0..held_out.len())
            .filter(|&i| held_out.label(i) == self.own)
            .filter_map(|i| Some((i, held_out.images.get(i)?.as_ref()?)))
            .unzip();
        let cnn = self.surrogate.network()?;
        let (aim, features) = (cnn.features(&self.target), cnn.features(&self.surrogate.inputs(&images)));
        let rows = features.chunks_exact(aim.len().max(1)).map(|row| distance(row, &aim));
        let nearest = rows.zip(&places).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        Ok(nearest.map(|(_, &i)| Probe {
            inputs: Edited {
                of: Some(vec![i]),
                images: Some(vec![held_out.images[i].clone()]),
                ..Edited::default()
            },
            wanted: vec![self.wanted],
        }))
    }

    /// Readable form.
    pub fn describe(&self, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(Some(self.own), Some(self.wanted), ctx);
        out.insert("target-row".into(), (self.row + 1).into());
        out
    }
}

/// Squared length of the difference.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small untrained network.
    pub fn network(colours: usize) -> Surrogate {
        let shape = Shape { side: 8, colours, channels: 3, hidden: 6, classes: 3 };
        Surrogate::of(&Cnn::new(shape, &vec![0.5; colours], &vec![2.0; colours], 7).unwrap())
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
            let (image, net) = (picture(11, 6, channels, 1), network(colours));
            let canvas = Canvas::new(&image, &net);
            let (one, other) = (canvas.input(), scaled(&image, 8, colours));
            assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-5), "{channels} {colours}");
            let d: Vec<f32> = (0..one.len()).map(|i| (i % 7) as f32 - 3.0).collect();
            let left: f32 = one.iter().zip(&d).map(|(a, b)| a * b).sum();
            let right: f32 = canvas.back(&d).iter().zip(&canvas.now).map(|(a, b)| a * b).sum();
            assert!((left - right).abs() < 1e-2, "{channels} {colours}: {left} {right}");
        }
    }

    #[test]
    fn rounding_stays_in_the_ball_and_poison_differs() {
        let (image, net) = (picture(9, 9, 4, 2), network(3));
        let mut canvas = Canvas::new(&image, &net);
        assert_ne!(canvas.image().pixels, image.pixels);
        canvas.now.iter_mut().enumerate().for_each(|(i, v)| *v += if i % 2 == 0 { 1.0 } else { -1.0 });
        canvas.project(8.0 / 255.0);
        let made = canvas.image();
        let furthest = made.pixels.iter().zip(&image.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(furthest, Some(8));
        assert!(made.pixels.iter().zip(&image.pixels).skip(3).step_by(4).all(|(a, b)| a == b));
    }
}
