//! A small convolutional network for pictures, and the gradients that poisons and detectors ask of it.
//!
//! 3 x 3 convolution, ReLU, largest of 2 x 2; the same again with twice the channels; one hidden layer with ReLU, whose values
//! are the *features*; linear scores of the classes. After LeCun and others, "Gradient-based learning applied to
//! document recognition", 1998, with ReLU and max pooling.
//!
//! Pictures are `n x side x side x colours` values from 0 to 1, colours of a pixel beside each other; the network
//! standardises them itself, and all gradients with respect to inputs are in the same unit. Samples are worked on in
//! fixed chunks whose gradients are added in order: the number of threads changes no bit of any result.

mod layers;
mod pass;
mod train;

pub use train::{TrainOptions, Trainer, train};

use crate::rng::Rng;
use layers::Conv;
use pass::Pass;
use std::ops::Range;

/// The sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pixels on a side; a multiple of 4.
    pub side: usize,
    /// Values of a pixel: 1 grey, 3 colour.
    pub colours: usize,
    /// Channels of the first convolution; the second has twice as many.
    pub channels: usize,
    /// Features.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
}

impl Shape {
    /// Whether a network of these sizes can be built: none is zero, the side is a multiple of 4.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let all = [self.side, self.colours, self.channels, self.hidden, self.classes];
        all.iter().all(|&n| n > 0) && self.side.is_multiple_of(4)
    }

    /// Values of one picture.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.side * self.side * self.colours
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parts().b4.end
    }

    fn first(&self) -> Conv {
        Conv { side: self.side, from: self.colours, to: self.channels }
    }

    fn second(&self) -> Conv {
        Conv { side: self.side / 2, from: self.channels, to: 2 * self.channels }
    }

    /// Values between the second pooling and the hidden layer.
    fn flat(&self) -> usize {
        (self.side / 4) * (self.side / 4) * 2 * self.channels
    }

    fn parts(&self) -> Parts {
        let mut at = 0;
        let mut next = |n: usize| {
            at += n;
            at - n..at
        };
        Parts {
            w1: next(self.first().weights()),
            b1: next(self.first().to),
            w2: next(self.second().weights()),
            b2: next(self.second().to),
            w3: next(self.flat() * self.hidden),
            b3: next(self.hidden),
            w4: next(self.hidden * self.classes),
            b4: next(self.classes),
        }
    }
}

/// Where the weights and biases of each layer lie among the parameters.
struct Parts {
    w1: Range<usize>,
    b1: Range<usize>,
    w2: Range<usize>,
    b2: Range<usize>,
    w3: Range<usize>,
    b3: Range<usize>,
    w4: Range<usize>,
    b4: Range<usize>,
}

/// A network: its sizes, how it standardises, and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Cnn {
    shape: Shape,
    mean: Vec<f32>,
    scale: Vec<f32>,
    params: Vec<f32>,
}

impl Cnn {
    /// An untrained network with normal weights of variance 2 / inputs (He and others 2015), drawn from `seed`. Values of
    /// colour `c` are standardised as `(value - mean[c]) * scale[c]`. `None` if the sizes do not make a network.
    #[must_use]
    pub fn new(shape: Shape, mean: &[f32], scale: &[f32], seed: u64) -> Option<Self> {
        if !shape.is_valid() {
            return None;
        }
        let mut params = vec![0f32; shape.parameters()];
        let parts = shape.parts();
        let mut rng = Rng::new(seed, "cnn/weights");
        for (weights, inputs, gain) in [
            (parts.w1, 9 * shape.colours, 2.0),
            (parts.w2, 9 * shape.channels, 2.0),
            (parts.w3, shape.flat(), 2.0),
            (parts.w4, shape.hidden, 1.0),
        ] {
            let spread = (gain / inputs as f64).sqrt();
            params[weights].iter_mut().for_each(|w| *w = (spread * rng.normal()) as f32);
        }
        Self::from_parameters(shape, mean, scale, params)
    }

    /// A network with these parameters, as [`Cnn::parameters`] gave them. `None` if a length does not fit the sizes.
    #[must_use]
    pub fn from_parameters(shape: Shape, mean: &[f32], scale: &[f32], params: Vec<f32>) -> Option<Self> {
        let fits = shape.is_valid()
            && params.len() == shape.parameters()
            && mean.len() == shape.colours
            && scale.len() == shape.colours;
        fits.then(|| Self { shape, mean: mean.to_vec(), scale: scale.to_vec(), params })
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// What is taken from the values of each colour.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What they are multiplied by then.
    #[must_use]
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// All parameters: first convolution (kernel row x kernel column x from x to), its biases, the second and its
    /// biases, hidden layer (inputs x features) and biases, last layer (features x classes) and biases.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.params
    }

    /// Probabilities of the classes, `n x classes`. Inputs that are no whole pictures are cut off.
    #[must_use]
    pub fn probabilities(&self, inputs: &[f32]) -> Vec<f32> {
        self.batches(inputs, |pass, inputs, _| {
            pass.forward(self, inputs);
            pass.probabilities().to_vec()
        })
    }

    /// Values of the hidden layer after its ReLU, `n x hidden`.
    #[must_use]
    pub fn features(&self, inputs: &[f32]) -> Vec<f32> {
        self.batches(inputs, |pass, inputs, _| {
            pass.forward(self, inputs);
            pass.features().to_vec()
        })
    }

    /// Cross-entropy (nats) of each label: `n` values. Zero where a label is no class.
    #[must_use]
    pub fn losses(&self, inputs: &[f32], labels: &[u32]) -> Vec<f32> {
        let probabilities = self.probabilities(inputs);
        let rows = probabilities.chunks_exact(self.shape.classes);
        rows.zip(labels)
            .map(|(p, &y)| p.get(y as usize).map_or(0.0, |p| -p.max(f32::MIN_POSITIVE).ln()))
            .collect()
    }

    /// Gradient of each sample's own cross-entropy with respect to its pixels, shaped like `inputs`. Zero where
    /// there is no label or it is no class.
    #[must_use]
    pub fn loss_input_gradient(&self, inputs: &[f32], labels: &[u32]) -> Vec<f32> {
        self.batches(inputs, |pass, inputs, first| {
            pass.forward(self, inputs);
            pass.cross_entropy(self, labels.get(first..).unwrap_or_default(), 1.0);
            pass.backward_to_inputs(self);
            pass.input_gradient().to_vec()
        })
    }

    /// Gradient of `sum_j weights[i, j] * feature_j(input i)` with respect to the pixels of each input, shaped like
    /// `inputs`; `weights` is `n x hidden`. With `2 (f(x) - f(target))` it is the gradient of the squared distance
    /// between the features of `x` and those of a target (Shafahi and others 2018, "Poison frogs").
    #[must_use]
    pub fn feature_input_gradient(&self, inputs: &[f32], weights: &[f32]) -> Vec<f32> {
        self.batches(inputs, |pass, inputs, first| {
            pass.forward(self, inputs);
            pass.feature_functional(weights.get(first * self.shape.hidden..).unwrap_or_default());
            pass.backward_to_inputs(self);
            pass.input_gradient().to_vec()
        })
    }

    /// `1 - cos(aim, g)`, where `g` is the gradient of the mean cross-entropy with respect to all parameters, and its gradient with
    /// respect to the pixels, shaped like `inputs` (Geiping and others 2021, equation 3). `aim` is as long as the parameters.
    ///
    /// The pixels' part is a derivative of a derivative. Along a direction `w` of the parameters, the gradient of `<g, w>` is the slope
    /// of the pixels' own gradient, so two networks a small step of `w` apart give it (as in Liu and others 2019, equation 8).
    #[must_use]
    pub fn mismatch(&self, inputs: &[f32], labels: &[u32], aim: &[f32]) -> (f64, Vec<f32>) {
        let g = self.parameter_gradient(inputs, labels);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let (long, wide) = (dot(aim, aim).sqrt().max(1e-12), dot(&g, &g).sqrt().max(1e-12));
        let cos = dot(aim, &g) / (long * wide);
        // of 1 - cos with respect to g
        let w: Vec<f32> = aim
            .iter()
            .zip(&g)
            .map(|(a, g)| ((f64::from(*g) * cos / wide - f64::from(*a) / long) / wide) as f32)
            .collect();
        let step = NEAR / dot(&w, &w).sqrt().max(1e-12);
        let ahead = self.aside(&w, step as f32).loss_input_gradient(inputs, labels);
        let behind = self.aside(&w, -step as f32).loss_input_gradient(inputs, labels);
        let n = (inputs.len() / self.shape.pixels()).max(1);
        let scale = (0.5 / step / n as f64) as f32;
        (1.0 - cos, ahead.iter().zip(&behind).map(|(a, b)| scale * (a - b)).collect())
    }

    /// The network with its parameters moved along a direction.
    fn aside(&self, direction: &[f32], step: f32) -> Self {
        let params = self.params.iter().zip(direction).map(|(p, d)| p + step * d).collect();
        Self { params, mean: self.mean.clone(), scale: self.scale.clone(), shape: self.shape }
    }

    /// Gradient of the mean cross-entropy with respect to all parameters, in their order.
    #[must_use]
    pub fn parameter_gradient(&self, inputs: &[f32], labels: &[u32]) -> Vec<f32> {
        let n = inputs.len() / self.shape.pixels();
        let mut sum = vec![0f32; self.params.len()];
        let mut pass = Pass::new(self.shape);
        for (at, inputs) in inputs.chunks(BATCH * self.shape.pixels()).enumerate() {
            pass.forward(self, inputs);
            pass.cross_entropy(self, labels.get(at * BATCH..).unwrap_or_default(), 1.0 / n.max(1) as f32);
            pass.backward(self);
            sum.iter_mut().zip(pass.parameter_gradient()).for_each(|(s, g)| *s += g);
        }
        sum
    }

    /// Results of `work(pass, inputs, number of the first)` on batches of inputs, one after another.
    fn batches(&self, inputs: &[f32], work: impl Fn(&mut Pass, &[f32], usize) -> Vec<f32>) -> Vec<f32> {
        let mut pass = Pass::new(self.shape);
        let size = BATCH * self.shape.pixels();
        inputs.chunks(size).enumerate().flat_map(|(at, inputs)| work(&mut pass, inputs, at * BATCH)).collect()
    }
}

/// Length of the step between two networks whose difference is a slope.
const NEAR: f64 = 0.01;
/// Samples of one pass.
const BATCH: usize = 256;

#[cfg(test)]
mod tests;
