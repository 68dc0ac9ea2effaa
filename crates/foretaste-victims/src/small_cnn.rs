//! A small convolutional network.

use foretaste_core::{Ctx, Error, Image, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::cnn::{Cnn, Shape, TrainOptions, train};
use foretaste_num::scale::Pixels;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A small convolutional network on pictures.
///
/// # What it is
/// The smallest of the networks that look at pictures: two convolutions of 3 x 3, each followed by a ReLU and the largest of
/// 2 x 2, a hidden layer, and scores of the classes. It learns triggers as larger networks do, in seconds. Pictures are scaled
/// to one size; grey if all training pictures are, else in colour.
///
/// # How it learns
/// Stochastic gradient descent with momentum on the cross-entropy, with a step that rises shortly and then falls to zero, on
/// pictures that are moved by a few pixels, and mirrored if asked. Weights, order and movements come from the seed; the
/// number of threads changes nothing.
///
/// # Cost
/// Epochs times pictures; with the defaults about 5,000 grey pictures of 28 x 28 a second on one core. Memory: 4 bytes
/// for each value of the scaled training pictures.
///
/// # Example
/// ```text
/// foretaste trial --data train.parquet --victim small-cnn --attack badnets
/// ```
///
/// # References
/// LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998. He, Zhang, Ren, Sun,
/// "Delving Deep into Rectifiers", 2015 (first weights). Loshchilov, Hutter, "SGDR", 2017 (falling step).
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct SmallCnn {
    /// Channels of the first convolution; the second has twice as many.
    #[param(min = 1, max = 128)]
    pub channels: usize,
    /// Values of the hidden layer.
    #[param(min = 1, max = 4096)]
    pub hidden: usize,
    /// Times that every picture is looked at.
    #[param(min = 1, max = 1000)]
    pub epochs: usize,
    /// Pictures of one step.
    #[param(min = 1, max = 4096)]
    pub batch: usize,
    /// Largest step.
    #[param(min = 0, max = 10)]
    pub learning_rate: f64,
    /// Share of the last movement that is kept.
    #[param(min = 0, max = 0.999)]
    pub momentum: f64,
    /// Squared penalty on the weights.
    #[param(min = 0, max = 1)]
    pub weight_decay: f64,
    /// Pictures are moved by up to so many pixels.
    #[param(min = 0, max = 16)]
    pub shift: usize,
    /// Mirror half of the pictures left to right.
    pub flip: bool,
    /// Side that pictures are scaled to, a multiple of 4; 0: 28 if no training picture is larger, else 32.
    #[param(min = 0, max = 128)]
    pub side: usize,
}

impl Default for SmallCnn {
    fn default() -> Self {
        let options = TrainOptions::default();
        Self {
            channels: 16,
            hidden: 128,
            epochs: options.epochs,
            batch: options.batch,
            learning_rate: 0.05,
            momentum: 0.9,
            weight_decay: 5e-4,
            shift: options.shift,
            flip: options.flip,
            side: 0,
        }
    }
}

/// A network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    side: usize,
    colours: usize,
    channels: usize,
    hidden: usize,
    classes: usize,
    mean: Vec<f32>,
    scale: Vec<f32>,
    parameters: Vec<f32>,
}

impl Model {
    fn new(cnn: &Cnn) -> Self {
        let Shape { side, colours, channels, hidden, classes } = cnn.shape();
        Self {
            side,
            colours,
            channels,
            hidden,
            classes,
            mean: cnn.mean().to_vec(),
            scale: cnn.scale().to_vec(),
            parameters: cnn.parameters().to_vec(),
        }
    }

    fn shape(&self) -> Shape {
        let &Self { side, colours, channels, hidden, classes, .. } = self;
        Shape { side, colours, channels, hidden, classes }
    }

    /// The network, for its features and gradients.
    ///
    /// # Errors
    /// If sizes and parameters do not fit, which what [`SmallCnn`] trained always does.
    pub fn network(&self) -> Result<Cnn> {
        Cnn::from_parameters(self.shape(), &self.mean, &self.scale, self.parameters.clone()).ok_or_else(|| {
            Error::State { entry: ID.into(), reason: "sizes and number of parameters do not fit".into() }
        })
    }
}

const ID: &str = "small-cnn";
/// Pictures scaled and looked at in one go.
const BATCH: usize = 1024;

fn pixels(image: &Image) -> Pixels<'_> {
    Pixels {
        bytes: &image.pixels,
        width: image.width as usize,
        height: image.height as usize,
        channels: usize::from(image.channels),
    }
}

/// Scaled pictures one after another.
fn scaled(images: &[&Image], side: usize, colours: usize) -> Vec<f32> {
    let size = side * side * colours;
    let mut out = vec![0f32; images.len() * size];
    out.par_chunks_mut(size.max(1)).zip(images).for_each(|(out, image)| {
        out.copy_from_slice(&pixels(image).square(side, colours));
    });
    out
}

impl SmallCnn {
    fn side(&self, images: &[&Image]) -> Result<usize> {
        if !self.side.is_multiple_of(4) {
            let problem = format!("`{}` is not a multiple of 4, and pictures are halved twice", self.side);
            return Err(Error::Parameter { entry: ID.into(), name: "side".into(), problem });
        }
        let largest = images.iter().map(|i| i.width.max(i.height)).max().unwrap_or(0);
        Ok(match (self.side, largest) {
            (0, ..=28) => 28,
            (0, _) => 32,
            (side, _) => side,
        })
    }
}

impl Victim for SmallCnn {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Image])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let classes = ctx.profile().classes.len();
        let (images, labels): (Vec<&Image>, Vec<u32>) = (0..samples.len())
            .filter_map(|i| Some((samples.images.get(i)?.as_ref()?, samples.label(i))))
            .filter(|(_, label)| (*label as usize) < classes)
            .unzip();
        if images.is_empty() {
            let reason = "no sample has both a picture and a label; give the column with pictures the role `image`";
            return Err(Error::Unfit { entry: ID.into(), reason: reason.into() });
        }
        let side = self.side(&images)?;
        let colours = if images.iter().any(|i| i.colours() >= 3) { 3 } else { 1 };
        let shape = Shape { side, colours, channels: self.channels, hidden: self.hidden, classes };
        let options = TrainOptions {
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate as f32,
            momentum: self.momentum as f32,
            weight_decay: self.weight_decay as f32,
            shift: self.shift,
            flip: self.flip,
            seed: ctx.rng("small-cnn/train").next_u64(),
        };
        let trained = train(shape, &scaled(&images, side, colours), &labels, &options);
        let cnn = trained.ok_or_else(|| Error::Parameter {
            entry: ID.into(),
            name: "channels".into(),
            problem: "a network needs at least one channel and one hidden value".into(),
        })?;
        Ok(Model::new(&cnn))
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let (cnn, classes) = (model.network()?, model.classes);
        // what has no picture says nothing
        let mut out = vec![1.0 / classes as f32; inputs.len() * classes];
        let seen: Vec<(usize, &Image)> = inputs
            .images
            .iter()
            .take(inputs.len())
            .enumerate()
            .filter_map(|(i, image)| Some((i, image.as_ref()?)))
            .collect();
        for part in seen.chunks(BATCH) {
            let images: Vec<&Image> = part.iter().map(|(_, image)| *image).collect();
            let probabilities = cnn.probabilities(&scaled(&images, model.side, model.colours));
            for ((i, _), p) in part.iter().zip(probabilities.chunks_exact(classes)) {
                out[i * classes..][..classes].copy_from_slice(p);
            }
        }
        Ok(Matrix::new(out, classes))
    }
}
