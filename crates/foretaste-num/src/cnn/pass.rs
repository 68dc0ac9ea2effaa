//! A batch through the network and back, with the memory that it needs.

use super::layers::{Conv, Place, pool, unpool};
use super::{Cnn, Shape};
use crate::span::{Span, product};
use rayon::prelude::*;

/// Samples whose convolutions one task works on; their gradients are one partial sum.
const CHUNK: usize = 8;
/// Samples that one task takes through the hidden layer.
const ROWS: usize = 32;
/// Inputs of the hidden layer whose weight gradients one task computes.
const INPUTS: usize = 256;

/// Buffers of a batch, used again from batch to batch. [`Pass::forward`] first, then a gradient of the scores or features,
/// then [`Pass::backward`].
pub(super) struct Pass {
    shape: Shape,
    chunks: Vec<Chunk>,
    flat: Vec<f32>,
    features: Vec<f32>,
    probabilities: Vec<f32>,
    d_scores: Vec<f32>,
    d_features: Vec<f32>,
    d_flat: Vec<f32>,
    gradient: Vec<f32>,
    d_inputs: Vec<f32>,
}

/// What a chunk of samples keeps from the way forth for the way back, and room to work in.
struct Chunk {
    samples: Vec<Sample>,
    /// Output of a convolution, or gradient of its input.
    grid: Vec<f32>,
    d_first: Vec<f32>,
    d_second: Vec<f32>,
    /// Gradients of both convolutions, as the parameters lie.
    gradient: Vec<f32>,
}

/// Inputs of both convolutions with their borders, and which pixels the poolings kept.
struct Sample {
    input: Vec<f32>,
    middle: Vec<f32>,
    first_codes: Vec<u8>,
    second_codes: Vec<u8>,
}

impl Chunk {
    fn new(shape: Shape) -> Self {
        let (first, second) = (shape.first(), shape.second());
        let sample = || Sample {
            input: vec![0.0; first.padded(first.from)],
            middle: vec![0.0; second.padded(second.from)],
            first_codes: vec![0; shape.side * shape.side / 4 * first.to],
            second_codes: vec![0; shape.flat()],
        };
        let grid = first.grid(first.to.max(first.from)).max(second.grid(second.to));
        Self {
            samples: (0..CHUNK).map(|_| sample()).collect(),
            grid: vec![0.0; grid],
            d_first: vec![0.0; first.padded(first.to)],
            d_second: vec![0.0; second.padded(second.to)],
            gradient: vec![0.0; shape.parts().b2.end],
        }
    }

    fn forward(&mut self, cnn: &Cnn, inputs: &[f32], flat: &mut [f32]) {
        let (shape, parts) = (cnn.shape, cnn.shape.parts());
        let (first, second, params) = (shape.first(), shape.second(), &cnn.params);
        let rows = inputs.chunks_exact(shape.pixels()).zip(flat.chunks_exact_mut(shape.flat()));
        for (s, (input, flat)) in self.samples.iter_mut().zip(rows) {
            standardise(cnn, input, &mut s.input);
            first.forward(&s.input, &params[parts.w1.clone()], &mut self.grid);
            let place = Place::padded(second.side);
            let bias = &params[parts.b1.clone()];
            pool(&self.grid, first.side, bias, &mut s.middle, place, &mut s.first_codes);
            second.forward(&s.middle, &params[parts.w2.clone()], &mut self.grid);
            let place = Place::flat(second.side / 2);
            pool(&self.grid, second.side, &params[parts.b2.clone()], flat, place, &mut s.second_codes);
        }
    }

    /// From the gradient of what was pooled last to those of the convolutions' parameters, and of the inputs if there
    /// is room for them.
    fn backward(&mut self, cnn: &Cnn, turned: &Turned, d_flat: &[f32], mut d_inputs: Option<&mut [f32]>) {
        let (shape, parts) = (cnn.shape, cnn.shape.parts());
        let (first, second) = (shape.first(), shape.second());
        self.gradient.fill(0.0);
        let (one, two) = self.gradient.split_at_mut(parts.b1.end);
        let ((w1, b1), (w2, b2)) = (one.split_at_mut(parts.w1.end), two.split_at_mut(second.weights()));
        for (i, (s, d_flat)) in self.samples.iter().zip(d_flat.chunks_exact(shape.flat())).enumerate() {
            let place = Place::flat(second.side / 2);
            unpool(d_flat, place, &s.second_codes, second.side, &mut self.d_second, b2);
            second.weight_gradient(&s.middle, &self.d_second, w2);
            second.input_gradient(&self.d_second, &turned.second, &mut self.grid);
            let place = Place::grid(second.side);
            unpool(&self.grid, place, &s.first_codes, first.side, &mut self.d_first, b1);
            first.weight_gradient(&s.input, &self.d_first, w1);
            if let Some(d_inputs) = d_inputs.as_deref_mut() {
                first.input_gradient(&self.d_first, &turned.first, &mut self.grid);
                unstandardise(cnn, &self.grid, &mut d_inputs[i * shape.pixels()..][..shape.pixels()]);
            }
        }
    }
}

/// The kernels of both convolutions turned for the way back.
struct Turned {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Pass {
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            chunks: vec![],
            flat: vec![],
            features: vec![],
            probabilities: vec![],
            d_scores: vec![],
            d_features: vec![],
            d_flat: vec![],
            gradient: vec![0.0; shape.parameters()],
            d_inputs: vec![],
        }
    }

    /// Features and probabilities of whole pictures in `inputs`.
    pub fn forward(&mut self, cnn: &Cnn, inputs: &[f32]) {
        let (shape, parts) = (self.shape, self.shape.parts());
        let n = inputs.len() / shape.pixels();
        while self.chunks.len() < n.div_ceil(CHUNK) {
            self.chunks.push(Chunk::new(shape));
        }
        self.flat.resize(n * shape.flat(), 0.0);
        self.features.resize(n * shape.hidden, 0.0);
        self.probabilities.resize(n * shape.classes, 0.0);
        let inputs = inputs.par_chunks(CHUNK * shape.pixels());
        let work = self.chunks.par_iter_mut().zip(inputs).zip(self.flat.par_chunks_mut(CHUNK * shape.flat()));
        work.for_each(|((chunk, inputs), flat)| chunk.forward(cnn, inputs, flat));
        let (w3, b3) = (&cnn.params[parts.w3.clone()], &cnn.params[parts.b3.clone()]);
        let rows = self.features.par_chunks_mut(ROWS * shape.hidden);
        rows.zip(self.flat.par_chunks(ROWS * shape.flat())).for_each(|(features, flat)| {
            dense(flat, shape.flat(), w3, b3, features);
            features.iter_mut().for_each(|f| *f = if *f > 0.0 { *f } else { 0.0 });
        });
        let (w4, b4) = (&cnn.params[parts.w4], &cnn.params[parts.b4]);
        dense(&self.features, shape.hidden, w4, b4, &mut self.probabilities);
        self.probabilities.chunks_exact_mut(shape.classes).for_each(softmax);
    }

    pub fn features(&self) -> &[f32] {
        &self.features
    }

    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Asks for the gradient of the cross-entropy of the labels times `weight`, summed over the samples; returns the sum of
    /// the cross-entropies without the weight. Samples whose label is missing or no class count nothing.
    pub fn cross_entropy(&mut self, cnn: &Cnn, labels: &[u32], weight: f32) -> f64 {
        let (k, h) = (self.shape.classes, self.shape.hidden);
        let n = self.probabilities.len() / k;
        self.d_scores.clear();
        self.d_scores.resize(n * k, 0.0);
        let mut loss = 0f64;
        let rows = self.probabilities.chunks_exact(k).zip(self.d_scores.chunks_exact_mut(k));
        for ((p, d), &label) in rows.zip(labels) {
            let Some(own) = p.get(label as usize) else { continue };
            loss -= f64::from(own.max(f32::MIN_POSITIVE)).ln();
            d.iter_mut().zip(p).for_each(|(d, p)| *d = weight * p);
            d[label as usize] -= weight;
        }
        let w4 = Span::rows(&cnn.params[self.shape.parts().w4], h, k);
        self.d_features.resize(n * h, 0.0);
        product(Span::rows(&self.d_scores, n, k), w4.turned(), &mut self.d_features, false);
        loss
    }

    /// Asks for the gradient of `sum_ij weights[i, j] * feature_j(input i)`; weights that are missing count nothing.
    pub fn feature_functional(&mut self, weights: &[f32]) {
        self.d_scores.clear();
        self.d_scores.resize(self.probabilities.len(), 0.0);
        self.d_features.clear();
        self.d_features.extend(weights.iter().take(self.features.len()));
        self.d_features.resize(self.features.len(), 0.0);
    }

    /// The gradient with respect to all parameters, after [`Pass::backward`].
    pub fn parameter_gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// The gradient with respect to the pixels, after [`Pass::backward_to_inputs`].
    pub fn input_gradient(&self) -> &[f32] {
        &self.d_inputs
    }

    /// The way back to the parameters.
    pub fn backward(&mut self, cnn: &Cnn) {
        let (shape, parts) = (self.shape, self.shape.parts());
        let (h, k, f) = (shape.hidden, shape.classes, shape.flat());
        let n = self.features.len() / h;
        self.cut_features();
        let [w3, b3, w4, b4] = split(&mut self.gradient[parts.w3.start..], [f * h, h, h * k, k]);
        product(Span::rows(&self.features, n, h).turned(), Span::rows(&self.d_scores, n, k), w4, false);
        sum_rows(&self.d_scores, b4);
        sum_rows(&self.d_features, b3);
        let (flat, d_features) = (&self.flat, Span::rows(&self.d_features, n, h));
        w3.par_chunks_mut(INPUTS * h).enumerate().for_each(|(block, out)| {
            let first = block * INPUTS;
            let columns = flat.get(first..).unwrap_or_default();
            let a = Span { data: columns, rows: out.len() / h, cols: n, down: 1, across: f };
            product(a, d_features, out, false);
        });
        self.convolutions(cnn, false);
        let sum = &mut self.gradient[..parts.b2.end];
        sum.fill(0.0);
        for chunk in &self.chunks[..n.div_ceil(CHUNK)] {
            sum.iter_mut().zip(&chunk.gradient).for_each(|(s, g)| *s += g);
        }
    }

    /// The way back to the pixels.
    pub fn backward_to_inputs(&mut self, cnn: &Cnn) {
        self.cut_features();
        let n = self.features.len() / self.shape.hidden;
        self.d_inputs.resize(n * self.shape.pixels(), 0.0);
        self.convolutions(cnn, true);
    }

    /// Through the ReLU of the hidden layer.
    fn cut_features(&mut self) {
        self.d_features
            .iter_mut()
            .zip(&self.features)
            .for_each(|(d, f)| *d = if *f > 0.0 { *d } else { 0.0 });
    }

    /// From the hidden layer to the gradients of each chunk, and to the pixels if asked.
    fn convolutions(&mut self, cnn: &Cnn, to_inputs: bool) {
        let (shape, parts) = (self.shape, self.shape.parts());
        let (h, f) = (shape.hidden, shape.flat());
        self.d_flat.resize(self.flat.len(), 0.0);
        let w3 = Span::rows(&cnn.params[parts.w3.clone()], f, h).turned();
        let rows = self.d_flat.par_chunks_mut(ROWS * f).zip(self.d_features.par_chunks(ROWS * h));
        rows.for_each(|(out, d)| product(Span::rows(d, d.len() / h, h), w3, out, false));
        let first = if to_inputs { shape.first().turned(&cnn.params[parts.w1.clone()]) } else { vec![] };
        let turned = Turned { first, second: shape.second().turned(&cnn.params[parts.w2]) };
        let work = self.chunks.par_iter_mut().zip(self.d_flat.par_chunks(CHUNK * f));
        if to_inputs {
            let d_inputs = self.d_inputs.par_chunks_mut(CHUNK * shape.pixels());
            work.zip(d_inputs).for_each(|((c, d), out)| c.backward(cnn, &turned, d, Some(out)));
        } else {
            work.for_each(|(c, d)| c.backward(cnn, &turned, d, None));
        }
    }
}

/// `out = inputs weights + bias`, rows of `cols` inputs.
fn dense(inputs: &[f32], cols: usize, weights: &[f32], bias: &[f32], out: &mut [f32]) {
    out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
    product(Span::rows(inputs, inputs.len() / cols, cols), Span::rows(weights, cols, bias.len()), out, true);
}

fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|s| *s = (*s - top).exp());
    let sum: f32 = scores.iter().sum();
    // scores that are not finite say nothing
    if sum.is_finite() && sum > 0.0 {
        scores.iter_mut().for_each(|s| *s /= sum);
    } else {
        let even = 1.0 / scores.len() as f32;
        scores.fill(even);
    }
}

fn sum_rows(rows: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for row in rows.chunks_exact(out.len()) {
        out.iter_mut().zip(row).for_each(|(o, v)| *o += v);
    }
}

/// Cuts a slice into pieces of these lengths.
fn split<const N: usize>(mut rest: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    lengths.map(|n| {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(n);
        rest = after;
        piece
    })
}

/// Puts a picture inside the border, standardised.
fn standardise(cnn: &Cnn, input: &[f32], padded: &mut [f32]) {
    let (side, colours) = (cnn.shape.side, cnn.shape.colours);
    let rows = padded[(side + 3) * colours..].chunks_mut((side + 2) * colours);
    for (input, padded) in input.chunks_exact(side * colours).zip(rows) {
        for (i, p) in input.chunks_exact(colours).zip(padded.chunks_exact_mut(colours)) {
            for (((p, i), m), s) in p.iter_mut().zip(i).zip(&cnn.mean).zip(&cnn.scale) {
                *p = (i - m) * s;
            }
        }
    }
}

/// The gradient of standardised pixels on a grid to that of the pixels.
fn unstandardise(cnn: &Cnn, grid: &[f32], out: &mut [f32]) {
    let Conv { side, from: colours, .. } = cnn.shape.first();
    for (grid, out) in grid.chunks_exact((side + 2) * colours).zip(out.chunks_exact_mut(side * colours)) {
        for (g, o) in grid.chunks_exact(colours).zip(out.chunks_exact_mut(colours)) {
            o.iter_mut().zip(g).zip(&cnn.scale).for_each(|((o, g), s)| *o = g * s);
        }
    }
}
